//! What a receiver keeps of a partner's log: nothing that the accord does not allow, nothing that
//! its object contradicts, and every taking back.

mod support;

use log::{Action, Entry};
use model::{Object, Timestamp, Tlp};
use policy::{InForce, Withheld, admissible};
use support::{SIX, accord, channel, ratified};

const RED: &str = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1";
const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";
const FOREIGN: &str = "marking-definition--0c2f5a52-1e1c-4d0e-8f4d-3a3f2b1f6c77";

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").expect("a time")
}

fn object(marking: Option<&str>) -> Object {
    let markings = marking.map_or(String::new(), |id| {
        format!(r#""object_marking_refs":["{id}"],"#)
    });
    let json = format!(
        r#"{{"type":"indicator","spec_version":"2.1",{markings}
        "id":"indicator--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11",
        "created":"2026-02-01T00:00:00.000Z","modified":"2026-02-02T00:00:00.000Z",
        "pattern":"[ipv4-addr:value = '192.0.2.7']","pattern_type":"stix",
        "valid_from":"2026-02-01T00:00:00Z"}}"#
    );
    Object::parse(json.as_bytes()).expect("a good object")
}

fn entry(object: &Object) -> Entry {
    Entry {
        action: Action::Release,
        hash: object.hash().0,
        id: object.id().as_str().to_owned(),
        modified: Some("2026-02-02T00:00:00.000Z".to_owned()),
        kind: object.kind().to_owned(),
        label: "TLP:GREEN//REL KG,KZ,PK,TJ,US,UZ".to_owned(),
        attribution: "KZ".to_owned(),
        salt: [1; 16],
        time: "2026-03-01T11:59:00Z".to_owned(),
    }
}

fn admit(entry: &Entry, object: Option<&Object>) -> Result<(), Withheld> {
    let signed = ratified(accord(&SIX), &SIX[..5]);
    let all = signed.channel_in_force("all").expect("five have ratified");
    admissible(entry, object, "KZ", &all, now())
}

#[test]
fn a_good_entry_is_kept_with_and_without_its_object() {
    for marking in [None, Some(GREEN), Some(FOREIGN)] {
        let object = object(marking);
        assert_eq!(admit(&entry(&object), Some(&object)), Ok(()));
        assert_eq!(admit(&entry(&object), None), Ok(()));
    }
}

#[test]
fn the_hard_rule_is_asked_again() {
    let object = object(None);
    let with_label = |label: &str| Entry {
        label: label.to_owned(),
        ..entry(&object)
    };
    let cases = [
        "TLP:RED//REL *",
        "TLP:GREEN//REL KG,KZ",
        "TLP:GREEN",
        "TLP:CLEAR//EXERCISE",
        "TLP:CLEAR//NOT UZ",
        "TLP:CLEAR//NOT @steppe/east",
        "TLP:GREEN//REL @steppe/all",
        "TLP:GREEN//REL KG,KZ,PK,TJ,US,UZ & KG,KZ,PK,TJ,US",
    ];
    for label in cases {
        let withheld = admit(&with_label(label), Some(&object)).expect_err(label);
        assert!(!withheld.to_string().is_empty());
    }
    // A label that ends now is over; one that ends later is not.
    let expired = admit(
        &with_label("TLP:CLEAR//EXPIRES 2026-03-01T12:00:00Z"),
        Some(&object),
    );
    assert!(matches!(expired, Err(Withheld::LabelExpired { .. })));
    let later = with_label("TLP:CLEAR//EXPIRES 2026-03-01T12:00:00.001Z");
    assert_eq!(admit(&later, Some(&object)), Ok(()));
    let unreadable = Err(Withheld::Unreadable { field: "label" });
    assert_eq!(admit(&with_label("all"), Some(&object)), unreadable);

    let signed = ratified(accord(&SIX), &SIX);
    let drill = signed.channel_in_force("drill").expect("all have ratified");
    let real = admissible(&entry(&object), Some(&object), "KZ", &drill, now());
    assert!(matches!(
        real,
        Err(Withheld::ExerciseMismatch {
            exercise: false,
            ..
        })
    ));
    let drilled = with_label("TLP:GREEN//REL KG,KZ,PK,TJ,US,UZ//EXERCISE");
    assert_eq!(
        admissible(&drilled, Some(&object), "KZ", &drill, now()),
        Ok(())
    );
    let unlisted = Entry {
        kind: "malware".to_owned(),
        ..drilled
    };
    let withheld = admissible(&unlisted, None, "KZ", &drill, now());
    assert!(matches!(withheld, Err(Withheld::KindNotAllowed { .. })));
}

