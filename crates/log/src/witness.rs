//! The witness call (C2SP tlog-witness): asking for a cosignature, and deciding whether to give it.
//!
//! Pure: [`AddCheckpoint`] is the request's body, [`judge`] the decision against what the witness
//! remembers of the log. Remembering, which must be durable before the answer, and answering are
//! the caller's; [`Refusal::status`] is the HTTP status that the specification gives each refusal.
//!
//! INVARIANT: [`judge`] answers with a checkpoint only if it is signed by the log's keys and
//! continues exactly the one that the witness remembers.

use std::fmt;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError, LogKeys};
use crate::limits::{NOTE_BYTES_MAX, WITNESS_PROOF_HASHES_MAX};
use crate::merkle::{ProofError, verify_consistency};
use crate::note::{Note, NoteError};
use crate::tile::decimal;

/// The body of `POST /add-checkpoint`: the newest checkpoint of a log and the proof that it
/// continues an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to remember; 0 at the first time.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint note.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a body. What it says is not verified yet.
    ///
    /// # Errors
    /// [`Refusal::Form`] for another form.
    pub fn parse(body: &[u8]) -> Result<AddCheckpoint, Refusal> {
        if body.len() > NOTE_BYTES_MAX {
            return Err(Refusal::Form("a body of at most two mebibytes"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Form("UTF-8 text"))?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(Refusal::Form("an empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| decimal(line.strip_prefix("old ")?))
            .ok_or(Refusal::Form("the word old and a decimal"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == WITNESS_PROOF_HASHES_MAX {
                return Err(Refusal::Form("a proof of at most 63 hashes"));
            }
            proof.push(Hash::from_base64(line).ok_or(Refusal::Form("the base64 of a hash"))?);
        }
        Note::parse(note.as_bytes()).map_err(|_| Refusal::Form("a signed checkpoint"))?;
        Ok(AddCheckpoint {
            old,
            proof,
            note: note.to_owned(),
        })
    }

    /// Which log the note claims to be of. Says nothing until [`judge`] has agreed.
    ///
    /// # Errors
    /// [`Refusal::Form`] when the note states no checkpoint.
    pub fn origin(&self) -> Result<String, Refusal> {
        let form = Refusal::Form("a signed checkpoint");
        let note = Note::parse(self.note.as_bytes()).map_err(|_| form.clone())?;
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|_| form)?;
        Ok(checkpoint.origin().to_owned())
    }
}

/// The body as it is sent.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Decides whether a witness that remembers `held` of the log with `keys` may cosign, and gives
/// the checkpoint and a note with the signatures of `keys` alone: what is to be remembered.
///
/// # Errors
/// [`Refusal`]; then nothing may be remembered and nothing cosigned.
pub fn judge(
    request: &AddCheckpoint,
    held: Option<&Checkpoint>,
    keys: &LogKeys,
) -> Result<(Checkpoint, Note), Refusal> {
    let (checkpoint, signed) =
        Checkpoint::open(request.note.as_bytes(), keys).map_err(Refusal::Signature)?;
    if request.old > checkpoint.size() {
        return Err(Refusal::Form("an old size that is not above the new one"));
    }
    let size = held.map_or(0, Checkpoint::size);
    if request.old != size {
        return Err(Refusal::Stale { held: size });
    }
    if let Some(held) = held.filter(|held| held.size() == checkpoint.size()) {
        if held.root() != checkpoint.root() {
            return Err(Refusal::OtherRoot { held: size });
        }
        if !request.proof.is_empty() {
            return Err(Refusal::Proof(ProofError::TooLong));
        }
    } else if let Some(held) = held.filter(|held| held.size() > 0) {
        verify_consistency(
            held.size(),
            checkpoint.size(),
            &request.proof,
            &held.root(),
            &checkpoint.root(),
        )
        .map_err(Refusal::Proof)?;
    } else if !request.proof.is_empty() {
        return Err(Refusal::Proof(ProofError::TooLong));
    }
    let mut note = Note::new(signed.text()).map_err(Refusal::from)?;
    for key in [Some(&keys.ed25519), keys.pq.as_ref()]
        .into_iter()
        .flatten()
    {
        // Verified above; one line a key, so that nobody can make a witness remember more.
        if let Some(line) = signed.lines_of(key).next() {
            note.add(line.clone()).map_err(Refusal::from)?;
        }
    }
    Ok((checkpoint, note))
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The body has another form.
    Form(&'static str),
    /// The checkpoint is not signed by the log's keys, or is of another log.
    Signature(CheckpointError),
    /// The witness remembers another size than the request starts from.
    Stale {
        /// The size that it remembers.
        held: u64,
    },
    /// The witness remembers another root for this very size.
    OtherRoot {
        /// The size.
        held: u64,
    },
    /// The proof does not join what the witness remembers with the checkpoint.
    Proof(ProofError),
}

impl Refusal {
    /// The HTTP status that the specification gives this refusal.
    pub fn status(&self) -> u16 {
        match self {
            Self::Form(_) => 400,
            Self::Signature(_) => 403,
            Self::Stale { .. } | Self::OtherRoot { .. } => 409,
            Self::Proof(_) => 422,
        }
    }

    /// The size that the witness remembers, which a 409 answers with.
    pub fn held(&self) -> Option<u64> {
        match self {
            Self::Stale { held } | Self::OtherRoot { held } => Some(*held),
            _ => None,
        }
    }

    /// Whether the log's own keys signed something that does not continue what they signed before.
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::OtherRoot { .. })
    }
}

impl From<NoteError> for Refusal {
    fn from(error: NoteError) -> Refusal {
        Refusal::Signature(CheckpointError::Note(error))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(expected) => write!(f, "not an add-checkpoint request: expected {expected}"),
            Self::Signature(error) => write!(f, "{error}"),
            Self::Stale { held } => write!(
                f,
                "the witness remembers {held} entries of this log: prove consistency from there"
            ),
            Self::OtherRoot { held } => write!(
                f,
                "the witness remembers another history of these {held} entries"
            ),
            Self::Proof(error) => write!(
                f,
                "the checkpoint does not continue the one that the witness remembers: {error}"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
