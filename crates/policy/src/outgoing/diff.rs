//! What an approver sees of a change: the values that differ, each with its pointer.
//!
//! Lists are compared after what their beginnings and ends have in common, so that one dropped
//! element shows as one line and not as a change of all that follow it. A pointer into a list
//! counts elements as `before` does, except where a value was added.

use model::Object;
use serde_json::Value;

use super::path::push;

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// RFC 6901 pointer to the value.
    pub pointer: String,
    /// The value before, as JSON; `None`: it was not there.
    pub before: Option<String>,
    /// The value after, as JSON; `None`: it is gone.
    pub after: Option<String>,
}

/// The values in which two objects differ, in the order of the pointers.
pub fn diff(before: &Object, after: &Object) -> Vec<DiffLine> {
    let read = |object: &Object| serde_json::from_slice(object.bytes()).unwrap_or(Value::Null);
    let mut lines = Vec::new();
    compare(&read(before), &read(after), &mut String::new(), &mut lines);
    lines.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    lines
}

fn compare(before: &Value, after: &Value, pointer: &mut String, lines: &mut Vec<DiffLine>) {
    let length = pointer.len();
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                push(pointer, name);
                match new.get(name) {
                    Some(other) => compare(value, other, pointer, lines),
                    None => lines.push(line(pointer, Some(value), None)),
                }
                pointer.truncate(length);
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                push(pointer, name);
                lines.push(line(pointer, None, Some(value)));
                pointer.truncate(length);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            let (old_rest, new_rest) = (&old[same..], &new[same..]);
            let tail = old_rest.iter().rev().zip(new_rest.iter().rev());
            let tail = tail.take_while(|(a, b)| a == b).count();
            let (old_rest, new_rest) = (
                &old_rest[..old_rest.len() - tail],
                &new_rest[..new_rest.len() - tail],
            );
            for at in 0..old_rest.len().max(new_rest.len()) {
                push(pointer, &(same + at).to_string());
                match (old_rest.get(at), new_rest.get(at)) {
                    (Some(a), Some(b)) => compare(a, b, pointer, lines),
                    (a, b) => lines.push(line(pointer, a, b)),
                }
                pointer.truncate(length);
            }
        }
        (old, new) if old == new => {}
        (old, new) => lines.push(line(pointer, Some(old), Some(new))),
    }
}

fn line(pointer: &str, before: Option<&Value>, after: Option<&Value>) -> DiffLine {
    DiffLine {
        pointer: pointer.to_owned(),
        before: before.map(Value::to_string),
        after: after.map(Value::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(before: &str, after: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let object = |rest: &str| {
            let text = format!(
                r#"{{"type":"mutex","id":"mutex--00000000-0000-4000-8000-000000000001",{rest}}}"#
            );
            Object::parse(text.as_bytes()).expect("an object")
        };
        diff(&object(before), &object(after))
            .into_iter()
            .map(|line| (line.pointer, line.before, line.after))
            .collect()
    }

    #[test]
    fn shows_each_changed_value_once() {
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(
            lines(
                r#""name":"a","l":[1,2,3,4],"x":{"y":"old","z":1}"#,
                r#""name":"a","l":[1,3,4],"x":{"y":"new","w":2}"#
            ),
            [
                ("/l/1".to_owned(), text("2"), None),
                ("/x/w".to_owned(), None, text("2")),
                ("/x/y".to_owned(), text("\"old\""), text("\"new\"")),
                ("/x/z".to_owned(), text("1"), None),
            ]
        );
        assert_eq!(lines(r#""a":[1,{"b":[2]}]"#, r#""a":[1,{"b":[2]}]"#), []);
    }
}
