//! The redacted form of an object.
//!
//! Rules run in the order in which profiles and rules stand. Then, whatever the rules were:
//!
//! - references name what is known outside, and those to objects that are not released go;
//! - the form has an id of its own, the same for every revision of the original, and the original's
//!   id stands nowhere in it;
//! - `modified` is not before `created` and later than that of any form of an earlier revision:
//!   where rounding made two revisions alike, the later one is a millisecond after the earlier. So
//!   what a receiver learns of the rhythm of revisions is what the channel log shows anyway.
//!
//! A rule for a type also holds where objects of that type are spoken of by others: in the
//! translations of a `language-content` (STIX 2.1, section 7.1) and among the embedded `objects` of
//! an `observed-data` (section 4.14).

use std::fmt;

use model::{Hash, Id, Object, Refusal, Timestamp};
use serde_json::{Map, Value};

use super::Names;
use super::edit::{self, Reference, drop_value};
use super::path::{Step, each_string};
use super::profile::{Profile, Rule};
use super::required;
use super::run::{Run, change};

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The form that leaves, first; then those that parted texts made, if any.
    pub objects: Vec<Object>,
    /// What was done, for the approver and the audit log; without the values.
    pub changes: Vec<Change>,
}

/// One thing that redaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// RFC 6901 pointer into the original.
    pub pointer: String,
    /// What was done there.
    pub what: String,
}

/// Why an object cannot be redacted as the profiles demand. It does not leave then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedactError {
    /// A rule drops what the type cannot do without.
    Required {
        /// The property.
        pointer: String,
    },
    /// What the type cannot do without is a reference to objects that are not released.
    Unreleased {
        /// The property.
        pointer: String,
    },
    /// A value has no coarser form that is true.
    Generalise {
        /// The value.
        pointer: String,
        /// Why not.
        why: &'static str,
    },
    /// The pattern is not understood, so nobody can say what is in it.
    Pattern {
        /// The pattern.
        pointer: String,
        /// Offset of the fault in it.
        byte: usize,
    },
    /// A granular marking names no part of the object, so nobody can say what it protects.
    Selector {
        /// The selector.
        pointer: String,
    },
    /// What is left is no object any more.
    Invalid(Refusal),
}

impl fmt::Display for RedactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedactError::Required { pointer } => write!(
                f,
                "{pointer}: the profile drops what this type cannot do without; replace it instead"
            ),
            RedactError::Unreleased { pointer } => write!(
                f,
                "{pointer}: it names only objects that are not released; release those first"
            ),
            RedactError::Generalise { pointer, why } => {
                write!(f, "{pointer}: this cannot be made coarser: {why}")
            }
            RedactError::Pattern { pointer, byte } => write!(
                f,
                "{pointer}: not a STIX pattern at byte {byte}; drop or replace it to release the rest"
            ),
            RedactError::Selector { pointer } => write!(
                f,
                "{pointer}: the granular marking names no part of this object; correct the selector"
            ),
            RedactError::Invalid(refusal) => write!(f, "the redacted form is no object: {refusal}"),
        }
    }
}

impl std::error::Error for RedactError {}

/// Applies the profiles in order. Without any profile the object leaves as it is; with one it has a
/// derived id even where no rule found anything, so that its later revisions keep that id. Marking
/// definitions are never changed: others obey them by their id.
///
/// # Errors
/// `RedactError`: the object cannot leave in a form that the profiles allow.
pub fn redact(
    object: &Object,
    profiles: &[&Profile],
    names: &dyn Names,
) -> Result<Redacted, RedactError> {
    if profiles.is_empty() || object.kind() == "marking-definition" {
        return Ok(Redacted {
            objects: vec![object.clone()],
            changes: Vec::new(),
        });
    }
    let rules: Vec<&Rule> = profiles.iter().flat_map(|profile| &profile.rules).collect();
    let mut work = Work::new(object, object.id().clone(), names);
    work.run(&rules)?;
    let torn = std::mem::take(&mut work.torn);
    let (form, mut changes) = work.finish()?;
    let mut objects = vec![form];
    for (number, torn) in torn.into_iter().enumerate() {
        let stands_for = rest_id(object.id(), number);
        let mut work = Work::new(object, stands_for, names);
        for (pointer, text) in torn.texts {
            if let Some(value) = work.tree.pointer_mut(&pointer) {
                *value = Value::String(text);
            }
        }
        let all: Vec<&Rule> = rules.iter().copied().chain(&torn.profile.rules).collect();
        work.run(&all)?;
        let (form, more) = work.finish()?;
        objects.push(form);
        let rest = format!("in the rest for {}: ", torn.profile.name);
        changes.extend(more.into_iter().map(|change| Change {
            what: format!("{rest}{}", change.what),
            ..change
        }));
    }
    Ok(Redacted { objects, changes })
}

