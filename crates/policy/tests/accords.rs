//! Accords as texts and as signed notes: what is read, what is refused and what ratification needs.

mod support;

use std::collections::BTreeSet;

use log::note::{KeyKind, Note, SignatureLine, SigningKey};
use model::Tlp;
use policy::{
    Accord, AccordError, Attribution, CHANNELS_MAX, Delegate, Group, Hide, Kinds, MEMBERS_MAX,
    NOTE_BYTES_MAX, Role, SignedAccord, Transfer,
};
use proptest::prelude::*;
use support::{SIX, accord, channel, codes, key, member, ratified, root};

#[test]
fn a_text_reads_back_as_the_same_accord() {
    let mut six = accord(&SIX);
    six.members[0].name = "Кыргыз Республикасы \"KG\" \\ اردو".to_owned();
    six.version = 7;
    six.previous = Some([0xab; 32]);
    let text = six.to_text();
    assert_eq!(Accord::parse_text(&text).expect("it is well-formed"), six);
    assert_eq!(six.to_text(), text);
    assert_ne!(six.digest(), accord(&SIX).digest());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_accord_reads_back(
        count in 2_usize..=6,
        title in "[^\\p{C}\\p{Z}]{1,20}",
        name in "[a-z0-9]{1,64}",
        version in 2_u32..,
        days in proptest::option::of(1_u32..=365),
        ceiling in 0_usize..5,
        kinds in proptest::option::of(proptest::collection::btree_set("[a-z][a-z0-9]{0,20}", 1..5)),
        flags in any::<[bool; 6]>(),
        group in "[a-z0-9]{1,64}",
        hide in (1_u32..=10_080, 1_u32..=10_080, 64_u32..=65_536),
    ) {
        prop_assume!(name != "local");
        let mut draft = accord(&SIX[..count]);
        draft.name = name;
        draft.version = version;
        draft.previous = Some([7; 32]);
        let channel = &mut draft.channels[0];
        channel.title = title;
        channel.retention_days = days;
        channel.ceiling = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red][ceiling];
        channel.kinds = kinds.map_or(Kinds::Any, Kinds::Only);
        channel.exercise = flags[0];
        if flags[1] {
            channel.attribution = Attribution::Member;
            channel.hide = flags[4].then_some(Hide {
                round_minutes: hide.0,
                window_minutes: hide.1,
                pad_bytes: hide.2,
            });
            if flags[5] {
                draft.channels[1].exercise = flags[0];
                draft.channels[1].delegate = Some(Delegate {
                    member: SIX[1].to_owned(),
                    into: "all".to_owned(),
                });
            }
        }
        if flags[5] {
            let members = support::codes(&SIX[..count / 2]);
            draft.groups.push(Group { name: group, members });
        }
        if flags[2] {
            draft.obligations.third_party = Transfer::Never;
        }
        if flags[3] {
            draft.obligations.retention_days = None;
            draft.obligations.purposes.clear();
        }
        let text = draft.to_text();
        prop_assert_eq!(Accord::parse_text(&text).expect("it is well-formed"), draft);
    }
}

/// The text of a good accord with one thing changed.
fn text_with(from: &str, to: &str) -> String {
    let text = accord(&SIX).to_text();
    assert!(text.contains(from), "the good text has {from:?}");
    text.replacen(from, to, 1)
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let text = text_with("[obligations]\n", "[obligations]\nforever = true\n");
    let line = 1 + text
        .lines()
        .position(|l| l == "forever = true")
        .expect("it is there");
    let error = Accord::parse_text(&text).expect_err("the key is unknown");
    let AccordError::Text { line: at, ref why } = error else {
        panic!("{error}");
    };
    assert_eq!(at, line, "{why}");
    assert!(why.contains("forever"), "{why}");
    for (from, to) in [
        ("code = \"KG\"\n", "code = \"KG\"\nflag = 1\n"),
        ("exercise = false\n", "exercise = false\nsecret = 1\n"),
        ("version = 1\n", "version = 1\nextra = 1\n"),
        ("third_party", "third_parties"),
        ("[[channel]]", "[[channels]]"),
    ] {
        let error = Accord::parse_text(&text_with(from, to)).expect_err(to);
        assert!(
            matches!(error, AccordError::Text { line: 2.., .. }),
            "{to}: {error}"
        );
    }
}

