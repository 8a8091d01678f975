//! Labels as MISP tags, both ways.
//!
//! TLP and PAP have taxonomies of their own (`tlp:green`, `PAP:AMBER`); the rest is machine tags of
//! our namespace, `kurultai:<part>="<value>"`:
//!
//! `releasable-to` (a tag for each code or group; `*` everyone, `-` nobody), `releasable-to-all` (a
//! tag for each clause of several, `@pact/east,KZ`), `not-releasable-to`, `caveat`, `purpose`,
//! `legal-basis`, `expires`, `exercise="exercise"`.
//!
//! Values are written as in a label's text. A label comes back without loss. Tags that are not
//! about handling, or that we do not know, are kept and reported; what they mean for release is the
//! nation's equivalence table's to say. A tag of one of the three namespaces that is not understood
//! is an error, because it is certainly an order on handling.

use std::collections::BTreeSet;
use std::fmt;

use crate::label::{
    Label, PartialLabel, Releasable, decode_word, encode_word, is_recipient, is_word,
};
use crate::limits::{MISP_TAG_BYTES_MAX, MISP_TAGS_MAX};
use crate::time::Timestamp;

/// What tags say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// What they state of a label.
    pub stated: PartialLabel,
    /// Tags that are not ours to understand, in their order.
    pub unknown: Vec<String>,
}

/// The tags that say what a label says.
pub fn tags(label: &Label) -> Vec<String> {
    let mut tags = vec![label.tlp.to_string().to_ascii_lowercase()];
    if label.pap != crate::label::Pap::Clear {
        tags.push(label.pap.to_string());
    }
    let mut put = |part: &str, value: &str| tags.push(format!("kurultai:{part}=\"{value}\""));
    match &label.releasable_to {
        Releasable::Everyone => put("releasable-to", "*"),
        Releasable::Members(clause) if !clause.is_empty() => {
            clause.iter().for_each(|one| put("releasable-to", one));
        }
        Releasable::AllOf(clauses) if !clauses.is_empty() => {
            for clause in clauses {
                let clause: Vec<&str> = clause.iter().map(String::as_str).collect();
                put("releasable-to-all", &clause.join(","));
            }
        }
        Releasable::Members(_) | Releasable::AllOf(_) => put("releasable-to", "-"),
    }
    for one in &label.not_releasable_to {
        put("not-releasable-to", one);
    }
    for (part, words) in [
        ("caveat", &label.caveats),
        ("purpose", &label.purposes),
        ("legal-basis", &label.legal_basis),
    ] {
        for word in words {
            put(part, &encode_word(word));
        }
    }
    if let Some(at) = label.expires {
        put("expires", &at.to_string());
    }
    if label.exercise {
        put("exercise", "exercise");
    }
    tags
}

impl Tags {
    /// Reads tags in any order. Several of one kind are taken together: levels to the higher, lists
    /// to all of their values.
    ///
    /// # Errors
    /// A tag of the namespaces `tlp`, `PAP` and `kurultai` that is not understood, and anything
    /// over the limits. What carries such tags is for nobody.
    pub fn read<'t>(tags: impl IntoIterator<Item = &'t str>) -> Result<Tags, TagError> {
        let mut read = Tags::default();
        let mut lists = Lists::default();
        for (at, tag) in tags.into_iter().enumerate() {
            if at >= MISP_TAGS_MAX || tag.len() > MISP_TAG_BYTES_MAX {
                return Err(TagError::TooMuch);
            }
            let not_understood = || TagError::NotUnderstood(tag.chars().take(64).collect());
            let (namespace, rest) = tag.split_once(':').unwrap_or(("", tag));
            let part = match namespace.to_ascii_lowercase().as_str() {
                "tlp" => PartialLabel {
                    tlp: Some(rest.parse().map_err(|_| not_understood())?),
                    ..PartialLabel::default()
                },
                "pap" => PartialLabel {
                    pap: Some(rest.parse().map_err(|_| not_understood())?),
                    ..PartialLabel::default()
                },
                "kurultai" => lists.take(rest).ok_or_else(not_understood)?,
                // Whatever exercise it is, it is one (I9).
                "exercise" => {
                    read.unknown.push(tag.to_owned());
                    PartialLabel {
                        exercise: Some(true),
                        ..PartialLabel::default()
                    }
                }
                _ => {
                    read.unknown.push(tag.to_owned());
                    continue;
                }
            };
            read.stated = read.stated.combine(&part);
        }
        read.stated = read.stated.combine(&lists.stated());
        Ok(read)
    }
}

