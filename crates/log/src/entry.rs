//! Log entries: one record of what a member did with one object in one channel.
//!
//! An entry names an object by its hash and carries what a receiver needs to decide whether to
//! fetch it; the body itself is never in the log, so that it can be withdrawn while the log stays
//! verifiable. `salt` keeps a withdrawn object's hash from being guessed from known content.
//!
//! Encoding: one CBOR map of exactly nine pairs, deterministic (RFC 8949 section 4.2 with the
//! dag-cbor key order), at most `ENTRY_BYTES_MAX`:
//! `id` text, `hash` 32 bytes, `kind` text, `salt` 16 bytes, `time` text, `label` text, `action`
//! text (`release`, `revise`, `withdraw`, `expire`), `modified` text or null, `attribution` text.
//!
//! What the texts mean (STIX ids, timestamps, labels) is left to `model` and `policy`; here they
//! are free of control characters and not longer than the whole may be.

use std::fmt;

use crate::Hash;
use crate::cbor::{Fault, Reader, Writer};
use crate::limits::ENTRY_BYTES_MAX;
use crate::merkle::leaf_hash;

/// What an entry says was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The object enters the channel.
    Release,
    /// A newer version of an object that is in the channel enters it.
    Revise,
    /// The origin takes the object back: its body is no longer served by anybody.
    Withdraw,
    /// The object's time in the channel is over; its body is no longer served.
    Expire,
}

impl Action {
    /// The word in the encoded entry.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Release => "release",
            Action::Revise => "revise",
            Action::Withdraw => "withdraw",
            Action::Expire => "expire",
        }
    }

    /// Whether the entry brings a body, or takes one away.
    pub fn brings_body(self) -> bool {
        matches!(self, Action::Release | Action::Revise)
    }

    fn parse(word: &str) -> Option<Action> {
        [
            Action::Release,
            Action::Revise,
            Action::Withdraw,
            Action::Expire,
        ]
        .into_iter()
        .find(|action| action.as_str() == word)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One record of a channel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub action: Action,
    /// SHA-256 of the object's canonical bytes.
    pub hash: [u8; 32],
    /// STIX id of the object.
    pub id: String,
    /// `modified` as written in the object (RFC 3339); `None` for objects without versions.
    pub modified: Option<String>,
    /// STIX type of the object.
    pub kind: String,
    /// Label of the object as text (`model::Label`).
    pub label: String,
    /// To whom the object is attributed, as the channel's rule says.
    pub attribution: String,
    /// Random bytes, so that equal content gives unequal leaves.
    pub salt: [u8; 16],
    /// When the origin did it (RFC 3339, UTC).
    pub time: String,
}

