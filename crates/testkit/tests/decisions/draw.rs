//! Nations as plain numbers: accords, labels, people and circumstances that a seed decides.
//!
//! What is drawn stays in bits (bit `i` of a set is item `i` of `SIX`), so that the oracle can work
//! out what is right without asking any type of the program.

use std::collections::BTreeSet;

use model::{Label, Pap, Releasable, Timestamp, Tlp};
use policy::authority::{Circumstances, Class, Duty, Person};
use policy::{Accord, Attribution, Delegate, Group, Hide, Kinds, ReleaseMode};
use testkit::{KINDS, Rng, SIX, accord, channel};

pub(crate) const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];
const PAPS: [Pap; 4] = [Pap::Clear, Pap::Green, Pap::Amber, Pap::Red];
pub(crate) const PURPOSES: [&str; 2] = ["ct", "relief"];

/// 2026-03-02T00:00:00Z, a Monday.
pub(crate) const MONDAY: i128 = 1_772_409_600;

/// Names in a label beyond the codes: the accord's three groups, and one that no accord has.
pub(crate) const GROUPS: [&str; 4] = ["@steppe/g0", "@steppe/g1", "@steppe/g2", "@other/g0"];

/// Codes and groups that a label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Named {
    pub(crate) codes: u8,
    pub(crate) groups: u8,
}

/// A label and the rest of what a decision sees of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Drawn {
    pub(crate) tlp: usize,
    pub(crate) pap: usize,
    /// Absent: everyone.
    pub(crate) cleared: Option<Vec<Named>>,
    pub(crate) excluded: Named,
    pub(crate) orcon: bool,
    pub(crate) purposes: u8,
    pub(crate) legal: bool,
    /// Seconds after `MONDAY`.
    pub(crate) expires: Option<i128>,
    pub(crate) exercise: bool,
    /// Its text is longer than any reader takes.
    pub(crate) endless: bool,
    pub(crate) kind: usize,
    pub(crate) about_person: bool,
    /// A partner's, by place in `SIX`.
    pub(crate) partner: Option<usize>,
}

/// A channel of a nation's accord.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) members: u8,
    pub(crate) kinds: Option<u8>,
    pub(crate) ceiling: usize,
    pub(crate) exercise: bool,
    pub(crate) hides: bool,
    /// Kinds and ceiling of automation; absent: manual.
    pub(crate) auto: Option<(Option<u8>, usize)>,
}

/// An accord, and who has ratified it.
#[derive(Clone, Debug)]
pub(crate) struct Treaty {
    pub(crate) members: usize,
    pub(crate) ratified: u8,
    /// Absent: the accord has no such group.
    pub(crate) groups: [Option<u8>; 3],
    pub(crate) streams: Vec<Stream>,
    pub(crate) purposes: u8,
}

/// When, how much, on whose behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds after `MONDAY`.
    pub(crate) at: i128,
    pub(crate) offset: Option<i32>,
    pub(crate) objects: u64,
    pub(crate) delegated: bool,
}

pub(crate) fn set(bits: u8, items: &[&str]) -> BTreeSet<String> {
    let chosen = items
        .iter()
        .enumerate()
        .filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, item)| (*item).to_owned()).collect()
}

fn bits(rng: &mut Rng, width: usize) -> u8 {
    // Mostly full: with even chances nearly nothing would be releasable.
    let all = ((1u16 << width) - 1) as u8;
    let some = rng.next() as u8 & all;
    if rng.one_in(3) {
        some
    } else {
        some | rng.next() as u8 & all | rng.next() as u8 & all
    }
}

pub(crate) fn time(seconds: i128) -> Timestamp {
    Timestamp::from_unix_nanos((MONDAY + seconds) * 1_000_000_000)
}

impl Named {
    fn draw(rng: &mut Rng) -> Named {
        let groups = if rng.one_in(2) {
            rng.next() as u8 & 15
        } else {
            0
        };
        Named {
            codes: bits(rng, SIX.len()),
            groups,
        }
    }

    fn words(self) -> BTreeSet<String> {
        let mut words = set(self.codes, &SIX);
        words.extend(set(self.groups, &GROUPS));
        words
    }
}

impl Drawn {
    pub(crate) fn draw(rng: &mut Rng) -> Drawn {
        let cleared = match rng.below(4) {
            0 => None,
            1 => Some(vec![Named::draw(rng), Named::draw(rng)]),
            _ => Some(vec![Named::draw(rng)]),
        };
        let sparse = Named {
            codes: 1 << rng.below(6),
            groups: 1 << rng.below(4),
        };
        Drawn {
            tlp: rng.below(3) + rng.below(3),
            pap: rng.below(4),
            cleared,
            excluded: Named {
                codes: if rng.one_in(4) { sparse.codes } else { 0 },
                groups: if rng.one_in(6) { sparse.groups } else { 0 },
            },
            orcon: rng.one_in(4),
            purposes: if rng.one_in(2) {
                0
            } else {
                rng.next() as u8 & 3
            },
            legal: rng.one_in(2),
            expires: rng.one_in(3).then(|| rng.below(3 * 86_400) as i128),
            exercise: rng.one_in(4),
            endless: rng.one_in(60),
            kind: rng.below(KINDS.len()),
            about_person: rng.one_in(3),
            partner: rng.one_in(3).then(|| rng.below(SIX.len())),
        }
    }

