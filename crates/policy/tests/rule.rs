//! The hard rule and what is built on it: an object is in a channel only if every member may have
//! it, the level fits, the kind is carried and the exercise flag agrees.

mod support;

use std::collections::BTreeSet;

use model::{Label, Releasable, Timestamp, Tlp};
use policy::authority::{Circumstances, Duty, Facts, Originator, Outcome, Person, Principal};
use policy::{Channel, InForce, Kinds, PolicySet, ReleaseMode, Subject, Withheld, releasable};
use proptest::prelude::*;
use support::{SIX, accord, channel, label, ratified};

const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];
const KINDS: [&str; 4] = ["indicator", "malware", "report", "x-relief-need"];

/// A case in plain numbers, so that what is expected can be worked out without the crate's types:
/// bit `i` of a set stands for item `i` of `SIX` or `KINDS`.
#[derive(Clone, Debug)]
struct Case {
    members: u8,
    ratified: u8,
    cleared: Option<u8>,
    tlp: usize,
    ceiling: usize,
    kind: usize,
    kinds: Option<u8>,
    object_exercise: bool,
    channel_exercise: bool,
    /// Whom the accord's group holds; absent: the accord has no such group.
    group: Option<u8>,
    /// Whether the label's recipients name the group too.
    group_cleared: bool,
    /// Whom the label excludes.
    excluded: u8,
    /// Whether it excludes the group too.
    group_excluded: bool,
    /// Seconds until the label expires.
    expires_in: Option<i8>,
}

impl Case {
    /// Those of the channel to whom the label does not release, in bits.
    fn outside(&self) -> u8 {
        let group = self.group.unwrap_or(0);
        let cleared = match self.cleared {
            None => 63,
            Some(cleared) if self.group_cleared => cleared | group,
            Some(cleared) => cleared,
        };
        let excluded = match (self.group_excluded, group) {
            (false, _) => self.excluded,
            // A group that is unknown, or holds nobody, shuts out everybody.
            (true, 0) => 63,
            (true, group) => self.excluded | group,
        };
        self.members & (!cleared | excluded)
    }

    fn expired(&self) -> bool {
        self.expires_in.is_some_and(|seconds| seconds <= 0)
    }

    /// I1 in bits.
    fn allowed(&self) -> bool {
        let everyone_cleared = self.outside() == 0 && !self.expired();
        let kind_carried = self.kinds.is_none_or(|kinds| kinds >> self.kind & 1 == 1);
        (self.members & self.ratified).count_ones() >= 2
            && everyone_cleared
            && self.tlp <= self.ceiling
            && kind_carried
            && (self.object_exercise == self.channel_exercise)
    }

    /// How many of the six conditions fail.
    fn faults(&self) -> usize {
        [
            (self.members & self.ratified).count_ones() < 2,
            self.outside() != 0,
            self.expired(),
            self.tlp > self.ceiling,
            self.kinds.is_some_and(|kinds| kinds >> self.kind & 1 == 0),
            self.object_exercise != self.channel_exercise,
        ]
        .into_iter()
        .filter(|fault| *fault)
        .count()
    }

    fn channel(&self) -> Channel {
        let mut channel = channel("c", &[]);
        channel.members = set(self.members, &SIX);
        channel.ceiling = LEVELS[self.ceiling];
        channel.kinds = match self.kinds {
            None => Kinds::Any,
            Some(kinds) => Kinds::Only(set(kinds, &KINDS)),
        };
        channel.exercise = self.channel_exercise;
        channel
    }

    fn label(&self) -> Label {
        let mut label = label(LEVELS[self.tlp], None);
        if let Some(cleared) = self.cleared {
            let mut clause = set(cleared, &SIX);
            clause.extend(self.group_cleared.then(|| GROUP.to_owned()));
            label.releasable_to = Releasable::Members(clause);
        }
        label.not_releasable_to = set(self.excluded, &SIX);
        let group = self.group_excluded.then(|| GROUP.to_owned());
        label.not_releasable_to.extend(group);
        label.expires = self.expires_in.map(|seconds| at(i64::from(seconds)));
        label.exercise = self.object_exercise;
        label
    }

    fn in_force<'a>(&self, channel: &'a Channel) -> InForce<'a> {
        let ratified = set(self.members & self.ratified, &SIX);
        let mut in_force = InForce::new("steppe", channel, ratified);
        if let Some(group) = self.group {
            in_force.groups.insert(GROUP, set(group, &SIX));
        }
        in_force
    }
}

