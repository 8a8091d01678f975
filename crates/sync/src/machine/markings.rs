//! Objects whose own markings are stricter than the label in their entry.
//!
//! `policy::admissible` compares TLP markings, which everybody knows by id. Other markings are
//! objects themselves and travel in the log like any other. Where such a marking is held, or came
//! earlier in this pull, the hard rule is asked again with what it says: an object that its own
//! marking withholds from a member of the channel, or marks as exercise (I9), is not shown however
//! its entry labels it. A marking that has not arrived says nothing yet; the entry's label stands.
//!
//! Objects share few sets of markings, so the answer is remembered for each set and label.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Id, Label, MarkingMeaning, Object, label_of};
use policy::{Subject, releasable};
use store::{Collection, Store, StoreError};

use super::verify::Piece;
use super::{Clock, View, blocking};
use crate::error::PullError;
use crate::limits::{MARKING_CLASSES_MAX, MARKINGS_MAX};

/// What is known of markings in the course of one pull.
pub(super) struct Markings {
    store: Store,
    view: View,
    clock: Clock,
    collection: Collection,
    /// What a marking means; `None`: not held.
    meanings: HashMap<Id, Option<MarkingMeaning>>,
    /// Why objects of a class are withheld, if they are.
    classes: HashMap<Class, Option<String>>,
}

/// What the answer for an object depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Class {
    markings: Box<[Id]>,
    label: String,
    kind: String,
}

impl Class {
    fn of(object: &Object, label: &str) -> Class {
        Class {
            markings: object.marking_refs().into(),
            label: label.to_owned(),
            kind: object.kind().to_owned(),
        }
    }

    fn is(&self, object: &Object, label: &str) -> bool {
        *self.markings == *object.marking_refs()
            && self.label == label
            && self.kind == object.kind()
    }
}

impl Markings {
    pub(super) fn new(store: &Store, view: &View, clock: &Clock) -> Markings {
        Markings {
            store: store.clone(),
            collection: view.log.collection(),
            view: view.clone(),
            clock: Arc::clone(clock),
            meanings: HashMap::new(),
            classes: HashMap::new(),
        }
    }

    /// Drops from the piece what its markings withhold. Pieces must come in the order of the log.
    pub(super) async fn judge(mut self, mut piece: Piece) -> Result<(Markings, Piece), PullError> {
        let marked = |object: &Object| {
            !object.marking_refs().is_empty() || object.kind() == "marking-definition"
        };
        if !piece.found.objects.iter().flatten().any(marked) {
            return Ok((self, piece));
        }
        blocking(move || {
            self.judge_now(&mut piece)?;
            Ok((self, piece))
        })
        .await?
    }

    fn judge_now(&mut self, piece: &mut Piece) -> Result<(), StoreError> {
        for object in piece.found.objects.iter().flatten() {
            self.learn(object);
        }
        // Neighbours are mostly of one class, so that the last answer is tried first.
        let mut last: Option<(Class, Option<String>)> = None;
        for place in 0..piece.found.objects.len() {
            let entry = &piece.entries[place];
            let Some(object) = &piece.found.objects[place] else {
                continue;
            };
            if object.marking_refs().is_empty() {
                continue;
            }
            if !last
                .as_ref()
                .is_some_and(|(class, _)| class.is(object, &entry.label))
            {
                let class = Class::of(object, &entry.label);
                let answer = self.withheld(&class)?;
                last = Some((class, answer));
            }
            if let Some((_, Some(reason))) = &last {
                piece
                    .found
                    .refuse(piece.from + place as u64, reason.clone());
                piece.found.objects[place] = None;
            }
        }
        Ok(())
    }

    /// Notes what a marking that came in this pull means. The first one stands, as in the store.
    fn learn(&mut self, object: &Object) {
        if object.kind() != "marking-definition" {
            return;
        }
        self.make_room();
        let meaning = self.meanings.entry(object.id().clone()).or_default();
        if meaning.is_none() {
            *meaning = Some(MarkingMeaning::of(object));
            self.classes.clear();
        }
    }

    /// Why objects of this class are withheld by their own markings, if they are.
    fn withheld(&mut self, class: &Class) -> Result<Option<String>, StoreError> {
        if let Some(answer) = self.classes.get(class) {
            return Ok(answer.clone());
        }
        for marking in &class.markings {
            if !self.meanings.contains_key(marking) {
                self.make_room();
                let meaning = self.look_up(marking)?;
                self.meanings.insert(marking.clone(), meaning);
            }
        }
        let meanings = &self.meanings;
        let lookup = |id: &Id| match meanings.get(id) {
            Some(Some(meaning)) => Some(meaning.clone()),
            _ => Some(MarkingMeaning::Statement),
        };
        let answer = match Label::parse(&class.label) {
            Err(_) => Some("the entry's label cannot be read".to_owned()),
            Ok(label) => {
                let own = label_of(&class.markings, &lookup, &label).combine(&label);
                let subject = Subject {
                    label: &own,
                    kind: &class.kind,
                    now: (self.clock)(),
                };
                releasable(&subject, &self.view.channel())
                    .err()
                    .and_then(|reasons| reasons.into_iter().next())
                    .map(|reason| format!("by its own markings: {reason}"))
            }
        };
        if self.classes.len() >= MARKING_CLASSES_MAX {
            self.classes.clear();
        }
        self.classes.insert(class.clone(), answer.clone());
        Ok(answer)
    }

    fn look_up(&self, marking: &Id) -> Result<Option<MarkingMeaning>, StoreError> {
        // What this channel shares comes first; the nation's own copy may be all there is.
        let record = match self.store.latest(&self.collection, marking)? {
            None => self.store.latest(&Collection::National, marking)?,
            shared => shared,
        };
        let Some(record) = record else {
            return Ok(None);
        };
        let bodies = self.store.bodies(std::slice::from_ref(&record))?;
        let object = bodies.first().and_then(|body| Object::parse(body).ok());
        // Held but not readable is not the same as not held: an order that cannot be read.
        Ok(Some(object.map_or(MarkingMeaning::Unknown, |object| {
            MarkingMeaning::of(&object)
        })))
    }

    fn make_room(&mut self) {
        if self.meanings.len() >= MARKINGS_MAX {
            self.meanings.clear();
        }
    }
}
