//! Exports of an audit log: some of its records in one file, each with the proof that it is in the
//! log under one signed checkpoint.
//!
//! JSON lines. The first is the [`ExportHead`]: which log, its keys and its witnesses' keys, the
//! checkpoint with its cosignatures, and what each witness signed earlier, with the proof that the
//! checkpoint continues it. Then one line a record: position, inclusion proof and the record
//! exactly as it is in the log. The last line counts them, so that a file that was cut is noticed.
//!
//! Reading verifies nothing but the form. [`ExportHead::open`] verifies the checkpoint with keys
//! that the *reader* brings (those in the file only say which are needed), [`Witnessed::verify`]
//! and [`Proved::verify`] the rest against it. What an export leaves out it does not show, unless
//! it has every position.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError, LogKeys};
use crate::limits::{EXPORT_LINE_BYTES_MAX, EXPORT_WITNESSED_MAX, PROOF_HASHES_MAX};
use crate::merkle::{ProofError, leaf_hash, verify_consistency, verify_inclusion};
use crate::note::{KeyKind, Note, NoteError, VerifierKey};

const FORMAT: &str = "kurultai-audit-export/v1";

/// The first line of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportHead {
    /// The log's keys, as the file names them. They say nothing about whose they are.
    pub keys: LogKeys,
    /// The keys of those who may have witnessed the log, likewise.
    pub witnesses: Vec<VerifierKey>,
    /// The checkpoint note that every proof leads to, with its cosignatures.
    pub checkpoint: String,
    /// What witnesses cosigned earlier.
    pub witnessed: Vec<Witnessed>,
    /// Which records were asked for, in words. Not authenticated.
    pub query: String,
}

/// An earlier checkpoint with a witness's cosignature, and the proof that the export's checkpoint
/// continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The note.
    pub note: String,
    /// The consistency proof; empty when both have the same size, or this one is empty.
    pub proof: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    format: String,
    origin: String,
    keys: Vec<String>,
    witnesses: Vec<String>,
    checkpoint: String,
    witnessed: Vec<RawWitnessed>,
    query: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWitnessed {
    note: String,
    proof: Vec<String>,
}

impl ExportHead {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`ExportError`] for another form.
    pub fn parse(line: &[u8]) -> Result<ExportHead, ExportError> {
        if line.len() > EXPORT_LINE_BYTES_MAX {
            return Err(ExportError::TooLarge { bytes: line.len() });
        }
        let raw: RawHead =
            serde_json::from_slice(line).map_err(|_| form("the head of an audit export"))?;
        if raw.format != FORMAT {
            return Err(form(FORMAT));
        }
        if raw.witnessed.len() > EXPORT_WITNESSED_MAX || raw.witnesses.len() > EXPORT_WITNESSED_MAX
        {
            return Err(form("at most 256 witnesses"));
        }
        let key = |text: &String| VerifierKey::parse(text).map_err(ExportError::Key);
        let (ed25519, pq) = match raw.keys.as_slice() {
            [one] => (key(one)?, None),
            [one, two] => (key(one)?, Some(key(two)?)),
            _ => return Err(form("one or two keys of the log")),
        };
        let fit = ed25519.kind() == KeyKind::Ed25519
            && pq.as_ref().is_none_or(|key| key.kind() == KeyKind::MlDsa44);
        if !fit {
            return Err(ExportError::Key(NoteError::KeyKind));
        }
        let witnessed = raw.witnessed.iter().map(|one| {
            Ok(Witnessed {
                note: one.note.clone(),
                proof: hashes(&one.proof)?,
            })
        });
        Ok(ExportHead {
            keys: LogKeys {
                origin: raw.origin,
                ed25519,
                pq,
            },
            witnesses: raw.witnesses.iter().map(key).collect::<Result<_, _>>()?,
            checkpoint: raw.checkpoint,
            witnessed: witnessed.collect::<Result<_, ExportError>>()?,
            query: raw.query,
        })
    }

    /// The line, without its newline.
    pub fn to_line(&self) -> String {
        let raw = RawHead {
            format: FORMAT.to_owned(),
            origin: self.keys.origin.clone(),
            keys: [Some(&self.keys.ed25519), self.keys.pq.as_ref()]
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
            witnesses: self.witnesses.iter().map(ToString::to_string).collect(),
            checkpoint: self.checkpoint.clone(),
            witnessed: self
                .witnessed
                .iter()
                .map(|one| RawWitnessed {
                    note: one.note.clone(),
                    proof: one.proof.iter().map(Hash::to_base64).collect(),
                })
                .collect(),
            query: self.query.clone(),
        };
        serde_json::to_string(&raw).expect("strings and lists always serialise")
    }

    /// The checkpoint and its note (for cosignatures), verified with keys that the reader brings.
    ///
    /// # Errors
    /// [`ExportError::Checkpoint`] when it is not the log's.
    pub fn open(&self, keys: &LogKeys) -> Result<(Checkpoint, Note), ExportError> {
        Checkpoint::open(self.checkpoint.as_bytes(), keys).map_err(ExportError::Checkpoint)
    }
}

