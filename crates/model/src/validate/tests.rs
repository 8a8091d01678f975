//! The tables and rules against examples of our own: every type, property and rule is met.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::shape::{Kind, Need, Shape};
use super::{Finding, Mode, RULES, Severity, Validator, deterministic_id, tables, vocabulary};
use crate::limits::{FINDINGS_MAX, REPORT_FINDINGS_MAX};
use crate::object::Object;

#[path = "../../tests/common/faults.rs"]
mod faults;

use faults::{example, examples, faults};

fn strict(object: &Value) -> Vec<Finding> {
    Validator::new(Mode::Strict).value(object).findings
}

#[test]
fn the_examples_are_as_the_standard_says() {
    for object in examples() {
        let report = Validator::new(Mode::Strict).value(&object);
        assert_eq!(report.findings, [], "{object}");
        Object::parse(object.to_string().as_bytes()).expect("a node takes it");
    }
    let all = Value::Array(examples()).to_string();
    let report = Validator::new(Mode::Strict)
        .text(all.as_bytes())
        .expect("JSON");
    assert_eq!(report.findings, []);
    assert_eq!(report.objects, examples().len());
}

/// Every table is met by an example, and every row of it.
#[test]
fn the_examples_meet_every_row() {
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    for object in examples() {
        if let Some(shape) = tables::shape(object["type"].as_str().expect("type")) {
            meet(shape, object.as_object().expect("object"), &mut met);
        }
    }
    let mut missing = Vec::new();
    for shape in all_shapes() {
        for property in shape.properties {
            let known = [
                // Deprecated, or one of thirty fields of a header.
                ("observed-data", "objects"),
            ];
            if !met.contains(&(shape.name, property.name))
                && !known.contains(&(shape.name, property.name))
                && !matches!(
                    shape.name,
                    "windows-pe-optional-header-type" | "x509-v3-extensions-type"
                )
            {
                missing.push(format!("{}.{}", shape.name, property.name));
            }
        }
    }
    assert_eq!(missing, [] as [String; 0]);
}

fn all_shapes() -> Vec<&'static Shape> {
    let mut shapes: Vec<&Shape> = tables::SHAPES
        .iter()
        .flat_map(|shapes| shapes.iter())
        .collect();
    shapes.extend(tables::PREDEFINED);
    let mut at = 0;
    while at < shapes.len() {
        for property in shapes[at].properties {
            if let Some(part) = part(&property.kind)
                && !shapes.iter().any(|shape| shape.name == part.name)
            {
                shapes.push(part);
            }
        }
        at += 1;
    }
    shapes
}

fn part(kind: &Kind) -> Option<&'static Shape> {
    match kind {
        Kind::Part(shape) => Some(shape),
        Kind::List(item) | Kind::Dictionary(item) => part(item),
        _ => None,
    }
}

fn meet(
    shape: &'static Shape,
    map: &Map<String, Value>,
    met: &mut BTreeSet<(&'static str, &'static str)>,
) {
    for property in shape.properties {
        let Some(value) = map.get(property.name) else {
            continue;
        };
        met.insert((shape.name, property.name));
        let Some(part) = part(&property.kind) else {
            continue;
        };
        let parts = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in parts.iter().filter_map(Value::as_object) {
            meet(part, value, met);
        }
    }
    for extension in shape.extensions {
        if let Some(value) = map
            .get("extensions")
            .and_then(|all| all.get(extension.name))
        {
            meet(extension, value.as_object().expect("object"), met);
        }
    }
}

/// Each property, taken away or given a value of another kind, is missed or found.
#[test]
fn every_row_says_something() {
    for object in examples() {
        let Some(shape) = tables::shape(object["type"].as_str().expect("type")) else {
            continue;
        };
        row_by_row(
            shape,
            shape.common.unwrap_or_default(),
            &object,
            "",
            &|changed| changed,
        );
        row_by_row(shape, shape.properties, &object, "", &|changed| changed);
        for extension in shape.extensions {
            let Some(inner) = object
                .get("extensions")
                .and_then(|all| all.get(extension.name))
            else {
                continue;
            };
            let pointer = format!("/extensions/{}", extension.name);
            row_by_row(
                extension,
                extension.properties,
                inner,
                &pointer,
                &|changed| {
                    let mut whole = object.clone();
                    *whole.pointer_mut(&pointer).expect("there") = changed;
                    whole
                },
            );
        }
    }
}

