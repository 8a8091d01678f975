//! Evidence that a log's owner signed two histories.
//!
//! Two cases, each decided by signatures and hashes alone, so that any third party can check the
//! file offline: two checkpoints of one size with different roots, or a newer checkpoint whose
//! tree, proved by a consistency proof, had another root at the older checkpoint's size. A value
//! of [`Evidence`] has been checked against the keys it carries; whether these are the member's
//! keys is what [`Evidence::verify`] asks, with the keys of the accord.
//!
//! File form, plain text (lengths in bytes, both notes verbatim):
//!
//! ```text
//! kurultai-evidence/v1
//! origin <origin>
//! key <vkey, Ed25519>
//! pq-key <vkey, ML-DSA-44>            only if the log has one
//! root-at-older <base64>              only if the sizes differ
//! proof <base64>                      one line a hash
//! older <length>
//! <note>
//! newer <length>
//! <note>
//! ```

use std::fmt;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError, LogKeys};
use crate::limits::{EVIDENCE_BYTES_MAX, PROOF_HASHES_MAX};
use crate::merkle::verify_consistency;
use crate::note::{NoteError, VerifierKey};
use crate::tile::decimal;

const HEADER: &str = "kurultai-evidence/v1";

/// Two checkpoints of one log that cannot both be honest, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    keys: LogKeys,
    older: String,
    newer: String,
    rewrite: Option<Rewrite>,
}

/// What the newer tree says about the older size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rewrite {
    root_at_older: Hash,
    proof: Vec<Hash>,
}

/// What the evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Two roots were signed for one size.
    TwoRoots {
        /// The log.
        origin: String,
        /// Number of entries in both.
        size: u64,
        /// Both roots.
        roots: [Hash; 2],
    },
    /// Entries that were signed before are not in what was signed later.
    Rewritten {
        /// The log.
        origin: String,
        /// Number of entries first signed.
        older_size: u64,
        /// Root first signed.
        older_root: Hash,
        /// Number of entries signed later.
        newer_size: u64,
        /// Root that the later log had at the first size.
        root_at_older: Hash,
    },
}

impl Evidence {
    /// Evidence from two checkpoint notes of one size and unequal roots.
    ///
    /// # Errors
    /// [`EvidenceError`] when a note is not signed by `keys`, or they do not contradict each
    /// other.
    pub fn same_size(keys: &LogKeys, a: &[u8], b: &[u8]) -> Result<Evidence, EvidenceError> {
        Evidence::checked(keys, a, b, None)
    }

    /// Evidence from two checkpoint notes of unequal sizes. `root_at_older` is the root that the
    /// newer tree had at the older size and `proof` shows it ([`crate::Tiles::root_at`] and
    /// [`crate::Tiles::consistency_proof`] of the newer tree).
    ///
    /// # Errors
    /// [`EvidenceError`] when a note is not signed by `keys`, the proof does not lead to the newer
    /// root, or it shows the same root that the older checkpoint states.
    pub fn inconsistent(
        keys: &LogKeys,
        older: &[u8],
        newer: &[u8],
        root_at_older: Hash,
        proof: Vec<Hash>,
    ) -> Result<Evidence, EvidenceError> {
        Evidence::checked(
            keys,
            older,
            newer,
            Some(Rewrite {
                root_at_older,
                proof,
            }),
        )
    }

