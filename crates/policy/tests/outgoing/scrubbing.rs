//! Non-attributable forms: what is in them, what is not, and what has none.

use std::collections::BTreeSet;

use model::{Label, Object, Timestamp};
use policy::{EXTENSION_PADDING, Names, Scrub, ScrubError, scrub};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::names::{TestNames, id, object, tree};
use crate::sources::{SOURCES, make};
use crate::support::Rng;

fn settings(pad: usize) -> Scrub {
    let label = Label::parse("TLP:AMBER//REL KZ").expect("a label");
    Scrub::new(
        id("identity--00000000-0000-4000-8000-0000000000ff"),
        &label,
        60,
        pad,
    )
}

/// What a form may hold, written out here once more: a list that only agrees with itself shows
/// nothing.
fn may_hold(kind: &str) -> BTreeSet<&'static str> {
    let common = [
        "type",
        "id",
        "spec_version",
        "object_marking_refs",
        "extensions",
    ];
    let versioned = ["created", "modified", "created_by_ref", "revoked"];
    let own: &[&str] = match kind {
        "indicator" => &["pattern", "pattern_type", "valid_from"],
        "observed-data" => &[
            "first_observed",
            "last_observed",
            "number_observed",
            "object_refs",
        ],
        "malware" => &["name", "is_family", "external_references"],
        "vulnerability" => &["name", "external_references"],
        "sighting" => &["sighting_of_ref"],
        "report" => &["name", "published", "object_refs"],
        "relationship" => &["relationship_type", "source_ref", "target_ref"],
        "file" => &["hashes", "name"],
        other => panic!("{other}"),
    };
    let versioned = versioned.into_iter().filter(|_| kind != "file");
    common
        .into_iter()
        .chain(versioned)
        .chain(own.iter().copied())
        .collect()
}

proptest! {
    #[test]
    fn forms_hold_what_is_listed_and_fill_their_bucket(
        seed in any::<u64>(),
        source in 0..SOURCES,
        pad in prop::sample::select(vec![1usize, 64, 100, 1024, 4096]),
    ) {
        let made = make(source, &mut Rng(seed));
        let names = TestNames::default();
        let form = scrub(&made.object, &settings(pad), &names).expect("a form");
        let value = tree(&form);
        let listed = may_hold(form.kind());
        for name in value.as_object().expect("an object").keys() {
            prop_assert!(listed.contains(name.as_str()), "{}", name);
        }
        let extensions = value["extensions"].as_object().expect("extensions");
        prop_assert_eq!(extensions.keys().collect::<Vec<_>>(), [EXTENSION_PADDING]);
        prop_assert_eq!(form.bytes().len() % pad, 0);
        prop_assert_eq!(Object::parse(form.bytes()), Ok(form.clone()));
        prop_assert_eq!(form.id(), &names.derive(made.object.id()));
        for time in [form.created(), form.modified()].into_iter().flatten() {
            prop_assert_eq!(time.unix_nanos() % 3_600_000_000_000, 0);
        }
        prop_assert_eq!(&scrub(&form, &settings(pad), &names).expect("a form of a form"), &form);
        prop_assert_eq!(scrub(&made.object, &settings(pad), &names).expect("a form"), form);
    }
}

#[test]
fn revisions_are_later_than_the_form_before() {
    let malware = |modified: &str| {
        object(json!({
            "type": "malware", "spec_version": "2.1", "id": "malware--00000000-0000-4000-8000-000000000001",
            "created": "2026-03-01T08:15:09.123Z", "modified": modified, "name": "M", "is_family": true,
        }))
    };
    let mut previous: Option<Timestamp> = None;
    let mut forms = Vec::new();
    for modified in [
        "2026-03-01T08:15:09.123Z",
        "2026-03-01T08:16:00Z",
        "2026-03-01T08:17:00Z",
        "2026-03-03T00:01:00Z",
    ] {
        let names = TestNames {
            previous,
            ..TestNames::default()
        };
        let form = scrub(&malware(modified), &settings(512), &names).expect("a form");
        assert_eq!(
            form.created().map(|at| at.to_string()).as_deref(),
            Some("2026-03-01T08:00:00.000Z")
        );
        assert!(form.modified() > previous);
        previous = form.modified();
        forms.push(form);
    }
    let times: Vec<String> = forms
        .iter()
        .map(|form| form.modified().expect("modified").to_string())
        .collect();
    assert_eq!(
        times,
        [
            "2026-03-01T08:00:00.000Z",
            "2026-03-01T09:00:00.000Z",
            "2026-03-01T09:00:00.001Z",
            "2026-03-03T00:00:00.000Z",
        ]
    );
    assert!(forms.iter().all(|form| form.id() == forms[0].id()));
}

#[test]
fn what_has_no_form_is_refused_with_its_place() {
    let base = |kind: &str, more: Value| {
        let mut value = json!({
            "type": kind, "spec_version": "2.1", "id": format!("{kind}--00000000-0000-4000-8000-000000000001"),
            "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:15:09.123Z",
        });
        let all = value.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        object(value)
    };
    let run = |object: &Object, names: &TestNames| {
        scrub(object, &settings(64), names).expect_err("refused")
    };
    let names = TestNames::default();
    for kind in [
        "artifact",
        "email-message",
        "process",
        "user-account",
        "marking-definition",
        "x-custom",
    ] {
        let refused = run(&base(kind, json!({})), &names);
        assert!(
            matches!(refused, ScrubError::Kind { .. }),
            "{kind}: {refused}"
        );
    }
    let yara = base(
        "indicator",
        json!({"pattern": "rule r {}", "pattern_type": "yara", "valid_from": "2026-03-01T08:15:09Z"}),
    );
    assert!(
        matches!(run(&yara, &names), ScrubError::Value { pointer, .. } if pointer == "/pattern")
    );
    let area = base("location", json!({"latitude": 1.5, "longitude": 2.5}));
    assert!(
        matches!(run(&area, &names), ScrubError::Required { pointer } if pointer == "/latitude")
    );
    let target = "malware--00000000-0000-4000-8000-000000000002";
    let names = TestNames {
        withheld: [id(target)].into(),
        ..TestNames::default()
    };
    let seen = base("sighting", json!({"sighting_of_ref": target}));
    assert!(
        matches!(run(&seen, &names), ScrubError::Unreleased { pointer } if pointer == "/sighting_of_ref")
    );
    let huge = base(
        "note",
        json!({"content": "x".repeat(1_000_000), "object_refs": [seen.id()]}),
    );
    let too_large = scrub(&huge, &settings(600_000), &TestNames::default()).expect_err("refused");
    assert!(matches!(too_large, ScrubError::Value { .. }), "{too_large}");
}

#[test]
fn private_citations_do_not_pass_under_public_names() {
    let tool = object(json!({
        "type": "tool", "spec_version": "2.1", "id": "tool--00000000-0000-4000-8000-000000000001",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:15:09.123Z", "name": "T",
        "external_references": [
            {"source_name": "MITRE-attack", "external_id": "T1059.001", "url": "https://who.example/"},
            {"source_name": "mitre-attack", "external_id": "OURS-17"},
            {"source_name": "our cases", "external_id": "CVE-2026-1234"},
            {"source_name": "cve", "external_id": "CVE-2026-1234"},
        ],
    }));
    let form = scrub(&tool, &settings(64), &TestNames::default()).expect("a form");
    assert_eq!(
        tree(&form)["external_references"],
        json!([
            {"source_name": "cve", "external_id": "CVE-2026-1234"},
            {"source_name": "mitre-attack", "external_id": "T1059.001"},
        ])
    );
}
