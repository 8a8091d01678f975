//! Places in an object that a profile names: JSON pointers (RFC 6901) with `*`.
//!
//! A step `*` is every member or element there; `x_*` is every member whose name begins so. A step
//! of digits names a member, never an element of a list: lists are addressed by `*` only, because
//! which element is the first changes when one is dropped.

use serde_json::Value;

use super::edit::is_gone;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member with this name.
    Name(String),
    /// Every member whose name begins so.
    Prefix(String),
    /// Every member or element.
    Any,
}

impl Step {
    fn takes(&self, name: &str) -> bool {
        match self {
            Step::Name(wanted) => wanted == name,
            Step::Prefix(start) => name.starts_with(start.as_str()),
            Step::Any => true,
        }
    }
}

/// A pointer pattern of at least one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// Reads `/a/*/b`.
    pub(crate) fn parse(text: &str) -> Result<Path, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a place is a JSON pointer that begins with a slash, such as /description");
        };
        let steps = rest.split('/').map(|step| {
            let step =
                unescape(step).ok_or("a tilde in a JSON pointer is written ~0, a slash ~1")?;
            Ok(match step.strip_suffix('*') {
                Some("") => Step::Any,
                Some(start) if !start.contains('*') => Step::Prefix(start.to_owned()),
                None if step.is_empty() => return Err("a step of the place is empty"),
                None if !step.contains('*') => Step::Name(step),
                _ => return Err("a star stands alone in a step or at its end"),
            })
        });
        Ok(Path(steps.collect::<Result<_, _>>()?))
    }

    /// Whether the path can lead to the top-level property `name` or into it.
    pub(crate) fn touches(&self, name: &str) -> bool {
        self.0.first().is_some_and(|step| step.takes(name))
    }

    /// Whether the path can name the whole top-level property `name`.
    pub(crate) fn is_top(&self, name: &str) -> bool {
        self.0.len() == 1 && self.touches(name)
    }
}

/// Calls `edit` with the pointer and the value of every place that the steps lead to. What is
/// already dropped is passed over.
pub(crate) fn each<E>(
    value: &mut Value,
    steps: &[Step],
    pointer: &mut String,
    edit: &mut dyn FnMut(&str, &mut Value) -> Result<(), E>,
) -> Result<(), E> {
    if is_gone(value) {
        return Ok(());
    }
    let Some((step, rest)) = steps.split_first() else {
        return edit(pointer, value);
    };
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if step.takes(name) {
                    push(pointer, name);
                    each(member, rest, pointer, edit)?;
                    pointer.truncate(length);
                }
            }
        }
        Value::Array(elements) if *step == Step::Any => {
            for (at, element) in elements.iter_mut().enumerate() {
                push(pointer, &at.to_string());
                each(element, rest, pointer, edit)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Calls `edit` with the pointer and the value of every string in the tree.
pub(crate) fn each_string<E>(
    value: &mut Value,
    pointer: &mut String,
    edit: &mut dyn FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    let length = pointer.len();
    match value {
        Value::String(text) => edit(pointer, text)?,
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                push(pointer, name);
                each_string(member, pointer, edit)?;
                pointer.truncate(length);
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter_mut().enumerate() {
                push(pointer, &at.to_string());
                each_string(element, pointer, edit)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Adds one step to a pointer.
pub(crate) fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    for character in step.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// `None`: a tilde that is no escape.
fn unescape(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut rest = step.chars();
    while let Some(character) = rest.next() {
        match character {
            '~' => out.push(match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            }),
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(place: &str, mut value: Value) -> Vec<String> {
        let path = Path::parse(place).expect("a path");
        let mut seen = Vec::new();
        let done: Result<(), ()> = each(&mut value, &path.0, &mut String::new(), &mut |at, _| {
            seen.push(at.to_owned());
            Ok(())
        });
        assert_eq!(done, Ok(()));
        seen.sort_unstable();
        seen
    }

    #[test]
    fn finds_places() {
        let value = json!({"a": [{"b": 1}, {"c": 2, "b": 3}], "x_1": 1, "x/2": {"0": 1}});
        assert_eq!(found("/a/*/b", value.clone()), ["/a/0/b", "/a/1/b"]);
        assert_eq!(found("/a/0", value.clone()), [""; 0]);
        assert_eq!(found("/x*", value.clone()), ["/x_1", "/x~12"]);
        assert_eq!(found("/x~12/0", value), ["/x~12/0"]);
    }

    #[test]
    fn refuses_malformed_places() {
        for bad in ["", "a", "/", "/a//b", "/a~2", "/*a", "/a*b", "/**"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