#[test]
fn texts_that_break_a_rule_are_refused() {
    let cases = [
        ("kurultai-accord/1", "kurultai-accord/2", "format"),
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = -1", "line 3"),
        ("version = 1", "version = 4294967296", "line 3"),
        ("version = 1", "version = 2", "previous"),
        ("name = \"steppe\"", "name = \"Steppe\"", "name"),
        ("name = \"steppe\"", "name = \"../steppe\"", "name"),
        ("name = \"steppe\"", "name = \"local\"", "reserved"),
        ("name = \"steppe\"", "name = \"\"", "name"),
        ("code = \"KG\"", "code = \"kg\"", "code"),
        ("code = \"KG\"", "code = \"K9\"", "code"),
        ("code = \"KG\"", "code = \"\u{41a}G\"", "code"), // Cyrillic K
        ("code = \"KG\"", "code = \"K,G\"", "code"),
        ("code = \"KG\"", "code = \"ABCDEFGHIJKLMNOPQ\"", "code"),
        ("code = \"KG\"", "code = \"--K\"", "code"),
        ("code = \"KG\"", "code = \"123\"", "code"),
        ("code = \"KG\"", "code = \"KZ\"", "twice"),
        ("\"KG\", \"KZ\"", "\"KG\", \"KG\"", "twice"),
        ("\"KG\", \"KZ\"", "\"KG\", \"XX\"", "XX"),
        (
            "name = \"Member KG\"",
            "name = \"Member\u{202e}KG\"",
            "invisible",
        ),
        ("name = \"Member KG\"", "name = \" Member KG\"", "space"),
        ("name = \"Member KG\"", "name = \"a\\u0007b\"", "control"),
        ("name = \"Member KG\"", "name = \"\"", "1 to 128"),
        ("domain = \"kg.example\"", "domain = \"kg\"", "domain"),
        (
            "domain = \"kg.example\"",
            "domain = \"KG.example\"",
            "domain",
        ),
        (
            "domain = \"kg.example\"",
            "domain = \"kg..example\"",
            "domain",
        ),
        (
            "domain = \"kg.example\"",
            "domain = \"other.example\"",
            "other.example/root",
        ),
        ("https://kg.example:7443", "http://kg.example:7443", "url"),
        ("https://kg.example:7443", "https://kg.example", "url"),
        ("https://kg.example:7443", "https://kg.example:0", "url"),
        ("https://kg.example:7443", "https://kg.example:07443", "url"),
        ("https://kg.example:7443", "https://kg.example:70000", "url"),
        ("https://kg.example:7443", "https://kg.example:7443/", "url"),
        (
            "https://kg.example:7443",
            "https://u@kg.example:7443",
            "url",
        ),
        (
            "https://kg.example:7443",
            "https://kz.example:7443",
            "twice",
        ),
        ("ceiling = \"TLP:AMBER\"", "ceiling = \"amber\"", "ceiling"),
        ("kinds = \"any\"", "kinds = \"all\"", "line"),
        ("kinds = \"any\"", "kinds = []", "kinds"),
        ("kinds = \"any\"", "kinds = [\"a\", \"a\"]", "twice"),
        ("kinds = \"any\"", "kinds = [\"Indicator\"]", "kinds"),
        ("kinds = \"any\"\n", "", "kinds"),
        (
            "attribution = \"origin\"",
            "attribution = \"none\"",
            "attribution",
        ),
        (
            "non_attribution = true",
            "non_attribution = false",
            "non_attribution",
        ),
        ("retention_days = 30", "retention_days = 366", "at most 365"),
        ("retention_days = 365", "retention_days = 0", "retention"),
        (
            "retention_days = 365",
            "retention_days = 999999",
            "retention",
        ),
        (
            "third_party = \"with-consent\"",
            "third_party = \"yes\"",
            "third_party",
        ),
        ("name = \"pair\"", "name = \"all\"", "twice"),
        ("\n\n[obligations]", "\r\n\n[obligations]", "control"),
    ];
    for (from, to, word) in cases {
        let error = Accord::parse_text(&text_with(from, to)).expect_err(to);
        let said = error.to_string();
        assert!(
            said.contains(word),
            "{to:?} should speak of {word:?}: {said}"
        );
        assert!(!said.contains('\n'), "one sentence: {said:?}");
    }
    let good = accord(&SIX).to_text();
    assert!(
        Accord::parse_text(good.trim_end()).is_err(),
        "the last line must end"
    );
    assert!(Accord::parse_text("").is_err());
}