    /// Reads the form of [`Evidence::to_text`] and checks it against the keys that it carries.
    ///
    /// # Errors
    /// [`EvidenceError`] for another form, or when it shows nothing.
    pub fn parse(text: &[u8]) -> Result<Evidence, EvidenceError> {
        if text.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::TooLarge { bytes: text.len() });
        }
        let mut lines = Lines { rest: text };
        if lines.next()? != HEADER {
            return Err(EvidenceError::Form { expected: HEADER });
        }
        let origin = lines.value("origin")?.ok_or(FORM_ORIGIN)?.to_owned();
        let key = lines.value("key")?.ok_or(EvidenceError::Form {
            expected: "key <vkey>",
        })?;
        let ed25519 = VerifierKey::parse(key).map_err(EvidenceError::Key)?;
        let pq = lines.value("pq-key")?.map(VerifierKey::parse).transpose();
        let keys = LogKeys {
            origin,
            ed25519,
            pq: pq.map_err(EvidenceError::Key)?,
        };
        let hash = |text: &str| {
            Hash::from_base64(text).ok_or(EvidenceError::Form {
                expected: "the base64 of a hash",
            })
        };
        let rewrite = match lines.value("root-at-older")? {
            None => None,
            Some(root) => {
                let mut proof = Vec::new();
                while let Some(line) = lines.value("proof")? {
                    if proof.len() == PROOF_HASHES_MAX {
                        return Err(EvidenceError::Form {
                            expected: "a proof of at most 64 hashes",
                        });
                    }
                    proof.push(hash(line)?);
                }
                Some(Rewrite {
                    root_at_older: hash(root)?,
                    proof,
                })
            }
        };
        let older = lines.note("older")?;
        let newer = lines.note("newer")?;
        if !lines.rest.is_empty() {
            return Err(EvidenceError::Form {
                expected: "the end of the file",
            });
        }
        Evidence::checked(&keys, older, newer, rewrite)
    }

    /// The file form (see the module), complete for a third party.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{HEADER}\norigin {}\nkey {}\n",
            self.keys.origin, self.keys.ed25519
        );
        if let Some(pq) = &self.keys.pq {
            text += &format!("pq-key {pq}\n");
        }
        if let Some(rewrite) = &self.rewrite {
            text += &format!("root-at-older {}\n", rewrite.root_at_older.to_base64());
            for hash in &rewrite.proof {
                text += &format!("proof {}\n", hash.to_base64());
            }
        }
        for (name, note) in [("older", &self.older), ("newer", &self.newer)] {
            text += &format!("{name} {}\n{note}", note.len());
        }
        text
    }

    /// What this shows about the log with these keys.
    ///
    /// # Errors
    /// [`EvidenceError`] when it shows nothing about it, as when a checkpoint is not signed by
    /// these keys.
    pub fn verify(&self, keys: &LogKeys) -> Result<Verdict, EvidenceError> {
        let (older, _) =
            Checkpoint::open(self.older.as_bytes(), keys).map_err(EvidenceError::Checkpoint)?;
        let (newer, _) =
            Checkpoint::open(self.newer.as_bytes(), keys).map_err(EvidenceError::Checkpoint)?;
        match &self.rewrite {
            None if older.size() == newer.size() && older.root() != newer.root() => {
                Ok(Verdict::TwoRoots {
                    origin: older.origin().to_owned(),
                    size: older.size(),
                    roots: [older.root(), newer.root()],
                })
            }
            Some(Rewrite {
                root_at_older,
                proof,
            }) if older.size() < newer.size() && *root_at_older != older.root() => {
                verify_consistency(
                    older.size(),
                    newer.size(),
                    proof,
                    root_at_older,
                    &newer.root(),
                )
                .map_err(EvidenceError::Proof)?;
                Ok(Verdict::Rewritten {
                    origin: older.origin().to_owned(),
                    older_size: older.size(),
                    older_root: older.root(),
                    newer_size: newer.size(),
                    root_at_older: *root_at_older,
                })
            }
            _ => Err(EvidenceError::Consistent),
        }
    }

    /// The keys that the file carries. They say nothing about whose they are.
    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    fn checked(
        keys: &LogKeys,
        older: &[u8],
        newer: &[u8],
        rewrite: Option<Rewrite>,
    ) -> Result<Evidence, EvidenceError> {
        let note = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| EvidenceError::Checkpoint(CheckpointError::Note(NoteError::Text)))
        };
        let evidence = Evidence {
            keys: keys.clone(),
            older: note(older)?,
            newer: note(newer)?,
            rewrite,
        };
        evidence.verify(keys)?;
        Ok(evidence)
    }
}

const FORM_ORIGIN: EvidenceError = EvidenceError::Form {
    expected: "origin <origin>",
};

/// Reads the file line by line.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, EvidenceError> {
        let line = EvidenceError::Form {
            expected: "a line of UTF-8 text",
        };
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(line.clone())?;
        let text = std::str::from_utf8(&self.rest[..end]).map_err(|_| line)?;
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    /// The rest of the next line, if it begins with this word; else nothing is read.
    fn value(&mut self, word: &str) -> Result<Option<&'a str>, EvidenceError> {
        let after = self.rest.strip_prefix(word.as_bytes());
        match after.and_then(|rest| rest.strip_prefix(b" ")) {
            None => Ok(None),
            Some(rest) => {
                self.rest = rest;
                self.next().map(Some)
            }
        }
    }

    fn note(&mut self, word: &'static str) -> Result<&'a [u8], EvidenceError> {
        let form = EvidenceError::Form {
            expected: "older or newer, a length and that note",
        };
        let length = self.value(word)?.and_then(decimal).ok_or(form.clone())?;
        let length = usize::try_from(length).map_err(|_| form.clone())?;
        let (note, rest) = self.rest.split_at_checked(length).ok_or(form)?;
        self.rest = rest;
        Ok(note)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoRoots {
                origin,
                size,
                roots: [a, b],
            } => write!(
                f,
                "the log {origin:?} signed two histories of {size} entries, with the root hashes {a} and {b}"
            ),
            Self::Rewritten {
                origin,
                older_size,
                older_root,
                newer_size,
                root_at_older,
            } => write!(
                f,
                "the log {origin:?} signed {older_size} entries with the root hash {older_root}, then \
                 {newer_size} entries whose first {older_size} have the root hash {root_at_older}"
            ),
        }
    }
}

/// Why something is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceError {
    /// LIMIT: the file is above `EVIDENCE_BYTES_MAX`.
    TooLarge {
        /// Bytes it has.
        bytes: usize,
    },
    /// The file has another form.
    Form {
        /// What belongs at the place where reading stopped.
        expected: &'static str,
    },
    /// A key in the file is none.
    Key(NoteError),
    /// A checkpoint is malformed or not signed by the log's keys.
    Checkpoint(CheckpointError),
    /// The proof does not lead to the newer root.
    Proof(crate::merkle::ProofError),
    /// Both checkpoints can be honest, or the proof that they cannot is missing.
    Consistent,
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "an evidence file has at most {EVIDENCE_BYTES_MAX} bytes, this one {bytes}"
                )
            }
            Self::Form { expected } => {
                write!(f, "not an evidence file of ours: expected {expected}")
            }
            Self::Key(error) => write!(f, "the evidence names an unusable key: {error}"),
            Self::Checkpoint(error) => write!(f, "the evidence shows nothing: {error}"),
            Self::Proof(error) => write!(f, "the evidence shows nothing: {error}"),
            Self::Consistent => {
                f.write_str("the evidence shows nothing: both checkpoints can be honest")
            }
        }
    }
}

impl std::error::Error for EvidenceError {}
