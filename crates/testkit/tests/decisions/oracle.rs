//! What is right, from the words of the design and from nothing of the program.
//!
//! I1: an object is in a channel only if every member of that channel is in the object's
//! releasable-to set, the label is not above the channel's ceiling, the kind is allowed, and the
//! exercise flag agrees (I9). A channel is in force once two of its members have ratified; a label
//! that has run out, or that nobody could read, releases nothing; a group that nobody knows holds
//! nobody where it lets in and everybody where it shuts out.

use std::collections::{BTreeMap, BTreeSet};

use model::Tlp;
use policy::authority::{Duty, Outcome, Person};

use super::draw::{Moment, Named};
use super::rules::{Demands, Question, RuleFile};

/// The answer that is expected, with the demands of whatever lets it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) needs: BTreeMap<Duty, u32>,
    pub(crate) redact: BTreeSet<String>,
}

/// The hard rule, I1 and I9.
pub(crate) fn hard(q: &Question<'_>) -> bool {
    let (object, treaty, stream) = (q.object, q.treaty, q.stream());
    let group = |at: usize| treaty.groups.get(at).copied().flatten();
    let named = |clause: &Named| {
        let groups = (0..8).filter(|at| clause.groups >> at & 1 == 1);
        groups.fold(clause.codes, |codes, at| codes | group(at).unwrap_or(0))
    };
    let cleared = object.cleared.iter().flatten().map(named);
    let cleared = cleared.fold(u8::MAX, |all, clause| all & clause);
    let unknown = (0..8).any(|at| object.excluded.groups >> at & 1 == 1 && group(at).is_none());
    let excluded = if unknown {
        u8::MAX
    } else {
        named(&object.excluded)
    };
    (stream.members & treaty.ratified).count_ones() >= 2
        && stream.members & !cleared == 0
        && stream.members & excluded == 0
        && object.tlp <= stream.ceiling
        && stream
            .kinds
            .is_none_or(|kinds| kinds >> object.kind & 1 == 1)
        && object.exercise == stream.exercise
        && object.expires.is_none_or(|at| q.moment.at < at)
        && !object.endless
}

/// What a person gets: nothing without a duty; without proof, what both they and their proven self
/// would get, under the demands of both.
fn person(rules: &RuleFile, q: &Question<'_>, person: &Person) -> Option<Demands> {
    if person.duties.is_empty() {
        return None;
    }
    let asked = Question {
        person: Some(person),
        ..*q
    };
    let (mut needs, mut redact) = rules.open(&asked)?;
    if !person.proven {
        let proven = Person {
            proven: true,
            ..person.clone()
        };
        let (more, further) = rules.open(&Question {
            person: Some(&proven),
            ..*q
        })?;
        for (duty, count) in more {
            let held = needs.entry(duty).or_insert(0);
            *held = (*held).max(count);
        }
        redact.extend(further);
    }
    Some((needs, redact))
}

/// What automation gets, within the bounds that are configured for the channel.
fn automation(rules: &RuleFile, q: &Question<'_>) -> Option<Demands> {
    let (kinds, ceiling) = q.stream().auto?;
    let within = kinds.is_none_or(|kinds| kinds >> q.object.kind & 1 == 1);
    let asked = Question { person: None, ..*q };
    (within && q.object.tlp <= ceiling).then(|| rules.open(&asked))?
}

/// Somebody whom nothing but the rules can stop.
pub(crate) fn trusted(duties: BTreeSet<Duty>) -> Person {
    Person {
        name: "a releaser".to_owned(),
        duties,
        clearance: Tlp::Red,
        proven: true,
    }
}

/// The whole decision.
pub(crate) fn verdict(rules: &RuleFile, q: &Question<'_>) -> Verdict {
    let closed = |outcome| Verdict {
        outcome,
        needs: BTreeMap::new(),
        redact: BTreeSet::new(),
    };
    if !hard(q) {
        return closed(Outcome::Refuse);
    }
    let open = match q.person {
        Some(who) => person(rules, q, who),
        None => automation(rules, q),
    };
    if let Some((needs, redact)) = open {
        let outcome = if needs.is_empty() {
            Outcome::Permit
        } else {
            Outcome::Approval
        };
        return Verdict {
            outcome,
            needs,
            redact,
        };
    }
    // What automation may not do waits for a person, if there is one who could release it alone.
    let moment = Moment {
        objects: 1,
        ..q.moment
    };
    let alone = Question { moment, ..*q };
    let could = |duties| person(rules, &alone, &trusted(duties)).is_some();
    let waits = could(BTreeSet::from([Duty::Releaser])) || could(BTreeSet::from(Duty::ALL));
    closed(if q.person.is_none() && waits {
        Outcome::Wait
    } else {
        Outcome::Refuse
    })
}
