//! Our own STIX: valid objects of every type, and one fault for each rule.

// Each test file uses its own part of this.
#![allow(dead_code)]

use serde_json::{Map, Value, json};

/// Valid objects of every type, the ids of observables made by another implementation.
pub(crate) fn examples() -> Vec<Value> {
    serde_json::from_str(include_str!("../examples/stix.json")).expect("JSON")
}

/// The first example of a type.
pub(crate) fn example(kind: &str) -> Value {
    examples()
        .into_iter()
        .find(|object| object["type"] == kind)
        .unwrap_or_else(|| panic!("no example of {kind}"))
}

/// Each fault: the rule that it breaks, the object, and the place. The file has an example's type
/// and a merge patch (RFC 7396) in which `{"null": true}` stands for a null that is set.
pub(crate) fn faults() -> Vec<(String, Value, String)> {
    let faults: Vec<Value> =
        serde_json::from_str(include_str!("../examples/faults.json")).expect("JSON");
    let word = |fault: &Value, name: &str| fault[name].as_str().expect("text").to_owned();
    faults
        .iter()
        .map(|fault| {
            let mut object = example(&word(fault, "type"));
            merge(&mut object, &fault["patch"]);
            (word(fault, "rule"), object, word(fault, "at"))
        })
        .collect()
}

fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(patch) if *patch == Map::from_iter([("null".to_owned(), json!(true))]) => {
            *target = Value::Null;
        }
        Value::Object(patch) => {
            if !target.is_object() {
                *target = json!({});
            }
            let map = target.as_object_mut().expect("object");
            for (name, value) in patch {
                if value.is_null() {
                    map.remove(name);
                } else {
                    merge(map.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        _ => *target = patch.clone(),
    }
}