const GROUP: &str = "@steppe/east";

/// So many seconds after the time at which these tests ask.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_790_000_000_000_000 + seconds * 1_000_000)
}

fn set(bits: u8, items: &[&str]) -> BTreeSet<String> {
    items
        .iter()
        .enumerate()
        .filter(|(at, _)| bits >> at & 1 == 1)
        .map(|(_, item)| (*item).to_owned())
        .collect()
}

/// Cases that are often allowed: each part is drawn so that it fits about four times in five.
fn case() -> impl Strategy<Value = Case> {
    let sets = (
        0_u8..64,
        prop_oneof![4 => Just(63_u8), 1 => 0_u8..64],
        prop_oneof![2 => Just(None), 3 => (0_u8..64, any::<bool>()).prop_map(Some)],
    );
    let levels = (0_usize..5, 0_usize..5);
    let kinds = (0_usize..4, proptest::option::of(0_u8..16));
    let flags = (
        any::<bool>(),
        prop_oneof![4 => Just(false), 1 => Just(true)],
    );
    let more = (
        proptest::option::of(0_u8..64),
        any::<bool>(),
        prop_oneof![4 => Just(0_u8), 1 => 0_u8..64],
        prop_oneof![6 => Just(false), 1 => Just(true)],
        prop_oneof![4 => Just(None), 1 => (-2_i8..8).prop_map(Some)],
    );
    (sets, levels, kinds, flags, more).prop_map(
        |(
            (members, ratified, cleared),
            (tlp, ceiling),
            (kind, kinds),
            (exercise, differs),
            (group, group_cleared, excluded, group_excluded, expires_in),
        )| Case {
            members,
            ratified,
            cleared: cleared.map(|(bits, covers)| if covers { bits | members } else { bits }),
            tlp,
            ceiling,
            kind,
            kinds,
            object_exercise: exercise,
            channel_exercise: exercise ^ differs,
            group,
            group_cleared,
            excluded,
            group_excluded,
            expires_in,
        },
    )
}

const MODES: [ReleaseMode; 2] = [
    ReleaseMode::Manual,
    ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Red,
    },
];

fn releaser() -> Person {
    Person {
        name: "Aigul".to_owned(),
        duties: BTreeSet::from([Duty::Releaser]),
        clearance: Tlp::Red,
        proven: true,
    }
}

/// What the shipped rules say of an object of our own that is not about a person.
fn shipped(
    label: &Label,
    kind: &str,
    in_force: &InForce<'_>,
    mode: &ReleaseMode,
    person: Option<&Person>,
) -> Outcome {
    let authority = PolicySet::shipped().expect("it loads").authority(0);
    let facts = Facts {
        label,
        kind,
        about_person: false,
        originator: Originator::Own,
    };
    let principal = person.map_or(Principal::Automation(mode), Principal::Person);
    let circumstances = Circumstances {
        now: at(0),
        utc_offset_minutes: None,
        objects: 1,
        delegated: false,
    };
    authority.outcome(&facts, in_force, &principal, &circumstances)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn yes_exactly_when_all_conditions_hold(case in case()) {
        let channel = case.channel();
        let label = case.label();
        let in_force = case.in_force(&channel);
        let subject = Subject { label: &label, kind: KINDS[case.kind], now: at(0) };
        let answer = releasable(&subject, &in_force);
        prop_assert_eq!(answer.is_ok(), case.allowed());
        // Every reason is given, and each can be read.
        let reasons = answer.clone().err().unwrap_or_default();
        prop_assert_eq!(reasons.len(), case.faults());
        for reason in &reasons {
            let place = if matches!(reason, Withheld::LabelExpired { .. }) { "expired" } else { "channel c" };
            prop_assert!(reason.to_string().contains(place), "{}", reason);
        }
        // No mode and no person gets past a no, and nobody gets past it with the shipped rules.
        for mode in &MODES {
            for person in [None, Some(&releaser())] {
                let outcome = shipped(&label, KINDS[case.kind], &in_force, mode, person);
                prop_assert_eq!(outcome == Outcome::Refuse, !case.allowed());
            }
        }
    }

    #[test]
    fn nobody_means_nobody(mut case in case()) {
        case.cleared = Some(0);
        case.group = case.group.filter(|_| !case.group_cleared);
        let channel = case.channel();
        let label = case.label();
        let in_force = case.in_force(&channel);
        let subject = Subject { label: &label, kind: KINDS[case.kind], now: at(0) };
        prop_assert!(releasable(&subject, &in_force).is_err());
    }

    #[test]
    fn a_further_reader_never_opens_a_channel(case in case(), extra in 0_usize..6) {
        let channel = case.channel();
        let mut wider = channel.clone();
        wider.members.insert(SIX[extra].to_owned());
        let label = case.label();
        let subject = Subject { label: &label, kind: KINDS[case.kind], now: at(0) };
        let narrow = releasable(&subject, &case.in_force(&channel));
        let with = Case { members: 1 << extra, ..case.clone() };
        let cleared = with.outside() == 0;
        for channel in [&wider, &channel] {
            let mut in_force = case.in_force(channel);
            in_force.members.insert(SIX[extra].to_owned());
            let wide = releasable(&subject, &in_force);
            if !cleared {
                prop_assert!(wide.is_err(), "a reader who is not cleared must close the channel");
            }
            if narrow.is_ok() && cleared {
                prop_assert!(wide.is_ok());
            }
        }
    }
}

