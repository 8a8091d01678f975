//! A label's text form: read whole or refused, and written in one normal form.
//!
//! Sections stand between `//`; see the table in `label`. In a caveat, purpose or legal basis,
//! characters other than letters, digits, inner spaces and `._:+@-` are written as `%XX` of UTF-8.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::recipients::{Releasable, is_recipient};
use super::{Label, PapError, PartialLabel, Tlp, TlpError, is_word};
use crate::limits::{LABEL_BYTES_MAX, LABEL_WORD_BYTES_MAX};
use crate::time::Timestamp;

impl Label {
    /// Reads the text form. Sections may come in any order after TLP, each at most once; letters
    /// of levels and section names in any case. `Display` writes the one normal form.
    ///
    /// # Errors
    /// `LabelError` names the part that is not understood: a label is never read in part.
    pub fn parse(text: &str) -> Result<Label, LabelError> {
        if text.len() > LABEL_BYTES_MAX {
            return Err(LabelError::TooLong);
        }
        let mut sections = text.split("//").map(str::trim);
        let first = sections.next().unwrap_or_default();
        if !starts(first, "TLP:") {
            return Err(LabelError::Tlp);
        }
        let tlp: Tlp = first.parse().map_err(|_| LabelError::Tlp)?;
        let mut stated = PartialLabel::default();
        for section in sections {
            read_section(section, &mut stated)?;
        }
        let open = if tlp == Tlp::Clear {
            Releasable::Everyone
        } else {
            Releasable::nobody()
        };
        Ok(stated.or_default(&Label::new(tlp, open)))
    }
}

impl PartialLabel {
    /// Reads sections of the text form, in any order and each at most once; TLP is one of them and
    /// may be missing. The empty text states nothing.
    ///
    /// # Errors
    /// As [`Label::parse`].
    pub fn parse(text: &str) -> Result<PartialLabel, LabelError> {
        if text.len() > LABEL_BYTES_MAX {
            return Err(LabelError::TooLong);
        }
        let mut stated = PartialLabel::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(stated);
        }
        for section in text.split("//").map(str::trim) {
            if starts(section, "TLP:") {
                let tlp = section.parse().map_err(|_| LabelError::Tlp)?;
                if stated.tlp.replace(tlp).is_some() {
                    return Err(LabelError::Twice("TLP".to_owned()));
                }
            } else {
                read_section(section, &mut stated)?;
            }
        }
        Ok(stated)
    }
}

