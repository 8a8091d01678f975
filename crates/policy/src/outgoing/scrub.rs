//! The non-attributable form of an object (I7): what any source of this member could have sent.
//!
//! The form is built from nothing, by the list in `allowed`, so that what nobody thought of does
//! not pass. Its identity is a keyed one, its author the member, its times are rounded, its lists
//! are sorted, its patterns are written one way, and its canonical bytes fill a multiple of the
//! bucket.
//!
//! Times: `created` is the original's, rounded down, and every other time of the form is a whole
//! number of units before or after it: rounding each by itself would show, over many objects, by
//! how little they differed. The first form is not `modified` after it was created, a later one as
//! many started units later as its revision was, or one millisecond after the form before it.
//! `valid_from` and `published` are the creation. There is no end of validity: that something
//! expired reaches receivers as an entry of the log.
//!
//! What this cannot hide is what a person wrote (the name of a report, the text of a note) and what
//! the object is about. See docs/redaction.md.

use std::fmt;

use model::{Class, Id, Label, OBJECT_BYTES_MAX, Object, Refusal, Timestamp, tlp_marking};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use super::allowed::{EXTENSION_PADDING, HASHES, How, allowed, public_id};
use super::generalise::floor;
use super::redact::later;
use super::{Names, addresses, required, stix_pattern};

/// How a channel hides sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrub {
    /// The identity that stands as the author of everything.
    pub member_identity: Id,
    /// Minutes to which times are rounded; 0 counts as 1.
    pub round_minutes: u32,
    /// Bytes of a size bucket; 0: no padding.
    pub pad_bytes: usize,
    /// The markings of the form, in place of the original's: those of a source are a trait of it.
    /// They must say at least what the original's label says.
    pub markings: Vec<Id>,
}

impl Scrub {
    /// With the TLP marking of a label as the only one; the rest of the label is in the entry.
    pub fn new(member_identity: Id, label: &Label, round_minutes: u32, pad_bytes: usize) -> Scrub {
        let markings = Id::parse(tlp_marking(label.tlp)).into_iter().collect();
        Scrub {
            member_identity,
            round_minutes,
            pad_bytes,
            markings,
        }
    }
}

/// Why an object has no non-attributable form. It does not leave then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScrubError {
    /// Objects of this type always carry traces of their source.
    Kind {
        /// The STIX type.
        kind: String,
    },
    /// The value is not what STIX says, or of a sort that carries traces.
    Value {
        /// The value.
        pointer: String,
        /// What is needed there.
        why: &'static str,
    },
    /// What the type cannot do without does not pass.
    Required {
        /// The property.
        pointer: String,
    },
    /// It names an object that was not released there.
    Unreleased {
        /// The reference.
        pointer: String,
    },
    /// What is left is no object, or one that is too large with its padding.
    Invalid(Refusal),
}

impl fmt::Display for ScrubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScrubError::Kind { kind } => write!(
                f,
                "objects of type {kind} have no non-attributable form; say what is needed in an \
                 indicator, a report or a note"
            ),
            ScrubError::Value { pointer, why } => write!(f, "{pointer}: {why}"),
            ScrubError::Required { pointer } => write!(
                f,
                "{pointer}: the type cannot do without it and it has no non-attributable form"
            ),
            ScrubError::Unreleased { pointer } => write!(
                f,
                "{pointer}: it names only objects that are not released here; release those first"
            ),
            ScrubError::Invalid(refusal) => {
                write!(f, "the non-attributable form is no object: {refusal}")
            }
        }
    }
}

impl std::error::Error for ScrubError {}

