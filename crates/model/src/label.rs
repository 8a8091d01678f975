//! Labels: what may be done with an object, as one value.
//!
//! Combining two labels gives one that allows nothing which either forbids. `combine` is the join
//! of a semilattice (associative, commutative, idempotent, monotone; property-tested), so the
//! order in which markings are met never matters.
//!
//! | part | text | combined |
//! |---|---|---|
//! | TLP 2.0 level | `TLP:GREEN` | the higher |
//! | PAP level | `PAP:AMBER` | the higher |
//! | releasable to | `REL KZ,@pact/east & UZ,@pact/west` (`*` everyone, `-` nobody) | whom both allow |
//! | not releasable to | `NOT KG,@pact/observers` | all |
//! | caveats | `CAVEAT ORCON` | all |
//! | purposes | `PURPOSE ct` (absent: any) | the common ones |
//! | legal basis | `LEGAL act 12-3` (absent: none stated) | the common ones |
//! | expiry | `EXPIRES 2026-12-01T00:00:00Z` (absent: never) | the earlier |
//! | exercise | `EXERCISE` | if either |
//!
//! The text is the sections joined by `//`, the same in logs, on the command line and on pages.
//! Without REL, TLP:CLEAR is for everyone and every other level for nobody. A legal basis is what
//! *permits*, so having none in common is the strictest; a purpose list *limits*, so having none
//! in common is for nobody.

mod level;
mod recipients;
mod text;

use std::collections::{BTreeSet, HashSet};

pub use level::{Pap, PapError, Tlp, TlpError};
pub(crate) use recipients::is_recipient;
pub use recipients::{Groups, Releasable, is_group_name, is_member_code};
pub use text::LabelError;
pub(crate) use text::{decode_word, encode_word};

use crate::limits::{LABEL_BYTES_MAX, LABEL_CLAUSES_MAX, LABEL_WORD_BYTES_MAX};
use crate::time::Timestamp;

/// The purpose that stands for "no common purpose is left". It is never given to a member or a
/// query, so what carries only it serves no purpose at all.
pub const PURPOSE_NONE: &str = "none";

/// The caveat of originator control: whoever received the object passes it to nobody.
pub const CAVEAT_ORCON: &str = "ORCON";

/// The caveat that forbids passing on outside the recipient.
pub const CAVEAT_NO_ONWARD: &str = "NO-ONWARD";

/// What may be done with an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// How far it may be passed on.
    pub tlp: Tlp,
    /// What may be done with it where an adversary could notice.
    pub pap: Pap,
    /// Whom it may be released to.
    pub releasable_to: Releasable,
    /// Whom it must not be released to, whatever `releasable_to` says: codes and groups.
    pub not_releasable_to: BTreeSet<String>,
    /// Handling caveats: every one binds whoever holds the object.
    pub caveats: BTreeSet<String>,
    /// Purposes it may be used for. Empty: any.
    pub purposes: BTreeSet<String>,
    /// What the law allows its release by. Empty: nothing is stated.
    pub legal_basis: BTreeSet<String>,
    /// From this instant on it is released to nobody. Absent: never.
    pub expires: Option<Timestamp>,
    /// Part of an exercise: never mixed with what is real (I9).
    pub exercise: bool,
}

impl Label {
    /// A label that states a level and recipients and nothing else.
    pub fn new(tlp: Tlp, releasable_to: Releasable) -> Label {
        Label {
            tlp,
            pap: Pap::Clear,
            releasable_to,
            not_releasable_to: BTreeSet::new(),
            caveats: BTreeSet::new(),
            purposes: BTreeSet::new(),
            legal_basis: BTreeSet::new(),
            expires: None,
            exercise: false,
        }
    }

    /// The label of what nobody may have: TLP:RED, released to nobody.
    pub fn nobody() -> Label {
        Label::new(Tlp::Red, Releasable::nobody())
    }

