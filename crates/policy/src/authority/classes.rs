//! Label classes: what a decision can tell apart about objects, numbered.
//!
//! Objects share few distinct labels, so a million of them make a few hundred classes. Numbers are
//! small and dense, so that the memo is an array.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use model::Label;

use crate::authority::facts::{Facts, Originator};
use crate::authority::limits::CLASSES_MAX;

/// Everything that a decision can see of an object, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// The effective label.
    pub label: Label,
    /// The STIX type.
    pub kind: String,
    /// Whether it tells about a natural person.
    pub about_person: bool,
    /// The partner whose object it is; absent: our own.
    pub originator: Option<String>,
}

impl Class {
    /// The class of these facts.
    pub fn of(facts: &Facts<'_>) -> Class {
        Class {
            label: facts.label.clone(),
            kind: facts.kind.to_owned(),
            about_person: facts.about_person,
            originator: match facts.originator {
                Originator::Own => None,
                Originator::Member(code) => Some(code.to_owned()),
            },
        }
    }

    /// The facts of every object in the class.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            label: &self.label,
            kind: &self.kind,
            about_person: self.about_person,
            originator: match &self.originator {
                None => Originator::Own,
                Some(code) => Originator::Member(code),
            },
        }
    }

    fn is_of(&self, facts: &Facts<'_>) -> bool {
        let ours = self.facts();
        ours.kind == facts.kind
            && ours.about_person == facts.about_person
            && ours.originator == facts.originator
            && ours.label == facts.label
    }
}

/// Classes in the order in which they were first met.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    classes: Vec<Class>,
    counts: Vec<u64>,
    /// Hash of the facts to the classes that have it; nearly always one.
    index: HashMap<u64, Vec<u32>, RandomState>,
    /// Labels come from outside, so the hash has a secret of this process.
    hasher: RandomState,
}

impl Classes {
    /// The number of the class of one more object. Absent when there are too many classes; such an
    /// object is decided by itself.
    pub fn count(&mut self, facts: &Facts<'_>) -> Option<u32> {
        self.count_many(facts, 1)
    }

    /// The same for several objects of one class.
    pub fn count_many(&mut self, facts: &Facts<'_>, objects: u64) -> Option<u32> {
        let hash = hash(&self.hasher, facts);
        let numbers = self.index.entry(hash).or_default();
        for number in numbers.iter() {
            let at = *number as usize;
            if let (Some(class), Some(count)) = (self.classes.get(at), self.counts.get_mut(at))
                && class.is_of(facts)
            {
                *count = count.saturating_add(objects);
                return Some(*number);
            }
        }
        let number = u32::try_from(self.classes.len()).ok()?;
        if self.classes.len() == CLASSES_MAX {
            return None;
        }
        numbers.push(number);
        self.classes.push(Class::of(facts));
        self.counts.push(objects);
        Some(number)
    }

    /// The classes with how many objects each has, by number.
    pub fn iter(&self) -> impl Iterator<Item = (&Class, u64)> {
        self.classes.iter().zip(self.counts.iter().copied())
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

fn hash(hasher: &RandomState, facts: &Facts<'_>) -> u64 {
    let mut hasher = hasher.build_hasher();
    facts.label.hash(&mut hasher);
    facts.kind.hash(&mut hasher);
    facts.about_person.hash(&mut hasher);
    facts.originator.hash(&mut hasher);
    hasher.finish()
}