fn starts(text: &str, with: &str) -> bool {
    text.get(..with.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// Reads one section after the first into the field that it states.
fn read_section(section: &str, stated: &mut PartialLabel) -> Result<(), LabelError> {
    let (name, rest) = section.split_once(' ').unwrap_or((section, ""));
    let rest = rest.trim();
    let fresh = if starts(section, "PAP:") {
        let pap = section.parse().map_err(|_| LabelError::Pap)?;
        stated.pap.replace(pap).is_none()
    } else {
        match name.to_ascii_uppercase().as_str() {
            "REL" => stated.releasable_to.replace(releasable(rest)?).is_none(),
            "NOT" => {
                let excluded = recipients(rest)?;
                stated.not_releasable_to.replace(excluded).is_none()
            }
            "CAVEAT" => stated.caveats.replace(words(rest)?).is_none(),
            "PURPOSE" => stated.purposes.replace(words(rest)?).is_none(),
            "LEGAL" => stated.legal_basis.replace(words(rest)?).is_none(),
            "EXPIRES" => {
                let at = Timestamp::parse(rest).map_err(|_| LabelError::Expires(shown(rest)))?;
                stated.expires.replace(at).is_none()
            }
            "EXERCISE" if rest.is_empty() => stated.exercise.replace(true).is_none(),
            _ => return Err(LabelError::Section(shown(section))),
        }
    };
    if fresh {
        Ok(())
    } else {
        Err(LabelError::Twice(shown(name)))
    }
}

/// Reads what follows REL.
fn releasable(text: &str) -> Result<Releasable, LabelError> {
    match text {
        "*" => Ok(Releasable::Everyone),
        "-" => Ok(Releasable::nobody()),
        _ => {
            let clauses = text.split('&').map(recipients);
            Ok(Releasable::all_of(
                clauses.collect::<Result<Vec<_>, LabelError>>()?,
            ))
        }
    }
}

/// Reads a list of member codes and groups, at least one.
fn recipients(text: &str) -> Result<BTreeSet<String>, LabelError> {
    let one = |text: &str| {
        let one = text.trim();
        if is_recipient(one) {
            Ok(one.to_owned())
        } else {
            Err(LabelError::Member(shown(one)))
        }
    };
    text.split(',').map(one).collect()
}

/// Reads a list of caveats, purposes or legal bases, at least one.
fn words(text: &str) -> Result<BTreeSet<String>, LabelError> {
    let word = |written: &str| {
        let word = decode_word(written.trim());
        word.filter(|word| is_word(word))
            .ok_or_else(|| LabelError::Word(shown(written)))
    };
    text.split(',').map(word).collect()
}

/// Undoes `encode_word`. `None`: a bad escape.
pub(crate) fn decode_word(written: &str) -> Option<String> {
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

/// A word as the text form writes it: ASCII, and free of the characters that separate.
pub(crate) fn encode_word(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let last = word.len().saturating_sub(1);
    for (at, byte) in word.bytes().enumerate() {
        let inner_space = byte == b' ' && at != 0 && at != last;
        if byte.is_ascii_alphanumeric() || b"._:+@-".contains(&byte) || inner_space {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What can be no recipient is written escaped, which no reader accepts: better an unreadable
/// label than one in which a name has become a section.
fn recipient_text(one: &str) -> String {
    if is_recipient(one) {
        one.to_owned()
    } else {
        encode_word(one)
    }
}

/// How a word of some list is written.
type Write = fn(&str) -> String;

fn joined(list: &BTreeSet<String>, text: Write) -> String {
    let texts: Vec<String> = list.iter().map(|one| text(one)).collect();
    texts.join(",")
}

/// An instant with no more digits than it needs.
fn short(at: Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix(".000Z") {
        Some(seconds) => format!("{seconds}Z"),
        None => text,
    }
}

/// What `REL` is followed by, unless the level implies it.
fn releasable_text(label: &Label) -> Option<String> {
    let closed = label.tlp != Tlp::Clear;
    match &label.releasable_to {
        Releasable::Everyone => closed.then(|| "*".to_owned()),
        Releasable::Members(clause) if clause.is_empty() => (!closed).then(|| "-".to_owned()),
        Releasable::AllOf(clauses) if clauses.is_empty() => Some("-".to_owned()),
        several => {
            let clauses: Vec<String> = several
                .clauses()
                .map(|clause| joined(clause, recipient_text))
                .collect();
            Some(clauses.join(" & "))
        }
    }
}

impl fmt::Display for Label {
    /// The normal form: sections in fixed order, lists sorted, nothing that is implied.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tlp.fmt(f)?;
        if self.pap != super::Pap::Clear {
            write!(f, "//{}", self.pap)?;
        }
        if let Some(releasable) = releasable_text(self) {
            write!(f, "//REL {releasable}")?;
        }
        let lists: [(&str, &BTreeSet<String>, Write); 4] = [
            ("NOT", &self.not_releasable_to, recipient_text),
            ("CAVEAT", &self.caveats, encode_word),
            ("PURPOSE", &self.purposes, encode_word),
            ("LEGAL", &self.legal_basis, encode_word),
        ];
        for (name, list, text) in lists {
            if !list.is_empty() {
                write!(f, "//{name} {}", joined(list, text))?;
            }
        }
        if let Some(at) = self.expires {
            write!(f, "//EXPIRES {}", short(at))?;
        }
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

/// Why a text is not a label. Carries at most the first 32 characters of the part at fault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelError {
    /// It does not begin with a TLP level.
    Tlp,
    /// A section that begins with `PAP:` and names no level.
    Pap,
    /// A section that labels do not have.
    Section(String),
    /// A section given twice.
    Twice(String),
    /// Neither a member code nor a group.
    Member(String),
    /// Not a caveat, purpose or legal basis.
    Word(String),
    /// Not an instant.
    Expires(String),
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
            LabelError::Pap => PapError.fmt(f),
            LabelError::Section(part) => write!(
                f,
                "{part:?} is none of PAP:…, REL, NOT, CAVEAT, PURPOSE, LEGAL, EXPIRES and EXERCISE"
            ),
            LabelError::Twice(part) => write!(f, "the section {part:?} is given twice"),
            LabelError::Member(part) => write!(
                f,
                "{part:?} is no member code (2 to 16 of A-Z, 0-9 and hyphen) and no group \
                 (@accord/group in lower case); after REL, everyone is * and nobody -"
            ),
            LabelError::Word(part) => write!(
                f,
                "{part:?} is no caveat, purpose or legal basis of 1 to {LABEL_WORD_BYTES_MAX} bytes"
            ),
            LabelError::Expires(part) => write!(
                f,
                "{part:?} is no instant; after EXPIRES stands one like 2026-12-01T00:00:00Z, in UTC"
            ),
            LabelError::TooLong => write!(f, "a label has at most {LABEL_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for LabelError {}
