//! Notices: they bind their signer, take part away or give back what a ratification grants, and
//! nothing else whatever they say, whoever brings them and in whatever order.

mod support;

use log::note::SigningKey;
use model::{Label, Timestamp, Tlp};
use policy::{
    Accord, Act, Notice, NoticeError, Notices, SignedAccord, SignedNotice, Subject, releasable,
};
use proptest::prelude::*;
use support::{SIX, accord, codes, label, ratified, root};

const NONE: [&String; 0] = [];

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").expect("a time")
}

fn six() -> SignedAccord {
    ratified(accord(&SIX), &SIX)
}

fn notice(signed: &SignedAccord, member: &str, act: Act, serial: u64) -> Notice {
    Notice {
        member: member.to_owned(),
        accord: signed.accord().name.clone(),
        version: signed.accord().version,
        digest: signed.digest(),
        act,
        serial,
        at: now(),
        reason: "a change of government".to_owned(),
    }
}

fn by(key: &SigningKey, notice: Notice) -> SignedNotice {
    SignedNotice::sign(notice, key).expect("it can be signed")
}

fn says(signed: &SignedAccord, member: &str, act: Act, serial: u64) -> SignedNotice {
    by(&root(member), notice(signed, member, act, serial))
}

fn suspend(channel: &str) -> Act {
    let channel = channel.to_owned();
    Act::Suspend { channel }
}

fn resume(channel: &str) -> Act {
    let channel = channel.to_owned();
    Act::Resume { channel }
}

/// Who is in force in each channel.
fn in_force(signed: &SignedAccord) -> Vec<(String, Vec<String>)> {
    let channels = signed.accord().channels.iter();
    channels
        .map(|channel| {
            let members = signed
                .channel_in_force(&channel.name)
                .map(|in_force| in_force.members.into_iter().collect())
                .unwrap_or_default();
            (channel.name.clone(), members)
        })
        .collect()
}

#[test]
fn a_notice_reads_back_as_it_was_signed() {
    let six = six();
    for act in [Act::Leave, Act::Return, suspend("all"), resume("all")] {
        let signed = says(&six, "KG", act.clone(), 7);
        let read = SignedNotice::parse(signed.to_string().as_bytes()).expect("it reads");
        assert_eq!(read, signed);
        assert_eq!(read.notice().act, act);
    }
}

#[test]
fn who_leaves_is_out_of_every_channel_and_comes_back_by_its_own_word() {
    let six = six();
    let mut notices = Notices::default();
    assert_eq!(
        notices.take(says(&six, "KG", Act::Leave, 1), &six),
        Ok(true)
    );
    let left = six.clone().heeding(&notices, NONE);
    let all = left.channel_in_force("all").expect("five are left");
    assert_eq!(all.members, codes(&["KZ", "PK", "TJ", "US", "UZ"]));
    // `pair` has KG and KZ: one is nobody.
    assert!(left.channel_in_force("pair").is_none());
    // What was agreed before is still told, and so are the keys that verify what is held.
    let agreed = left.channel_agreed("pair").expect("both have ratified");
    assert_eq!(agreed.members, codes(&["KG", "KZ"]));
    assert!(left.log_keys("KG", "pair").is_some());
    assert_eq!(left.ratified(), codes(&SIX));
    assert_eq!(left.to_string(), six.to_string());

    assert_eq!(
        notices.take(says(&six, "KG", Act::Return, 2), &six),
        Ok(true)
    );
    let back = left.heeding(&notices, NONE);
    assert_eq!(in_force(&back), in_force(&six));
}

#[test]
fn a_suspended_channel_is_suspended_for_its_signer_alone() {
    let six = six();
    let mut notices = Notices::default();
    assert_eq!(
        notices.take(says(&six, "KZ", suspend("all"), 1), &six),
        Ok(true)
    );
    let heeding = six.clone().heeding(&notices, NONE);
    let all = heeding.channel_in_force("all").expect("in force");
    assert_eq!(all.members, codes(&["KG", "PK", "TJ", "US", "UZ"]));
    let pair = heeding.channel_in_force("pair").expect("in force");
    assert_eq!(pair.members, codes(&["KG", "KZ"]));
    // To return to an accord that was not left resumes no channel.
    assert_eq!(
        notices.take(says(&six, "KZ", Act::Return, 2), &six),
        Ok(true)
    );
    let all = heeding.heeding(&notices, NONE);
    assert!(
        !all.channel_in_force("all")
            .expect("in force")
            .members
            .contains("KZ")
    );
}

#[test]
fn who_left_still_has_to_be_cleared_for_what_enters() {
    let six = six();
    let mut notices = Notices::default();
    notices
        .take(says(&six, "KG", Act::Leave, 1), &six)
        .expect("genuine");
    let left = six.heeding(&notices, NONE);
    let all = left.channel_in_force("all").expect("in force");
    let without = label(Tlp::Green, Some(&["KZ", "PK", "TJ", "US", "UZ"]));
    let subject = Subject {
        label: &without,
        kind: "indicator",
        now: now(),
    };
    // KG may return, and reads the log from its first entry then.
    assert!(releasable(&subject, &all).is_err());
}

