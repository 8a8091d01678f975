//! Why an accord was refused.
//!
//! One enum for everything that can be wrong with an accord's text, its draft or its signatures.
//! Each variant carries what a person needs to put it right; none carries key material beyond
//! names.

use std::fmt;

/// Why an accord, or a change to one, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccordError {
    /// More bytes than an accord may have.
    TooLarge {
        /// Bytes offered.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The signed note around the text is malformed.
    Note {
        /// What the note reader said.
        why: String,
    },
    /// The text is not the TOML that we expect: syntax, unknown or missing key, wrong type.
    Text {
        /// Line of the fault, counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// A value breaks a rule.
    Value {
        /// Where: `member KZ, url` or `channel alerts, kinds`.
        place: String,
        /// The rule that it breaks.
        why: String,
    },
    /// More items than allowed.
    TooMany {
        /// Which items.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A value that must be unique is there twice.
    Duplicate {
        /// Which value: `member code`, `key`, …
        what: &'static str,
        /// Where, or the value itself.
        value: String,
    },
    /// A channel or group names a member that the accord does not have.
    UnknownMember {
        /// Which one: `channel alerts` or `group east`.
        place: String,
        /// The code that is not among the members.
        member: String,
    },
    /// The key that should ratify is not the root key of any member.
    NotARootKey {
        /// The name of the key.
        name: String,
    },
    /// Signatures can only be merged between notes over the same text.
    DifferentText {
        /// The accord's name on this side.
        name: String,
        /// Version on this side.
        version: u32,
        /// Version on the other side.
        other: u32,
    },
    /// The accord is not the next version of the one it should follow.
    NotSuccessor {
        /// Which fact does not fit.
        why: String,
    },
}

impl fmt::Display for AccordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccordError::TooLarge { bytes, max } => {
                write!(f, "the accord has {bytes} bytes; at most {max} are read")
            }
            AccordError::Note { why } => {
                write!(f, "the accord is not a signed note: {why}")
            }
            AccordError::Text { line, why } => {
                write!(f, "line {line} of the accord: {why}")
            }
            AccordError::Value { place, why } => write!(f, "{place}: {why}"),
            AccordError::TooMany { what, count, max } => {
                write!(
                    f,
                    "{count} {what} are too many; an accord holds at most {max}"
                )
            }
            AccordError::Duplicate { what, value } => {
                write!(f, "the {what} {value} is there twice; each may appear once")
            }
            AccordError::UnknownMember { place, member } => write!(
                f,
                "{place} names {member}, which is not a member of the accord; \
                 add the member or take it out there"
            ),
            AccordError::NotARootKey { name } => write!(
                f,
                "the key {name} is not the root key of any member; \
                 an accord is ratified with the root key that it lists"
            ),
            AccordError::DifferentText {
                name,
                version,
                other,
            } => write!(
                f,
                "the two copies of accord {name} have different texts (versions {version} and \
                 {other}); signatures can be joined only over the same text"
            ),
            AccordError::NotSuccessor { why } => {
                write!(f, "the accord does not follow the one in force: {why}")
            }
        }
    }
}

impl std::error::Error for AccordError {}
