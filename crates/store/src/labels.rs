//! Labels: what applies to a record, and which records somebody may read.
//!
//! Objects fall into few label classes, so a label is worked out once a class and remembered, and
//! so is whether a class is readable up to a level. What is remembered counts under one way of
//! reading markings and one set of marking definitions; when either changes it is worked out anew.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use model::{Id, Label, MarkingMeaning, Object, Tlp};

use crate::error::StoreError;
use crate::index::{Judged, Key, Paged, Row, Shown};
use crate::limits::{JUDGEMENTS_MAX, LABEL_CLASSES_MAX};
use crate::shared::{Shared, lock};
use crate::types::{Collection, LogName, Page, Query, Record};

/// Before an assigned label that what an object states can only make stricter.
pub(crate) const AT_LEAST: &str = ">=";

/// Effective labels by reading, assigned label, marking references and the record's channel.
type LabelMemo = HashMap<(u64, Arc<str>, Arc<str>, Option<Collection>), Arc<Label>>;

/// How marking definitions are read: what is said by those that `model` understands, and perhaps
/// by others through a nation's equivalence table. Each reading has a number of its own, so that
/// labels worked out under one are never taken for those of another.
pub struct Reading {
    number: u64,
    read: Box<dyn Fn(&Object) -> MarkingMeaning + Send + Sync>,
}

impl Reading {
    /// Reads marking definitions with this function.
    pub fn new(read: impl Fn(&Object) -> MarkingMeaning + Send + Sync + 'static) -> Arc<Reading> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Reading {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            read: Box::new(read),
        })
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({})", self.number)
    }
}

/// What is remembered about labels.
pub(crate) struct Labels {
    memo: Mutex<LabelMemo>,
    reading: RwLock<Arc<Reading>>,
    /// Counts the commits that brought or took marking definitions.
    definitions: AtomicU64,
    /// Counts what may have changed how, or to whom, something is shown that was shown before.
    reshaped: AtomicU64,
    judged: Mutex<HashMap<(Collection, Tlp), Judgement>>,
}

/// Which classes of a collection are readable up to a level.
#[derive(Clone, Default)]
struct Judgement {
    /// The reading and the definitions that it counts under.
    under: (u64, u64),
    classes: Arc<Judged>,
}

impl Labels {
    pub(crate) fn new() -> Labels {
        Labels {
            memo: Mutex::default(),
            reading: RwLock::new(Reading::new(MarkingMeaning::of)),
            definitions: AtomicU64::new(1),
            reshaped: AtomicU64::new(0),
            judged: Mutex::default(),
        }
    }

