//! Checkpoints: the signed statement "this log had so many entries and this root" (C2SP
//! tlog-checkpoint).
//!
//! Everything that a member believes about a log it believes because of a checkpoint, so that this
//! is the only module that reads or writes one. [`Checkpoint::open`] is the way from bytes of
//! another member to a value: the origin and every configured key must agree.
//!
//! We write and accept exactly three lines. The format allows extension lines; they are refused,
//! because no cosignature of the post-quantum kind covers them and nothing of ours may depend on
//! them.

use std::fmt;

use crate::Hash;
use crate::limits::{KEY_NAME_BYTES_MAX, TREE_SIZE_MAX};
use crate::merkle::empty_root;
use crate::note::{KeyKind, Note, NoteError, SigningKey, VerifierKey};
use crate::tile::decimal;

/// Size and root of a log, as its text states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// The keys of one log, as the accord names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    /// Origin line of the log's checkpoints.
    pub origin: String,
    /// Key of kind [`KeyKind::Ed25519`] that must have signed.
    pub ed25519: VerifierKey,
    /// Key of kind [`KeyKind::MlDsa44`] that must have signed as well, if the log has one.
    pub pq: Option<VerifierKey>,
}

impl Checkpoint {
    /// The statement that the log `origin` has `size` entries and `root`.
    ///
    /// # Errors
    /// [`CheckpointError`] for an origin that is no line of its own, a size above
    /// `TREE_SIZE_MAX`, or an empty log with another root than the empty one.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Checkpoint, CheckpointError> {
        let bad_origin = origin.is_empty()
            || origin.len() > KEY_NAME_BYTES_MAX
            || origin.contains(char::is_control);
        if bad_origin {
            return Err(CheckpointError::Origin);
        }
        if size > TREE_SIZE_MAX {
            return Err(CheckpointError::Size);
        }
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Reads the text of a checkpoint: three lines, each with its newline.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything that [`Checkpoint::to_text`] would not have written.
    pub fn parse_text(text: &str) -> Result<Checkpoint, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        Checkpoint::new(origin, size, root)
    }

    /// Reads a checkpoint note and verifies it: the origin must be that of `keys`, and every key
    /// of `keys` must have signed. Other lines (cosignatures) are left unverified in the note.
    ///
    /// # Errors
    /// [`CheckpointError`] says which of these failed.
    pub fn open(note: &[u8], keys: &LogKeys) -> Result<(Checkpoint, Note), CheckpointError> {
        let fit = keys.ed25519.kind() == KeyKind::Ed25519
            && keys
                .pq
                .as_ref()
                .is_none_or(|key| key.kind() == KeyKind::MlDsa44);
        if !fit {
            return Err(CheckpointError::Note(NoteError::KeyKind));
        }
        let note = Note::parse(note)?;
        note.verified_by(&keys.ed25519)?;
        if let Some(pq) = &keys.pq {
            note.verified_by(pq)?;
        }
        let checkpoint = Checkpoint::parse_text(note.text())?;
        if checkpoint.origin != keys.origin {
            return Err(CheckpointError::OtherOrigin {
                expected: keys.origin.clone(),
                found: checkpoint.origin,
            });
        }
        Ok((checkpoint, note))
    }

    /// The note that states this checkpoint, signed by `keys`.
    ///
    /// # Errors
    /// [`NoteError::KeyKind`] for a cosignature key.
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<String, NoteError> {
        let mut note = Note::new(self.to_text())?;
        keys.iter().try_for_each(|key| note.sign(key))?;
        Ok(note.to_string())
    }

    /// The three lines that are signed.
    pub fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root hash over them.
    pub fn root(&self) -> Hash {
        self.root
    }
}

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note is malformed, or a key that had to sign did not.
    Note(NoteError),
    /// The text is not three lines.
    Lines,
    /// The origin is empty, too long or has control characters.
    Origin,
    /// The size is not a plain decimal of at most `TREE_SIZE_MAX`.
    Size,
    /// The root is not the base64 of 32 bytes.
    Root,
    /// The log is empty and its root is not the empty one.
    EmptyRoot,
    /// A checkpoint of another log.
    OtherOrigin {
        /// Origin that was asked for.
        expected: String,
        /// Origin in the checkpoint.
        found: String,
    },
}

impl From<NoteError> for CheckpointError {
    fn from(error: NoteError) -> CheckpointError {
        CheckpointError::Note(error)
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => write!(f, "checkpoint refused: {error}"),
            Self::Lines => f.write_str(
                "checkpoint refused: its text must be three lines (origin, size, root hash)",
            ),
            Self::Origin => f.write_str(
                "checkpoint refused: the origin must have 1 to 255 bytes and no control characters",
            ),
            Self::Size => f.write_str(
                "checkpoint refused: the size must be a decimal below 2^63, without leading zeros",
            ),
            Self::Root => {
                f.write_str("checkpoint refused: the root hash must be the base64 of 32 bytes")
            }
            Self::EmptyRoot => {
                f.write_str("checkpoint refused: an empty log must have the empty root hash")
            }
            Self::OtherOrigin { expected, found } => {
                write!(
                    f,
                    "checkpoint refused: it is of the log {found:?}, not {expected:?}"
                )
            }
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Note(error) => Some(error),
            _ => None,
        }
    }
}
