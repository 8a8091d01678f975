//! Editing an object's tree so that what stays keeps its meaning.
//!
//! What a rule drops is first only marked, so that list indexes stay what they were while rules
//! run. [`finish`] then takes out what is marked, lets containers and citations that became empty
//! go with it, and rewrites the selectors of granular markings (STIX 2.1, section 7.2.3): a marking
//! whose part is gone goes, one whose list element moved follows it.

use model::Id;
use serde_json::{Map, Value};

use super::path::push;

/// The one member of the value that stands for "dropped". A name with a zero character occurs in
/// no STIX property; who sends one only has that value dropped.
const GONE: &str = "\0dropped";

/// Marks a value as dropped.
pub(crate) fn drop_value(value: &mut Value) {
    let mut mark = Map::new();
    mark.insert(GONE.to_owned(), Value::Null);
    *value = Value::Object(mark);
}

/// Whether a value is marked as dropped.
pub(crate) fn is_gone(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.contains_key(GONE))
}

/// Takes out what is marked; see the module's comment.
pub(crate) fn finish(object: &mut Map<String, Value>) {
    let markings = object.remove("granular_markings");
    for member in object.values_mut() {
        cascade(member);
    }
    complete_lists(object);
    let markings = markings.map(|markings| reselect(markings, object));
    for member in object.values_mut() {
        sweep(member);
    }
    object.retain(|_, member| !is_gone(member));
    if let Some(markings) = markings
        && markings.as_array().is_none_or(|list| !list.is_empty())
    {
        object.insert("granular_markings".to_owned(), markings);
    }
}

/// Marks containers that hold nothing any more but what is marked.
fn cascade(value: &mut Value) {
    if is_gone(value) {
        return;
    }
    let emptied = match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(cascade);
            !elements.is_empty() && elements.iter().all(is_gone)
        }
        Value::Object(members) => {
            members.values_mut().for_each(cascade);
            !members.is_empty() && members.values().all(is_gone)
        }
        _ => false,
    };
    if emptied {
        drop_value(value);
    }
}

/// Marks citations and kill chain phases that lost what they need (STIX 2.1, sections 2.5, 2.11).
fn complete_lists(object: &mut Map<String, Value>) {
    let mut check = |name: &str, whole: &dyn Fn(&Map<String, Value>) -> bool| {
        let Some(list) = object.get_mut(name).filter(|list| !is_gone(list)) else {
            return;
        };
        let Some(elements) = list.as_array_mut() else {
            return;
        };
        for element in elements.iter_mut() {
            let touched = element
                .as_object()
                .is_some_and(|members| members.values().any(is_gone) && !whole(members));
            if touched {
                drop_value(element);
            }
        }
        if !elements.is_empty() && elements.iter().all(is_gone) {
            drop_value(list);
        }
    };
    let has = |members: &Map<String, Value>, name: &str| {
        members.get(name).is_some_and(|value| !is_gone(value))
    };
    check("external_references", &|members| {
        has(members, "source_name")
            && ["description", "url", "external_id"]
                .iter()
                .any(|name| has(members, name))
    });
    check("kill_chain_phases", &|members| {
        has(members, "kill_chain_name") && has(members, "phase_name")
    });
}

/// Removes what is marked below a value.
fn sweep(value: &mut Value) {
    match value {
        Value::Array(elements) => {
            elements.retain(|element| !is_gone(element));
            elements.iter_mut().for_each(sweep);
        }
        Value::Object(members) => {
            members.retain(|_, member| !is_gone(member));
            members.values_mut().for_each(sweep);
        }
        _ => {}
    }
}

/// Rewrites the selectors of granular markings for the tree as it will be after the sweep.
fn reselect(mut markings: Value, object: &Map<String, Value>) -> Value {
    let Some(list) = markings.as_array_mut() else {
        return markings;
    };
    list.retain_mut(|marking| {
        let Some(selectors) = marking.get_mut("selectors").and_then(Value::as_array_mut) else {
            return true;
        };
        let had = selectors.len();
        selectors.retain_mut(|selector| {
            let Some(text) = selector.as_str() else {
                return true;
            };
            match moved(text, object) {
                Moved::Gone => false,
                Moved::To(text) => {
                    *selector = Value::String(text);
                    true
                }
                Moved::Nowhere => true,
            }
        });
        had == 0 || !selectors.is_empty()
    });
    markings
}

enum Moved {
    Gone,
    To(String),
    Nowhere,
}