    /// Whether the label lets the member with this code have the object, as far as recipients go:
    /// named or in a group that is, and neither excluded nor in a group that is. Expiry is asked
    /// with [`Label::expired`].
    pub fn releases_to(&self, code: &str, groups: &Groups) -> bool {
        self.releasable_to.includes(code, groups)
            && !recipients::excludes(&self.not_releasable_to, code, groups)
    }

    /// Whether the label has run out at `now`.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Whether a caveat is there, in any case of its letters.
    pub fn has_caveat(&self, caveat: &str) -> bool {
        self.caveats
            .iter()
            .any(|one| one.eq_ignore_ascii_case(caveat))
    }

    /// Whether the text form stays within `LABEL_BYTES_MAX`, so that others can read it. A label
    /// that was read always does; a combination of many may not.
    pub fn is_writable(&self) -> bool {
        let words = [
            &self.not_releasable_to,
            &self.caveats,
            &self.purposes,
            &self.legal_basis,
        ];
        let words = words.into_iter().chain(self.releasable_to.clauses());
        // Every byte escaped, a separator after each word, and room for the section names.
        let most: usize = words.flatten().map(|word| 3 * word.len() + 3).sum();
        most + 160 <= LABEL_BYTES_MAX || self.to_string().len() <= LABEL_BYTES_MAX
    }

    /// The least strict label that is as strict as both; the table above says how each part
    /// combines. Two labels without a common purpose combine to nobody and `PURPOSE_NONE`.
    #[must_use]
    pub fn combine(&self, other: &Label) -> Label {
        let mut releasable_to = self.releasable_to.intersect(&other.releasable_to);
        let purposes = common_purposes(&self.purposes, &other.purposes).unwrap_or_else(|| {
            releasable_to = Releasable::nobody();
            BTreeSet::from([PURPOSE_NONE.to_owned()])
        });
        Label {
            tlp: self.tlp.max(other.tlp),
            pap: self.pap.max(other.pap),
            releasable_to,
            not_releasable_to: union(&self.not_releasable_to, &other.not_releasable_to),
            caveats: union(&self.caveats, &other.caveats),
            purposes,
            legal_basis: common(&self.legal_basis, &other.legal_basis),
            expires: [self.expires, other.expires].into_iter().flatten().min(),
            exercise: self.exercise || other.exercise,
        }
    }

    /// Whether this label allows nothing that `other` forbids.
    pub fn is_as_strict_as(&self, other: &Label) -> bool {
        // Combined with itself it is in normal form, as a combination always is.
        self.combine(other) == self.combine(self)
    }
}

/// The label of a container (a report, a bundle, a grouping) from its own label and those of what
/// it holds, each with whether that is about a person (see [`crate::about_person`]): the stricter
/// of all. A legal basis is asked for persons, so parts that are about none leave it alone.
///
/// Parts that would leave more than `LABEL_CLAUSES_MAX` clauses over groups make it for nobody.
#[must_use]
pub fn container_label(own: &Label, parts: impl IntoIterator<Item = (Label, bool)>) -> Label {
    let mut label = own.clone();
    // Thousands of parts share a few labels.
    let distinct: HashSet<(Label, bool)> = parts.into_iter().collect();
    for (mut part, about_person) in distinct {
        if !about_person {
            part.legal_basis = label.legal_basis.clone();
        }
        label = label.combine(&part);
        if label.releasable_to.clauses().count() > LABEL_CLAUSES_MAX {
            label = label.combine(&Label::nobody());
        }
    }
    label
}