impl Witnessed {
    /// Checks that the log signed this, and that `checkpoint`, which was verified, continues it;
    /// gives this checkpoint and its note (for the cosignatures, which are not verified here).
    ///
    /// # Errors
    /// [`ExportError`] says which of the two does not hold.
    pub fn verify(
        &self,
        keys: &LogKeys,
        checkpoint: &Checkpoint,
    ) -> Result<(Checkpoint, Note), ExportError> {
        let (older, note) =
            Checkpoint::open(self.note.as_bytes(), keys).map_err(ExportError::Checkpoint)?;
        if older.size() == checkpoint.size() {
            if older.root() != checkpoint.root() {
                return Err(ExportError::Proof(ProofError::RootDiffers));
            }
        } else if older.size() > 0 {
            verify_consistency(
                older.size(),
                checkpoint.size(),
                &self.proof,
                &older.root(),
                &checkpoint.root(),
            )
            .map_err(ExportError::Proof)?;
        }
        Ok((older, note))
    }
}

/// Any line of an export but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportLine<'a> {
    /// One record.
    Record(Proved<'a>),
    /// The last line: how many records there were.
    End {
        /// Their number.
        records: u64,
    },
}

/// One record with its proof, not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved<'a> {
    /// Its position in the log.
    pub index: u64,
    /// Its inclusion proof.
    pub proof: Vec<Hash>,
    /// Its bytes, as they are in the log.
    pub record: &'a [u8],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine<'a> {
    index: Option<u64>,
    proof: Option<Vec<String>>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    records: Option<u64>,
}

impl<'a> ExportLine<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// [`ExportError`] for another form.
    pub fn parse(line: &'a [u8]) -> Result<ExportLine<'a>, ExportError> {
        if line.len() > EXPORT_LINE_BYTES_MAX {
            return Err(ExportError::TooLarge { bytes: line.len() });
        }
        let raw: RawLine<'a> = serde_json::from_slice(line)
            .map_err(|_| form("a record with its position and proof, or the count of records"))?;
        match (raw.index, raw.proof, raw.record, raw.records) {
            (Some(index), Some(proof), Some(record), None) => Ok(ExportLine::Record(Proved {
                index,
                proof: hashes(&proof)?,
                record: record.get().as_bytes(),
            })),
            (None, None, None, Some(records)) => Ok(ExportLine::End { records }),
            _ => Err(form(
                "a record with its position and proof, or the count of records",
            )),
        }
    }
}

/// The line, without its newline.
impl fmt::Display for ExportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(proved) => {
                write!(f, "{{\"index\":{},\"proof\":[", proved.index)?;
                for (at, hash) in proved.proof.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}\"{}\"", hash.to_base64())?;
                }
                // The log holds canonical JSON, which is UTF-8; other bytes fail at the reader.
                let record = String::from_utf8_lossy(proved.record);
                write!(f, "],\"record\":{record}}}")
            }
            Self::End { records } => write!(f, "{{\"records\":{records}}}"),
        }
    }
}

impl Proved<'_> {
    /// Checks that `checkpoint`, which was verified, commits to this record at this position.
    ///
    /// # Errors
    /// [`ExportError::Record`] when it does not.
    pub fn verify(&self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        verify_inclusion(
            self.index,
            checkpoint.size(),
            &leaf_hash(self.record),
            &self.proof,
            &checkpoint.root(),
        )
        .map_err(|error| ExportError::Record {
            index: self.index,
            error,
        })
    }
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, ExportError> {
    if texts.len() > PROOF_HASHES_MAX {
        return Err(form("a proof of at most 64 hashes"));
    }
    texts
        .iter()
        .map(|text| Hash::from_base64(text).ok_or(form("the base64 of a hash")))
        .collect()
}

fn form(expected: &'static str) -> ExportError {
    ExportError::Form { expected }
}

/// Why an export, or a line of it, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// LIMIT: the line is above `EXPORT_LINE_BYTES_MAX`.
    TooLarge {
        /// Bytes it has.
        bytes: usize,
    },
    /// The line has another form.
    Form {
        /// What belongs there.
        expected: &'static str,
    },
    /// A key in the file is none.
    Key(NoteError),
    /// A checkpoint is malformed or not signed by the log's keys.
    Checkpoint(CheckpointError),
    /// The export's checkpoint does not continue one that was witnessed.
    Proof(ProofError),
    /// A record is not the one that the checkpoint commits to at its position.
    Record {
        /// The position.
        index: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(
                f,
                "a line of an audit export has at most {EXPORT_LINE_BYTES_MAX} bytes, not {bytes}"
            ),
            Self::Form { expected } => write!(f, "not an audit export: expected {expected}"),
            Self::Key(error) => write!(f, "the export names an unusable key: {error}"),
            Self::Checkpoint(error) => write!(f, "the export shows nothing: {error}"),
            Self::Proof(error) => write!(
                f,
                "the export's checkpoint does not continue what was witnessed: {error}"
            ),
            Self::Record { index, error } => {
                write!(f, "record {index} is not the one in the log: {error}")
            }
        }
    }
}

impl std::error::Error for ExportError {}