/// Builds the non-attributable form. The same for the same object, settings and names; the form of
/// a form is itself when `names` knows it as one.
///
/// # Errors
/// `ScrubError`: the object cannot leave without telling its source.
pub fn scrub(object: &Object, scrub: &Scrub, names: &dyn Names) -> Result<Object, ScrubError> {
    let kind = object.kind();
    let Some(properties) = allowed(kind) else {
        return Err(ScrubError::Kind {
            kind: kind.to_owned(),
        });
    };
    let original: Map<String, Value> =
        serde_json::from_slice(object.bytes()).map_err(|_| value("", "a JSON object is needed"))?;
    let derived = names.derive(object.id());
    let mut form = Map::new();
    form.insert("type".to_owned(), kind.into());
    form.insert("spec_version".to_owned(), "2.1".into());
    form.insert("id".to_owned(), derived.as_str().into());
    let round = i128::from(scrub.round_minutes.max(1)) * 60_000_000_000;
    let created = object.created().map(|created| floor(created, round));
    if object.class() != Class::Sco {
        let text = created.ok_or_else(|| missing("created"))?.to_string();
        form.insert("created".to_owned(), text.as_str().into());
        let previous = names.previous(object.id());
        let modified = match (previous, created, object.created(), object.modified()) {
            (Some(_), Some(start), Some(created), Some(modified)) => {
                after(start, units(created, modified, round), round).to_string()
            }
            _ => text,
        };
        form.insert("modified".to_owned(), modified.into());
        later(&mut form, object, previous);
        form.insert(
            "created_by_ref".to_owned(),
            scrub.member_identity.as_str().into(),
        );
        if object.revoked() {
            form.insert("revoked".to_owned(), true.into());
        }
    }
    let mut markings: Vec<&str> = scrub.markings.iter().map(Id::as_str).collect();
    markings.sort_unstable();
    markings.dedup();
    if !markings.is_empty() {
        form.insert("object_marking_refs".to_owned(), markings.into());
    }
    let first = original.get("first_observed").and_then(Value::as_str);
    let pass = Pass {
        own: object.id(),
        derived: &derived,
        created: object.created().zip(created),
        first: first.and_then(|first| Timestamp::parse(first).ok()),
        round,
        names,
    };
    let mut unreleased = false;
    for (name, how) in properties {
        let Some(value) = original.get(*name) else {
            continue;
        };
        match pass.value(*how, &format!("/{name}"), value)? {
            Passed::As(value) => {
                form.insert((*name).to_owned(), value);
            }
            Passed::Gone => {}
            Passed::Unreleased => unreleased = true,
        }
    }
    // A file is its hash; its name is how one source stored it.
    if kind == "file" && form.contains_key("hashes") {
        form.remove("name");
    }
    if let Some(name) = required::lost(kind, &original, &form) {
        let pointer = format!("/{name}");
        return Err(if unreleased {
            ScrubError::Unreleased { pointer }
        } else {
            ScrubError::Required { pointer }
        });
    }
    pad(form, scrub.pad_bytes)
}

/// Started units from one time to another, at least one.
fn units(from: Timestamp, to: Timestamp, round: i128) -> i128 {
    let nanos = (to.unix_nanos() - from.unix_nanos()).max(1);
    (nanos - 1) / round + 1
}

fn after(time: Timestamp, units: i128, round: i128) -> Timestamp {
    Timestamp::from_unix_nanos(time.unix_nanos() + units * round)
}

/// Fills the object up to its bucket.
fn pad(mut form: Map<String, Value>, bucket: usize) -> Result<Object, ScrubError> {
    if bucket > 0 {
        set_padding(&mut form, 0);
        let length = read(&form)?.bytes().len();
        let full = length.div_ceil(bucket).saturating_mul(bucket);
        if full > OBJECT_BYTES_MAX {
            return Err(value(
                "",
                "it is too large to be filled up to its size bucket",
            ));
        }
        set_padding(&mut form, full - length);
    }
    read(&form)
}

fn set_padding(form: &mut Map<String, Value>, bytes: usize) {
    let padding = json!({
        EXTENSION_PADDING: {
            "extension_type": "property-extension",
            "padding": "0".repeat(bytes),
        }
    });
    form.insert("extensions".to_owned(), padding);
}

fn read(form: &Map<String, Value>) -> Result<Object, ScrubError> {
    let bytes = serde_json::to_vec(form).map_err(|_| value("", "it cannot be written as JSON"))?;
    Object::parse(&bytes).map_err(ScrubError::Invalid)
}

fn missing(name: &str) -> ScrubError {
    ScrubError::Required {
        pointer: format!("/{name}"),
    }
}

fn value(pointer: &str, why: &'static str) -> ScrubError {
    ScrubError::Value {
        pointer: pointer.to_owned(),
        why,
    }
}

enum Passed {
    As(Value),
    Gone,
    Unreleased,
}

/// What properties are rewritten with.
struct Pass<'a> {
    own: &'a Id,
    derived: &'a Id,
    /// When the original was created, and the form.
    created: Option<(Timestamp, Timestamp)>,
    /// When the original was first observed.
    first: Option<Timestamp>,
    round: i128,
    names: &'a dyn Names,
}