fn row_by_row(
    shape: &Shape,
    rows: &[super::shape::Property],
    object: &Value,
    prefix: &str,
    whole: &dyn Fn(Value) -> Value,
) {
    for row in rows {
        let place = format!("{prefix}/{}", row.name);
        if object.get(row.name).is_none() {
            continue;
        }
        let mut without = object.clone();
        without.as_object_mut().expect("object").remove(row.name);
        let findings = strict(&whole(without));
        let missed = findings
            .iter()
            .find(|finding| finding.rule.id == "stix-3.2-required" && finding.pointer == place);
        if row.need == Need::Required && row.name != "type" {
            let missed = missed
                .unwrap_or_else(|| panic!("{} {place} is not missed: {findings:?}", shape.name));
            assert_eq!(missed.severity, Severity::Error);
        } else {
            assert_eq!(
                missed.is_some(),
                row.name == "type",
                "{} {place}",
                shape.name
            );
        }
        for wrong in [
            Value::Null,
            json!(7.5),
            json!(true),
            json!([[]]),
            json!({"a": {}}),
            json!("\u{1}"),
        ] {
            if wrong.is_string() && !has_form(&row.kind)
                || wrong.is_f64() && matches!(row.kind, Kind::Real(..))
                || wrong.is_boolean() && matches!(row.kind, Kind::Flag)
                || !wrong.is_null() && matches!(row.kind, Kind::Any)
            {
                continue;
            }
            let mut changed = object.clone();
            changed[row.name] = wrong.clone();
            let findings = strict(&whole(changed));
            let found = findings.iter().any(|finding| {
                finding.pointer.starts_with(&place) && finding.severity > Severity::Note
            });
            assert!(found, "{} {place} = {wrong}: {findings:?}", shape.name);
        }
    }
}

/// Whether not every string will do.
fn has_form(kind: &Kind) -> bool {
    !matches!(kind, Kind::Any | Kind::Text | Kind::TextOrWhole)
}

#[test]
fn every_rule_finds_its_fault() {
    let faults = faults();
    for (rule, object, place) in &faults {
        let findings = strict(object);
        let found = findings
            .iter()
            .find(|finding| finding.rule.id == rule && finding.pointer == *place);
        assert!(
            found.is_some(),
            "{rule} at {place:?} of {object}: {findings:?}"
        );
    }
    // The rest speaks of more than one object; see the tests below.
    let rest: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !faults.iter().any(|(rule, ..)| rule == id))
        .collect();
    assert_eq!(
        rest,
        [
            "intake",
            "stix-7.1-target",
            "stix-8-property",
            "stix-8-twice",
            "more-findings"
        ]
    );
}

#[test]
fn rules_have_names_and_sections_of_their_own() {
    let mut names = BTreeSet::new();
    for rule in RULES {
        assert!(names.insert(rule.id), "{} twice", rule.id);
        assert!(
            !rule.asks.is_empty() && !rule.asks.ends_with('.'),
            "{}",
            rule.id
        );
    }
    let mut words = BTreeSet::new();
    for vocabulary in vocabulary::ALL {
        assert!(words.insert(vocabulary.name));
        assert!(vocabulary.words.len() > 1);
    }
}

#[test]
fn ids_of_observables_are_those_of_another_implementation() {
    let mut made = 0;
    for object in examples() {
        let expected = object["id"].as_str().expect("id");
        match deterministic_id(&object) {
            Some(id) => {
                assert_eq!(id.as_str(), expected);
                made += 1;
            }
            None => assert_eq!(expected.as_bytes()[expected.len() - 22], b'4', "{expected}"),
        }
    }
    assert!(made > 20);
    // Of several hashes the first in the standard's order counts, whatever else there is.
    let file = |hashes: Value| deterministic_id(&json!({"type": "file", "hashes": hashes}));
    assert_eq!(
        file(json!({"MD5": "a", "SHA-1": "b", "AAA": "c"})),
        file(json!({"MD5": "a"}))
    );
    assert_ne!(
        file(json!({"SHA-256": "a", "SHA-512": "b"})),
        file(json!({"SHA-512": "b"}))
    );
    assert_eq!(
        deterministic_id(&json!({"type": "process", "pid": 1})),
        None
    );
    assert_eq!(
        deterministic_id(&json!({"type": "tool", "name": "a"})),
        None
    );
    assert_eq!(deterministic_id(&json!([])), None);
}

fn text(value: &Value) -> super::Report {
    Validator::new(Mode::Strict)
        .text(value.to_string().as_bytes())
        .expect("JSON")
}

