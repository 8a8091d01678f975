//! Our verdicts against those of stix2-validator (PyPI): the same objects, refused or accepted in
//! strict mode. Every difference belongs to a class that docs/validation.md explains.
//!
//! Runs where `KURULTAI_PYTHON` names a Python with stix2-validator. The other program checks some
//! eighty objects a second, so one in `STRIDE` of the real objects is compared; all of them where
//! `KURULTAI_ORACLE_ALL=1`.

#[path = "common/mod.rs"]
mod common;
#[path = "common/faults.rs"]
mod faults;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use kurultai_model as model;
use model::validate::{Mode, Severity, Validator};
use serde_json::{Value, json};

/// One in this many real objects is compared.
const STRIDE: usize = 9;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stix2_validator.py");

/// Our rules that alone explain why only we refuse. docs/validation.md says why for each.
const ONLY_OURS: &[&str] = &[
    "stix-2-kind",
    "stix-2.10-range",
    "stix-2.9-form",
    "stix-3.1-property-name",
    "stix-3.2-reference",
    "stix-3.2-required",
    "stix-4.14-observable",
    "stix-7.1-contents",
    "stix-7.2.1-tlp",
    "stix-7.2.3-one-of",
];

/// Parts of its messages that explain why only it refuses, as docs/validation.md has them.
const ONLY_THEIRS: &[&str] = &[
    "RFC 5646",
    "does not match",
    "must be an IANA registered",
    "raised",
    "is not a valid observable",
    "is not valid under any of the given schemas",
    "marking_ref' is a required property",
];

struct Case {
    source: &'static str,
    value: Value,
}

#[test]
fn verdicts_agree_but_for_explained_differences() {
    let Some(python) = std::env::var_os("KURULTAI_PYTHON") else {
        let required = std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(
            !required,
            "KURULTAI_PYTHON must name a Python that has stix2-validator"
        );
        println!("skipped: KURULTAI_PYTHON names no Python that has stix2-validator");
        return;
    };
    let mut cases = examples();
    let shipped = ask(&python, &["--examples"], &[]);
    assert!(shipped.len() >= 5, "the package ships examples");
    cases.extend(shipped.into_iter().map(|value| Case {
        source: "its own examples",
        value,
    }));
    let all = std::env::var_os("KURULTAI_ORACLE_ALL").is_some_and(|value| value == "1");
    let stride = if all { 1 } else { STRIDE };
    for release in common::attack() {
        let mut release: Value = serde_json::from_slice(&release).expect("JSON");
        let objects = release["objects"].as_array_mut().expect("objects");
        cases.extend(objects.drain(..).step_by(stride).map(|value| Case {
            source: "ATT&CK",
            value,
        }));
    }
    let lines: Vec<String> = cases.iter().map(|case| case.value.to_string()).collect();
    let answers = ask(&python, &[], &lines);
    assert_eq!(answers.len(), cases.len());

    let mut table: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut classes: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut count = |class: String, sample: &dyn Fn() -> String| {
        classes.entry(class).or_insert_with(|| (0, sample())).0 += 1;
    };
    let mut unexplained = Vec::new();
    for (case, theirs) in cases.iter().zip(&answers) {
        let report = Validator::new(Mode::Strict)
            .text(case.value.to_string().as_bytes())
            .expect("JSON");
        let ours: Vec<&str> = report
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.rule.id)
            .collect();
        let errors: Vec<&str> = theirs["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let cell = match (ours.is_empty(), errors.is_empty()) {
            (true, true) => "both accept",
            (false, false) => "both refuse",
            (false, true) => {
                let known = ours.iter().all(|rule| ONLY_OURS.contains(rule));
                match ours.first() {
                    Some(rule) if known => count(format!("only we refuse: {rule}"), &|| {
                        report
                            .first_error()
                            .map_or_else(String::new, ToString::to_string)
                    }),
                    _ => unexplained.push(format!("only we refuse ({ours:?}): {}", case.value)),
                }
                "only we refuse"
            }
            (true, false) => {
                let class = |error: &&str| ONLY_THEIRS.iter().find(|part| error.contains(**part));
                match errors.iter().map(class).collect::<Option<Vec<_>>>() {
                    Some(found) => {
                        for (class, error) in found.into_iter().zip(&errors) {
                            count(format!("only they refuse: {class}"), &|| {
                                (*error).to_owned()
                            });
                        }
                    }
                    None => {
                        unexplained.push(format!("only they refuse ({errors:?}): {}", case.value))
                    }
                }
                "only they refuse"
            }
        };
        *table.entry((case.source, cell)).or_default() += 1;
    }
    for ((source, cell), count) in &table {
        println!("{source:24} {cell:18} {count}");
    }
    for (class, (count, sample)) in &classes {
        println!("{count:6} {class} ({sample})");
    }
    let page = include_str!("../../../docs/validation.md");
    let explained = ONLY_OURS
        .iter()
        .map(|class| format!("only we refuse: {class}"));
    let theirs = ONLY_THEIRS
        .iter()
        .map(|class| format!("only they refuse: {class}"));
    for class in explained.chain(theirs) {
        assert!(
            classes.contains_key(&class),
            "nothing differs any more by {class}"
        );
        assert!(
            page.contains(&format!("`{class}`")),
            "docs/validation.md does not explain {class}"
        );
    }
    assert!(
        unexplained.is_empty(),
        "{} unexplained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}

/// Our examples, and each of them with one property gone or of another kind, and our list of faults.
fn examples() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for object in &faults::examples() {
        cases.push(Case {
            source: "our examples",
            value: object.clone(),
        });
        // Damage to what the other refuses whole would show nothing.
        let refused = object.to_string().contains("\"lang\":\"ru\"");
        for name in object
            .as_object()
            .expect("object")
            .keys()
            .filter(|_| !refused)
        {
            let mut without = object.clone();
            without.as_object_mut().expect("object").remove(name);
            cases.push(Case {
                source: "our examples, damaged",
                value: without,
            });
            if name != "type" {
                for changed in changes(&object[name]) {
                    let mut other = object.clone();
                    other[name] = changed;
                    cases.push(Case {
                        source: "our examples, damaged",
                        value: other,
                    });
                }
            }
        }
    }
    cases.extend(faults::faults().into_iter().map(|(_, value, _)| Case {
        source: "our faults",
        value,
    }));
    // Without a type there is nothing to compare: the other raises.
    cases.retain(|case| case.value.get("type").is_some() && case.value.get("id").is_some());
    cases
}