#[test]
fn an_exclusion_takes_out_and_no_notice_of_the_excluded_brings_it_back() {
    let six = six();
    let mut notices = Notices::default();
    notices
        .take(says(&six, "KG", Act::Return, u64::MAX), &six)
        .expect("genuine");
    let excluded = "KG".to_owned();
    let heeding = six.heeding(&notices, [&excluded]);
    let all = heeding.channel_in_force("all").expect("in force");
    assert!(!all.members.contains("KG"));
}

#[test]
fn what_is_not_the_members_own_word_about_this_accord_changes_nothing() {
    let six = six();
    let leave = || notice(&six, "KG", Act::Leave, 9);
    let mut other = accord(&SIX);
    other.channels[0].title = "Another text".to_owned();
    let other = ratified(other, &SIX);
    let mut named = accord(&SIX);
    named.name = "taiga".to_owned();
    let named = ratified(named, &SIX);
    let mut strangers = says(&six, "KG", Act::Leave, 9).to_string();
    strangers = strangers.replacen("member = \"KG\"", "member = \"KZ\"", 1);
    let forged = SignedNotice::parse(strangers.as_bytes()).expect("in form");
    let cases = [
        (by(&root("KZ"), leave()), "another member's key"),
        (
            by(&support::key("KG", policy::Role::Log), leave()),
            "another key of the member",
        ),
        (forged, "a signature over other words"),
        (says(&other, "KG", Act::Leave, 9), "another text"),
        (says(&named, "KG", Act::Leave, 9), "another accord"),
        (says(&six, "KG", suspend("none"), 9), "no such channel"),
        (says(&six, "PK", suspend("pair"), 9), "not its channel"),
    ];
    for (signed, why) in cases {
        let mut notices = Notices::default();
        assert!(notices.take(signed, &six).is_err(), "{why}");
        let after = six.clone().heeding(&notices, NONE);
        assert_eq!(in_force(&after), in_force(&six), "{why}");
        assert_eq!(notices.of("steppe").count(), 0, "{why}");
    }
    // A member that the accord does not have.
    let two = ratified(accord(&SIX[..2]), &SIX[..2]);
    let stranger = by(
        &root("UZ"),
        Notice {
            digest: two.digest(),
            ..notice(&six, "UZ", Act::Leave, 1)
        },
    );
    assert_eq!(
        Notices::default().take(stranger, &two),
        Err(NoticeError::NoMember {
            member: "UZ".into()
        })
    );
}

#[test]
fn the_next_version_knows_what_was_said_about_the_one_before() {
    let six = six();
    let next = Accord {
        version: 2,
        previous: Some(six.digest()),
        ..accord(&SIX)
    };
    let next = ratified(next, &SIX);
    let mut notices = Notices::default();
    assert_eq!(
        notices.take(says(&six, "KG", Act::Leave, 1), &next),
        Ok(true)
    );
    // But not of a text that was never the one before.
    let mut other = accord(&SIX);
    other.channels[0].title = "Another text".to_owned();
    let other = ratified(other, &SIX);
    assert!(
        notices
            .take(says(&other, "KG", Act::Return, 2), &next)
            .is_err()
    );
    let after = next.heeding(&notices, NONE);
    assert!(after.channel_in_force("pair").is_none());
}

