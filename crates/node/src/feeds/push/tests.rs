//! What an outside reader may have.

use std::collections::BTreeSet;

use super::*;

fn asked(label: &str, person: bool, stands_for: Option<&str>) -> Option<String> {
    let mut groups = Groups::default();
    groups.insert("@pact/east", BTreeSet::from(["KG".to_owned()]));
    let label = Label::parse(label).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    refusal(&label, person, stands_for, &groups, now)
}

#[test]
fn everybody_gets_what_is_for_everybody_only() {
    for label in [
        "TLP:CLEAR",
        "TLP:GREEN//REL *",
        "TLP:CLEAR//EXPIRES 2026-06-01T00:00:00Z",
    ] {
        assert_eq!(asked(label, false, None), None, "{label}");
    }
    for label in [
        "TLP:GREEN",
        "TLP:GREEN//REL KZ,KG",
        "TLP:AMBER//REL *",
        "TLP:RED//REL *",
        "TLP:CLEAR//NOT KG",
        "TLP:CLEAR//CAVEAT ORCON",
        "TLP:CLEAR//PURPOSE ct",
        "TLP:CLEAR//EXERCISE",
        "TLP:CLEAR//EXPIRES 2026-01-01T00:00:00Z",
    ] {
        let why = asked(label, false, None).unwrap_or_else(|| panic!("{label}"));
        assert!(why.starts_with("not pushed: "), "{why}");
    }
    assert!(asked("TLP:CLEAR", true, None).is_some(), "about a person");
}

#[test]
fn a_collection_that_stands_for_a_member_gets_what_is_for_that_member() {
    for label in [
        "TLP:CLEAR",
        "TLP:GREEN//REL KZ,KG",
        "TLP:AMBER//REL @pact/east",
    ] {
        assert_eq!(asked(label, false, Some("KG")), None, "{label}");
    }
    for label in [
        "TLP:GREEN//REL KZ",
        "TLP:AMBER",
        "TLP:AMBER+STRICT//REL KG",
        "TLP:RED//REL KG",
        "TLP:GREEN//REL KG//NOT @pact/east",
        "TLP:GREEN//REL KG//CAVEAT NO-ONWARD",
        "TLP:GREEN//REL KG//EXERCISE",
    ] {
        assert!(asked(label, false, Some("KG")).is_some(), "{label}");
    }
}