fn ids(report: &super::Report) -> Vec<(&str, &str)> {
    report
        .findings
        .iter()
        .map(|finding| (finding.rule.id, finding.pointer.as_str()))
        .collect()
}

#[test]
fn bundles_have_rules_of_their_own() {
    let bundle = |objects: Value| json!({"type": "bundle", "id": "bundle--5e000000-0000-4000-8000-0000000000ff", "objects": objects});
    let tool = example("tool");
    assert_eq!(text(&bundle(json!([tool]))).findings, []);
    assert_eq!(
        text(&json!({"more": false, "objects": [tool]})).findings,
        []
    );
    assert_eq!(
        ids(&text(&bundle(json!([tool, tool])))),
        [("stix-8-twice", "/objects/1")]
    );
    assert_eq!(
        ids(&text(&bundle(json!([])))),
        [("stix-2.12-empty", "/objects")]
    );
    let mut old = bundle(json!([tool]));
    old["spec_version"] = json!("2.0");
    assert_eq!(ids(&text(&old)), [("stix-8-property", "/spec_version")]);
    old["id"] = json!("tool--5e000000-0000-4000-8000-0000000000ff");
    // Such an id makes it an object that is no bundle, to a node too.
    assert!(
        ids(&text(&old)).contains(&("stix-2.9-type", "/id")),
        "{:?}",
        ids(&text(&old))
    );
    assert_eq!(
        ids(&text(&json!({"type": "bundle"}))),
        [("stix-3.2-required", "/id")]
    );
}

#[test]
fn translations_are_held_up_to_what_they_translate() {
    let (campaign, mut content) = (example("campaign"), example("language-content"));
    assert_eq!(text(&json!([campaign, content])).findings, []);
    content["contents"]["ru"]["nickname"] = json!("лиса");
    content["contents"]["ru"]["aliases"] = json!(["a", "b"]);
    content["contents"]["ru"]["name"] = json!(["a"]);
    let at = |name: &str| ("stix-7.1-target", format!("/1/contents/ru/{name}"));
    let found = text(&json!([campaign, content]));
    let found: Vec<_> = found
        .findings
        .iter()
        .map(|finding| (finding.rule.id, finding.pointer.clone()))
        .collect();
    assert_eq!(found, [at("aliases"), at("name"), at("nickname")]);
    // Another version of the object is another text.
    content["object_modified"] = json!("2026-04-01T00:00:00.000Z");
    assert_eq!(text(&json!([campaign, content])).findings, []);
}

#[test]
fn what_no_node_takes_is_an_error_in_both_modes() {
    let mut tool = example("tool");
    tool["id"] = json!("tool--1");
    let lenient = |text: &[u8]| Validator::new(Mode::Lenient).text(text).expect("JSON");
    let report = lenient(tool.to_string().as_bytes());
    assert_eq!(ids(&report), [("stix-2.9-form", "/id")]);
    assert_eq!(report.worst(), Some(Severity::Error));
    let twice = example("tool")
        .to_string()
        .replacen('{', "{\"type\":\"tool\",", 1);
    let report = lenient(twice.as_bytes());
    assert_eq!(ids(&report), [("intake", "/type")]);
    assert_eq!(report.count(Severity::Error), 1);
    for broken in ["", "{", "[1", "nonsense", "\u{feff}{}"] {
        assert!(
            Validator::new(Mode::Lenient)
                .text(broken.as_bytes())
                .is_err(),
            "{broken:?}"
        );
    }
}

#[test]
fn modes_find_the_same() {
    for (_, object, _) in faults() {
        let strict = Validator::new(Mode::Strict).value(&object);
        let lenient = Validator::new(Mode::Lenient).value(&object);
        assert_eq!(ids(&strict), ids(&lenient));
        for (one, other) in strict.findings.iter().zip(&lenient.findings) {
            assert!(one.severity == other.severity || other.severity == Severity::Warning);
            assert_eq!(
                (&one.sentence, one.section),
                (&other.sentence, other.section)
            );
        }
        assert_eq!(lenient.count(Severity::Error), 0, "{:?}", lenient.findings);
        assert_eq!(lenient.count(Severity::Note), strict.count(Severity::Note));
        assert_eq!(
            lenient.count(Severity::Warning),
            strict.count(Severity::Warning) + strict.count(Severity::Error)
        );
    }
}