#[test]
fn addresses_of_loopback_nodes_are_fine() {
    for url in [
        "https://127.0.0.1:7443",
        "https://[::1]:7443",
        "https://localhost:1",
    ] {
        let text = text_with("https://kg.example:7443", url);
        assert!(Accord::parse_text(&text).is_ok(), "{url}");
    }
}

#[test]
fn codes_that_look_alike_do_not_stand_together() {
    for (one, other) in [("CERT-0", "CERT-O"), ("A1-B", "AIB"), ("AGENCY", "AGE-NCY")] {
        let mut draft = accord(&SIX);
        draft.members.push(member(one));
        draft.members.push(member(other));
        let error = draft.check().expect_err(other).to_string();
        assert!(error.contains("too like another"), "{error}");
    }
}

#[test]
fn one_key_serves_one_role_of_one_member() {
    let mut shared = accord(&SIX);
    let renamed = root("KZ").renamed("kg.example/root").expect("a key name");
    shared.members[0].root = renamed.verifier().clone();
    let error = shared.check().expect_err("two members share a key");
    assert!(
        matches!(error, AccordError::Duplicate { what: "key", .. }),
        "{error}"
    );

    let mut twofold = accord(&SIX);
    let renamed = root("KG").renamed("kg.example/log").expect("a key name");
    twofold.members[0].log = renamed.verifier().clone();
    assert!(twofold.check().is_err(), "root and log are the same key");

    let mut misnamed = accord(&SIX);
    misnamed.members[0].root = key("KG", Role::Log).verifier().clone();
    assert!(misnamed.check().is_err(), "a log key cannot be root");

    let mut unfit = accord(&SIX);
    let cosigner = SigningKey::from_seed(KeyKind::CosignatureV1, "kg.example/root", [1; 32]);
    unfit.members[0].root = cosigner.expect("a key").verifier().clone();
    assert!(unfit.check().is_err(), "a witness key cannot be root");

    let mut tls = accord(&SIX);
    tls.members[0].tls = tls.members[1].tls;
    assert!(tls.check().is_err(), "two members share a TLS key");
}

#[test]
fn counts_are_bounded() {
    let mut crowded = accord(&SIX);
    while crowded.channels.len() <= CHANNELS_MAX {
        let name = format!("c{}", crowded.channels.len());
        crowded.channels.push(channel(&name, &SIX));
    }
    let error = crowded.check().expect_err("too many channels");
    assert!(
        matches!(
            error,
            AccordError::TooMany {
                what: "channels",
                ..
            }
        ),
        "{error}"
    );

    let mut crowded = accord(&SIX);
    crowded.members = vec![member("KZ"); MEMBERS_MAX + 1];
    let error = crowded.check().expect_err("too many members");
    assert!(
        matches!(
            error,
            AccordError::TooMany {
                what: "members",
                ..
            }
        ),
        "{error}"
    );

    let error = SignedAccord::parse(&vec![b'a'; NOTE_BYTES_MAX + 1]).expect_err("too large");
    assert!(matches!(error, AccordError::TooLarge { .. }), "{error}");

    let mut lonely = accord(&SIX);
    lonely.channels[0].members = codes(&["KZ"]);
    assert!(lonely.check().is_err(), "a channel of one");
}