impl Pass<'_> {
    fn value(&self, how: How, pointer: &str, original: &Value) -> Result<Passed, ScrubError> {
        let need = |why| value(pointer, why);
        let text = || {
            original
                .as_str()
                .ok_or_else(|| need("a string is needed here"))
        };
        let list = || {
            original
                .as_array()
                .ok_or_else(|| need("a list is needed here"))
        };
        let passed = match how {
            How::Text => plain(text()?).into(),
            How::Lower => plain(text()?).to_lowercase().into(),
            How::Upper => plain(text()?).to_uppercase().into(),
            How::Address => {
                let net = addresses::whole(plain(text()?).as_str());
                let net = net.ok_or_else(|| need("an IP address or network is needed here"))?;
                if net.prefix_len() == net.max_prefix_len() {
                    net.addr().to_string().into()
                } else {
                    net.trunc().to_string().into()
                }
            }
            How::Number => original
                .as_u64()
                .ok_or_else(|| need("a whole number is needed here"))?
                .into(),
            How::Flag => original
                .as_bool()
                .ok_or_else(|| need("true or false is needed here"))?
                .into(),
            How::Words => {
                let word = |word: &Value| word.as_str().map(|word| plain(word).to_lowercase());
                let words: Option<Vec<String>> = list()?.iter().map(word).collect();
                words
                    .ok_or_else(|| need("a list of words is needed here"))?
                    .into()
            }
            How::Ref => {
                let id = Id::parse(text()?).map_err(|_| need("an identifier is needed here"))?;
                match self.outside(&id) {
                    Some(id) => id.as_str().into(),
                    None => return Ok(Passed::Unreleased),
                }
            }
            How::Refs => {
                let mut ids = Vec::new();
                for id in list()? {
                    let id = id.as_str().map(Id::parse);
                    let Some(Ok(id)) = id else {
                        return Err(need("a list of identifiers is needed here"));
                    };
                    ids.extend(self.outside(&id));
                }
                if ids.is_empty() {
                    return Ok(Passed::Unreleased);
                }
                ids.sort_unstable();
                ids.dedup();
                ids.iter().map(Id::as_str).collect::<Vec<_>>().into()
            }
            How::PatternType => {
                if text()? != "stix" {
                    return Err(need("only STIX patterns have a non-attributable form"));
                }
                "stix".into()
            }
            How::Pattern => {
                let tokens = stix_pattern::lex(text()?);
                let tokens = tokens.map_err(|_| need("this is not a STIX pattern"))?;
                stix_pattern::write(&stix_pattern::normal(&tokens)).into()
            }
            How::Created => match self.created {
                Some((_, start)) => start.to_string().into(),
                None => return Ok(Passed::Gone),
            },
            How::Start | How::End => {
                let time = Timestamp::parse(text()?).map_err(|_| need("a time is needed here"))?;
                let (Some((created, start)), Some(first)) = (self.created, self.first) else {
                    return Ok(Passed::Gone);
                };
                let mut at = after(start, -units(first, created, self.round), self.round);
                if how == How::End {
                    at = after(at, units(first, time, self.round), self.round);
                }
                at.to_string().into()
            }
            How::Magnitude => {
                let count = original
                    .as_u64()
                    .ok_or_else(|| need("a whole number is needed here"))?;
                count
                    .checked_ilog10()
                    .map_or(0, |power| 10u64.pow(power))
                    .into()
            }
            How::Hash => {
                let Some(hashes) = original.as_object() else {
                    return Err(need("an object with hashes is needed here"));
                };
                let kept = HASHES
                    .iter()
                    .find_map(|name| Some((*name, hashes.get(*name)?.as_str()?)));
                let Some((name, hash)) = kept else {
                    return Ok(Passed::Gone);
                };
                let mut one = Map::new();
                one.insert(name.to_owned(), hash.to_lowercase().into());
                Value::Object(one)
            }
            How::Knowledge => {
                let mut known: Vec<(&str, &str)> = list()?
                    .iter()
                    .filter_map(|citation| {
                        let id = citation.get("external_id")?.as_str()?;
                        let source = citation.get("source_name")?.as_str()?;
                        Some((public_id(source, id)?, id))
                    })
                    .collect();
                if known.is_empty() {
                    return Ok(Passed::Gone);
                }
                known.sort_unstable();
                known.dedup();
                let citation =
                    |(source, id): &(&str, &str)| json!({"source_name": source, "external_id": id});
                Value::Array(known.iter().map(citation).collect())
            }
        };
        Ok(Passed::As(passed))
    }

    fn outside(&self, id: &Id) -> Option<Id> {
        if id == self.own {
            Some(self.derived.clone())
        } else {
            self.names.outgoing(id)
        }
    }
}

/// One spelling of a text: compatibility characters replaced, what cannot be seen taken out, white
/// space made single spaces.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let visible = text.nfkc().filter(|c| !is_invisible(*c));
    for c in visible {
        if c.is_whitespace() || c.is_control() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    // Taking characters out can bring a base and a mark together that then compose.
    out.nfkc().collect()
}

/// Characters of general category Cf and the other default ignorable ones that occur in texts.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