/// Other values for a property: of another kind, empty, out of bounds, in capitals, in lists too.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => vec![
            json!(7.5),
            json!(""),
            json!("X Y"),
            json!(text.to_uppercase()),
        ],
        Value::Number(_) => vec![json!("none"), json!(-1), json!(0.5), json!(1u64 << 42)],
        Value::Array(items) => {
            let mut lists = vec![json!("none"), json!([])];
            lists.extend(
                items
                    .first()
                    .map(changes)
                    .into_iter()
                    .flatten()
                    .map(|item| json!([item])),
            );
            lists
        }
        Value::Object(map) => {
            let mut objects = vec![json!("none"), json!({})];
            if let Some((name, inner)) = map.iter().next() {
                objects.extend(changes(inner).into_iter().map(|inner| {
                    let mut other = value.clone();
                    other[name] = inner;
                    other
                }));
            }
            objects
        }
        _ => vec![json!("none")],
    }
}

/// Asks the other program, a line at a time, and collects its answers.
fn ask(python: &std::ffi::OsStr, arguments: &[&str], lines: &[String]) -> Vec<Value> {
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the Python runs");
    let mut stdin = child.stdin.take().expect("piped");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let answers = std::thread::scope(|scope| {
        scope.spawn(move || {
            for line in lines {
                if writeln!(stdin, "{line}").is_err() {
                    return;
                }
            }
        });
        stdout
            .lines()
            .map(|line| serde_json::from_str(&line.expect("text")).expect("a line of JSON"))
            .collect()
    });
    assert!(
        child.wait().expect("ends").success(),
        "stix2-validator's script failed"
    );
    answers
}
