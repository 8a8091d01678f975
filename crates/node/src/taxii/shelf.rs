//! Finished pages that are asked for again: kept in memory and sent as they are.
//!
//! A body is found by its tag, which is that of its content, so what is found is right whatever has
//! happened since. The tag of a page is found by what was asked, and that counts only while nothing
//! that was shown has come to be shown otherwise (`Store::reshaped`): then what a page shows that
//! another one follows cannot have changed, and it is answered without a look at the index.
//!
//! INVARIANT (I6): once a withdrawal is acknowledged no page from before it is found by what was
//! asked, since the number has grown, nor by its tag, since no request has that tag any more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use store::Seq;
use uuid::Uuid;

use super::coding::Coding;
use super::limits::{KEPT_BYTES_MAX, KEPT_QUESTIONS_MAX};
use super::query::Wanted;
use super::read::Shape;
use super::tag::Tag;

/// A finished page.
#[derive(Clone)]
pub(super) struct Kept {
    /// The body, in its coding.
    pub(super) body: Bytes,
    /// The positions of its first and last record.
    pub(super) ends: Option<(Seq, Seq)>,
}

/// What was asked: of which collection, in which shape, for which page. The caller's clearance is
/// part of the page, and whoever may see the collection sees the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    collection: Uuid,
    shape: Shape,
    wanted: Wanted,
}

impl Question {
    /// The question, if its page is worth remembering: those for single objects are not.
    pub(super) fn of(collection: Uuid, shape: Shape, wanted: &Wanted) -> Option<Question> {
        wanted.ids.is_empty().then(|| Question {
            collection,
            shape,
            wanted: wanted.clone(),
        })
    }
}

/// The finished pages; the oldest are given up first.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Shelved>);

#[derive(Default)]
struct Shelved {
    bytes: usize,
    held: HashMap<(Tag, Coding), Kept>,
    order: VecDeque<(Tag, Coding)>,
    /// Tags by question, with `Store::reshaped` from before the page was gathered.
    tags: HashMap<Question, (u64, Tag)>,
}

impl Shelf {
    /// The page of this tag.
    pub(super) fn get(&self, tag: &Tag, coding: Coding) -> Option<Kept> {
        let shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelved.held.get(&(tag.clone(), coding)).cloned()
    }

    /// The tag of the page that answers a question, if it still does at `reshaped`.
    pub(super) fn tag(&self, question: &Question, reshaped: u64) -> Option<Tag> {
        let shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, tag) = shelved.tags.get(question)?;
        (*then == reshaped).then(|| tag.clone())
    }

    /// Remembers which page answers a question. `reshaped` is from before it was gathered.
    pub(super) fn answer(&self, question: Question, reshaped: u64, tag: Tag) {
        let mut shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelved.tags.len() >= KEPT_QUESTIONS_MAX {
            shelved.tags.clear();
        }
        shelved.tags.insert(question, (reshaped, tag));
    }

    /// Keeps a page.
    pub(super) fn put(&self, tag: Tag, coding: Coding, page: Kept) {
        let size = page.body.len();
        let mut shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tag, coding);
        if size > KEPT_BYTES_MAX || shelved.held.insert(key.clone(), page).is_some() {
            return;
        }
        shelved.bytes += size;
        shelved.order.push_back(key);
        while shelved.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = shelved.order.pop_front() else {
                return;
            };
            if let Some(gone) = shelved.held.remove(&oldest) {
                shelved.bytes -= gone.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Tlp;

    use super::super::query::Versions;
    use super::*;

    #[test]
    fn the_shelf_gives_up_the_oldest() {
        let shelf = Shelf::default();
        let third = || Kept {
            body: vec![0; KEPT_BYTES_MAX / 3].into(),
            ends: None,
        };
        let tag = |number: u8| Tag::of(|hash| hash(&[number]));
        for number in 1..=4 {
            shelf.put(tag(number), Coding::Gzip, third());
        }
        assert!(shelf.get(&tag(1), Coding::Gzip).is_none());
        assert!(shelf.get(&tag(4), Coding::Zstd).is_none());
        for number in 2..=4 {
            assert!(shelf.get(&tag(number), Coding::Gzip).is_some());
        }
    }

    #[test]
    fn a_question_is_answered_only_to_the_same_clearance_and_before_anything_changes() {
        let shelf = Shelf::default();
        let question = |clearance| {
            let wanted = Wanted {
                after: None,
                limit: 10,
                ids: Vec::new(),
                kinds: Vec::new(),
                versions: Versions::Last,
                stix_21: true,
                clearance,
            };
            Question::of(Uuid::nil(), Shape::Envelope, &wanted).unwrap()
        };
        let tag = Tag::of(|hash| hash(b"page"));
        shelf.answer(question(Tlp::Green), 7, tag.clone());
        assert_eq!(shelf.tag(&question(Tlp::Green), 7), Some(tag));
        assert_eq!(shelf.tag(&question(Tlp::Green), 8), None);
        assert_eq!(shelf.tag(&question(Tlp::Clear), 7), None);
    }
}