fn moved(selector: &str, object: &Map<String, Value>) -> Moved {
    let mut steps = selector.split('.');
    let first = steps.next().unwrap_or_default();
    let Some(mut at) = object.get(first) else {
        return Moved::Nowhere;
    };
    let mut text = first.to_owned();
    loop {
        if is_gone(at) {
            return Moved::Gone;
        }
        let Some(step) = steps.next() else {
            return Moved::To(text);
        };
        text.push('.');
        match (at, index(step)) {
            (Value::Array(elements), Some(wanted)) => {
                let Some(element) = elements.get(wanted) else {
                    return Moved::Nowhere;
                };
                let before = elements.iter().take(wanted);
                let now = before.filter(|element| !is_gone(element)).count();
                text.push_str(&format!("[{now}]"));
                at = element;
            }
            (Value::Object(members), _) => {
                let Some(member) = members.get(step) else {
                    return Moved::Nowhere;
                };
                text.push_str(step);
                at = member;
            }
            _ => return Moved::Nowhere,
        }
    }
}

/// The value that a selector of a granular marking names, with its pointer.
pub(crate) fn select<'a>(
    object: &'a mut Map<String, Value>,
    selector: &str,
) -> Option<(String, &'a mut Value)> {
    let mut steps = selector.split('.');
    let first = steps.next()?;
    let mut pointer = String::new();
    push(&mut pointer, first);
    let mut at = object.get_mut(first)?;
    for step in steps {
        at = match (at, index(step)) {
            (Value::Array(elements), Some(wanted)) => {
                push(&mut pointer, &wanted.to_string());
                elements.get_mut(wanted)?
            }
            (Value::Object(members), _) => {
                push(&mut pointer, step);
                members.get_mut(step)?
            }
            _ => return None,
        };
    }
    Some((pointer, at))
}

fn index(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// What to do with a reference.
pub(crate) enum Reference {
    /// Leave it.
    Keep,
    /// Write this id instead.
    Rewrite(Id),
    /// Drop it.
    Drop,
}

/// Calls `decide` for every identifier in the tree that names another object: what stands under a
/// name that ends in `_ref` or `_refs`, and any other string that is an identifier (`listed` is
/// false for those). Markings and the object's own id are left alone.
pub(crate) fn references(
    object: &mut Map<String, Value>,
    decide: &mut dyn FnMut(&str, &Id, bool) -> Reference,
) {
    for (name, member) in object.iter_mut() {
        if matches!(
            name.as_str(),
            "id" | "object_marking_refs" | "granular_markings"
        ) {
            continue;
        }
        let mut pointer = String::new();
        push(&mut pointer, name);
        visit(member, is_reference(name), &mut pointer, decide);
    }
}

fn is_reference(name: &str) -> bool {
    name.ends_with("_ref") || name.ends_with("_refs")
}

fn visit(
    value: &mut Value,
    listed: bool,
    pointer: &mut String,
    decide: &mut dyn FnMut(&str, &Id, bool) -> Reference,
) {
    let length = pointer.len();
    match value {
        Value::String(text) => {
            let Ok(id) = Id::parse(text) else {
                return;
            };
            match decide(pointer, &id, listed) {
                Reference::Keep => {}
                Reference::Rewrite(id) => *value = Value::String(id.to_string()),
                Reference::Drop => drop_value(value),
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter_mut().enumerate() {
                push(pointer, &at.to_string());
                visit(element, listed, pointer, decide);
                pointer.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                push(pointer, name);
                visit(member, is_reference(name), pointer, decide);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn selectors_follow_what_moved() {
        let mut tree = object(json!({
            "labels": ["a", "b", "c"],
            "description": "d",
            "external_references": [{"source_name": "s", "url": "u"}, {"source_name": "t", "url": "v"}],
            "granular_markings": [
                {"marking_ref": "m", "selectors": ["labels.[0]", "labels.[2]", "nothing.[0]"]},
                {"marking_ref": "n", "selectors": ["description", "external_references.[0].url"]},
                {"marking_ref": "o", "selectors": ["external_references.[1].url"]},
            ],
        }));
        for selector in ["labels.[0]", "description", "external_references.[0].url"] {
            drop_value(select(&mut tree, selector).expect(selector).1);
        }
        finish(&mut tree);
        assert_eq!(
            Value::Object(tree),
            json!({
                "labels": ["b", "c"],
                "external_references": [{"source_name": "t", "url": "v"}],
                "granular_markings": [
                    {"marking_ref": "m", "selectors": ["labels.[1]", "nothing.[0]"]},
                    {"marking_ref": "o", "selectors": ["external_references.[0].url"]},
                ],
            })
        );
    }

    #[test]
    fn emptied_containers_go_and_empty_ones_stay() {
        let mut tree = object(json!({"a": {"b": [{"c": 1}]}, "d": [], "e": {"f": 1, "g": 2}}));
        drop_value(&mut tree["a"]["b"][0]["c"]);
        drop_value(&mut tree["e"]["f"]);
        finish(&mut tree);
        assert_eq!(Value::Object(tree), json!({"d": [], "e": {"g": 2}}));
    }
}
