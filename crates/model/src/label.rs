//! Labels: what may be done with an object, as one value.
//!
//! A label is TLP 2.0 level, the members it may be released to, caveats, purposes and the exercise
//! flag. Combining two labels gives one that allows nothing which either forbids. `combine` is the
//! join of a semilattice (associative, commutative, idempotent, monotone; property-tested), so the
//! order in which markings are met never matters.
//!
//! Text form, the same in logs, on the command line and on pages:
//! `TLP:GREEN//REL KZ,KG//CAVEAT ORCON//PURPOSE ct//EXERCISE`. `REL *` is everyone, `REL -` nobody.
//! Without REL, TLP:CLEAR is for everyone and every other level for nobody. In a caveat or purpose,
//! characters other than letters, digits, inner spaces and `._:+@-` are written as `%XX` of UTF-8.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::limits::{LABEL_BYTES_MAX, LABEL_WORD_BYTES_MAX};

/// The purpose that stands for "no common purpose is left". It is never given to a member or a
/// query, so what carries only it serves no purpose at all.
pub const PURPOSE_NONE: &str = "none";

/// Traffic Light Protocol 2.0, ordered from open to closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// No limit on disclosure.
    Clear,
    /// Within the community.
    Green,
    /// Within the recipient's organisation and its clients.
    Amber,
    /// Within the recipient's organisation only.
    AmberStrict,
    /// For the named recipients' eyes only.
    Red,
}

/// Whom an object may be released to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Releasable {
    /// Any member of any accord.
    Everyone,
    /// These members, by code. Empty: nobody.
    Members(BTreeSet<String>),
}

impl Releasable {
    /// To nobody.
    pub fn nobody() -> Releasable {
        Releasable::Members(BTreeSet::new())
    }

    /// Whether the member with this code may have the object.
    pub fn includes(&self, code: &str) -> bool {
        match self {
            Releasable::Everyone => true,
            Releasable::Members(codes) => codes.contains(code),
        }
    }

    /// Those that both allow.
    pub(crate) fn intersect(&self, other: &Releasable) -> Releasable {
        match (self, other) {
            (Releasable::Everyone, narrower) | (narrower, Releasable::Everyone) => narrower.clone(),
            (Releasable::Members(a), Releasable::Members(b)) => {
                Releasable::Members(a.intersection(b).cloned().collect())
            }
        }
    }
}

/// What may be done with an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// How far it may be passed on.
    pub tlp: Tlp,
    /// Whom it may be released to.
    pub releasable_to: Releasable,
    /// Handling caveats: every one binds whoever holds the object.
    pub caveats: BTreeSet<String>,
    /// Purposes it may be used for. Empty: any.
    pub purposes: BTreeSet<String>,
    /// Part of an exercise: never mixed with what is real (I9).
    pub exercise: bool,
}

impl Label {
    /// The label of what nobody may have: TLP:RED, released to nobody.
    pub fn nobody() -> Label {
        Label {
            tlp: Tlp::Red,
            releasable_to: Releasable::nobody(),
            caveats: BTreeSet::new(),
            purposes: BTreeSet::new(),
            exercise: false,
        }
    }

    /// Reads the text form. Sections may come in any order after TLP, each at most once; letters
    /// of TLP and section names in any case. `Display` writes the one normal form.
    ///
    /// # Errors
    /// `LabelError` names the part that is not understood: a label is never read in part.
    pub fn parse(text: &str) -> Result<Label, LabelError> {
        if text.len() > LABEL_BYTES_MAX {
            return Err(LabelError::TooLong);
        }
        let mut sections = text.split("//").map(str::trim);
        let first = sections.next().unwrap_or_default();
        if !first
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("TLP:"))
        {
            return Err(LabelError::Tlp);
        }
        let tlp: Tlp = first.parse().map_err(|_| LabelError::Tlp)?;
        let mut stated = PartialLabel {
            tlp: Some(tlp),
            ..PartialLabel::default()
        };
        for section in sections {
            let (name, rest) = section.split_once(' ').unwrap_or((section, ""));
            let fresh = match name.to_ascii_uppercase().as_str() {
                "REL" => stated
                    .releasable_to
                    .replace(releasable(rest.trim())?)
                    .is_none(),
                "CAVEAT" => stated.caveats.replace(words(rest)?).is_none(),
                "PURPOSE" => stated.purposes.replace(words(rest)?).is_none(),
                "EXERCISE" if rest.is_empty() => stated.exercise.replace(true).is_none(),
                _ => return Err(LabelError::Section(shown(section))),
            };
            if !fresh {
                return Err(LabelError::Twice(shown(name)));
            }
        }
        let open = if tlp == Tlp::Clear {
            Releasable::Everyone
        } else {
            Releasable::nobody()
        };
        Ok(Label {
            tlp,
            releasable_to: stated.releasable_to.unwrap_or(open),
            caveats: stated.caveats.unwrap_or_default(),
            purposes: stated.purposes.unwrap_or_default(),
            exercise: stated.exercise.unwrap_or_default(),
        })
    }

    /// The least strict label that is as strict as both: the higher TLP level, the members that
    /// both allow, all caveats, the purposes that both allow, exercise if either is. Two labels
    /// without a common purpose combine to nobody and `PURPOSE_NONE`.
    #[must_use]
    pub fn combine(&self, other: &Label) -> Label {
        let mut releasable_to = self.releasable_to.intersect(&other.releasable_to);
        let purposes = common_purposes(&self.purposes, &other.purposes).unwrap_or_else(|| {
            releasable_to = Releasable::nobody();
            BTreeSet::from([PURPOSE_NONE.to_owned()])
        });
        Label {
            tlp: self.tlp.max(other.tlp),
            releasable_to,
            caveats: self.caveats.union(&other.caveats).cloned().collect(),
            purposes,
            exercise: self.exercise || other.exercise,
        }
    }

    /// Whether this label allows nothing that `other` forbids.
    pub fn is_as_strict_as(&self, other: &Label) -> bool {
        self.combine(other) == *self
    }
}