#[test]
fn ratification_needs_the_members_own_root_key() {
    let mut signed = ratified(accord(&SIX), &[]);
    assert!(signed.ratified().is_empty());
    // A stranger, the member's other keys, and another member's key under this member's name.
    let impostor = root("UZ").renamed("kz.example/root").expect("a key name");
    for key in [
        root("RU"),
        key("KZ", Role::Log),
        key("KZ", Role::Witness),
        impostor,
    ] {
        let error = signed
            .ratify(&key)
            .expect_err("not a root key of the accord");
        assert!(matches!(error, AccordError::NotARootKey { .. }), "{error}");
    }
    // The right secret under another name.
    let misnamed = root("KZ").renamed("kg.example/root").expect("a key name");
    assert!(signed.ratify(&misnamed).is_err());
    assert!(signed.ratified().is_empty());

    assert_eq!(signed.ratify(&root("KZ")).as_deref(), Ok("KZ"));
    let once = signed.to_string();
    assert_eq!(
        signed.ratify(&root("KZ")).as_deref(),
        Ok("KZ"),
        "again is fine"
    );
    assert_eq!(signed.to_string(), once);
    assert_eq!(signed.ratified(), codes(&["KZ"]));
}

/// The line as if `code`'s root key had made it.
fn dressed(line: &SignatureLine, code: &str) -> SignatureLine {
    let own = ratified(accord(&SIX), &[code]).to_string();
    let own = Note::parse(own.as_bytes()).expect("a note");
    let own = own.signatures()[0].to_string();
    // Base64 of 4 bytes of key id and 64 of signature: the id is in the first 32 bits.
    let (name, _) = own.rsplit_once(' ').expect("a line has a signature");
    let mut bytes = [
        root(code).verifier().id().to_vec(),
        line.signature().to_vec(),
    ]
    .concat();
    let signature = base64(&mut bytes);
    SignatureLine::parse(&format!("{name} {signature}")).expect("a line")
}

/// Standard base64; 68 bytes here, so with padding.
fn base64(bytes: &mut Vec<u8>) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padding = (3 - bytes.len() % 3) % 3;
    bytes.resize(bytes.len() + padding, 0);
    let mut out = String::new();
    for three in bytes.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    out.truncate(out.len() - padding);
    out.push_str(&"=".repeat(padding));
    out
}

#[test]
fn lines_that_are_no_ratification_do_not_count() {
    let text = accord(&SIX).to_text();
    let mut other = accord(&SIX);
    other.channels[0].ceiling = Tlp::Red;
    let replayed = ratified(other, &["TJ"]);
    let replayed = Note::parse(replayed.to_string().as_bytes()).expect("a note");

    let mut note = Note::new(&text).expect("a text");
    note.sign(&key("KG", Role::Log)).expect("signs");
    note.sign(&root("RU")).expect("signs");
    note.sign(&root("UZ").renamed("kz.example/root").expect("a key name"))
        .expect("signs");
    note.add(replayed.signatures()[0].clone())
        .expect("room for a line");
    // TJ's line for another text, dressed as PK's.
    let dressed = dressed(&replayed.signatures()[0], "PK");
    note.add(dressed).expect("room for a line");
    note.sign(&root("US")).expect("signs");
    let signed = SignedAccord::parse(note.to_string().as_bytes()).expect("it is an accord");
    assert_eq!(signed.ratified(), codes(&["US"]));
    let again = SignedAccord::parse(signed.to_string().as_bytes()).expect("what we write");
    assert_eq!(again.to_string(), signed.to_string());
    assert_eq!(
        Note::parse(signed.to_string().as_bytes())
            .expect("a note")
            .signatures()
            .len(),
        1,
        "other lines are not passed on"
    );
}