#[test]
fn only_the_strict_form_is_read() {
    let six = six();
    let good = notice(&six, "KG", suspend("all"), 7).to_text();
    let sign = |text: String| {
        let mut note = log::note::Note::new(text).expect("a text");
        note.sign(&root("KG")).expect("signed");
        SignedNotice::parse(note.to_string().as_bytes())
    };
    assert!(sign(good.clone()).is_ok());
    for (from, to) in [
        ("notice = \"suspend\"", "notice = \"expel\""),
        ("notice = \"suspend\"", "notice = \"leave\""),
        ("channel = \"all\"\n", ""),
        ("serial = 7", "serial = -7"),
        ("serial = 7", "serial = 7\nmember = \"KZ\""),
        ("serial = 7", "serial = 7\nalso = \"KZ\""),
        ("kurultai-notice/1", "kurultai-notice/2"),
        ("at = \"2026", "at = \"once"),
        ("reason = \"a", "reason = \" a"),
        ("reason = \"a", "reason = \"\u{202e}a"),
        ("digest = \"", "digest = \"A"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(sign(text).is_err(), "{from} -> {to}");
    }
    let long = Notice {
        reason: "x".repeat(301),
        ..notice(&six, "KG", Act::Leave, 1)
    };
    assert!(SignedNotice::sign(long, &root("KG")).is_err());
    let vast = vec![b'x'; policy::NOTICE_BYTES_MAX + 1];
    assert!(matches!(
        SignedNotice::parse(&vast),
        Err(NoticeError::TooLarge { .. })
    ));
}

fn an_act() -> impl Strategy<Value = Act> {
    let channel = || prop_oneof![Just("all"), Just("pair"), Just("drill"), Just("none")];
    prop_oneof![
        Just(Act::Leave),
        Just(Act::Return),
        channel().prop_map(suspend),
        channel().prop_map(resume),
    ]
}

/// Notices by anybody in anybody's name, some about another text.
fn some_notices() -> impl Strategy<Value = Vec<(usize, usize, Act, u64, bool)>> {
    proptest::collection::vec(
        (0..6_usize, 0..6_usize, an_act(), 0..4_u64, any::<bool>()),
        0..24,
    )
}

fn made(six: &SignedAccord, said: &(usize, usize, Act, u64, bool)) -> SignedNotice {
    let (member, signer, act, serial, foreign) = said;
    // Mostly the member itself, or hardly any notice would be genuine.
    let signer = if *serial < 3 { *member } else { *signer };
    let mut notice = notice(six, SIX[*member], act.clone(), *serial);
    if *foreign && *serial == 2 {
        notice.digest = [7; 32];
    }
    by(&root(SIX[signer]), notice)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn no_notice_widens_what_anybody_may_read(said in some_notices(), binds in 2..=6_usize) {
        let before = ratified(accord(&SIX), &SIX[..binds]);
        let mut notices = Notices::default();
        for said in &said {
            let _ = notices.take(made(&before, said), &before);
        }
        let after = before.clone().heeding(&notices, NONE);
        for channel in &before.accord().channels {
            let was = before.channel_in_force(&channel.name);
            let Some(is) = after.channel_in_force(&channel.name) else { continue };
            let was = was.expect("what was not in force does not come into force");
            prop_assert!(is.members.is_subset(&was.members));
            prop_assert!(is.members.is_subset(&channel.members));
        }
    }

    #[test]
    fn the_order_of_notices_does_not_matter(
        (said, shuffled) in some_notices().prop_flat_map(|said| {
            let shuffled = Just(said.clone()).prop_shuffle();
            (Just(said), shuffled)
        }),
    ) {
        let six = six();
        let [first, second] = [said, shuffled].map(|said| {
            let mut notices = Notices::default();
            for said in said.iter().chain(&said[..said.len() / 2]) {
                let _ = notices.take(made(&six, said), &six);
            }
            let kept: Vec<String> = notices.of("steppe").map(ToString::to_string).collect();
            (kept, in_force(&six.clone().heeding(&notices, NONE)))
        });
        prop_assert_eq!(first, second);
    }

    #[test]
    fn each_member_alone_decides_about_itself(said in some_notices()) {
        let six = six();
        let mut notices = Notices::default();
        for said in &said {
            let _ = notices.take(made(&six, said), &six);
        }
        let after = six.clone().heeding(&notices, NONE);
        let silent = SIX.iter().filter(|code| {
            !said.iter().any(|said| {
                let signed = made(&six, said);
                signed.notice().member == **code
            })
        });
        for code in silent {
            for channel in &six.accord().channels {
                if channel.members.contains(*code) {
                    let standing = after.standing(channel);
                    prop_assert!(standing.members.contains(*code));
                }
            }
        }
    }

    #[test]
    fn empty_and_unknown_recipients_are_nobody(
        named in proptest::collection::btree_set("[A-Z]{2}", 0..4),
        unknown in "[a-z]{1,8}",
        tlp in 1..5_usize,
    ) {
        let six = six();
        let all = six.channel_in_force("all").expect("in force");
        let level = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red][tlp];
        let nobody = [
            "REL -".to_owned(),
            format!("REL @steppe/{unknown}"),
            format!("REL @{unknown}/{unknown}"),
            format!("REL KG,KZ,PK,TJ,US,UZ & @steppe/{unknown}"),
            format!("REL KG,KZ,PK,TJ,US,UZ//NOT @steppe/{unknown}"),
            "REL KG,KZ,PK,TJ,US".to_owned(),
            String::new(),
        ];
        for rel in nobody {
            let text = if rel.is_empty() { level.to_string() } else { format!("{level}//{rel}") };
            let label = Label::parse(&text).expect("a label");
            let subject = Subject { label: &label, kind: "indicator", now: now() };
            prop_assert!(releasable(&subject, &all).is_err(), "{}", text);
            if !rel.starts_with("REL KG,KZ,PK,TJ,US") || rel.contains("@") {
                for code in SIX {
                    prop_assert!(!label.releases_to(code, &all.groups), "{} for {}", text, code);
                }
            }
        }
        // Any set of codes that misses one member of the channel.
        let missing: Vec<&str> = named.iter().map(String::as_str).filter(|code| *code != "UZ").collect();
        let label = label(level, Some(&missing));
        let subject = Subject { label: &label, kind: "indicator", now: now() };
        prop_assert!(releasable(&subject, &all).is_err());
    }
}
