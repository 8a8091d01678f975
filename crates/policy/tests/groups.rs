//! What an accord says of groups, of hiding a source and of delegates.

mod support;

use policy::{Accord, Attribution, Delegate, Group, Hide};
use support::{SIX, accord, ratified};

#[test]
fn texts_that_break_a_rule_are_refused() {
    let good = accord(&SIX).to_text();
    let cases = [
        (
            "[[channel]]",
            "[[group]]\nname = \"a\"\nmembers = []\n\n[[channel]]",
            "at least one",
        ),
        (
            "[[channel]]",
            "[[group]]\nname = \"a\"\nmembers = [\"XX\"]\n\n[[channel]]",
            "group a names XX",
        ),
        (
            "[[channel]]",
            "[[group]]\nname = \"A\"\nmembers = [\"KG\"]\n\n[[channel]]",
            "name",
        ),
        (
            "[[channel]]",
            "[[group]]\nname = \"а\"\nmembers = [\"KG\"]\n\n[[channel]]",
            "name",
        ), // Cyrillic
        (
            "[[channel]]",
            "[[group]]\nname = \"a\"\nmembers = [\"KG\", \"KG\"]\n\n[[channel]]",
            "twice",
        ),
        (
            "[[channel]]",
            "[[group]]\nname = \"a\"\nmembers = [\"KG\"]\n[[group]]\nname = \"a\"\nmembers = [\"KZ\"]\n\n[[channel]]",
            "twice",
        ),
        (
            "attribution = \"origin\"",
            "attribution = \"origin\"\nhide = { round_minutes = 1, window_minutes = 1, pad_bytes = 64 }",
            "attribution",
        ),
        (
            "attribution = \"member\"",
            "attribution = \"member\"\nhide = { round_minutes = 0, window_minutes = 1, pad_bytes = 64 }",
            "round_minutes",
        ),
        (
            "attribution = \"member\"",
            "attribution = \"member\"\nhide = { round_minutes = 1, window_minutes = 10081, pad_bytes = 64 }",
            "window_minutes",
        ),
        (
            "attribution = \"member\"",
            "attribution = \"member\"\nhide = { round_minutes = 1, window_minutes = 1, pad_bytes = 63 }",
            "pad_bytes",
        ),
        (
            "attribution = \"member\"",
            "attribution = \"member\"\nhide = { round_minutes = 1 }",
            "line",
        ),
        (
            "attribution = \"origin\"",
            "attribution = \"origin\"\ndelegate = { member = \"KG\", into = \"none\" }",
            "no channel",
        ),
        (
            "attribution = \"origin\"",
            "attribution = \"origin\"\ndelegate = { member = \"KG\", into = \"all\" }",
            "own inbox",
        ),
        (
            "attribution = \"origin\"",
            "attribution = \"origin\"\ndelegate = { member = \"KG\", into = \"pair\" }",
            "publishing on behalf",
        ),
        (
            "attribution = \"origin\"",
            "attribution = \"origin\"\ndelegate = { member = \"KG\", into = \"drill\" }",
            "exercises",
        ),
        (
            "attribution = \"member\"",
            "attribution = \"member\"\ndelegate = { member = \"KG\", into = \"drill\" }",
            "own inbox",
        ),
    ];
    for (from, to, word) in cases {
        assert!(good.contains(from), "the good text has {from:?}");
        let error = Accord::parse_text(&good.replacen(from, to, 1)).expect_err(to);
        let said = error.to_string();
        assert!(
            said.contains(word),
            "{to:?} should speak of {word:?}: {said}"
        );
    }
}

#[test]
fn a_delegate_stands_in_both_channels() {
    let mut draft = accord(&SIX);
    draft.channels[0].attribution = Attribution::Member;
    let delegate = |member: &str| {
        Some(Delegate {
            member: member.to_owned(),
            into: "all".to_owned(),
        })
    };
    // KG and KZ are the pair; all six are in the other channel.
    draft.channels[1].delegate = delegate("UZ");
    let error = draft
        .check()
        .expect_err("UZ is not in the inbox")
        .to_string();
    assert!(error.contains("both channels"), "{error}");
    draft.channels[1].delegate = delegate("KZ");
    assert_eq!(draft.check(), Ok(()));
    assert_eq!(draft.channels[0].hiding(), Some(Hide::default()));
    assert_eq!(draft.channels[1].hiding(), None);
    // The channel that hides the source is not itself an inbox.
    draft.channels[0].delegate = Some(Delegate {
        member: "KG".to_owned(),
        into: "drill".to_owned(),
    });
    draft.channels[0].exercise = true;
    draft.channels[1].exercise = true;
    let error = draft.check().expect_err("a chain").to_string();
    assert!(error.contains("itself an inbox"), "{error}");
}

#[test]
fn groups_are_named_after_their_accord() {
    let mut draft = accord(&SIX);
    draft.groups.push(Group {
        name: "east".to_owned(),
        members: support::codes(&["KG", "KZ"]),
    });
    let signed = ratified(draft, &SIX);
    let all = signed.channel_in_force("all").expect("all have ratified");
    assert_eq!(
        all.groups.get("@steppe/east"),
        Some(&support::codes(&["KG", "KZ"]))
    );
    assert_eq!(all.groups.iter().count(), 1);
    assert_eq!(all.accord, "steppe");
    assert_eq!(all.purposes, signed.accord().obligations.purposes);
}
