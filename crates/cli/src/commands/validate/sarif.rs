//! Findings as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines.

use model::validate::{RULES, Weight};
use serde_json::{Value, json};

use super::Answer;

/// One log with one run.
pub(super) fn log(answer: &Answer) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": {"text": rule.asks},
                "defaultConfiguration": {"level": match rule.weight {
                    Weight::Note => "note",
                    Weight::Should => "warning",
                    Weight::Must | Weight::Intake => "error",
                }},
                "properties": {"section": rule.section},
            })
        })
        .collect();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for file in &answer.files {
        let uri = uri(&file.file);
        if let Some(failure) = &file.failure {
            notifications.push(json!({
                "level": "error",
                "message": {"text": failure},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
            }));
        }
        for found in &file.findings {
            let mut physical = json!({"artifactLocation": {"uri": uri}});
            if let (Some(line), Some(column)) = (found.line, found.column) {
                physical["region"] = json!({"startLine": line, "startColumn": column});
            }
            results.push(json!({
                "ruleId": found.rule,
                "ruleIndex": RULES.iter().position(|rule| rule.id == found.rule),
                "level": found.severity,
                "message": {"text": format!("{} (STIX 2.1 section {})", found.sentence, found.section)},
                "locations": [{
                    "physicalLocation": physical,
                    "logicalLocations": [{"fullyQualifiedName": found.pointer, "kind": "property"}],
                }],
            }));
        }
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kurultai validate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": {"mode": answer.mode, "omitted": answer.omitted},
        }],
    })
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