/// The id that stands for the `number`th object that a parted text makes, where the node asks
/// `Names` for derived ids and earlier forms.
pub fn rest_id(id: &Id, number: usize) -> Id {
    let named = Hash::of(format!("rest {number} of {id}").as_bytes());
    let mut uuid = [0u8; 16];
    uuid.copy_from_slice(&named.0[..16]);
    let uuid = uuid::Builder::from_custom_bytes(uuid).into_uuid();
    Id::from_parts(id.type_name(), uuid.into_bytes()).unwrap_or_else(|_| id.clone())
}

/// A text that a rule parted, for a second object.
pub(crate) struct Torn {
    pub(crate) profile: Profile,
    pub(crate) texts: Vec<(String, String)>,
}

/// Where rules for a type apply: the object itself, or what it says of others.
pub(crate) struct Scope {
    /// Steps to that part, and the type of object that it is or speaks of.
    pub(crate) steps: Vec<Step>,
    pub(crate) kind: String,
}

/// One form in the making.
struct Work<'a> {
    object: &'a Object,
    /// Whose form this is: the object's id, or the one that stands for a rest.
    stands_for: Id,
    names: &'a dyn Names,
    tree: Value,
    scopes: Vec<Scope>,
    changes: Vec<Change>,
    torn: Vec<Torn>,
}

