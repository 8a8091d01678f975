//! `kurultai label`: explained, and brought from one form to another without loss.

mod common;

use std::path::Path;

use common::{Run, run};

/// `label convert` with these arguments and this input, in a file of the folder.
fn convert(root: &Path, args: &[&str], input: &[u8]) -> Run {
    let file = root.join("input");
    std::fs::write(&file, input).unwrap();
    let file = file.to_str().unwrap();
    run(&[&["label", "convert"], args, &[file]].concat())
}

const LABEL: &str = "TLP:AMBER//PAP:RED//REL @pact/east,KZ//NOT KG//CAVEAT ORCON//PURPOSE ct//\
                     LEGAL act 12-3//EXPIRES 2026-12-01T00:00:00Z//EXERCISE";

#[test]
fn a_label_is_explained_or_refused() {
    let shown = run(&["label", "show", LABEL, "--json"]).code(0).json();
    assert_eq!(shown["label"], LABEL);
    assert_eq!(shown["not_releasable_to"], "KG");
    assert_eq!(shown["expires"], "2026-12-01T00:00:00.000Z");
    let words = run(&["label", "show", "tlp:clear//not kg"]).code(2);
    assert!(words.err.contains("kg"), "{}", words.err);
    let words = run(&["label", "show", "tlp:clear"]).code(0);
    assert!(words.out.contains("everyone"), "{}", words.out);
}

#[test]
fn every_form_gives_the_label_back() {
    let root = tempfile::tempdir().unwrap();
    let convert = |from: &str, to: &str, input: &str| {
        let time = "2026-01-01T00:00:00Z";
        let args = ["--from", from, "--to", to, "--created", time];
        convert(root.path(), &args, input.as_bytes()).code(0).out
    };
    for form in ["nato", "misp"] {
        let there = convert("text", form, LABEL);
        assert_eq!(convert(form, "text", &there).trim(), LABEL, "{there}");
    }
    let stix: serde_json::Value = serde_json::from_str(&convert("text", "stix", LABEL)).unwrap();
    let bundle = serde_json::json!({
        "type": "bundle",
        "id": "bundle--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11",
        "objects": [stix["marking_definition"], {
            "type": "note", "spec_version": "2.1",
            "id": "note--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11",
            "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z",
            "content": "x", "object_refs": [],
            "object_marking_refs": stix["object_marking_refs"],
        }],
    });
    assert_eq!(convert("stix", "text", &bundle.to_string()).trim(), LABEL);
    let file = root.path().join("note.json");
    std::fs::write(&file, bundle.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let bound = run(&[
        "label", "convert", "--from", "stix", "--to", "nato", "--bind", file,
    ])
    .code(0);
    assert!(bound.out.contains("ni:///sha-256;"), "{}", bound.out);
    assert_eq!(convert("nato", "text", &bound.out).trim(), LABEL);
}

#[test]
fn foreign_markings_need_the_table() {
    let root = tempfile::tempdir().unwrap();
    let nato = root.path().join("label.xml");
    std::fs::write(
        &nato,
        r#"<originatorConfidentialityLabel xmlns="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0">
          <ConfidentialityInformation><PolicyIdentifier>STEPPE</PolicyIdentifier>
          <Classification>RESTRICTED</Classification></ConfidentialityInformation>
          <CreationDateTime>2026-01-01T00:00:00Z</CreationDateTime></originatorConfidentialityLabel>"#,
    )
    .unwrap();
    let nato = nato.to_str().unwrap();
    let args = ["label", "convert", "--from", "nato", "--to", "text", nato];
    let refused = run(&args).code(1);
    assert!(refused.err.contains("--equivalence"), "{}", refused.err);
    let table = root.path().join("equivalence.toml");
    let line = "[[nato]]\npolicy = \"STEPPE\"\nclassification = \"RESTRICTED\"\n";
    let write = |means: &str| {
        let text = format!("format = \"kurultai-equivalence/1\"\n{line}means = \"{means}\"\n");
        std::fs::write(&table, text).unwrap();
    };
    write("TLP:AMBER//REL KZ");
    let with = [&args[..], &["--equivalence", table.to_str().unwrap()]].concat();
    assert_eq!(run(&with).code(0).out.trim(), "TLP:AMBER//REL KZ");
    write("TLP:PINK");
    let wrong = run(&with).code(2);
    assert!(wrong.err.contains("equivalence.toml:5:"), "{}", wrong.err);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    let from = |form| ["--from", form, "--to", "text"];
    let refused = convert(root.path(), &from("nato"), bomb.as_bytes()).code(2);
    assert!(refused.err.contains("line 1"), "{}", refused.err);
    let tags = b"tlp:green\ndissem:lion\n";
    let refused = convert(root.path(), &from("misp"), tags).code(1);
    assert!(refused.err.contains("dissem:lion"), "{}", refused.err);
    let bind = [&from("text")[..], &["--bind"]].concat();
    convert(root.path(), &bind, LABEL.as_bytes()).code(2);
}