    pub(crate) fn label(&self) -> Label {
        let recipients = match &self.cleared {
            None => Releasable::Everyone,
            Some(clauses) => Releasable::all_of(clauses.iter().map(|clause| clause.words())),
        };
        let mut label = Label::new(LEVELS[self.tlp], recipients);
        label.pap = PAPS[self.pap];
        label.not_releasable_to = self.excluded.words();
        if self.orcon {
            label.caveats.insert("ORCON".to_owned());
        }
        if self.endless {
            label.caveats.extend((0..60).map(|at| format!("{at:060}")));
        }
        label.purposes = set(self.purposes, &PURPOSES);
        if self.legal {
            label.legal_basis.insert("act 12-3".to_owned());
        }
        label.expires = self.expires.map(time);
        label.exercise = self.exercise;
        label
    }

    pub(crate) fn class(&self) -> Class {
        Class {
            label: self.label(),
            kind: KINDS[self.kind].to_owned(),
            about_person: self.about_person,
            originator: self.partner.map(|at| SIX[at].to_owned()),
        }
    }
}

impl Stream {
    fn draw(rng: &mut Rng, members: usize) -> Stream {
        let all = ((1u16 << members) - 1) as u8;
        let mut chosen = rng.next() as u8 & all;
        while chosen.count_ones() < 2 {
            chosen |= 1 << rng.below(members);
        }
        let kinds = |rng: &mut Rng| rng.one_in(3).then(|| bits(rng, KINDS.len()) | 1);
        Stream {
            members: chosen,
            kinds: kinds(rng),
            ceiling: rng.below(3) + rng.below(3),
            exercise: rng.one_in(4),
            hides: rng.one_in(3),
            auto: (!rng.one_in(3)).then(|| (kinds(rng), rng.below(5))),
        }
    }

    pub(crate) fn mode(&self) -> ReleaseMode {
        match self.auto {
            None => ReleaseMode::Manual,
            Some((kinds, ceiling)) => ReleaseMode::Auto {
                kinds: only(kinds),
                ceiling: LEVELS[ceiling],
            },
        }
    }
}

fn only(kinds: Option<u8>) -> Kinds {
    kinds.map_or(Kinds::Any, |kinds| Kinds::Only(set(kinds, &KINDS)))
}

impl Treaty {
    pub(crate) fn draw(rng: &mut Rng) -> Treaty {
        let members = 3 + rng.below(4);
        let all = ((1u16 << members) - 1) as u8;
        let group = |rng: &mut Rng| {
            let chosen = rng.next() as u8 & all;
            (!rng.one_in(4) && chosen != 0).then_some(chosen)
        };
        let groups = [group(rng), group(rng), group(rng)];
        let count = 3 + rng.below(3);
        let mut streams: Vec<Stream> = (0..count).map(|_| Stream::draw(rng, members)).collect();
        // A delegate publishes from the first channel into the second, where it is in both.
        streams[1].hides = true;
        Treaty {
            members,
            ratified: if rng.one_in(3) {
                bits(rng, members)
            } else {
                all
            },
            groups,
            streams,
            purposes: rng.next() as u8 & 3,
        }
    }

    /// The accord in the program's own types; it is checked as every draft is.
    pub(crate) fn accord(&self) -> Accord {
        let codes = &SIX[..self.members];
        let mut channels = Vec::new();
        for (at, stream) in self.streams.iter().enumerate() {
            let mut one = channel(&format!("c{at}"), &[]);
            one.members = set(stream.members, codes);
            one.kinds = only(stream.kinds);
            one.ceiling = LEVELS[stream.ceiling];
            one.exercise = stream.exercise;
            if stream.hides {
                one.attribution = Attribution::Member;
                one.hide = (at % 2 == 1).then(Hide::default);
            }
            channels.push(one);
        }
        let (inbox, into) = (&self.streams[0], &self.streams[1]);
        let both = set(inbox.members & into.members, codes);
        if let Some(member) = both.into_iter().next()
            && inbox.exercise == into.exercise
        {
            let into = "c1".to_owned();
            channels[0].delegate = Some(Delegate { member, into });
        }
        let mut accord = accord(codes, channels);
        accord.obligations.non_attribution = true;
        accord.obligations.purposes = set(self.purposes, &PURPOSES);
        for (at, group) in self.groups.iter().enumerate() {
            if let Some(members) = group {
                let (name, members) = (format!("g{at}"), set(*members, codes));
                accord.groups.push(Group { name, members });
            }
        }
        accord
    }
}

impl Moment {
    pub(crate) fn circumstances(&self) -> Circumstances {
        Circumstances {
            now: time(self.at),
            utc_offset_minutes: self.offset,
            objects: self.objects,
            delegated: self.delegated,
        }
    }
}

/// Somebody, or nobody for automation.
pub(crate) fn person(rng: &mut Rng) -> Option<Person> {
    let duties = Duty::ALL.into_iter().filter(|_| rng.one_in(2));
    let duties = duties.collect();
    let clearance = LEVELS[rng.below(5)];
    let proven = !rng.one_in(3);
    (!rng.one_in(3)).then(|| Person {
        name: "anna".to_owned(),
        duties,
        clearance,
        proven,
    })
}