#[test]
fn only_members_in_force_are_origins() {
    let object = object(None);
    let signed = ratified(accord(&SIX), &SIX[..5]);
    let all = signed.channel_in_force("all").expect("five have ratified");
    let pair = signed.channel_in_force("pair").expect("both have ratified");
    let release = entry(&object);
    let withdrawal = Entry {
        action: Action::Withdraw,
        ..release.clone()
    };
    let refused = |origin, channel: &InForce<'_>, entry| {
        let answer = admissible(entry, None, origin, channel, now());
        matches!(answer, Err(Withheld::NotAnOrigin { .. }))
    };
    assert!(refused("UZ", &all, &release), "UZ has not ratified");
    assert!(refused("TJ", &pair, &release), "TJ is not in the pair");
    assert!(refused("XX", &all, &release));
    assert!(refused("TJ", &pair, &withdrawal));
    assert!(!refused("UZ", &all, &withdrawal), "UZ may take back");
    assert!(!refused("TJ", &all, &release));
}

#[test]
fn taking_back_never_fails_for_the_label() {
    let object = object(None);
    for action in [Action::Withdraw, Action::Expire] {
        let mut entry = entry(&object);
        entry.action = action;
        entry.label = "no longer a label".to_owned();
        entry.kind = "anything".to_owned();
        entry.time = "1999-01-01T00:00:00Z".to_owned();
        assert_eq!(admit(&entry, None), Ok(()));
    }
}

#[test]
fn an_object_must_be_the_one_that_the_entry_speaks_of() {
    let object = object(None);
    let good = entry(&object);
    let cases = [
        (
            "hash",
            Entry {
                hash: [9; 32],
                ..good.clone()
            },
        ),
        (
            "id",
            Entry {
                id: object.id().as_str().replace('5', "6"),
                ..good.clone()
            },
        ),
        (
            "kind",
            Entry {
                kind: "malware".to_owned(),
                ..good.clone()
            },
        ),
        (
            "modified",
            Entry {
                modified: None,
                ..good.clone()
            },
        ),
        (
            "modified",
            Entry {
                modified: Some("2026-02-02T00:00:00.001Z".to_owned()),
                ..good.clone()
            },
        ),
    ];
    for (field, entry) in cases {
        assert_eq!(
            admit(&entry, Some(&object)),
            Err(Withheld::NotTheObject { field })
        );
        assert_eq!(
            admit(&entry, None),
            Ok(()),
            "without the object nothing contradicts"
        );
    }
    let broken = Entry {
        modified: Some("yesterday".to_owned()),
        ..good
    };
    let unreadable = Err(Withheld::Unreadable { field: "modified" });
    assert_eq!(admit(&broken, Some(&object)), unreadable);
}

#[test]
fn an_entry_cannot_claim_less_than_the_object_says() {
    let object = object(Some(RED));
    let withheld = Withheld::LabelTooWeak {
        claimed: Tlp::Green,
        stated: Tlp::Red,
    };
    assert_eq!(admit(&entry(&object), Some(&object)), Err(withheld));
}

#[test]
fn entries_are_kept_for_the_time_of_the_channel() {
    let object = object(None);
    let mut draft = accord(&SIX);
    let mut week = channel("week", &SIX);
    week.retention_days = Some(7);
    draft.channels.push(week);
    let signed = ratified(draft, &SIX);
    let week = signed.channel_in_force("week").expect("all have ratified");
    let at = |time: &str| {
        let entry = Entry {
            time: time.to_owned(),
            ..entry(&object)
        };
        admissible(&entry, Some(&object), "KZ", &week, now())
    };
    assert_eq!(at("2026-02-22T12:00:00Z"), Ok(()));
    assert_eq!(
        at("2026-02-22T11:59:59.999Z"),
        Err(Withheld::PastRetention { days: 7 })
    );
    assert_eq!(
        at("2026-03-02T12:00:00Z"),
        Ok(()),
        "a day of difference is forgiven"
    );
    assert!(matches!(
        at("2026-03-02T12:00:01Z"),
        Err(Withheld::FromTheFuture { .. })
    ));
    assert_eq!(at("soon"), Err(Withheld::Unreadable { field: "time" }));
}
