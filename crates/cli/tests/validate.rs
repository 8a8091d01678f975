//! `kurultai validate` and the intake's `validation`: what is found, where, and how it ends.

mod common;

use std::path::Path;

use common::{member, on, run};
use serde_json::Value;

const INDICATOR: &str = r#"{"type": "indicator", "spec_version": "2.1",
  "id": "indicator--5e000000-0000-4000-8000-000000000001",
  "created": "2026-03-01T00:00:00.000Z", "modified": "2026-03-01T00:00:00.000Z",
  "name": "Lure", "description": "Seen in mail", "pattern_type": "stix",
  "pattern": "[domain-name:value = 'mail.example']",
  "valid_from": "2026-03-01T00:00:00Z"}"#;

fn file(root: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = root.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn broken() -> String {
    INDICATOR.replace("'mail.example']", "'mail.example'")
}

#[test]
fn the_exit_code_says_the_worst() {
    let root = tempfile::tempdir().unwrap();
    let clean = file(root.path(), "clean.json", INDICATOR);
    let warned = file(
        root.path(),
        "warned.json",
        INDICATOR.replace("\"stix\"", "\"carrier-pigeon\""),
    );
    let wrong = file(root.path(), "wrong.json", broken());
    let text = file(root.path(), "text.json", "{");
    let absent = root.path().join("absent.json").display().to_string();
    let packed = zstd::encode_all(format!("[{INDICATOR}]").as_bytes(), 3).unwrap();
    let packed = file(root.path(), "packed.json.zst", packed);
    run(&["validate", &clean, &packed]).code(0);
    run(&["validate", &clean, &warned]).code(4);
    run(&["validate", &warned, &wrong]).code(1);
    run(&["validate", "--lenient", &wrong]).code(4);
    run(&["validate", &wrong, &text]).code(2);
    run(&["validate", &wrong, &text, &absent]).code(3);
    // What no node takes is an error in both modes.
    let id = file(root.path(), "id.json", INDICATOR.replace("000001\"", "1\""));
    run(&["validate", "--lenient", &id]).code(1);
    run(&["validate", "--lenient", "--strict", &clean]).code(2);
}

#[test]
fn findings_name_the_line_the_rule_and_the_section() {
    let root = tempfile::tempdir().unwrap();
    let wrong = file(
        root.path(),
        "wrong.json",
        format!("{{\"objects\": [\n{}]}}", broken()),
    );
    let shown = run(&["validate", &wrong]).code(1);
    let line = shown.out.lines().next().unwrap();
    assert!(
        line.starts_with(&format!("{wrong}:6:14: error: /objects/0/pattern: "))
            && line.ends_with("[stix-4.7-pattern, STIX 2.1 section 9]"),
        "{line}"
    );
    assert!(
        shown
            .out
            .ends_with("1 object in 1 file, strict: 1 error, 0 warnings, 0 notes\n"),
        "{}",
        shown.out
    );
    let answer = run(&["validate", "--json", &wrong]).code(1).json();
    assert_eq!(answer["errors"], 1);
    let found = &answer["files"][0]["findings"][0];
    assert_eq!(
        (&found["line"], &found["column"]),
        (&Value::from(6), &Value::from(14))
    );
    assert_eq!(found["rule"], "stix-4.7-pattern");
    let none = run(&["validate", "--json", "--max", "0", &wrong])
        .code(1)
        .json();
    assert_eq!(
        (&none["omitted"], &none["errors"]),
        (&Value::from(1), &Value::from(1))
    );
}

#[test]
fn sarif_has_what_its_schema_requires() {
    let root = tempfile::tempdir().unwrap();
    let wrong = file(root.path(), "wrong file.json", broken());
    let text = file(root.path(), "text.json", "{");
    let log = run(&["validate", "--sarif", &wrong, &text]).code(2).json();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "kurultai validate");
    for rule in driver["rules"].as_array().unwrap() {
        assert!(
            rule["id"].is_string() && rule["shortDescription"]["text"].is_string(),
            "{rule}"
        );
        assert!(matches!(
            rule["defaultConfiguration"]["level"].as_str(),
            Some("note" | "warning" | "error")
        ));
    }
    let result = &run["results"][0];
    assert_eq!(result["level"], "error");
    assert!(result["message"]["text"].is_string());
    let index = result["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(driver["rules"][index]["id"], result["ruleId"]);
    let place = &result["locations"][0];
    assert!(
        place["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("wrong%20file.json")
    );
    assert_eq!(place["physicalLocation"]["region"]["startLine"], 5);
    assert_eq!(
        place["logicalLocations"][0]["fullyQualifiedName"],
        "/pattern"
    );
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert!(invocation["toolExecutionNotifications"][0]["message"]["text"].is_string());
}

#[test]
fn the_intake_refuses_what_its_configuration_says() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "AA");
    let other = broken().replace("000001\"", "000002\"");
    let both = file(root.path(), "both.json", format!("[{INDICATOR},{other}]"));
    let config = data.join("kurultai.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let with = |word: &str| {
        let text = text.replace(
            "[intake]\n",
            &format!("[intake]\nvalidation = \"{word}\"\n"),
        );
        std::fs::write(&config, text).unwrap();
    };
    with("strict");
    let answer = on(&data, &["add", "--json", &both]).code(1).json();
    assert_eq!(
        (&answer["added"], &answer["refused"]),
        (&Value::from(1), &Value::from(1))
    );
    let refusal = &answer["refusals"][0];
    assert_eq!(refusal["pointer"], "/objects/1/pattern");
    assert!(
        refusal["reason"]
            .as_str()
            .unwrap()
            .contains("stix-4.7-pattern"),
        "{refusal}"
    );
    with("lenient");
    let answer = on(&data, &["add", "--json", &both]).code(0).json();
    assert_eq!(
        (&answer["added"], &answer["warnings"]),
        (&Value::from(1), &Value::from(1))
    );
    let doctor = on(&data, &["doctor"]);
    assert!(doctor.out.contains("intake.validation"), "{}", doctor.out);
    with("harsh");
    on(&data, &["add", &both]).code(2);
}