#[test]
fn findings_are_bounded_and_counted() {
    let mut tool = example("tool");
    for number in 0..1_000 {
        tool[format!("X{number}")] = json!([]);
    }
    let report = text(&tool);
    assert_eq!(report.findings.len(), FINDINGS_MAX + 1);
    assert_eq!(report.findings[FINDINGS_MAX].rule.id, "more-findings");
    assert_eq!(report.count(Severity::Error), 2_000);
    let many = Value::Array(vec![json!({"type": "tool", "id": "tool--1"}); 3_000]);
    let report = text(&many);
    assert_eq!(report.findings.len(), REPORT_FINDINGS_MAX - 1);
    let last = report.findings.last().expect("findings");
    assert_eq!(last.rule.id, "more-findings");
    assert!(report.count(Severity::Error) > 12_000);
    // Each of these has more than an object lists; an error that comes late is listed all the same.
    let tool = |empty: Value| {
        let mut tool = example("tool");
        for number in 0..=FINDINGS_MAX {
            tool[format!("own_{number}")] = empty.clone();
        }
        tool
    };
    let mut many = vec![tool(json!(1)); REPORT_FINDINGS_MAX / FINDINGS_MAX + 2];
    many.push(tool(json!([])));
    let report = text(&Value::Array(many));
    assert!(report.findings.len() <= REPORT_FINDINGS_MAX);
    assert!(report.first_error().is_some());
    let mores = report.findings.iter();
    let mores = mores.filter(|finding| finding.sentence.contains("one text"));
    assert_eq!(mores.count(), 1);
}

/// Twice the data takes twice the looks, whatever objects say of each other and however many of
/// them a node would refuse.
#[test]
fn looks_do_not_grow_with_the_square_of_the_data() {
    let looks = |count: usize| {
        let mut objects = Vec::new();
        for number in 0..count {
            let id = format!("campaign--5e000000-0000-4000-8000-{number:012x}");
            let mut campaign = example("campaign");
            campaign["id"] = json!(id);
            let mut content = example("language-content");
            content["id"] = json!(format!(
                "language-content--5e000000-0000-4000-8000-{number:012x}"
            ));
            content["object_ref"] = json!(id);
            content["object_modified"] = campaign["modified"].clone();
            objects.extend([campaign, content, json!({"type": "tool", "id": "tool--1"})]);
        }
        super::steps::taken();
        text(&Value::Array(objects));
        super::steps::taken()
    };
    let (few, many) = (looks(50), looks(500));
    assert!(few > 100, "{few}");
    assert!(many <= 11 * few, "{few} looks for 50, {many} for 500");
}

/// A translation is held up to the version that it names, or to the first that stands there.
#[test]
fn translations_find_their_version() {
    let (mut older, content) = (example("campaign"), example("language-content"));
    let newer = older.clone();
    older["modified"] = older["created"].clone();
    older.as_object_mut().expect("object").remove("aliases");
    let wanted = |content: &Value, objects: [&Value; 2]| {
        let report = text(&json!([objects[0], objects[1], content]));
        let missing = report.findings.iter();
        missing
            .filter(|finding| finding.pointer.ends_with("/aliases"))
            .count()
    };
    let mut any = content.clone();
    any.as_object_mut()
        .expect("object")
        .remove("object_modified");
    assert_eq!(wanted(&any, [&older, &newer]), 1);
    assert_eq!(wanted(&any, [&newer, &older]), 0);
    let mut exact = content;
    exact["object_modified"] = newer["modified"].clone();
    assert_eq!(wanted(&exact, [&older, &newer]), 0);
    exact["object_modified"] = older["modified"].clone();
    assert_eq!(wanted(&exact, [&newer, &older]), 1);
}

/// docs/validation.md lists the rules as they are.
#[test]
fn the_page_lists_every_rule() {
    let page = include_str!("../../../../docs/validation.md");
    let mut rows: BTreeMap<&str, &str> = BTreeMap::new();
    for line in page.lines() {
        if let Some((id, rest)) = line
            .strip_prefix("| `")
            .and_then(|line| line.split_once("` | "))
            && RULES.iter().any(|rule| rule.id == id)
        {
            assert!(rows.insert(id, rest).is_none(), "{id} twice");
        }
    }
    let mut wanted = String::new();
    for rule in RULES {
        let row = format!("{} | {:?} | {} |", rule.section, rule.weight, rule.asks);
        if rows.remove(rule.id) != Some(row.as_str()) {
            wanted.push_str(&format!("| `{}` | {row}\n", rule.id));
        }
    }
    assert!(
        wanted.is_empty() && rows.is_empty(),
        "docs/validation.md lacks these rows:\n{wanted}"
    );
}
