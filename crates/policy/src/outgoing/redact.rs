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
use super::addresses;
use super::edit::{self, Reference, drop_value, is_gone};
use super::generalise::{self, Unit};
use super::path::{Path, Step, each, each_string, push};
use super::profile::{Action, Profile, Rule, Side};
use super::required::{self, PROTECTED};
use super::stix_pattern as pattern;

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

/// What a tear line is recognised by: letters and digits only, in one case, so that another number
/// of dashes or another space does not let through what should stay.
pub(crate) fn bare(line: &str) -> String {
    line.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A text that a rule parted, for a second object.
struct Torn {
    profile: Profile,
    texts: Vec<(String, String)>,
}

/// Where rules for a type apply: the object itself, or what it says of others.
struct Scope {
    /// Steps to that part, and the type of object that it is or speaks of.
    steps: Vec<Step>,
    kind: String,
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
    fn finish(mut self) -> Result<(Object, Vec<Change>), RedactError> {
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
        self.stands_for = self.stands_for.clone();
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

fn change(pointer: &str, what: &str) -> Change {
    Change {
        pointer: pointer.to_owned(),
        what: what.to_owned(),
    }
}

/// One rule on one scope.
struct Run<'a> {
    tree: &'a mut Value,
    scope: &'a Scope,
    rule: &'a Rule,
    changes: &'a mut Vec<Change>,
    torn: &'a mut Vec<Torn>,
}

impl Run<'_> {
    fn apply(&mut self) -> Result<(), RedactError> {
        match &self.rule.action {
            Action::Drop => self.values(&mut |pointer, value, changes| {
                drop_value(value);
                changes.push(change(pointer, "dropped"));
                Ok(())
            }),
            Action::Replace { with } => self.values(&mut |pointer, value, changes| {
                *value = Value::String(with.clone());
                changes.push(change(pointer, "replaced"));
                Ok(())
            }),
            Action::Time { to } => self.times(*to),
            Action::Location { keep } => {
                let names = keep.finer();
                self.parts("location", &mut |pointer, part, changes| {
                    for name in names {
                        drop_member(pointer, part, name, changes);
                    }
                })
            }
            Action::Coordinates { decimals } => {
                self.parts("location", &mut |pointer, part, changes| {
                    for name in generalise::round_position(part, *decimals) {
                        changes.push(change(
                            &format!("{pointer}/{name}"),
                            "position made coarser",
                        ));
                    }
                })
            }
            Action::Network { ipv4, ipv6 } => self.networks(*ipv4, *ipv6),
            Action::Domain { labels } => self.domains(*labels),
            Action::Hashes => self.hashes(),
            Action::Granular { above } => self.granular(*above),
            Action::Keep { properties } => self.everything("", &mut |pointer, part, changes| {
                let names: Vec<String> = part.keys().cloned().collect();
                for name in names {
                    let identity = PROTECTED.contains(&name.as_str())
                        || matches!(name.as_str(), "created" | "modified");
                    if !identity && !properties.contains(&name) {
                        drop_member(pointer, part, &name, changes);
                    }
                }
            }),
            Action::Tear { marker, keep, rest } => self.tear(marker, *keep, rest.as_deref()),
        }
    }

    /// The rule's places as steps from the root.
    fn places(&self) -> Vec<Vec<Step>> {
        let from_root = |path: &Path| {
            let mut steps = self.scope.steps.clone();
            steps.extend(path.0.iter().cloned());
            steps
        };
        self.rule.at.iter().map(from_root).collect()
    }

    fn values(
        &mut self,
        edit: &mut dyn FnMut(&str, &mut Value, &mut Vec<Change>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        for steps in self.places() {
            let changes = &mut *self.changes;
            each(
                self.tree,
                &steps,
                &mut String::new(),
                &mut |pointer, value| edit(pointer, value, changes),
            )?;
        }
        Ok(())
    }

    /// Calls `edit` for the scope's own JSON object if it is of the type (any, if empty).
    fn everything(
        &mut self,
        _kind: &str,
        edit: &mut dyn FnMut(&str, &mut Map<String, Value>, &mut Vec<Change>),
    ) -> Result<(), RedactError> {
        let changes = &mut *self.changes;
        each(
            self.tree,
            &self.scope.steps,
            &mut String::new(),
            &mut |pointer, value| {
                if let Value::Object(part) = value {
                    edit(pointer, part, changes);
                }
                Ok(())
            },
        )
    }

    fn parts(
        &mut self,
        kind: &str,
        edit: &mut dyn FnMut(&str, &mut Map<String, Value>, &mut Vec<Change>),
    ) -> Result<(), RedactError> {
        if self.scope.kind == kind {
            self.everything(kind, edit)
        } else {
            Ok(())
        }
    }

    /// Calls `edit` for every string at the rule's places, or in the whole scope when it names
    /// none. Identity, markings and references are passed over.
    fn strings(
        &mut self,
        edit: &mut dyn FnMut(&str, &mut String, &mut Vec<Change>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        let mut places = self.places();
        if places.is_empty() {
            places.push(self.scope.steps.clone());
        }
        for steps in places {
            let changes = &mut *self.changes;
            each(
                self.tree,
                &steps,
                &mut String::new(),
                &mut |pointer, value| {
                    each_string(value, &mut pointer.to_owned(), &mut |pointer, text| {
                        let top = pointer.split('/').nth(1).unwrap_or_default();
                        if PROTECTED.contains(&top) || Id::parse(text).is_ok() {
                            return Ok(());
                        }
                        edit(pointer, text, changes)
                    })
                },
            )?;
        }
        Ok(())
    }

    /// Which pointers of the scope hold STIX patterns.
    fn pattern_at(&self) -> impl Fn(&str) -> bool + use<> {
        let stix = self.scope.kind == "indicator"
            && self.scope.steps.is_empty()
            && self.tree.get("pattern_type").and_then(Value::as_str) == Some("stix");
        move |pointer| stix && pointer == "/pattern"
    }

    fn times(&mut self, unit: Unit) -> Result<(), RedactError> {
        let is_pattern = self.pattern_at();
        let named = !self.rule.at.is_empty();
        self.strings(&mut |pointer, text, changes| {
            if is_pattern(pointer) {
                if let Some(rewritten) = pattern_times(pointer, text, unit)? {
                    *text = rewritten;
                    changes.push(change(pointer, &format!("times to the {}", unit.word())));
                }
                return Ok(());
            }
            match Timestamp::parse(text) {
                Ok(time) => {
                    // What ends a validity ends it later, or it could end before it begins.
                    let ends = pointer.ends_with("/valid_until");
                    let coarse = if ends {
                        unit.ceiling(time)
                    } else {
                        unit.floor(time)
                    };
                    if coarse != time || text.len() != coarse.to_string().len() {
                        *text = coarse.to_string();
                        changes.push(change(pointer, &format!("time to the {}", unit.word())));
                    }
                    Ok(())
                }
                Err(_) if named => Err(RedactError::Generalise {
                    pointer: pointer.to_owned(),
                    why: "the profile expects a time here and this is none",
                }),
                Err(_) => Ok(()),
            }
        })
    }

    fn networks(&mut self, ipv4: u8, ipv6: u8) -> Result<(), RedactError> {
        let is_pattern = self.pattern_at();
        self.strings(&mut |pointer, text, changes| {
            let coarse = if is_pattern(pointer) {
                pattern_comparisons(pointer, text, &mut |comparison| {
                    generalise::network_comparison(comparison, ipv4, ipv6)
                })?
            } else {
                let coarse = generalise::networks(text, ipv4, ipv6);
                let coarse = coarse.map_err(|why| cannot(pointer, why))?;
                if coarse.is_some() && pointer == "/pattern" {
                    return Err(cannot(pointer, "only STIX patterns can be made coarser"));
                }
                coarse
            };
            if let Some(coarse) = coarse {
                *text = coarse;
                changes.push(change(pointer, "address to its network"));
            }
            Ok(())
        })
    }

    fn domains(&mut self, labels: usize) -> Result<(), RedactError> {
        let is_pattern = self.pattern_at();
        let is_name = self.scope.kind == "domain-name";
        let mut seen = Vec::new();
        self.strings(&mut |pointer, text, changes| {
            let coarse = if is_pattern(pointer) {
                pattern_comparisons(pointer, text, &mut |comparison| {
                    generalise::domain_comparison(comparison, labels, &mut seen)
                })?
            } else {
                let plain = addresses::refang(text).unwrap_or_else(|| text.clone());
                let host = generalise::host_of(&plain);
                let above = host.and_then(|host| addresses::parent(host, labels));
                match (host, above) {
                    (Some(host), Some(above))
                        if host == plain && (is_name || is_value(pointer)) =>
                    {
                        seen.push((plain.clone(), above.to_owned()));
                        Some(above.to_owned())
                    }
                    (Some(_), Some(_)) if addresses::is_locator(&plain) => {
                        return Err(cannot(pointer, generalise::LOCATOR));
                    }
                    _ => None,
                }
            };
            if let Some(coarse) = coarse {
                *text = coarse;
                changes.push(change(pointer, "host name to its domain"));
            }
            Ok(())
        })?;
        // What was made coarser in one place is often repeated in the name or the description.
        for (host, above) in seen {
            let changes = &mut *self.changes;
            let edited = each_string(self.tree, &mut String::new(), &mut |pointer, text| {
                if let Some(other) = generalise::replace_name(text, &host, &above)
                    && !is_pattern(pointer)
                {
                    *text = other;
                    changes.push(change(pointer, "host name to its domain"));
                }
                Ok::<(), RedactError>(())
            });
            edited?;
        }
        Ok(())
    }

    fn hashes(&mut self) -> Result<(), RedactError> {
        let is_pattern = self.pattern_at();
        if let Some(text) = self.tree.get("pattern").and_then(Value::as_str)
            && is_pattern("/pattern")
        {
            pattern_comparisons("/pattern", text, &mut |comparison| {
                if comparison.path.to_lowercase().contains("hash") {
                    return Err(
                        "it compares a hash, which has no coarser form; drop or replace the pattern",
                    );
                }
                Ok(None)
            })?;
        }
        let changes = &mut *self.changes;
        each(
            self.tree,
            &self.scope.steps,
            &mut String::new(),
            &mut |pointer, value| {
                drop_named(
                    value,
                    &mut pointer.to_owned(),
                    &mut |name| matches!(name, "hashes" | "file_header_hashes" | "imphash"),
                    changes,
                );
                Ok(())
            },
        )
    }

    fn granular(&mut self, above: model::Tlp) -> Result<(), RedactError> {
        let Value::Object(tree) = &mut *self.tree else {
            return Ok(());
        };
        if !self.scope.steps.is_empty() {
            return Ok(());
        }
        let markings = tree
            .get("granular_markings")
            .and_then(Value::as_array)
            .cloned();
        for (number, marking) in markings.iter().flatten().enumerate() {
            let id = marking.get("marking_ref").and_then(Value::as_str);
            let Some(Ok(id)) = id.map(Id::parse) else {
                continue; // a language, which withholds nothing
            };
            let open = model::Label::parse("TLP:CLEAR").unwrap_or_else(|_| model::Label::nobody());
            // A marking that is not TLP counts as the strictest.
            let level = model::label_of(&[id], &|_| None, &open).tlp;
            if level <= above {
                continue;
            }
            let selectors = marking.get("selectors").and_then(Value::as_array);
            for (at, selector) in selectors.into_iter().flatten().enumerate() {
                let pointer = format!("/granular_markings/{number}/selectors/{at}");
                let selector = selector.as_str().unwrap_or_default();
                let top = selector.split('.').next().unwrap_or_default();
                let Some((place, value)) = edit::select(tree, selector) else {
                    return Err(RedactError::Selector { pointer });
                };
                if is_gone(value) {
                    continue;
                }
                if PROTECTED.contains(&top) || matches!(top, "created" | "modified") {
                    return Err(RedactError::Required { pointer: place });
                }
                drop_value(value);
                self.changes
                    .push(change(&place, "dropped for its own marking"));
            }
        }
        Ok(())
    }

    fn tear(
        &mut self,
        marker: &str,
        keep: Side,
        rest: Option<&Profile>,
    ) -> Result<(), RedactError> {
        let mut texts = Vec::new();
        let wanted = bare(marker);
        self.strings(&mut |pointer, text, changes| {
            let Some((above, below)) = part(text, &wanted, keep) else {
                return Ok(());
            };
            let (stays, other) = match keep {
                Side::Above => (above, below),
                Side::Below => (below, above),
            };
            if !other.is_empty() {
                texts.push((pointer.to_owned(), other.to_owned()));
            }
            *text = stays.to_owned();
            changes.push(change(pointer, "parted at the tear line"));
            Ok(())
        })?;
        // A text of which nothing is left goes as a whole.
        self.values(&mut |_, value, _| {
            if value.as_str() == Some("") {
                drop_value(value);
            }
            Ok(())
        })?;
        if let Some(profile) = rest
            && !texts.is_empty()
            && self.scope.steps.is_empty()
        {
            self.torn.push(Torn {
                profile: profile.clone(),
                texts,
            });
        }
        Ok(())
    }
}

/// What stands before the first tear line and behind the last, so that of several lines the part
/// that stays is the smallest. `None`: there is no tear line.
fn part<'t>(text: &'t str, wanted: &str, keep: Side) -> Option<(&'t str, &'t str)> {
    let mut found = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if bare(line) == wanted && (found.is_none() || keep == Side::Below) {
            found = Some((at, at + line.len()));
        }
        at += line.len();
    }
    let (start, end) = found?;
    Some((text[..start].trim_end(), text[end..].trim()))
}

fn drop_member(
    pointer: &str,
    part: &mut Map<String, Value>,
    name: &str,
    changes: &mut Vec<Change>,
) {
    if let Some(value) = part.get_mut(name).filter(|value| !is_gone(value)) {
        drop_value(value);
        let mut pointer = pointer.to_owned();
        push(&mut pointer, name);
        changes.push(change(&pointer, "dropped"));
    }
}

/// Drops every member below with such a name.
fn drop_named(
    value: &mut Value,
    pointer: &mut String,
    wanted: &mut dyn FnMut(&str) -> bool,
    changes: &mut Vec<Change>,
) {
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if is_gone(member) {
                    continue;
                }
                push(pointer, name);
                if wanted(name) {
                    drop_value(member);
                    changes.push(change(pointer, "dropped"));
                } else {
                    drop_named(member, pointer, wanted, changes);
                }
                pointer.truncate(length);
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter_mut().enumerate() {
                push(pointer, &at.to_string());
                drop_named(element, pointer, wanted, changes);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

fn cannot(pointer: &str, why: &'static str) -> RedactError {
    RedactError::Generalise {
        pointer: pointer.to_owned(),
        why,
    }
}

/// Whether the pointer names the value of an embedded or own observable.
fn is_value(pointer: &str) -> bool {
    pointer.ends_with("/value")
}

fn lexed(pointer: &str, text: &str) -> Result<Vec<pattern::Token>, RedactError> {
    let fault = |byte| RedactError::Pattern {
        pointer: pointer.to_owned(),
        byte,
    };
    pattern::lex(text).map_err(fault)
}

fn pattern_comparisons(
    pointer: &str,
    text: &str,
    edit: &mut dyn FnMut(
        &pattern::Comparison<'_>,
    ) -> Result<Option<Vec<pattern::Token>>, &'static str>,
) -> Result<Option<String>, RedactError> {
    let tokens = lexed(pointer, text)?;
    let rewritten = pattern::rewrite(&tokens, edit).map_err(|why| cannot(pointer, why))?;
    Ok(rewritten.map(|tokens| pattern::write(&tokens)))
}

/// Times in a pattern: bounds are moved outward; an equality has no coarser form.
fn pattern_times(pointer: &str, text: &str, unit: Unit) -> Result<Option<String>, RedactError> {
    use pattern::Token;
    let mut tokens = lexed(pointer, text)?;
    let mut changed = false;
    for at in 0..tokens.len() {
        let Token::Typed('t', literal) = &tokens[at] else {
            continue;
        };
        let Ok(time) = Timestamp::parse(literal) else {
            return Err(cannot(pointer, "a time in the pattern is not understood"));
        };
        let coarse = match at.checked_sub(1).and_then(|before| tokens.get(before)) {
            Some(Token::Sign(">" | ">=")) => unit.floor(time),
            Some(Token::Sign("<" | "<=")) => unit.ceiling(time),
            Some(Token::Word(word)) if word == "START" => unit.floor(time),
            Some(Token::Word(word)) if word == "STOP" => unit.ceiling(time),
            _ if unit.floor(time) == time => time,
            _ => {
                return Err(cannot(
                    pointer,
                    "the pattern demands one exact time; drop or replace it",
                ));
            }
        };
        if coarse != time {
            tokens[at] = Token::Typed('t', coarse.to_string());
            changed = true;
        }
    }
    Ok(changed.then(|| pattern::write(&tokens)))
}