    /// After a commit: forgets what it may have made wrong.
    pub(crate) fn committed(&self, rows: &[Row]) {
        let of_definitions = |row: &Row| match row {
            Row::Show { kind, .. }
            | Row::State {
                kind, after: None, ..
            } => **kind == *"marking-definition",
            _ => false,
        };
        if rows.iter().any(of_definitions) {
            self.definitions.fetch_add(1, Ordering::AcqRel);
            lock(&self.memo).clear();
        }
        let reshapes = |row: &Row| matches!(row, Row::State { .. }) || of_definitions(row);
        if rows.iter().any(reshapes) {
            self.reshaped.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn reading(&self) -> Arc<Reading> {
        let reading = self.reading.read();
        reading.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// From now on marking definitions are read in this way.
    pub(crate) fn read_markings(&self, reading: Arc<Reading>) {
        let mut held = self.labels.reading.write();
        **held.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()) = reading;
        drop(held);
        lock(&self.labels.memo).clear();
        self.labels.reshaped.fetch_add(1, Ordering::AcqRel);
    }

    /// See `Store::reshaped`.
    pub(crate) fn reshaped(&self) -> u64 {
        self.labels.reshaped.load(Ordering::Acquire)
    }

    /// One page of a collection, under the level that the query states.
    pub(crate) fn page(&self, collection: &Collection, query: &Query) -> Result<Page, StoreError> {
        let Some(level) = query.up_to.filter(|level| *level < Tlp::Red) else {
            return match self.index.page(collection, query, None)? {
                Paged::Page(page) => Ok(page),
                Paged::Unjudged(_) => Ok(Page::default()),
            };
        };
        let key = (collection.clone(), level);
        // One reading and one set of definitions for the whole page, whatever changes meanwhile.
        let reading = self.labels.reading();
        let under = (
            reading.number,
            self.labels.definitions.load(Ordering::Acquire),
        );
        let known = lock(&self.labels.judged).get(&key).cloned();
        let known = known.filter(|known| known.under == under);
        let mut classes = known.map(|known| known.classes).unwrap_or_default();
        loop {
            let unjudged = match self.index.page(collection, query, Some(&classes))? {
                Paged::Page(page) => return Ok(page),
                Paged::Unjudged(unjudged) => unjudged,
            };
            // A class is never taken away, so this ends when no new one has come in between.
            let channel = matches!(collection, Collection::Channel { .. }).then_some(collection);
            let mut more = Judged::clone(&classes);
            for class in unjudged {
                let label = self.label_of(&class.assigned, &class.marks, channel, &reading)?;
                more.insert(class.number, label.tlp <= level);
            }
            classes = Arc::new(more);
            let mut judged = lock(&self.labels.judged);
            if judged.len() >= JUDGEMENTS_MAX {
                judged.clear();
            }
            let classes = Arc::clone(&classes);
            judged.insert(key.clone(), Judgement { under, classes });
        }
    }

    /// The label that applies to a record: what was assigned, and the object's own markings.
    pub(crate) fn label(&self, record: &Record) -> Result<Arc<Label>, StoreError> {
        self.label_read(record, &self.labels.reading())
    }

    /// The label that would apply if marking definitions were read in this way.
    pub(crate) fn label_read(
        &self,
        record: &Record,
        reading: &Reading,
    ) -> Result<Arc<Label>, StoreError> {
        let channel = record.log.as_ref().map(LogName::collection);
        self.label_of(&record.assigned, &record.marks, channel.as_ref(), reading)
    }

    fn label_of(
        &self,
        assigned: &Arc<str>,
        marks: &Arc<str>,
        channel: Option<&Collection>,
        reading: &Reading,
    ) -> Result<Arc<Label>, StoreError> {
        let class = (
            reading.number,
            assigned.clone(),
            marks.clone(),
            channel.cloned(),
        );
        let definitions = self.labels.definitions.load(Ordering::Acquire);
        if let Some(label) = lock(&self.labels.memo).get(&class) {
            return Ok(label.clone());
        }
        let damaged = |problem: String| {
            StoreError::corrupt(format!("the label {assigned} with {marks}"), problem)
        };
        let (least, text) = match class.1.strip_prefix(AT_LEAST) {
            Some(text) => (true, text),
            None => (false, &*class.1),
        };
        let assigned = Label::parse(text).map_err(|error| damaged(error.to_string()))?;
        let markings = class
            .2
            .split_ascii_whitespace()
            .map(Id::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| damaged(error.to_string()))?;
        // A marking whose definition is not held may arrive later, so its class is not memoised.
        let settled = Cell::new(true);
        let failed = Cell::new(None);
        let lookup = |id: &Id| match self.marking(id, channel, reading) {
            Ok(meaning) => {
                settled.set(settled.get() && meaning.is_some());
                meaning
            }
            Err(error) => {
                failed.set(Some(error));
                None
            }
        };
        let mut label = model::label_of(&markings, &lookup, &assigned);
        if least {
            label = label.combine(&assigned);
        }
        let label = Arc::new(label);
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let mut labels = lock(&self.labels.memo);
        if settled.get() && definitions == self.labels.definitions.load(Ordering::Acquire) {
            if labels.len() >= LABEL_CLASSES_MAX {
                labels.clear();
            }
            labels.insert(class, label.clone());
        }
        Ok(label)
    }

    /// What a marking means: as the nation has it, or for a channel's record as the channel shows
    /// it. Never as some partner's log has it for a record of the nation: what may leave is not
    /// for others to say (I2).
    fn marking(
        &self,
        id: &Id,
        channel: Option<&Collection>,
        reading: &Reading,
    ) -> Result<Option<MarkingMeaning>, StoreError> {
        let held = self.index.held(&[Key::of(id)])?.pop().unwrap_or_default();
        let counts = |shown: &Shown| {
            shown.collection == Collection::National || Some(&shown.collection) == channel
        };
        let Some(held) = held
            .into_iter()
            .rev()
            .find(|held| held.shown.iter().any(counts))
        else {
            return Ok(None);
        };
        let body = self.bodies(&[held.object])?.pop().unwrap_or_default();
        let definition = Object::parse(&body)
            .map_err(|refusal| StoreError::corrupt(id.to_string(), refusal.to_string()))?;
        Ok(Some((reading.read)(&definition)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::State;

    #[test]
    fn only_what_brings_or_takes_a_definition_has_labels_worked_out_anew() {
        let labels = Labels::new();
        let after = |kind: &str, after: Option<State>| {
            labels.committed(&[Row::State {
                collection: Collection::National,
                seq: 1,
                kind: kind.into(),
                before: State::Latest,
                after,
            }]);
            let definitions = labels.definitions.load(Ordering::Acquire);
            (definitions, labels.reshaped.load(Ordering::Acquire))
        };
        assert_eq!(after("indicator", None), (1, 1));
        assert_eq!(after("marking-definition", Some(State::Older)), (1, 2));
        assert_eq!(after("marking-definition", None), (2, 3));
    }
}
