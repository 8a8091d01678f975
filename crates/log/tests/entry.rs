//! Entries: the one encoding, and that every other is refused.

use kurultai_log::limits::ENTRY_BYTES_MAX;
use kurultai_log::merkle::leaf_hash;
use kurultai_log::{Action, Entry, EntryError};
use proptest::prelude::*;

fn example() -> Entry {
    Entry {
        action: Action::Release,
        hash: [0xab; 32],
        id: "indicator--26ffb872-1dd9-446e-b6f5-d58527e5b5d2".to_owned(),
        modified: Some("2026-11-20T08:00:00.123Z".to_owned()),
        kind: "indicator".to_owned(),
        label: "TLP:GREEN//REL KZ,KG".to_owned(),
        attribution: "KZ".to_owned(),
        salt: [7; 16],
        time: "2026-11-24T05:00:00.000001Z".to_owned(),
    }
}

/// The pairs of the example, each with its key, written out by hand.
fn pairs() -> Vec<Vec<u8>> {
    let text = |key: &str, value: &str| {
        let mut pair = vec![0x60 | key.len() as u8];
        pair.extend(key.as_bytes());
        match value.len() {
            short @ 0..24 => pair.push(0x60 | short as u8),
            long => pair.extend([0x78, long as u8]),
        }
        pair.extend(value.as_bytes());
        pair
    };
    let example = example();
    vec![
        text("id", &example.id),
        [&b"\x64hash\x58\x20"[..], &[0xab; 32]].concat(),
        text("kind", "indicator"),
        [&b"\x64salt\x50"[..], &[7; 16]].concat(),
        text("time", &example.time),
        text("label", "TLP:GREEN//REL KZ,KG"),
        text("action", "release"),
        text("modified", "2026-11-20T08:00:00.123Z"),
        text("attribution", "KZ"),
    ]
}

fn map(pairs: &[Vec<u8>]) -> Vec<u8> {
    [vec![0xa0 | pairs.len() as u8], pairs.concat()].concat()
}

fn with(place: usize, pair: &[u8]) -> Vec<u8> {
    let mut pairs = pairs();
    pairs[place] = pair.to_vec();
    map(&pairs)
}

#[test]
fn the_encoding_is_the_documented_one() {
    let bytes = example().encode().unwrap();
    assert_eq!(bytes, map(&pairs()));
    assert_eq!(Entry::decode(&bytes), Ok(example()));
    assert_eq!(example().leaf(), Ok(leaf_hash(&bytes)));
    let unversioned = Entry {
        modified: None,
        action: Action::Withdraw,
        ..example()
    };
    let bytes = unversioned.encode().unwrap();
    assert!(
        bytes
            .windows(10)
            .any(|window| window == b"\x68modified\xf6")
    );
    assert_eq!(Entry::decode(&bytes), Ok(unversioned));
}

