//! One rule of a profile at work on one object.
//!
//! A rule changes values in place or marks them as dropped (see `edit`) and notes what it did. It
//! never judges the object as a whole: that comes when all rules have run.

use model::{Id, Timestamp};
use serde_json::{Map, Value};

use super::addresses;
use super::edit::{self, drop_value, is_gone};
use super::generalise::{self, Unit};
use super::path::{Path, Step, each, each_string, push};
use super::profile::{Action, Profile, Rule, Side};
use super::redact::{Change, RedactError, Scope, Torn};
use super::required::PROTECTED;
use super::stix_pattern as pattern;

/// What a tear line is recognised by: letters and digits only, in one case, so that another number
/// of dashes or another space does not let through what should stay.
pub(crate) fn bare(line: &str) -> String {
    line.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A note of what was done.
pub(crate) fn change(pointer: &str, what: &str) -> Change {
    Change {
        pointer: pointer.to_owned(),
        what: what.to_owned(),
    }
}

/// An edit of one value, with its pointer and the notes.
type EditValue<'e, T> = dyn FnMut(&str, &mut T, &mut Vec<Change>) -> Result<(), RedactError> + 'e;

/// An edit of one JSON object.
type EditPart<'e> = dyn FnMut(&str, &mut Map<String, Value>, &mut Vec<Change>) + 'e;

/// One rule on one scope.
pub(crate) struct Run<'a> {
    pub(crate) tree: &'a mut Value,
    pub(crate) scope: &'a Scope,
    pub(crate) rule: &'a Rule,
    pub(crate) changes: &'a mut Vec<Change>,
    pub(crate) torn: &'a mut Vec<Torn>,
}

impl Run<'_> {
    /// Applies the rule.
    pub(crate) fn apply(&mut self) -> Result<(), RedactError> {
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
            Action::Keep { properties } => self.whole(&mut |pointer, part, changes| {
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

    /// Calls `edit` for every value at the rule's places.
    fn values(&mut self, edit: &mut EditValue<'_, Value>) -> Result<(), RedactError> {
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

    /// Calls `edit` for the scope's own JSON object.
    fn whole(&mut self, edit: &mut EditPart<'_>) -> Result<(), RedactError> {
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

    /// The same, if it is of the type.
    fn parts(&mut self, kind: &str, edit: &mut EditPart<'_>) -> Result<(), RedactError> {
        if self.scope.kind == kind {
            self.whole(edit)
        } else {
            Ok(())
        }
    }

    /// Calls `edit` for every string at the rule's places, or in the whole scope when it names
    /// none. Identity, markings and references are passed over.
    fn strings(&mut self, edit: &mut EditValue<'_, String>) -> Result<(), RedactError> {
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
        let named = !self.rule.at.is_empty();
        let mut seen = Vec::new();
        self.strings(&mut |pointer, text, changes| {
            // A citation names a page that others can read, unless the profile says otherwise.
            if !named && pointer.starts_with("/external_references/") {
                return Ok(());
            }
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
                let other = generalise::replace_name(text, &host, &above);
                if let Some(other) = other.filter(|_| !is_pattern(pointer)) {
                    if addresses::is_locator(text) {
                        return Err(cannot(pointer, generalise::LOCATOR));
                    }
                    *text = other;
                    changes.push(change(pointer, "host name to its domain"));
                }
                Ok(())
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
    edit: &mut pattern::EditComparison<'_>,
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
