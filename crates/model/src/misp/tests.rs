use proptest::prelude::*;

use super::*;
use crate::label::tests::any_label;
use crate::{Pap, Tlp};

fn read(tags: &[&str]) -> Result<Tags, TagError> {
    Tags::read(tags.iter().copied())
}

#[test]
fn a_label_in_tags() {
    let label = Label::parse(
        "TLP:AMBER+STRICT//PAP:RED//REL KZ,@pact/east//NOT KG//CAVEAT ORCON//PURPOSE ct//\
         LEGAL act 12-3//EXPIRES 2026-12-01T00:00:00Z//EXERCISE",
    )
    .expect("a label");
    assert_eq!(
        tags(&label),
        [
            "tlp:amber+strict",
            "PAP:RED",
            "kurultai:releasable-to=\"@pact/east\"",
            "kurultai:releasable-to=\"KZ\"",
            "kurultai:not-releasable-to=\"KG\"",
            "kurultai:caveat=\"ORCON\"",
            "kurultai:purpose=\"ct\"",
            "kurultai:legal-basis=\"act 12-3\"",
            "kurultai:expires=\"2026-12-01T00:00:00.000Z\"",
            "kurultai:exercise=\"exercise\"",
        ]
    );
}

#[test]
fn other_peoples_tags_are_kept_and_reported() {
    let tags = read(&[
        "osint:source-type=\"blog-post\"",
        "TLP:White",
        "pap:green",
        "exercise:generic=\"comcheck\"",
        "no-namespace",
    ])
    .expect("they read");
    assert_eq!(tags.stated.tlp, Some(Tlp::Clear));
    assert_eq!(tags.stated.pap, Some(Pap::Green));
    assert_eq!(tags.stated.exercise, Some(true), "an exercise stays one");
    assert_eq!(tags.stated.releasable_to, None);
    assert_eq!(
        tags.unknown,
        [
            "osint:source-type=\"blog-post\"",
            "exercise:generic=\"comcheck\"",
            "no-namespace"
        ]
    );
}

#[test]
fn the_stricter_of_several_holds_and_nobody_wins() {
    let tags = read(&["tlp:green", "tlp:red", "PAP:AMBER", "PAP:GREEN"]).expect("they read");
    assert_eq!(
        (tags.stated.tlp, tags.stated.pap),
        (Some(Tlp::Red), Some(Pap::Amber))
    );
    let nobody = Some(Releasable::nobody());
    let rel = |tags: &[&str]| read(tags).expect("they read").stated.releasable_to;
    let (everyone, none, kz) = (
        "kurultai:releasable-to=\"*\"",
        "kurultai:releasable-to=\"-\"",
        "kurultai:releasable-to=\"KZ\"",
    );
    assert_eq!(rel(&[none, kz]), nobody);
    assert_eq!(rel(&[everyone, none]), nobody);
    assert_eq!(rel(&[everyone, kz]), rel(&[kz]));
    assert_eq!(rel(&[everyone]), Some(Releasable::Everyone));
    assert_eq!(rel(&[kz, "kurultai:releasable-to-all=\"KG\""]), nobody);
}

#[test]
fn orders_that_are_not_understood_are_errors() {
    for tag in [
        "tlp:pink",
        "tlp:",
        "TLP:AMBER+STRICT+",
        "PAP:BLUE",
        "kurultai:releasable-to=\"kz\"",
        "kurultai:releasable-to=\"К Z\"", // a Cyrillic К
        "kurultai:releasable-to=\"\"",
        "kurultai:releasable-to=KZ",
        "kurultai:releasable-to-all=\"KZ,\"",
        "kurultai:not-releasable-to=\"*\"",
        "kurultai:caveat=\"\"",
        "kurultai:caveat=\"%zz\"",
        "kurultai:expires=\"never\"",
        "kurultai:exercise=\"no\"",
        "kurultai:colour=\"red\"",
        "kurultai:",
    ] {
        let error = read(&[tag]).expect_err(tag);
        assert!(
            matches!(error, TagError::NotUnderstood(_)),
            "{tag}: {error}"
        );
    }
    let many = vec!["a"; MISP_TAGS_MAX + 1];
    assert_eq!(read(&many), Err(TagError::TooMuch));
    let long = "a".repeat(MISP_TAG_BYTES_MAX + 1);
    assert_eq!(read(&[&long]), Err(TagError::TooMuch));
}

proptest! {
    #[test]
    fn a_label_comes_back_from_its_tags(label in any_label(), turned in any::<bool>()) {
        let mut tags = tags(&label);
        if turned {
            tags.reverse();
        }
        let read = Tags::read(tags.iter().map(String::as_str)).expect("our own tags read");
        prop_assert!(read.unknown.is_empty());
        prop_assert_eq!(read.stated.or_default(&Label::nobody()), label);
    }

    #[test]
    fn any_tag_is_read_or_refused(tag in "(tlp|PAP|kurultai|x):[a-z-]{0,20}(=\"[^\"]{0,12}\")?|\\PC{0,30}") {
        if let Ok(tags) = Tags::read([tag.as_str()]) {
            prop_assert!(tags.unknown.len() <= 1);
        }
    }
}
