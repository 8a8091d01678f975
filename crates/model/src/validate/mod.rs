//! Whether data is as STIX 2.1 says it should be.
//!
//! Not on the way in: a node takes objects by `Object::parse`, which asks only for what the node
//! relies on. This module holds an object up to the whole standard and tells, for each difference,
//! the place, the rule, the section and how much it weighs. Tables say what each type consists of
//! (`tables`), one reader applies them (`walk`), and functions say what tables cannot (`objects`,
//! `common`, `document`). Two modes differ in weight alone, never in what is found.
//!
//! Bounded: time grows with the size of the data, findings stop at `FINDINGS_MAX` an object and
//! `REPORT_FINDINGS_MAX` a text, and no check goes deeper than the tables or the value given.

mod common;
mod deterministic;
mod document;
mod objects;
mod pattern;
mod relationships;
mod report;
mod rules;
mod shape;
mod tables;
mod text;
mod vocabulary;
mod walk;

use serde_json::Value;

use crate::bundle::bundle;
use crate::class::Class;
use crate::object::Object;
use crate::refusal::Refusal;

pub use deterministic::deterministic_id;
pub use report::{Finding, Mode, Report, Severity};
pub use rules::{RULES, Rule, Weight};

use report::{Findings, Place};
use walk::Walk;

/// Says what is wrong with a STIX pattern, in one clause.
pub type PatternCheck = fn(&str) -> Result<(), String>;

/// Holds data up to STIX 2.1.
#[derive(Debug, Clone, Copy)]
pub struct Validator {
    mode: Mode,
    pattern: PatternCheck,
}

impl Validator {
    /// A validator with a light check of patterns (brackets, quotes, comments).
    pub fn new(mode: Mode) -> Validator {
        Validator {
            mode,
            pattern: pattern::look,
        }
    }

    /// The same, asking `parser` about patterns.
    #[must_use]
    pub fn with_pattern_parser(self, parser: PatternCheck) -> Validator {
        Validator {
            pattern: parser,
            ..self
        }
    }

    /// Checks a text: a bundle, a TAXII envelope, an array of objects or one object. Pointers count
    /// from its top. What no node takes in is an error in both modes.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn text(&self, bytes: &[u8]) -> Result<Report, Refusal> {
        let mut refused = Vec::new();
        let whole = bundle(bytes, |_, object| {
            if let Err(refusal) = object {
                refused.push(refusal);
            }
        });
        match whole {
            Err(refusal) if refusal.hides_the_end() => return Err(refusal),
            Err(refusal) => refused.push(refusal),
            Ok(_) => {}
        }
        let mut out = Findings::new(self.mode);
        // What this reader cannot read has been refused above.
        if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
            document::check(self, &mut out, &value);
        }
        out.refuse(&refused);
        Ok(out.finish())
    }

    /// Checks one object that a node would take. Pointers count from its top.
    pub fn object(&self, object: &Object) -> Report {
        // INVARIANT: an `Object` is canonical JSON, at most 64 deep.
        let value = serde_json::from_slice(object.bytes()).unwrap_or(Value::Null);
        self.value(&value)
    }

    /// Checks one object that has been read already. Pointers count from its top. What no node
    /// takes in is not asked here.
    pub fn value(&self, value: &Value) -> Report {
        let mut out = Findings::new(self.mode);
        self.object_at(&mut out, value, &Place::Top(""));
        out.finish()
    }

    /// Checks one object that stands at `place`.
    fn object_at(&self, out: &mut Findings, value: &Value, place: &Place<'_>) {
        out.object();
        self.one(out, value, place, None);
    }

    fn one(
        &self,
        out: &mut Findings,
        value: &Value,
        place: &Place<'_>,
        keys: Option<&walk::Members>,
    ) {
        let Some(map) = value.as_object() else {
            return out.add(&rules::KIND, place, "an object is needed here");
        };
        let kind = match map.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) => return out.add(&rules::KIND, &place.key("type"), "a string is needed here"),
            None => {
                return out.add(
                    &rules::REQUIRED,
                    &place.key("type"),
                    "type is required and missing",
                );
            }
        };
        let shape = tables::shape(kind);
        let mut walk = Walk {
            out,
            defanged: map.get("defanged") == Some(&Value::Bool(true)),
            keys,
            extended: common::extension_types(map)
                .any(|kind| kind == "toplevel-property-extension"),
        };
        walk.identity(kind, shape, map, place);
        match shape {
            Some(shape) => walk.shape(shape, map, place),
            None => {
                let observable = common::is_own_observable(map);
                let rows = if observable {
                    tables::CORE_SCO
                } else {
                    tables::CORE
                };
                walk.rows(rows, "3.2", map, place);
                for (name, value) in walk::members(map) {
                    if !rows.iter().any(|row| row.name == name) {
                        walk.own(name, value, &place.key(name));
                    }
                }
            }
        }
        if Class::of(kind) != Class::Sco {
            walk.order("3.2", map, ("created", "modified", true), place);
            walk.external_references(kind, map, place);
        }
        walk.extensions(shape, map, place);
        walk.granular_markings(value, map, place);
        objects::check(&mut walk, self, kind, map, place);
        if kind == "observed-data" && keys.is_none() {
            self.observed(out, map, place);
        }
    }

    /// The deprecated `objects` of observed data: observables that refer to each other by key.
    fn observed(&self, out: &mut Findings, map: &walk::Members, place: &Place<'_>) {
        let Some(objects) = map.get("objects") else {
            return;
        };
        let here = place.key("objects");
        let Some(objects) = objects.as_object() else {
            return out.add(&rules::KIND, &here, "a dictionary is needed here");
        };
        if objects.is_empty() {
            out.add(&rules::DICTIONARY_EMPTY, &here, "the dictionary is empty");
        }
        for (key, object) in walk::members(objects) {
            self.one(out, object, &here.key(key), Some(objects));
        }
    }
}

/// Counts looks at data, for tests that show that they do not grow with its square.
#[cfg(test)]
mod steps {
    use std::cell::Cell;

    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    /// One more look.
    pub(super) fn count() {
        LOOKS.set(LOOKS.get() + 1);
    }

    /// The looks of this thread since it was last asked.
    pub(super) fn taken() -> usize {
        LOOKS.take()
    }
}

#[cfg(test)]
mod tests;