/// Values of our tags that stand for parts of one list.
#[derive(Default)]
struct Lists {
    everyone: bool,
    nobody: bool,
    releasable: Option<BTreeSet<String>>,
    clauses: Vec<BTreeSet<String>>,
    not_releasable: Option<BTreeSet<String>>,
    caveats: Option<BTreeSet<String>>,
    purposes: Option<BTreeSet<String>>,
    legal_basis: Option<BTreeSet<String>>,
}

impl Lists {
    /// Takes one of our tags, without the namespace. `None`: not understood.
    fn take(&mut self, rest: &str) -> Option<PartialLabel> {
        let (part, value) = rest.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let recipient = || is_recipient(value).then(|| value.to_owned());
        let word = || decode_word(value).filter(|word| is_word(word));
        let list = match part {
            "releasable-to" if value == "*" => {
                self.everyone = true;
                return Some(PartialLabel::default());
            }
            "releasable-to" if value == "-" => {
                self.nobody = true;
                return Some(PartialLabel::default());
            }
            "releasable-to-all" => {
                let clause = value
                    .split(',')
                    .map(|one| is_recipient(one).then(|| one.to_owned()));
                self.clauses.push(clause.collect::<Option<_>>()?);
                return Some(PartialLabel::default());
            }
            "expires" => {
                return Some(PartialLabel {
                    expires: Some(Timestamp::parse(value).ok()?),
                    ..PartialLabel::default()
                });
            }
            "exercise" if value == "exercise" => {
                return Some(PartialLabel {
                    exercise: Some(true),
                    ..PartialLabel::default()
                });
            }
            "releasable-to" => (&mut self.releasable, recipient()?),
            "not-releasable-to" => (&mut self.not_releasable, recipient()?),
            "caveat" => (&mut self.caveats, word()?),
            "purpose" => (&mut self.purposes, word()?),
            "legal-basis" => (&mut self.legal_basis, word()?),
            _ => return None,
        };
        list.0.get_or_insert_default().insert(list.1);
        Some(PartialLabel::default())
    }

    fn stated(self) -> PartialLabel {
        // Everyone beside a list is the list; nobody beside anything is nobody.
        let mut clauses = self.clauses;
        clauses.extend(self.releasable);
        let releasable_to = if self.nobody {
            Some(Releasable::nobody())
        } else if clauses.is_empty() {
            self.everyone.then_some(Releasable::Everyone)
        } else {
            Some(Releasable::all_of(clauses))
        };
        PartialLabel {
            releasable_to,
            not_releasable_to: self.not_releasable,
            caveats: self.caveats,
            purposes: self.purposes,
            legal_basis: self.legal_basis,
            ..PartialLabel::default()
        }
    }
}

/// Why tags were not read.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagError {
    /// A tag on handling that is not understood; at most its first 64 characters.
    NotUnderstood(String),
    /// More tags, or a longer one, than the limits allow.
    TooMuch,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagError::NotUnderstood(tag) => write!(
                f,
                "the tag {tag:?} is an order on handling that is not understood; \
                 correct it at its origin (TLP and PAP levels, or kurultai:part=\"value\")"
            ),
            TagError::TooMuch => write!(
                f,
                "at most {MISP_TAGS_MAX} tags of {MISP_TAG_BYTES_MAX} bytes each are read"
            ),
        }
    }
}

impl std::error::Error for TagError {}

#[cfg(test)]
mod tests;