/// The part of a label that one marking states. `None` leaves a field to other markings and, when
/// none states it, to the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialLabel {
    /// See `Label::tlp`.
    pub tlp: Option<Tlp>,
    /// See `Label::releasable_to`.
    pub releasable_to: Option<Releasable>,
    /// See `Label::caveats`.
    pub caveats: Option<BTreeSet<String>>,
    /// See `Label::purposes`.
    pub purposes: Option<BTreeSet<String>>,
    /// See `Label::exercise`.
    pub exercise: Option<bool>,
}

impl PartialLabel {
    /// What two markings of one object state together: the stricter of each field.
    #[must_use]
    pub fn combine(&self, other: &PartialLabel) -> PartialLabel {
        let mut releasable_to = both(
            &self.releasable_to,
            &other.releasable_to,
            Releasable::intersect,
        );
        let purposes = both(&self.purposes, &other.purposes, |a, b| {
            common_purposes(a, b).unwrap_or_else(|| {
                releasable_to = Some(Releasable::nobody());
                BTreeSet::from([PURPOSE_NONE.to_owned()])
            })
        });
        PartialLabel {
            tlp: both(&self.tlp, &other.tlp, |a, b| *a.max(b)),
            releasable_to,
            caveats: both(&self.caveats, &other.caveats, |a, b| {
                a.union(b).cloned().collect()
            }),
            purposes,
            exercise: both(&self.exercise, &other.exercise, |a, b| *a || *b),
        }
    }

    /// The whole label: fields that are not stated come from `default`. Exercise is the exception:
    /// a default that says exercise cannot be unsaid by an object.
    #[must_use]
    pub fn or_default(self, default: &Label) -> Label {
        Label {
            tlp: self.tlp.unwrap_or(default.tlp),
            releasable_to: self
                .releasable_to
                .unwrap_or_else(|| default.releasable_to.clone()),
            caveats: self.caveats.unwrap_or_else(|| default.caveats.clone()),
            purposes: self.purposes.unwrap_or_else(|| default.purposes.clone()),
            exercise: self.exercise.unwrap_or_default() || default.exercise,
        }
    }
}

fn both<T: Clone>(a: &Option<T>, b: &Option<T>, combine: impl FnOnce(&T, &T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(combine(a, b)),
        (stated, None) | (None, stated) => stated.clone(),
    }
}

/// The purposes that both sets allow, an empty set allowing any. `None`: there is no common one.
fn common_purposes(a: &BTreeSet<String>, b: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    if a.is_empty() || b.is_empty() {
        return Some(if a.is_empty() { b } else { a }.clone());
    }
    let common: BTreeSet<String> = a.intersection(b).cloned().collect();
    (!common.is_empty()).then_some(common)
}

/// Whether `code` can be a member's code: 2 to 16 of A-Z, 0-9 and hyphen.
pub(crate) fn is_member_code(code: &str) -> bool {
    (2..=16).contains(&code.len())
        && code
            .bytes()
            .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-'))
}

/// Whether `word` can be a caveat or a purpose.
pub(crate) fn is_word(word: &str) -> bool {
    (1..=LABEL_WORD_BYTES_MAX).contains(&word.len())
}

/// Reads what follows REL.
fn releasable(text: &str) -> Result<Releasable, LabelError> {
    match text {
        "*" => Ok(Releasable::Everyone),
        "-" => Ok(Releasable::nobody()),
        _ => {
            let codes = text.split(',').map(|code| {
                let code = code.trim();
                if is_member_code(code) {
                    Ok(code.to_owned())
                } else {
                    Err(LabelError::Member(shown(code)))
                }
            });
            Ok(Releasable::Members(codes.collect::<Result<_, _>>()?))
        }
    }
}

