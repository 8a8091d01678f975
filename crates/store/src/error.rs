//! Why the store could not do what it was asked.

use std::fmt;
use std::path::PathBuf;

use crate::types::{LogName, Seq};

/// Why the store could not do what it was asked. Nothing was changed by a command that ends in one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full: nothing more is accepted until space returns; reads go on.
    Full {
        /// What was being written.
        what: String,
    },
    /// The operating system refused a read or write.
    Io {
        /// What was being done.
        what: String,
        /// What the operating system said.
        cause: String,
    },
    /// The index could not be read or written.
    Index {
        /// What SQLite said.
        cause: String,
    },
    /// Bytes on disk are not what was written.
    Corrupt {
        /// Which file or row.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// Another process has this data folder open.
    Locked {
        /// The data folder.
        dir: PathBuf,
    },
    /// The entries do not start where the held log ends.
    WrongSize {
        /// The log.
        log: LogName,
        /// The size held.
        held: u64,
        /// The size the command started from.
        given: u64,
    },
    /// The entries given do not lead to the root that the checkpoint states.
    WrongRoot {
        /// The log.
        log: LogName,
        /// The size at which the roots differ.
        size: u64,
    },
    /// No object is held at this position.
    UnknownObject {
        /// The position.
        seq: Seq,
    },
    /// This log was refused earlier and takes nothing more (I3).
    Refused {
        /// The log.
        log: LogName,
        /// Why it was refused.
        reason: String,
    },
    /// Entries were to be appended to a partner's log.
    NotOwn {
        /// The log.
        log: LogName,
    },
    /// Entries were to be received for this member's own log (I2).
    IsOwn {
        /// The log.
        log: LogName,
    },
    /// An object that a log brought into a channel was to be removed.
    Logged {
        /// The object.
        id: String,
        /// The log.
        log: LogName,
    },
    /// An entry cannot be written as it is.
    Entry {
        /// What is wrong with it.
        problem: String,
    },
    /// The writer stopped; the process must be restarted.
    Stopped {
        /// Why it stopped.
        cause: String,
    },
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> StoreError {
        let what = what.into();
        let full = matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull
                | std::io::ErrorKind::QuotaExceeded
                | std::io::ErrorKind::FileTooLarge
        );
        if full {
            StoreError::Full { what }
        } else {
            StoreError::Io {
                what,
                cause: error.to_string(),
            }
        }
    }

    pub(crate) fn corrupt(place: impl Into<String>, problem: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
            return StoreError::Full {
                what: "the index".into(),
            };
        }
        StoreError::Index {
            cause: error.to_string(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { what } => {
                write!(
                    f,
                    "The disk is full, so {what} was not written: free some space, then try again."
                )
            }
            StoreError::Io { what, cause } => write!(
                f,
                "{what} failed ({cause}): check the disk and its permissions."
            ),
            StoreError::Index { cause } => {
                write!(
                    f,
                    "The index failed ({cause}): if it stays so, run `kurultai index rebuild`."
                )
            }
            StoreError::Corrupt { place, problem } => {
                write!(
                    f,
                    "{place} is damaged ({problem}): restore it from a backup or from a partner."
                )
            }
            StoreError::Locked { dir } => {
                write!(
                    f,
                    "The data folder {} is in use by another process: stop that one first.",
                    dir.display()
                )
            }
            StoreError::WrongSize { log, held, given } => {
                write!(
                    f,
                    "The log {log} is held to entry {held}, but the entries given start at {given}: read its head again."
                )
            }
            StoreError::WrongRoot { log, size } => {
                write!(
                    f,
                    "The entries of {log} do not give the root that its checkpoint states at size {size}."
                )
            }
            StoreError::UnknownObject { seq } => write!(f, "No object is held at position {seq}."),
            StoreError::Refused { log, reason } => write!(f, "The log {log} is refused: {reason}"),
            StoreError::NotOwn { log } => write!(
                f,
                "The log {log} is a partner's: only its origin appends to it."
            ),
            StoreError::IsOwn { log } => write!(
                f,
                "The log {log} is this member's own: nothing is received for it."
            ),
            StoreError::Logged { id, log } => write!(
                f,
                "{id} is in the log {log}, which forgets nothing, so it stays: what this member shared is taken back by withdrawing it from the channel {}/{}.",
                log.accord, log.channel
            ),
            StoreError::Entry { problem } => {
                write!(f, "The log entry cannot be written: {problem}")
            }
            StoreError::Stopped { cause } => {
                write!(f, "The store stopped ({cause}): restart the node.")
            }
        }
    }
}

impl std::error::Error for StoreError {}
