//! Whom an object may be released to: member codes, and groups that an accord defines.
//!
//! A label may name `@accord/group`. What the group holds is the accord's to say and may change
//! with its next version, so the name is kept and resolved each time it is asked, with the
//! [`Groups`] of the accord under which a release happens. Whatever cannot be resolved withholds:
//! an unknown or empty group holds nobody where it permits, and everybody where it excludes.
//!
//! Codes and names are ASCII by construction: a code that only looks like another's is refused
//! where it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::limits::GROUP_PART_BYTES_MAX;

/// Named groups of members, by full name (`@accord/group`). Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups(Arc<BTreeMap<String, BTreeSet<String>>>);

impl Groups {
    /// Adds a group, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, members: BTreeSet<String>) {
        Arc::make_mut(&mut self.0).insert(name.into(), members);
    }

    /// The members of a group. `None`: not known here.
    pub fn get(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name)
    }

    /// Every group with its members, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0
            .iter()
            .map(|(name, members)| (name.as_str(), members))
    }
}

/// Whom an object may be released to.
///
/// A *clause* is a set of member codes and group names: it holds whoever is named, or is in a
/// group that is named. Clauses that name groups cannot be intersected before the groups are
/// known, so a combination of labels may keep several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Releasable {
    /// Any member of any accord.
    Everyone,
    /// Those in this clause. Empty: nobody.
    Members(BTreeSet<String>),
    /// Those in every one of these clauses, two or more. Build it with [`Releasable::all_of`],
    /// which keeps the one normal form. Empty: nobody.
    AllOf(BTreeSet<BTreeSet<String>>),
}

impl Releasable {
    /// To nobody.
    pub fn nobody() -> Releasable {
        Releasable::Members(BTreeSet::new())
    }

    /// To those in every one of these clauses, in normal form: clauses of codes alone are
    /// intersected, and a clause that another one implies is left out. No clause at all: nobody.
    pub fn all_of(clauses: impl IntoIterator<Item = BTreeSet<String>>) -> Releasable {
        let mut codes: Option<BTreeSet<String>> = None;
        let mut kept: BTreeSet<BTreeSet<String>> = BTreeSet::new();
        for clause in clauses {
            if clause.iter().any(|one| one.starts_with('@')) {
                kept.insert(clause);
            } else {
                codes = Some(match codes {
                    Some(codes) => codes.intersection(&clause).cloned().collect(),
                    None => clause,
                });
            }
        }
        kept.extend(codes);
        let implied = |clause: &BTreeSet<String>| {
            kept.iter()
                .any(|other| other != clause && other.is_subset(clause))
        };
        let mut minimal: BTreeSet<_> = kept.iter().filter(|one| !implied(one)).cloned().collect();
        if minimal.len() > 1 {
            Releasable::AllOf(minimal)
        } else {
            Releasable::Members(minimal.pop_first().unwrap_or_default())
        }
    }

    /// The clauses, all of which have to hold. `Everyone` has none.
    pub fn clauses(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        let (one, several) = match self {
            Releasable::Everyone => (None, None),
            Releasable::Members(clause) => (Some(clause), None),
            Releasable::AllOf(clauses) => (None, Some(clauses)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// Whether the member with this code may have the object, given the groups that are known.
    pub fn includes(&self, code: &str, groups: &Groups) -> bool {
        match self {
            Releasable::Everyone => true,
            Releasable::Members(clause) => clause_holds(clause, code, groups),
            Releasable::AllOf(clauses) => {
                !clauses.is_empty()
                    && clauses
                        .iter()
                        .all(|clause| clause_holds(clause, code, groups))
            }
        }
    }

    /// The same and this member, in every clause.
    #[must_use]
    pub fn including(&self, code: &str) -> Releasable {
        match self {
            Releasable::Everyone => Releasable::Everyone,
            Releasable::AllOf(none) if none.is_empty() => {
                Releasable::all_of([[code.to_owned()].into()])
            }
            several => Releasable::all_of(several.clauses().map(|clause| {
                let mut clause = clause.clone();
                clause.insert(code.to_owned());
                clause
            })),
        }
    }

    /// Those that both allow.
    #[must_use]
    pub fn intersect(&self, other: &Releasable) -> Releasable {
        match (self, other) {
            (Releasable::Everyone, Releasable::Everyone) => Releasable::Everyone,
            // An `AllOf` without a clause is nobody, and must not vanish among other clauses.
            (Releasable::AllOf(none), _) | (_, Releasable::AllOf(none)) if none.is_empty() => {
                Releasable::nobody()
            }
            _ => Releasable::all_of(self.clauses().chain(other.clauses()).cloned()),
        }
    }
}

fn clause_holds(clause: &BTreeSet<String>, code: &str, groups: &Groups) -> bool {
    // Nobody's code is a group's name.
    !code.starts_with('@')
        && clause.iter().any(|one| {
            one == code
                || (one.starts_with('@')
                    && groups.get(one).is_some_and(|group| group.contains(code)))
        })
}

/// Whether this exclusion list shuts out the member with this code. A group that is not known, or
/// holds nobody, shuts out everybody: the order cannot be carried out, so nothing is.
pub(crate) fn excludes(list: &BTreeSet<String>, code: &str, groups: &Groups) -> bool {
    list.iter().any(|one| {
        one == code
            || (one.starts_with('@')
                && groups
                    .get(one)
                    .is_none_or(|group| group.is_empty() || group.contains(code)))
    })
}

/// Whether `code` can be a member's code: 2 to 16 of A-Z, 0-9 and hyphen.
pub fn is_member_code(code: &str) -> bool {
    (2..=16).contains(&code.len())
        && code
            .bytes()
            .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-'))
}

/// Whether `name` can be a group's full name: `@accord/group`, each part 1 to 64 of a-z, 0-9 and
/// hyphen.
pub fn is_group_name(name: &str) -> bool {
    let part = |part: &str| {
        (1..=GROUP_PART_BYTES_MAX).contains(&part.len())
            && part
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    name.strip_prefix('@')
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(accord, group)| part(accord) && part(group))
}

/// Whether `text` can stand in a clause or an exclusion list.
pub(crate) fn is_recipient(text: &str) -> bool {
    is_member_code(text) || is_group_name(text)
}