/// Reads a list of caveats or purposes.
fn words(text: &str) -> Result<BTreeSet<String>, LabelError> {
    let word = |written: &str| {
        let word = decode(written.trim());
        word.filter(|word| is_word(word))
            .ok_or_else(|| LabelError::Word(shown(written)))
    };
    text.split(',').map(word).collect()
}

/// Undoes `write_word`. `None`: a bad escape.
fn decode(written: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push((digit(0)? << 4 | digit(1)?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn write_word(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let last = word.len().saturating_sub(1);
    for (at, byte) in word.bytes().enumerate() {
        let inner_space = byte == b' ' && at != 0 && at != last;
        if byte.is_ascii_alphanumeric() || b"._:+@-".contains(&byte) || inner_space {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn write_list(f: &mut fmt::Formatter<'_>, name: &str, list: &BTreeSet<String>) -> fmt::Result {
    for (at, word) in list.iter().enumerate() {
        if at == 0 {
            write!(f, "//{name} ")?;
        } else {
            f.write_str(",")?;
        }
        write_word(f, word)?;
    }
    Ok(())
}

impl fmt::Display for Label {
    /// The normal form: sections in fixed order, lists sorted, REL only where it is not implied.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tlp.fmt(f)?;
        match &self.releasable_to {
            Releasable::Everyone if self.tlp == Tlp::Clear => {}
            Releasable::Everyone => f.write_str("//REL *")?,
            Releasable::Members(codes) if codes.is_empty() && self.tlp != Tlp::Clear => {}
            Releasable::Members(codes) if codes.is_empty() => f.write_str("//REL -")?,
            Releasable::Members(codes) => write_list(f, "REL", codes)?,
        }
        write_list(f, "CAVEAT", &self.caveats)?;
        write_list(f, "PURPOSE", &self.purposes)?;
        if self.exercise {
            f.write_str("//EXERCISE")?;
        }
        Ok(())
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Label, LabelError> {
        Label::parse(text)
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tlp::Clear => "TLP:CLEAR",
            Tlp::Green => "TLP:GREEN",
            Tlp::Amber => "TLP:AMBER",
            Tlp::AmberStrict => "TLP:AMBER+STRICT",
            Tlp::Red => "TLP:RED",
        })
    }
}

impl FromStr for Tlp {
    type Err = TlpError;

    /// Reads a level with or without `TLP:` in front, in any case. TLP 1's WHITE is CLEAR.
    fn from_str(text: &str) -> Result<Tlp, TlpError> {
        let text = text.to_ascii_uppercase();
        match text.strip_prefix("TLP:").unwrap_or(&text) {
            "CLEAR" | "WHITE" => Ok(Tlp::Clear),
            "GREEN" => Ok(Tlp::Green),
            "AMBER" => Ok(Tlp::Amber),
            "AMBER+STRICT" => Ok(Tlp::AmberStrict),
            "RED" => Ok(Tlp::Red),
            _ => Err(TlpError),
        }
    }
}

/// The text names no TLP level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlpError;

impl fmt::Display for TlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a TLP level is one of TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT, TLP:RED",
        )
    }
}

impl std::error::Error for TlpError {}

/// Why a text is not a label. Carries at most the first 32 characters of the part at fault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelError {
    /// It does not begin with a TLP level.
    Tlp,
    /// A section other than REL, CAVEAT, PURPOSE and EXERCISE.
    Section(String),
    /// A section given twice.
    Twice(String),
    /// Not a member code.
    Member(String),
    /// Not a caveat or purpose.
    Word(String),
    /// Longer than `LABEL_BYTES_MAX`.
    TooLong,
}

fn shown(part: &str) -> String {
    part.chars().take(32).collect()
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelError::Tlp => write!(f, "a label begins with its TLP level; {TlpError}"),
            LabelError::Section(part) => {
                write!(f, "{part:?} is none of REL, CAVEAT, PURPOSE and EXERCISE")
            }
            LabelError::Twice(part) => write!(f, "the section {part:?} is given twice"),
            LabelError::Member(part) => write!(
                f,
                "{part:?} is no member code (2 to 16 of A-Z, 0-9 and hyphen); everyone is *, nobody -"
            ),
            LabelError::Word(part) => write!(
                f,
                "{part:?} is no caveat or purpose of 1 to {LABEL_WORD_BYTES_MAX} bytes"
            ),
            LabelError::TooLong => write!(f, "a label has at most {LABEL_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for LabelError {}

#[cfg(test)]
mod tests;