#[test]
fn growing_by_a_reader_who_is_not_cleared_closes_the_channel() {
    let only_five = label(Tlp::Green, Some(&SIX[..5]));
    let subject = Subject {
        label: &only_five,
        kind: "indicator",
        now: at(0),
    };
    // Version 1: five members, all ratified.
    let mut five = accord(&SIX);
    five.channels[0].members.remove("UZ");
    let five = ratified(five, &SIX[..5]);
    let in_force = five.channel_in_force("all").expect("five have ratified");
    assert_eq!(releasable(&subject, &in_force), Ok(()));

    // Version 2 lets the sixth in: closed at once, and still closed before the sixth ratifies.
    let mut six = accord(&SIX);
    six.version = 2;
    six.previous = Some(five.digest());
    let mut six = ratified(six, &SIX[..5]);
    six.succeeds(&five).expect("it is the next version");
    let refusal = Err(vec![Withheld::MemberNotReleasable {
        channel: "all".to_owned(),
        members: support::codes(&["UZ"]),
    }]);
    let in_force = six.channel_in_force("all").expect("five have ratified");
    assert!(!in_force.members.contains("UZ"));
    assert_eq!(releasable(&subject, &in_force), refusal);
    six.ratify(&support::root("UZ"))
        .expect("the sixth ratifies");
    let in_force = six.channel_in_force("all").expect("six have ratified");
    assert!(in_force.members.contains("UZ"));
    assert_eq!(releasable(&subject, &in_force), refusal);
}

#[test]
fn a_channel_that_one_member_ratified_carries_nothing() {
    let lonely = ratified(accord(&SIX), &["KZ"]);
    assert!(lonely.channel_in_force("all").is_none());
    let channel = lonely.accord().channel("all").expect("it has the channel");
    let everyone = label(Tlp::Clear, None);
    let subject = Subject {
        label: &everyone,
        kind: "report",
        now: at(0),
    };
    let answer = releasable(&subject, &lonely.standing(channel));
    let reasons = answer.expect_err("one member is no channel");
    assert!(
        reasons[0].to_string().contains("only KZ"),
        "the explanation names who has ratified: {}",
        reasons[0]
    );
}

#[test]
fn automation_stays_within_its_mode() {
    let green = label(Tlp::Green, None);
    let amber = label(Tlp::Amber, None);
    let auto = ReleaseMode::Auto {
        kinds: Kinds::Only(support::codes(&["indicator"])),
        ceiling: Tlp::Green,
    };
    let signed = ratified(accord(&SIX), &SIX);
    let in_force = signed.channel_in_force("all").expect("in force");
    let person = releaser();
    let ask = |label, kind, mode, by_hand: bool| {
        shipped(label, kind, &in_force, mode, by_hand.then_some(&person))
    };
    assert_eq!(ask(&green, "indicator", &auto, false), Outcome::Permit);
    assert_eq!(ask(&green, "malware", &auto, false), Outcome::Wait);
    assert_eq!(ask(&amber, "indicator", &auto, false), Outcome::Wait);
    let manual = ReleaseMode::Manual;
    assert_eq!(ask(&green, "indicator", &manual, false), Outcome::Wait);
    assert_eq!(ask(&amber, "malware", &auto, true), Outcome::Permit);
    assert_eq!(ask(&amber, "malware", &manual, true), Outcome::Permit);
    assert_eq!(ReleaseMode::default(), ReleaseMode::Manual);
}
