//! Why a pull ended early.
//!
//! Three kinds that a caller treats differently: the peer cannot be had now (`Fetch`), the peer
//! sends what does not verify (most others; nothing of it was kept, and a later pull may find the
//! peer repaired), and the peer signed two histories (`Contradiction`; the log is refused for
//! good and the evidence kept).

use std::fmt;

use log::{BodiesError, CheckpointError, EntryError, TileError};
use store::{LogName, StoreError};

use crate::source::FetchError;

/// Why a pull ended early. What was verified before is stored; nothing else changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PullError {
    /// The accord has no such channel in force between this origin and others.
    NotInForce {
        /// The log.
        log: LogName,
    },
    /// The log is this node's own.
    Own {
        /// The log.
        log: LogName,
    },
    /// The log was refused in an earlier pull and stays so.
    Refused {
        /// The log.
        log: LogName,
        /// Why it was refused.
        reason: String,
    },
    /// The origin signed what contradicts what it signed before. The log is refused from now on
    /// and the evidence is in the store.
    Contradiction {
        /// The log.
        log: LogName,
        /// What the origin did, in one sentence.
        reason: String,
        /// `log::Evidence` as text, or the two notes where a proof could not be had.
        evidence: String,
    },
    /// The checkpoint is signed by a key that its member has exchanged or revoked.
    FormerKey {
        /// The log.
        log: LogName,
        /// What became of the key.
        why: String,
    },
    /// What was held of the log was signed by a key that its member has revoked and goes beyond, or
    /// does not fit, the member's own history. The copy was thrown away, the checkpoint is kept as
    /// evidence, and the next pull begins anew.
    Restarted {
        /// The log.
        log: LogName,
        /// What was found.
        reason: String,
    },
    /// What is offered is older than what is held, and not from the origin itself: it contradicts
    /// nothing and has nothing new.
    Older {
        /// The log.
        log: LogName,
        /// The size of the newest checkpoint that was accepted.
        held: u64,
        /// The size of the one that is offered.
        offered: u64,
    },
    /// A resource was not had.
    Fetch {
        /// Its path within the log.
        path: String,
        /// Why.
        error: FetchError,
    },
    /// The checkpoint does not verify.
    Checkpoint(CheckpointError),
    /// A hash tile or entry bundle is not what the checkpoint commits to.
    Tiles(TileError),
    /// The log holds an entry that is none. It is signed so: only the origin can explain it.
    Entry {
        /// Its position in the log.
        index: u64,
        /// What is wrong with it.
        error: EntryError,
    },
    /// A body bundle is malformed.
    Bodies {
        /// Its path within the log.
        path: String,
        /// What is wrong with it.
        error: BodiesError,
    },
    /// The bytes that came for an entry are not those that it names.
    Body {
        /// The entry's position in the log.
        index: u64,
    },
    /// The log that is held here does not fit its own checkpoint: the disk lies.
    Held {
        /// The log.
        log: LogName,
        /// The size held.
        size: u64,
    },
    /// The store did not take it.
    Store(StoreError),
    /// The node is stopping.
    Stopping,
}

impl PullError {
    pub(crate) fn fetch(path: impl fmt::Display) -> impl FnOnce(FetchError) -> PullError {
        let path = path.to_string();
        move |error| PullError::Fetch { path, error }
    }
}

impl From<StoreError> for PullError {
    fn from(error: StoreError) -> PullError {
        PullError::Store(error)
    }
}

impl From<CheckpointError> for PullError {
    fn from(error: CheckpointError) -> PullError {
        PullError::Checkpoint(error)
    }
}

impl From<TileError> for PullError {
    fn from(error: TileError) -> PullError {
        PullError::Tiles(error)
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PullError::NotInForce { log } => write!(
                f,
                "{log} cannot be pulled: its origin and channel are not in force under the accord \
                 held here; ratify it or fetch the newer version"
            ),
            PullError::Own { log } => write!(f, "{log} is this node's own log"),
            PullError::Refused { log, reason } => write!(
                f,
                "nothing more is taken from {log}: {reason}; see the evidence and talk to its origin"
            ),
            PullError::Contradiction { log, reason, .. } => write!(
                f,
                "{log} is refused from now on: {reason}; the evidence is kept, show it to the other \
                 members"
            ),
            PullError::FormerKey { log, why } => write!(
                f,
                "the checkpoint of {log} is signed by {why}; nothing signed so is believed, and if \
                 its origin sent it, it must begin to sign with its present key"
            ),
            PullError::Restarted { log, reason } => write!(
                f,
                "{log} begins anew: {reason}; what it had brought is hidden until its origin has \
                 shown it again"
            ),
            PullError::Older { log, held, offered } => write!(
                f,
                "{log} is known here up to {held} entries and this shows {offered}; bring a newer one"
            ),
            PullError::Fetch { path, error } => write!(f, "{path}: {error}"),
            PullError::Checkpoint(error) => write!(f, "{error}"),
            PullError::Tiles(error) => write!(f, "{error}"),
            PullError::Entry { index, error } => write!(
                f,
                "entry {index} cannot be read ({error}); a newer version of this program may know \
                 it, else its origin must explain"
            ),
            PullError::Bodies { path, error } => write!(f, "{path}: {error}"),
            PullError::Body { index } => write!(
                f,
                "the bytes sent for entry {index} are not those that the entry names; nothing of \
                 them was kept"
            ),
            PullError::Held { log, size } => write!(
                f,
                "the copy of {log} held here does not fit its checkpoint at {size} entries: check \
                 the disk and run `kurultai verify`"
            ),
            PullError::Store(error) => write!(f, "{error}"),
            PullError::Stopping => f.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for PullError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PullError::Fetch { error, .. } => Some(error),
            PullError::Checkpoint(error) => Some(error),
            PullError::Tiles(error) => Some(error),
            PullError::Entry { error, .. } => Some(error),
            PullError::Bodies { error, .. } => Some(error),
            PullError::Store(error) => Some(error),
            _ => None,
        }
    }
}
