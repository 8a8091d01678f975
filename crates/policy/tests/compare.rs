//! What two versions of an accord differ in, and what surprises in one, in words.

mod support;

use model::Tlp;
use policy::{Accord, Attribution, Delegate, Effect, Group, Hide, Kinds, Transfer, compare, lint};
use support::{SIX, accord, channel, codes, key, ratified};

/// The differences that `change` makes to an accord of six, as `effect about: text`.
fn differences(change: impl FnOnce(&mut Accord)) -> Vec<String> {
    let old = accord(&SIX);
    let mut new = old.clone();
    new.version = 2;
    new.previous = Some(old.digest());
    change(&mut new);
    compare(&old, &new)
        .into_iter()
        .map(|one| format!("{} {}: {}", one.effect.word(), one.about, one.text))
        .collect()
}

#[test]
fn the_same_agreement_under_a_next_version_differs_in_nothing() {
    assert_eq!(differences(|_| ()), Vec::<String>::new());
}

#[test]
fn each_change_is_said_with_the_way_it_goes() {
    type Change = fn(&mut Accord);
    let cases: [(Change, &[&str]); 20] = [
        (
            |new| new.channels[0].ceiling = Tlp::Red,
            &["loosens channel all: its ceiling is TLP:RED instead of TLP:AMBER"],
        ),
        (
            |new| new.channels[0].ceiling = Tlp::Green,
            &["tightens channel all: its ceiling is TLP:GREEN instead of TLP:AMBER"],
        ),
        (
            |new| new.channels[1].members = codes(&["KG", "UZ"]),
            &[
                "loosens channel pair: UZ comes in and reads it from its start",
                "tightens channel pair: KZ loses it",
            ],
        ),
        (
            |new| new.channels[0].kinds = Kinds::Only(codes(&["note"])),
            &["tightens channel all: it carries note only"],
        ),
        (
            |new| new.channels[2].kinds = Kinds::Only(codes(&["indicator", "note"])),
            &[
                "loosens channel drill: it also carries note",
                "tightens channel drill: it no longer carries report",
            ],
        ),
        (
            |new| new.channels[2].kinds = Kinds::Any,
            &["loosens channel drill: it carries objects of every type"],
        ),
        (
            |new| new.channels[2].retention_days = None,
            &[
                "loosens channel drill: received objects are kept for 365 days instead of for 30 days",
            ],
        ),
        (
            |new| new.obligations.retention_days = None,
            &[
                "loosens obligations: received objects are kept without limit instead of for 365 days",
            ],
        ),
        (
            |new| new.obligations.third_party = Transfer::Never,
            &["tightens obligations: received objects no longer go to third parties"],
        ),
        (
            |new| new.obligations.purposes = codes(&["relief", "war"]),
            &[
                "loosens obligations: received objects may also be used for war",
                "tightens obligations: received objects may no longer be used for threat-intelligence",
            ],
        ),
        (
            // An empty list means no limit: the loosest, not the tightest.
            |new| new.obligations.purposes.clear(),
            &["loosens obligations: received objects may be used for anything"],
        ),
        (
            |new| new.channels[2].attribution = Attribution::Origin,
            &["loosens channel drill: it shows the source of objects now"],
        ),
        (
            |new| {
                new.channels[2].hide = Some(Hide {
                    round_minutes: 1,
                    ..Hide::default()
                });
            },
            &["loosens channel drill: times are rounded to 1 minutes instead of 60"],
        ),
        (
            |new| {
                new.channels.remove(1);
            },
            &["tightens channel pair: it ends; KG, KZ lose it"],
        ),
        (
            |new| new.channels.push(channel("water", &["KG", "UZ"])),
            &["loosens channel water: it is new: real objects among KG, UZ up to TLP:AMBER"],
        ),
        (
            |new| new.channels[0].exercise = true,
            &["changes channel all: it carries exercise objects only, and was real"],
        ),
        (
            |new| {
                new.channels[0].delegate = Some(Delegate {
                    member: "KG".into(),
                    into: "drill".into(),
                });
            },
            &[
                "loosens channel all: KG may publish as its own into drill what members release here",
            ],
        ),
        (
            |new| {
                let members = codes(&["KG"]);
                new.groups.push(Group {
                    name: "east".into(),
                    members,
                });
            },
            &["changes group east: it is new and holds KG"],
        ),
        (
            |new| new.members[1].log_pq = None,
            &["loosens member KZ: it has no post-quantum log key any more"],
        ),
        (
            |new| new.members[0].log = key("PK", policy::Role::Log).verifier().clone(),
            &["changes member KG: its log key is another one"],
        ),
    ];
    for (change, wanted) in cases {
        assert_eq!(differences(change), wanted);
    }
}

