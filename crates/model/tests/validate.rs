//! Validation of real data in both modes, and of anything at all.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use kurultai_model as model;
use model::validate::{Finding, Mode, Report, Severity, Validator, Weight, deterministic_id};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn both(text: &[u8]) -> (Report, Report) {
    let report = |mode| Validator::new(mode).text(text).expect("JSON");
    (report(Mode::Strict), report(Mode::Lenient))
}

/// The three ATT&CK releases have warnings and notes, and no error.
#[test]
fn attack_has_no_error_in_either_mode() {
    for release in common::attack() {
        let (strict, lenient) = both(&release);
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in strict
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
        {
            *rules.entry(finding.rule.id).or_default() += 1;
        }
        println!(
            "{} objects; strict {:?}, lenient {:?} (notes, warnings, errors); {rules:?}",
            strict.objects, strict.counts, lenient.counts
        );
        assert!(strict.objects > 1_000);
        assert_eq!(lenient.count(Severity::Error), 0);
        assert_eq!(strict.first_error(), None, "{rules:?}");
    }
}

fn of_the_standard(report: &Report) -> Vec<&Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.rule.weight != Weight::Intake)
        .collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type".to_owned()),
        Just("id".to_owned()),
        Just("extensions".to_owned()),
        Just("objects".to_owned()),
        Just("granular_markings".to_owned()),
        Just("selectors".to_owned()),
        Just("hashes".to_owned()),
        Just("contents".to_owned()),
        Just("object_ref".to_owned()),
        Just("definition".to_owned()),
        Just("external_references".to_owned()),
        Just("body_multipart".to_owned()),
        "[a-z_]{0,5}",
    ];
    let text = prop_oneof![
        Just("file".to_owned()),
        Just("observed-data".to_owned()),
        Just("language-content".to_owned()),
        Just("bundle".to_owned()),
        Just("file--5e000000-0000-5000-8000-000000000001".to_owned()),
        Just("2026-01-01T00:00:00.000Z".to_owned()),
        Just("[0].x.[9]".to_owned()),
        ".{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|number| json!(number)),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Replaces one value somewhere in an object.
fn graft(value: &mut Value, path: &[usize], scion: &Value) {
    let Some((step, rest)) = path.split_first() else {
        *value = scion.clone();
        return;
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            graft(&mut items[at], rest, scion);
        }
        Value::Object(map) if !map.is_empty() => {
            let name = map.keys().nth(step % map.len()).cloned().expect("in range");
            graft(&mut map[&name], rest, scion);
        }
        _ => *value = scion.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_judged_and_both_modes_find_the_same(
        pick in 0usize..57,
        path in prop::collection::vec(0usize..20, 0..4),
        scion in any_json(),
    ) {
        let examples: Vec<Value> = serde_json::from_str(include_str!("examples/stix.json")).expect("JSON");
        let mut value = examples[pick % examples.len()].clone();
        graft(&mut value, &path, &scion);
        for value in [value.clone(), json!({"type": "bundle", "objects": [value, scion]}), scion.clone()] {
            let text = value.to_string();
            let (strict, lenient) = both(text.as_bytes());
            prop_assert_eq!(strict.findings.len(), lenient.findings.len());
            for (one, other) in strict.findings.iter().zip(&lenient.findings) {
                prop_assert_eq!((one.rule, &one.pointer, &one.sentence), (other.rule, &other.pointer, &other.sentence));
                prop_assert!(one.severity >= other.severity);
                prop_assert!(!one.sentence.is_empty() && !one.sentence.contains('\n'));
            }
            // The same bytes in canonical form mean the same. What a node refuses an object for is
            // the first fault in the order of its bytes, so that is left out.
            if let Ok(canonical) = model::canonicalise(text.as_bytes()) {
                let again = Validator::new(Mode::Strict).text(&canonical).expect("JSON");
                prop_assert_eq!(of_the_standard(&again), of_the_standard(&strict));
            }
            if let Some(id) = deterministic_id(&value) {
                prop_assert_eq!(id.uuid()[6] >> 4, 5);
            }
        }
    }
}