#[test]
fn every_other_encoding_is_refused() {
    let bytes = map(&pairs());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "a length in two bytes that fits the first",
            with(0, &[&b"\x78\x02id"[..], &pairs()[0][3..]].concat()),
        ),
        (
            "a length in three bytes that fits two",
            with(1, &[&b"\x64hash\x59\x00\x20"[..], &[0xab; 32]].concat()),
        ),
        (
            "a length in five bytes",
            with(8, b"\x6battribution\x7a\x00\x00\x00\x02KZ"),
        ),
        (
            "a length in nine bytes",
            with(8, b"\x6battribution\x7b\x00\x00\x00\x00\x00\x00\x00\x02KZ"),
        ),
        (
            "a map length in two bytes",
            [b"\xb8\x09", &bytes[1..]].concat(),
        ),
        (
            "an indefinite map",
            [&b"\xbf"[..], &bytes[1..], b"\xff"].concat(),
        ),
        (
            "an indefinite text",
            with(8, b"\x6battribution\x7f\x62KZ\xff"),
        ),
        (
            "an indefinite byte string",
            with(3, &[&b"\x64salt\x5f\x50"[..], &[7; 16], b"\xff"].concat()),
        ),
        ("a trailing byte", [&bytes[..], &[0]].concat()),
        ("a trailing pair", [&bytes[..], b"\x61a\x61b"].concat()),
        (
            "ten pairs",
            [&b"\xaa"[..], &bytes[1..], b"\x61z\x61b"].concat(),
        ),
        ("eight pairs", [&b"\xa8"[..], &bytes[1..]].concat()),
        ("a missing pair", map(&pairs()[..8])),
        ("a key twice", with(4, &pairs()[3])),
        ("an unknown key", with(2, b"\x64kine\x69indicator")),
        (
            "a text where bytes belong",
            with(3, b"\x64salt\x70aaaaaaaaaaaaaaaa"),
        ),
        (
            "bytes where text belongs",
            with(8, b"\x6battribution\x42KZ"),
        ),
        (
            "a number where text belongs",
            with(8, b"\x6battribution\x02"),
        ),
        ("null where text belongs", with(8, b"\x6battribution\xf6")),
        ("undefined instead of null", with(7, b"\x68modified\xf7")),
        ("null in two bytes", with(7, b"\x68modified\xf8\xf6")),
        ("a tag", with(8, b"\x6battribution\xc0\x62KZ")),
        ("a float", with(8, b"\x6battribution\xf9\x00\x00")),
        ("a reserved length", with(8, b"\x6battribution\x7c\x62KZ")),
        (
            "a short hash",
            with(1, &[&b"\x64hash\x58\x1f"[..], &[0xab; 31]].concat()),
        ),
        (
            "a long salt",
            with(3, &[&b"\x64salt\x51"[..], &[7; 17]].concat()),
        ),
        ("an unknown action", with(6, b"\x66action\x66delete")),
        ("an action in capitals", with(6, b"\x66action\x67Release")),
        ("no UTF-8", with(8, b"\x6battribution\x62K\xff")),
        ("a control character", with(8, b"\x6battribution\x63K\nZ")),
        (
            "a length beyond the end",
            with(8, b"\x6battribution\x7b\xff\xff\xff\xff\xff\xff\xff\xffKZ"),
        ),
        ("an array", [b"\x89", &bytes[1..]].concat()),
        ("nothing", vec![]),
    ];
    for (what, bytes) in cases {
        let refused = Entry::decode(&bytes).expect_err(what);
        assert!(!refused.to_string().is_empty());
    }
    for a in 0..9 {
        for b in 0..a {
            let mut pairs = pairs();
            pairs.swap(a, b);
            assert!(
                Entry::decode(&map(&pairs)).is_err(),
                "pairs {a} and {b} in each other's place"
            );
        }
    }
    for end in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn limits_hold_both_ways() {
    let spare = ENTRY_BYTES_MAX - example().encode().unwrap().len();
    // The label's length takes one byte more above 23 and two more above 255.
    let label = "x".repeat(example().label.len() + spare - 2);
    let largest = Entry {
        label: label.clone(),
        ..example()
    };
    let bytes = largest.encode().unwrap();
    assert_eq!(bytes.len(), ENTRY_BYTES_MAX);
    assert_eq!(Entry::decode(&bytes), Ok(largest));
    let over = Entry {
        label: label + "x",
        ..example()
    };
    assert_eq!(
        over.encode(),
        Err(EntryError::TooLarge {
            bytes: ENTRY_BYTES_MAX + 1
        })
    );
    assert!(matches!(
        Entry::decode(&[0; 5000]),
        Err(EntryError::TooLarge { bytes: 5000 })
    ));
    let control = Entry {
        attribution: "K\u{9b}Z".to_owned(),
        ..example()
    };
    assert_eq!(
        control.encode(),
        Err(EntryError::Control {
            field: "attribution"
        })
    );
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let text = || "[ -~а-яЁқңөұһ]{0,300}";
    let action = prop_oneof![
        Just(Action::Release),
        Just(Action::Revise),
        Just(Action::Withdraw),
        Just(Action::Expire)
    ];
    let modified = proptest::option::of(text());
    (
        action,
        any::<[u8; 32]>(),
        text(),
        modified,
        text(),
        text(),
        text(),
        any::<[u8; 16]>(),
        text(),
    )
        .prop_map(
            |(action, hash, id, modified, kind, label, attribution, salt, time)| Entry {
                action,
                hash,
                id,
                modified,
                kind,
                label,
                attribution,
                salt,
                time,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(entry in any_entry()) {
        match entry.encode() {
            Ok(bytes) => prop_assert_eq!(Entry::decode(&bytes), Ok(entry)),
            Err(error) => {
                let too_large = matches!(error, EntryError::TooLarge { .. });
                prop_assert!(too_large, "{error}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), Ok(bytes));
        }
    }
}
