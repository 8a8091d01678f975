//! Many objects in one text: bundles (section 8), and what objects say of each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::report::{Findings, Place, quote};
use super::rules;
use super::walk::{Members, members};
use super::{Validator, text};

/// Checks whatever a text can be: a bundle, a TAXII envelope, an array of objects, or one object.
pub(super) fn check(validator: &Validator, out: &mut Findings, document: &Value) {
    let top = Place::Top("");
    match document {
        Value::Array(objects) => all(validator, out, objects, &top),
        Value::Object(map) if is_wrapper(map) => {
            if map.get("type").is_some() {
                bundle(out, map, &top);
            }
            if let Some(objects) = map.get("objects").and_then(Value::as_array) {
                all(validator, out, objects, &top.key("objects"));
            }
        }
        _ => validator.object_at(out, document, &top),
    }
}

/// As `bundle` in this crate tells wrappers from objects.
fn is_wrapper(map: &Members) -> bool {
    match map.get("type") {
        None => {
            map.contains_key("objects")
                || map
                    .keys()
                    .all(|name| matches!(name.as_str(), "more" | "next"))
        }
        Some(kind) => kind == "bundle",
    }
}

fn bundle(out: &mut Findings, map: &Members, place: &Place<'_>) {
    let here = place.key("id");
    match map.get("id") {
        None => out.add_in(&rules::REQUIRED, "8", &here, "id is required and missing"),
        Some(Value::String(id)) => match crate::id::Id::parse(id) {
            Ok(id) if id.type_name() != "bundle" => {
                out.add(
                    &rules::ID_TYPE,
                    &here,
                    format!("the id names the type {}", quote(id.type_name())),
                );
            }
            Ok(id) if !super::walk::is_rfc_4122(&id) => {
                out.add(
                    &rules::ID_FORM,
                    &here,
                    "the UUID is not of a version and variant of RFC 4122",
                );
            }
            Ok(id) if id.uuid()[6] >> 4 != 4 => {
                out.add(&rules::ID_VERSION, &here, "the UUID is not of version 4");
            }
            Ok(_) => {}
            Err(error) => out.add(&rules::ID_FORM, &here, error.to_string()),
        },
        Some(_) => out.add(&rules::KIND, &here, "a string is needed here"),
    }
    match map.get("objects") {
        Some(Value::Array(list)) if list.is_empty() => {
            out.add(
                &rules::LIST_EMPTY,
                &place.key("objects"),
                "the list is empty; leave the property out",
            );
        }
        None | Some(Value::Array(_)) => {}
        Some(_) => out.add(&rules::KIND, &place.key("objects"), "a list is needed here"),
    }
    for (name, _) in members(map) {
        if !matches!(name.as_str(), "type" | "id" | "objects") {
            out.add(
                &rules::BUNDLE_PROPERTY,
                &place.key(name),
                format!("a bundle has no {}", quote(name)),
            );
            if !text::is_property_name(name) {
                let sentence = "a property's name is 3 to 250 of a-z, 0-9 and underscore and begins with a letter";
                out.add(&rules::PROPERTY_NAME, &place.key(name), sentence);
            }
        }
    }
}

fn all(validator: &Validator, out: &mut Findings, objects: &[Value], place: &Place<'_>) {
    // Where each object first stands, and each of its versions.
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut versions: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for (index, object) in objects.iter().enumerate() {
        let here = place.index(index);
        validator.object_at(out, object, &here);
        let Some(id) = word(object, "id") else {
            continue;
        };
        first.entry(id).or_insert(index);
        match versions.entry((id, word(object, "modified"))) {
            Entry::Vacant(free) => {
                free.insert(index);
            }
            Entry::Occupied(taken) => {
                let first = taken.get();
                out.add(
                    &rules::BUNDLE_TWICE,
                    &here,
                    format!("the same version of this object stands at position {first} too"),
                );
            }
        }
    }
    for (index, object) in objects.iter().enumerate() {
        if word(object, "type") != Some("language-content") {
            continue;
        }
        let Some(id) = word(object, "object_ref") else {
            continue;
        };
        let target = match word(object, "object_modified") {
            Some(version) => versions.get(&(id, Some(version))),
            None => first.get(id),
        };
        if let Some(target) = target {
            let here = place.index(index);
            translated(out, object, &objects[*target], &here.key("contents"));
        }
    }
}

/// A text that an object has under this name.
fn word<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    #[cfg(test)]
    super::steps::count();
    object.get(name).and_then(Value::as_str)
}

/// Whether what is translated is there in the target.
fn translated(out: &mut Findings, content: &Value, target: &Value, place: &Place<'_>) {
    let Some(contents) = content.get("contents").and_then(Value::as_object) else {
        return;
    };
    for (language, fields) in members(contents) {
        let here = place.key(language);
        for (name, value) in fields.as_object().map(members).unwrap_or_default() {
            let here = here.key(name);
            match target.get(name.as_str()) {
                None => {
                    let sentence = format!("the translated object has no {}", quote(name));
                    out.add(&rules::TRANSLATED, &here, sentence);
                }
                Some(original) => same_form(out, original, value, &here),
            }
        }
    }
}

/// Whether a translation has the kinds and lengths of the original. Bounded by the depth of values
/// that were read.
fn same_form(out: &mut Findings, original: &Value, value: &Value, place: &Place<'_>) {
    match (original, value) {
        (Value::String(_), Value::String(_)) => {}
        (Value::Array(original), Value::Array(list)) => {
            if original.len() != list.len() {
                let sentence = format!(
                    "the original has {} elements, the translation {}",
                    original.len(),
                    list.len()
                );
                out.add(&rules::TRANSLATED, place, sentence);
            }
        }
        (Value::Object(original), Value::Object(map)) => {
            for (name, value) in members(map) {
                match original.get(name) {
                    Some(original) => same_form(out, original, value, &place.key(name)),
                    None => out.add(
                        &rules::TRANSLATED,
                        &place.key(name),
                        "the original has no such part",
                    ),
                }
            }
        }
        _ => out.add(
            &rules::TRANSLATED,
            place,
            "the translation is of another kind than the original",
        ),
    }
}
