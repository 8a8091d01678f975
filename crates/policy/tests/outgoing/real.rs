//! Redaction, scrub and leak check over real feeds: MITRE ATT&CK for ICS.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Class, Label, Object};
use policy::{LeakRules, Profiles, RefState, Scrub, leaks, redact, scrub};

use crate::hostile::EVERYTHING;
use crate::names::{TestNames, id};

/// The newest release, or nothing when the data folder is absent. With `KURULTAI_REQUIRE_ALL=1`
/// absence is a failure.
fn attack_ics() -> Vec<Object> {
    let folder = std::env::var_os("KURULTAI_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let path = folder.join("stix/ics-attack-18.1.json.zst");
    let packed = match std::fs::read(&path) {
        Ok(packed) => packed,
        Err(error) if std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|all| all == "1") => {
            panic!("{}: {error}", path.display())
        }
        Err(error) => {
            eprintln!("skipped: no real data at {} ({error})", path.display());
            return Vec::new();
        }
    };
    let text = zstd::decode_all(packed.as_slice()).expect("the release is zstd");
    let mut objects = Vec::new();
    model::bundle(&text, |_, object| objects.extend(object.ok())).expect("a bundle");
    objects
}

#[test]
fn every_form_of_attack_is_an_object_or_a_reason() {
    let objects = attack_ics();
    let profiles = Profiles::parse(EVERYTHING).expect("the profiles");
    let all = [profiles.get("all").expect("all")];
    let settings = Scrub::new(
        id("identity--00000000-0000-4000-8000-0000000000ff"),
        &Label::parse("TLP:GREEN//REL KZ").expect("a label"),
        60,
        1024,
    );
    let names = TestNames::default();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: String| *outcomes.entry(what).or_default() += 1;
    for object in &objects {
        match redact(object, &all, &names) {
            Ok(redacted) => {
                for form in &redacted.objects {
                    assert_eq!(Object::parse(form.bytes()).as_ref(), Ok(form));
                }
                count("redacted".to_owned());
            }
            Err(error) => count(format!("not redacted: {error}")),
        }
        match scrub(object, &settings, &names) {
            Ok(form) => {
                assert_eq!(form.bytes().len() % 1024, 0);
                count("scrubbed".to_owned());
            }
            Err(error) => count(format!("not scrubbed: {error}")),
        }
    }
    eprintln!("{outcomes:#?}");
    let own_types = |object: &&Object| !matches!(object.class(), Class::Extension | Class::Marking);
    let of_stix = objects.iter().filter(own_types).count();
    let none = 0usize;
    assert_eq!(
        outcomes.get("redacted").unwrap_or(&none),
        &objects.len(),
        "{outcomes:#?}"
    );
    assert_eq!(
        outcomes.get("scrubbed").unwrap_or(&none),
        &of_stix,
        "{outcomes:#?}"
    );
}

#[test]
fn the_leak_check_is_quiet_on_public_knowledge() {
    let objects = attack_ics();
    let rules = LeakRules::default();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut blocked = 0;
    for object in objects
        .iter()
        .filter(|object| object.class() != Class::Marking)
    {
        let findings = leaks(object, &rules, &|_| RefState::Released);
        blocked += usize::from(findings.iter().any(|finding| finding.blocks));
        for finding in findings {
            *found
                .entry(format!(
                    "{:?}: {} at {}",
                    finding.kind, finding.words, finding.pointer
                ))
                .or_default() += 1;
        }
    }
    eprintln!("{blocked} of {}: {found:#?}", objects.len());
    assert!(blocked * 200 <= objects.len(), "{blocked}: {found:#?}");
}