#[test]
fn a_text_that_a_person_wrote_is_verified_as_written() {
    let text = format!("# Agreed in Bishkek.\n\n{}", accord(&SIX).to_text());
    let mut signed = SignedAccord::from_text(&text).expect("comments are allowed");
    signed.ratify(&root("KZ")).expect("the root key ratifies");
    let read = SignedAccord::parse(signed.to_string().as_bytes()).expect("a signed accord");
    assert_eq!(read.ratified(), codes(&["KZ"]));
    assert_eq!(read.text(), text);
    assert_ne!(read.digest(), read.accord().digest());
    // The same accord in our own form is another text, and its signatures are not these.
    let mut ours = ratified(accord(&SIX), &["KG"]);
    assert!(matches!(
        ours.merge(&read),
        Err(AccordError::DifferentText { .. })
    ));
    assert_eq!(ours.ratified(), codes(&["KG"]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn merging_is_the_union(mine in 0_u8..64, theirs in 0_u8..64) {
        let of = |bits: u8| -> Vec<&str> {
            SIX.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, c)| *c).collect()
        };
        let mut left = ratified(accord(&SIX), &of(mine));
        let right = ratified(accord(&SIX), &of(theirs));
        let new = left.merge(&right).expect("the same text");
        prop_assert_eq!(left.ratified(), codes(&of(mine | theirs)));
        prop_assert_eq!(new, (theirs & !mine).count_ones() as usize);
        prop_assert_eq!(left.merge(&right).expect("again"), 0);
        // The order of merging does not show.
        let mut back = right.clone();
        back.merge(&ratified(accord(&SIX), &of(mine))).expect("the same text");
        prop_assert_eq!(back.to_string(), left.to_string());
        // What is written verifies for whoever reads it.
        if mine | theirs != 0 {
            let read = SignedAccord::parse(left.to_string().as_bytes()).expect("a signed accord");
            prop_assert_eq!(read.ratified(), left.ratified());
            let all: BTreeSet<String> = read.ratified();
            for code in &all {
                let member = read.accord().member(code).expect("a member");
                let note = Note::parse(left.to_string().as_bytes()).expect("a note");
                prop_assert!(note.verified_by(&member.root).is_ok());
            }
        }
    }
}

#[test]
fn versions_form_a_chain() {
    let first = ratified(accord(&SIX), &["KZ", "KG"]);
    let mut next = accord(&SIX);
    next.version = 2;
    next.previous = Some(first.digest());
    let next = ratified(next, &[]);
    assert_eq!(next.succeeds(&first), Ok(()));
    assert!(first.succeeds(&next).is_err());
    assert!(first.succeeds(&first).is_err());
    let mut forged = accord(&SIX);
    forged.version = 2;
    forged.previous = Some([0; 32]);
    assert!(ratified(forged, &[]).succeeds(&first).is_err());
    let mut renamed = accord(&SIX);
    renamed.name = "other".to_owned();
    renamed.version = 2;
    renamed.previous = Some(first.digest());
    assert!(ratified(renamed, &[]).succeeds(&first).is_err());
}

#[test]
fn channels_are_in_force_among_those_who_ratified() {
    let mut signed = ratified(accord(&SIX), &["KG"]);
    assert!(signed.channel_in_force("all").is_none());
    signed.ratify(&root("UZ")).expect("the root key ratifies");
    let all = signed.channel_in_force("all").expect("two have ratified");
    assert_eq!(all.members, codes(&["KG", "UZ"]));
    assert_eq!(all.retention_days, Some(365));
    let drill = signed.channel_in_force("drill").expect("two have ratified");
    assert_eq!(drill.retention_days, Some(30));
    assert!(
        signed.channel_in_force("pair").is_none(),
        "only KG of KG and KZ"
    );
    assert!(signed.channel_in_force("none").is_none());
}

#[test]
fn log_keys_speak_under_the_origin() {
    let signed = ratified(accord(&SIX), &[]);
    let keys = signed.log_keys("KZ", "pair").expect("KZ is in the pair");
    assert_eq!(keys.origin, "kz.example/steppe/pair");
    assert_eq!(keys.ed25519.name(), keys.origin);
    let own = key("KZ", Role::Log)
        .renamed(&keys.origin)
        .expect("a key name");
    assert_eq!(keys.ed25519, *own.verifier());
    let pq = keys.pq.expect("KZ has an ML-DSA key");
    assert_eq!(
        (pq.name(), pq.kind()),
        ("kz.example/steppe/pair", KeyKind::MlDsa44)
    );
    assert!(
        signed.log_keys("UZ", "pair").is_none(),
        "UZ is not in the pair"
    );
    assert!(signed.log_keys("XX", "all").is_none());
    assert!(signed.log_keys("KZ", "none").is_none());
}