impl Entry {
    /// The one encoding of this entry; its bytes are the leaf.
    ///
    /// # Errors
    /// [`EntryError`] when a text has a control character or the whole is too long.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let mut cbor = Writer::default();
        cbor.map(9);
        cbor.text("id");
        cbor.text(&self.id);
        cbor.text("hash");
        cbor.bytes(&self.hash);
        cbor.text("kind");
        cbor.text(&self.kind);
        cbor.text("salt");
        cbor.bytes(&self.salt);
        cbor.text("time");
        cbor.text(&self.time);
        cbor.text("label");
        cbor.text(&self.label);
        cbor.text("action");
        cbor.text(self.action.as_str());
        cbor.text("modified");
        match &self.modified {
            Some(modified) => cbor.text(modified),
            None => cbor.null(),
        }
        cbor.text("attribution");
        cbor.text(&self.attribution);
        let bytes = cbor.finish();
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads an encoded entry.
    ///
    /// # Errors
    /// [`EntryError`] for anything that [`Entry::encode`] would not have written, byte for byte.
    pub fn decode(bytes: &[u8]) -> Result<Entry, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { bytes: bytes.len() });
        }
        let mut cbor = Reader::new(bytes);
        if cbor.map()? != 9 {
            return Err(EntryError::Shape {
                expected: "a map of nine pairs",
            });
        }
        key(&mut cbor, "id")?;
        let id = cbor.text()?.to_owned();
        key(&mut cbor, "hash")?;
        let hash = fixed(cbor.bytes()?, "a hash of 32 bytes")?;
        key(&mut cbor, "kind")?;
        let kind = cbor.text()?.to_owned();
        key(&mut cbor, "salt")?;
        let salt = fixed(cbor.bytes()?, "a salt of 16 bytes")?;
        key(&mut cbor, "time")?;
        let time = cbor.text()?.to_owned();
        key(&mut cbor, "label")?;
        let label = cbor.text()?.to_owned();
        key(&mut cbor, "action")?;
        let action = Action::parse(cbor.text()?).ok_or(EntryError::Shape {
            expected: "release, revise, withdraw or expire",
        })?;
        key(&mut cbor, "modified")?;
        let modified = cbor.text_or_null()?.map(str::to_owned);
        key(&mut cbor, "attribution")?;
        let attribution = cbor.text()?.to_owned();
        cbor.finish()?;
        let entry = Entry {
            action,
            hash,
            id,
            modified,
            kind,
            label,
            attribution,
            salt,
            time,
        };
        entry.check()?;
        Ok(entry)
    }

    /// Leaf hash of this entry in its log.
    ///
    /// # Errors
    /// As [`Entry::encode`].
    pub fn leaf(&self) -> Result<Hash, EntryError> {
        Ok(leaf_hash(&self.encode()?))
    }

    fn check(&self) -> Result<(), EntryError> {
        let texts = [
            ("id", self.id.as_str()),
            ("modified", self.modified.as_deref().unwrap_or_default()),
            ("kind", &self.kind),
            ("label", &self.label),
            ("attribution", &self.attribution),
            ("time", &self.time),
        ];
        match texts
            .iter()
            .find(|(_, text)| text.contains(char::is_control))
        {
            Some((field, _)) => Err(EntryError::Control { field }),
            None => Ok(()),
        }
    }
}

/// Reads the next key, which can only be this one.
fn key(cbor: &mut Reader<'_>, expected: &'static str) -> Result<(), EntryError> {
    if cbor.text()? == expected {
        Ok(())
    } else {
        Err(EntryError::Key { expected })
    }
}

fn fixed<const N: usize>(bytes: &[u8], expected: &'static str) -> Result<[u8; N], EntryError> {
    bytes.try_into().map_err(|_| EntryError::Shape { expected })
}

/// Why bytes are not a log entry, or a value cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// LIMIT: the entry is above `ENTRY_BYTES_MAX`.
    TooLarge {
        /// Bytes it has.
        bytes: usize,
    },
    /// The bytes are not deterministic CBOR of the types that an entry has.
    Cbor {
        /// What is wrong.
        reason: &'static str,
    },
    /// A key is missing, unknown, or not in its place.
    Key {
        /// The key that belongs here.
        expected: &'static str,
    },
    /// A value is not the one that belongs here.
    Shape {
        /// What belongs here.
        expected: &'static str,
    },
    /// A text has a control character.
    Control {
        /// The field.
        field: &'static str,
    },
}

impl From<Fault> for EntryError {
    fn from(fault: Fault) -> EntryError {
        EntryError::Cbor {
            reason: fault.reason(),
        }
    }
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "a log entry has at most {ENTRY_BYTES_MAX} bytes, this one {bytes}"
                )
            }
            Self::Cbor { reason } => {
                write!(f, "the log entry is not in its one encoding: {reason}")
            }
            Self::Key { expected } => {
                write!(f, "the log entry lacks the key {expected:?} at its place")
            }
            Self::Shape { expected } => write!(f, "the log entry must have {expected} here"),
            Self::Control { field } => {
                write!(
                    f,
                    "the field {field:?} of the log entry has a control character"
                )
            }
        }
    }
}

impl std::error::Error for EntryError {}