#[test]
fn who_comes_in_and_who_loses_what() {
    let (old, new) = (accord(&SIX[..5]), accord(&SIX[1..]));
    let found = compare(&old, &new);
    let about = |what: &str| -> Vec<(Effect, &str)> {
        let about = found.iter().filter(|one| one.about == what);
        about.map(|one| (one.effect, one.text.as_str())).collect()
    };
    assert_eq!(
        about("member KG"),
        [(
            Effect::Tightens,
            "Member KG goes; it loses all, drill, pair"
        )]
    );
    assert_eq!(
        about("member UZ"),
        [(Effect::Loosens, "Member UZ comes in, into all, drill")]
    );
    // Both directions say the opposite of each other.
    let back = compare(&new, &old);
    let count = |found: &[policy::Difference], effect| {
        found.iter().filter(|one| one.effect == effect).count()
    };
    assert_eq!(
        count(&found, Effect::Loosens),
        count(&back, Effect::Tightens)
    );
}

/// The rules that an accord of three breaks after `change`, once `by` have signed.
fn surprises(by: &[&str], change: impl FnOnce(&mut Accord)) -> Vec<String> {
    let mut draft = accord(&SIX[..3]);
    for (member, code) in draft.members.iter_mut().zip(SIX) {
        member.log_pq = Some(key(code, policy::Role::LogPq).verifier().clone());
    }
    draft.channels[2].name = "steppe-exercise".into();
    change(&mut draft);
    let found = lint(&ratified(draft, by));
    found
        .into_iter()
        .map(|one| format!("{} {}", one.rule, one.about))
        .collect()
}

#[test]
fn an_accord_as_it_should_be_surprises_nobody() {
    assert_eq!(surprises(&[], |_| ()), Vec::<String>::new());
    assert_eq!(surprises(&SIX[..3], |_| ()), Vec::<String>::new());
}

#[test]
fn every_surprise_is_found() {
    type Change = fn(&mut Accord);
    let east = |members: &[&str]| Group {
        name: "east".into(),
        members: codes(members),
    };
    let cases: [(Change, &[&str]); 12] = [
        (
            |draft| draft.channels.clear(),
            &["no-channel accord", "hiding-unused obligations"],
        ),
        (
            |draft| draft.channels.truncate(2),
            &["hiding-unused obligations"],
        ),
        (
            |draft| {
                draft.channels.remove(0);
                draft.channels[1].members = codes(&["KG", "KZ"]);
            },
            &["member-in-no-channel member PK"],
        ),
        (
            |draft| draft.members[2].log_pq = None,
            &["no-post-quantum-key member PK"],
        ),
        (
            |draft| draft.members[2].url = draft.members[0].url.replace("7443", "7444"),
            &["same-host member PK"],
        ),
        (
            |draft| draft.channels[0].kinds = Kinds::Only(codes(&["indicator", "indicators"])),
            &["unknown-kind channel all"],
        ),
        (
            |draft| draft.channels[0].ceiling = Tlp::Red,
            &["red-for-many channel all"],
        ),
        (
            |draft| draft.obligations.retention_days = None,
            &["kept-forever channel all", "kept-forever channel pair"],
        ),
        (
            |draft| draft.channels[0].title = "The autumn Drill".into(),
            &["sounds-like-exercise channel all"],
        ),
        (
            |draft| draft.channels[2].title = draft.channels[0].title.clone(),
            &["exercise-by-the-same-title channel steppe-exercise"],
        ),
        (
            |draft| {
                let mut twin = draft.channels[0].clone();
                twin.name = "copy".into();
                draft.channels.push(twin);
            },
            &["twin-channels channel copy"],
        ),
        (
            |draft| {
                draft.channels[1].exercise = true;
                draft.channels[1].ceiling = Tlp::Red;
                draft.channels[1].kinds = Kinds::Only(codes(&["note"]));
                draft.channels[1].delegate = Some(Delegate {
                    member: "KG".into(),
                    into: "steppe-exercise".into(),
                });
            },
            &[
                "inbox-of-one channel pair",
                "inbox-above-outlet channel pair",
                "inbox-without-outlet channel pair",
            ],
        ),
    ];
    for (change, wanted) in cases {
        assert_eq!(surprises(&[], change), wanted);
    }
    assert_eq!(
        surprises(&[], |draft| draft.groups.push(east(&["KG"]))),
        ["group-holds-no-channel group east"]
    );
    assert_eq!(
        surprises(&[], |draft| {
            draft.channels.remove(0);
            draft.channels[1].members = codes(&["KG", "KZ"]);
            draft.groups.push(east(&["PK"]));
        }),
        [
            "member-in-no-channel member PK",
            "group-in-no-channel group east"
        ]
    );
    // What is open until others have signed.
    assert_eq!(
        surprises(&["PK"], |_| ()),
        [
            "not-in-force channel all",
            "nobody-bound channel pair",
            "not-in-force channel steppe-exercise"
        ]
    );
}
