//! Receipts (C2SP tlog-proof): one file that shows, offline, that an entry is in a log.
//!
//! It holds the entry's index, its inclusion proof and the checkpoint that the proof leads to,
//! with whatever cosignatures that has. Reading one verifies nothing; [`ReceiptProof::verify`]
//! does, given the entry's leaf hash and the keys of the log. The optional extra line is carried
//! and never trusted.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError, LogKeys};
use crate::limits::{NOTE_BYTES_MAX, PROOF_HASHES_MAX, RECEIPT_EXTRA_BYTES_MAX};
use crate::merkle::{ProofError, verify_inclusion};
use crate::note::Note;
use crate::tile::decimal;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The inclusion of one entry in one log, for a verifier without the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptProof {
    /// Index of the entry in the log.
    pub index: u64,
    /// Inclusion proof, from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The log's checkpoint note, with its cosignatures.
    pub checkpoint: String,
    /// Opaque data, not authenticated. We write none.
    pub extra: Option<Vec<u8>>,
}

impl ReceiptProof {
    /// Reads a receipt. What it says is not verified yet.
    ///
    /// # Errors
    /// [`ReceiptError`] for another form.
    pub fn parse(text: &str) -> Result<ReceiptProof, ReceiptError> {
        let longest =
            NOTE_BYTES_MAX + RECEIPT_EXTRA_BYTES_MAX * 4 / 3 + PROOF_HASHES_MAX * 45 + 128;
        if text.len() > longest {
            return Err(ReceiptError::TooLarge { bytes: text.len() });
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(form("an empty line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(form(HEADER));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => {
                let extra = STANDARD.decode(&line["extra ".len()..]).ok();
                let fits = |extra: &Vec<u8>| extra.len() <= RECEIPT_EXTRA_BYTES_MAX;
                Some(extra.filter(fits).ok_or(form("extra and base64"))?)
            }
        };
        let index = lines
            .next()
            .and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(form("index and a decimal"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(form("a proof of at most 64 hashes"));
            }
            hashes.push(Hash::from_base64(line).ok_or(form("the base64 of a hash"))?);
        }
        Note::parse(checkpoint.as_bytes())
            .map_err(|error| ReceiptError::Checkpoint(CheckpointError::Note(error)))?;
        Ok(ReceiptProof {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
            extra,
        })
    }

    /// Checks that the log with these keys holds the entry with this leaf hash at the receipt's
    /// index, and returns the checkpoint that says so and its note (for cosignatures).
    ///
    /// # Errors
    /// [`ReceiptError`] when the checkpoint is not the log's, or the proof does not lead to it.
    pub fn verify(&self, leaf: &Hash, keys: &LogKeys) -> Result<(Checkpoint, Note), ReceiptError> {
        let (checkpoint, note) =
            Checkpoint::open(self.checkpoint.as_bytes(), keys).map_err(ReceiptError::Checkpoint)?;
        verify_inclusion(
            self.index,
            checkpoint.size(),
            leaf,
            &self.hashes,
            &checkpoint.root(),
        )
        .map_err(ReceiptError::Proof)?;
        Ok((checkpoint, note))
    }
}

/// The file form, extension `.tlog-proof`.
impl fmt::Display for ReceiptProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for ReceiptProof {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<ReceiptProof, ReceiptError> {
        ReceiptProof::parse(text)
    }
}

fn form(expected: &'static str) -> ReceiptError {
    ReceiptError::Form { expected }
}

/// Why a receipt was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// LIMIT: longer than a checkpoint and a proof can be.
    TooLarge {
        /// Bytes it has.
        bytes: usize,
    },
    /// The file has another form.
    Form {
        /// What belongs at the place where reading stopped.
        expected: &'static str,
    },
    /// The checkpoint is malformed or not the log's.
    Checkpoint(CheckpointError),
    /// The proof does not lead from the entry to the checkpoint's root.
    Proof(ProofError),
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "a receipt is never as long as {bytes} bytes"),
            Self::Form { expected } => {
                write!(
                    f,
                    "not a receipt in the tlog-proof form: expected {expected}"
                )
            }
            Self::Checkpoint(error) => write!(f, "the receipt shows nothing: {error}"),
            Self::Proof(error) => write!(f, "the receipt shows nothing: {error}"),
        }
    }
}

impl std::error::Error for ReceiptError {}