impl<'a> Work<'a> {
    fn new(object: &'a Object, stands_for: Id, names: &'a dyn Names) -> Work<'a> {
        // The bytes of an object are a JSON object; anything else would end as Invalid.
        let tree = serde_json::from_slice(object.bytes()).unwrap_or(Value::Null);
        let scopes = scopes(object.kind(), &tree);
        Work {
            object,
            stands_for,
            names,
            tree,
            scopes,
            changes: Vec::new(),
            torn: Vec::new(),
        }
    }

    fn run(&mut self, rules: &[&Rule]) -> Result<(), RedactError> {
        for rule in rules {
            for scope in &self.scopes {
                if rule.types.is_empty() || rule.types.contains(&scope.kind) {
                    let mut run = Run {
                        tree: &mut self.tree,
                        scope,
                        rule,
                        changes: &mut self.changes,
                        torn: &mut self.torn,
                    };
                    run.apply()?;
                }
            }
        }
        Ok(())
    }

    /// References, identity, versions, and the reading of the result.
    fn finish(self) -> Result<(Object, Vec<Change>), RedactError> {
        let derived = self.names.derive(&self.stands_for);
        let Value::Object(mut tree) = self.tree else {
            return Err(RedactError::Required {
                pointer: "/id".to_owned(),
            });
        };
        let before = tree.clone();
        let own = self.object.id();
        let mut changes = self.changes;
        let mut unreleased = Vec::new();
        edit::references(&mut tree, &mut |pointer, id, listed| {
            let outside = if id == own {
                Some(derived.clone())
            } else {
                self.names.outgoing(id)
            };
            match outside {
                Some(outside) if outside == *id => Reference::Keep,
                Some(outside) => {
                    changes.push(change(pointer, "reference rewritten"));
                    Reference::Rewrite(outside)
                }
                None if listed => {
                    changes.push(change(pointer, "reference to an unreleased object dropped"));
                    unreleased.push(pointer.to_owned());
                    Reference::Drop
                }
                // Not under a name that says reference: the leak check judges it.
                None => Reference::Keep,
            }
        });
        if self.object.kind() == "language-content"
            && let Some(exact) = tree.get_mut("object_modified")
        {
            // The exact time of the original, and not that of the form.
            drop_value(exact);
            changes.push(change("/object_modified", "dropped"));
        }
        edit::finish(&mut tree);
        if let Some(name) =
            required::lost(self.object.kind(), &original(self.object, &before), &tree)
        {
            let pointer = format!("/{name}");
            let by_reference = unreleased.iter().any(|at| {
                at.strip_prefix(&pointer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            return Err(if by_reference {
                RedactError::Unreleased { pointer }
            } else {
                RedactError::Required { pointer }
            });
        }
        if derived != *own {
            tree.insert("id".to_owned(), Value::String(derived.to_string()));
            changes.push(change("/id", "derived"));
            forget(&mut tree, own, &derived);
        }
        later(
            &mut tree,
            self.object,
            self.names.previous(&self.stands_for),
        );
        let form = read(&Value::Object(tree)).map_err(RedactError::Invalid)?;
        changes.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        changes.dedup();
        Ok((form, changes))
    }
}

/// The properties that the object had before any rule; `marked` is the same tree with marks in it,
/// which is all that matters for which names there were.
fn original(object: &Object, marked: &Map<String, Value>) -> Map<String, Value> {
    serde_json::from_slice(object.bytes()).unwrap_or_else(|_| marked.clone())
}

/// Reads a tree as an object.
pub(crate) fn read(tree: &Value) -> Result<Object, Refusal> {
    Object::parse(tree.to_string().as_bytes())
}

/// Puts `modified` right: not before `created`, and after the earlier form's.
pub(crate) fn later(tree: &mut Map<String, Value>, object: &Object, previous: Option<Timestamp>) {
    let time =
        |tree: &Map<String, Value>, name: &str| Timestamp::parse(tree.get(name)?.as_str()?).ok();
    if object.version().is_none() {
        return;
    }
    let Some(modified) = time(tree, "modified") else {
        return;
    };
    let mut right = time(tree, "created").map_or(modified, |created| modified.max(created));
    if let Some(previous) = previous
        && right <= previous
    {
        right = Timestamp::from_unix_nanos(previous.unix_nanos() + 1_000_000);
    }
    if right != modified {
        tree.insert("modified".to_owned(), Value::String(right.to_string()));
    }
}

/// Replaces the original's UUID in every string, with and without hyphens.
fn forget(tree: &mut Map<String, Value>, own: &Id, derived: &Id) {
    let uuid = |id: &Id| uuid::Uuid::from_bytes(id.uuid());
    let spellings = [
        (
            uuid(own).hyphenated().to_string(),
            uuid(derived).hyphenated().to_string(),
        ),
        (
            uuid(own).simple().to_string(),
            uuid(derived).simple().to_string(),
        ),
    ];
    for (name, value) in tree.iter_mut() {
        if name == "id" {
            continue;
        }
        // Cannot fail: the closure never does.
        let _: Result<(), ()> = each_string(value, &mut String::new(), &mut |_, text| {
            for (old, new) in &spellings {
                let low = text.to_ascii_lowercase();
                if low.contains(old.as_str()) {
                    let mut out = String::new();
                    let mut done = 0;
                    for (at, _) in low.match_indices(old.as_str()) {
                        out.push_str(&text[done..at]);
                        out.push_str(new);
                        done = at + old.len();
                    }
                    out.push_str(&text[done..]);
                    *text = out;
                }
            }
            Ok(())
        });
    }
}

fn scopes(kind: &str, tree: &Value) -> Vec<Scope> {
    let mut scopes = vec![Scope {
        steps: Vec::new(),
        kind: kind.to_owned(),
    }];
    if kind == "language-content"
        && let Some(id) = tree.get("object_ref").and_then(Value::as_str)
        && let Ok(id) = Id::parse(id)
    {
        let steps = vec![Step::Name("contents".to_owned()), Step::Any];
        scopes.push(Scope {
            steps,
            kind: id.type_name().to_owned(),
        });
    }
    if kind == "observed-data"
        && let Some(objects) = tree.get("objects").and_then(Value::as_object)
    {
        for (name, embedded) in objects {
            if let Some(kind) = embedded.get("type").and_then(Value::as_str) {
                let steps = vec![Step::Name("objects".to_owned()), Step::Name(name.clone())];
                scopes.push(Scope {
                    steps,
                    kind: kind.to_owned(),
                });
            }
        }
    }
    scopes
}