/// The part of a label that one marking states. `None` leaves a field to other markings and, when
/// none states it, to the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialLabel {
    /// See `Label::tlp`.
    pub tlp: Option<Tlp>,
    /// See `Label::pap`.
    pub pap: Option<Pap>,
    /// See `Label::releasable_to`.
    pub releasable_to: Option<Releasable>,
    /// See `Label::not_releasable_to`.
    pub not_releasable_to: Option<BTreeSet<String>>,
    /// See `Label::caveats`.
    pub caveats: Option<BTreeSet<String>>,
    /// See `Label::purposes`.
    pub purposes: Option<BTreeSet<String>>,
    /// See `Label::legal_basis`.
    pub legal_basis: Option<BTreeSet<String>>,
    /// See `Label::expires`. To state "never" is to state nothing.
    pub expires: Option<Timestamp>,
    /// See `Label::exercise`.
    pub exercise: Option<bool>,
}

impl PartialLabel {
    /// What two markings of one object state together: the stricter of each field.
    #[must_use]
    pub fn combine(&self, other: &PartialLabel) -> PartialLabel {
        let mut releasable_to = both(
            &self.releasable_to,
            &other.releasable_to,
            Releasable::intersect,
        );
        let purposes = both(&self.purposes, &other.purposes, |a, b| {
            common_purposes(a, b).unwrap_or_else(|| {
                releasable_to = Some(Releasable::nobody());
                BTreeSet::from([PURPOSE_NONE.to_owned()])
            })
        });
        PartialLabel {
            tlp: both(&self.tlp, &other.tlp, |a, b| *a.max(b)),
            pap: both(&self.pap, &other.pap, |a, b| *a.max(b)),
            releasable_to,
            not_releasable_to: both(&self.not_releasable_to, &other.not_releasable_to, union),
            caveats: both(&self.caveats, &other.caveats, union),
            purposes,
            legal_basis: both(&self.legal_basis, &other.legal_basis, common),
            expires: both(&self.expires, &other.expires, |a, b| *a.min(b)),
            exercise: both(&self.exercise, &other.exercise, |a, b| *a || *b),
        }
    }

    /// The whole label: fields that are not stated come from `default`. Three things that a
    /// default says cannot be unsaid by an object: whom it excludes, when it expires, exercise.
    #[must_use]
    pub fn or_default(self, default: &Label) -> Label {
        let mut not_releasable_to = default.not_releasable_to.clone();
        not_releasable_to.extend(self.not_releasable_to.into_iter().flatten());
        Label {
            tlp: self.tlp.unwrap_or(default.tlp),
            pap: self.pap.unwrap_or(default.pap),
            releasable_to: self
                .releasable_to
                .unwrap_or_else(|| default.releasable_to.clone()),
            not_releasable_to,
            caveats: self.caveats.unwrap_or_else(|| default.caveats.clone()),
            purposes: self.purposes.unwrap_or_else(|| default.purposes.clone()),
            legal_basis: self
                .legal_basis
                .unwrap_or_else(|| default.legal_basis.clone()),
            expires: [self.expires, default.expires].into_iter().flatten().min(),
            exercise: self.exercise.unwrap_or_default() || default.exercise,
        }
    }
}

fn both<T: Clone>(a: &Option<T>, b: &Option<T>, combine: impl FnOnce(&T, &T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(combine(a, b)),
        (stated, None) | (None, stated) => stated.clone(),
    }
}

fn union(a: &BTreeSet<String>, b: &BTreeSet<String>) -> BTreeSet<String> {
    a.union(b).cloned().collect()
}

fn common(a: &BTreeSet<String>, b: &BTreeSet<String>) -> BTreeSet<String> {
    a.intersection(b).cloned().collect()
}

/// The purposes that both sets allow, an empty set allowing any. `None`: there is no common one.
fn common_purposes(a: &BTreeSet<String>, b: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    if a.is_empty() || b.is_empty() {
        return Some(if a.is_empty() { b } else { a }.clone());
    }
    let shared = common(a, b);
    (!shared.is_empty()).then_some(shared)
}

/// Whether `word` can be a caveat, a purpose or a legal basis.
pub(crate) fn is_word(word: &str) -> bool {
    (1..=LABEL_WORD_BYTES_MAX).contains(&word.len())
}

#[cfg(test)]
pub(crate) mod tests;
