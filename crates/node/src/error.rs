//! Why the node could not do what an operator or a request asked.
//!
//! One enum for the node's own boundary. Each variant ends in a sentence that says what to do;
//! [`NodeError::class`] tells an HTTP surface which kind of answer it deserves.

use std::fmt;
use std::path::PathBuf;

use store::StoreError;

/// Why the node could not do what was asked. Nothing has changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeError {
    /// The configuration is wrong.
    Config {
        /// File and key or line.
        place: String,
        /// What is wrong and what is expected.
        why: String,
    },
    /// A key file is missing, damaged or readable by others.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A file could not be read or written.
    Io {
        /// What was being done.
        what: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The store refused or failed.
    Store(StoreError),
    /// An accord cannot be installed.
    Accord {
        /// Why, and what to do.
        why: String,
    },
    /// The request itself is wrong.
    Request {
        /// What is wrong and what is expected.
        why: String,
        /// The place in the given JSON (RFC 6901), if there is one.
        pointer: Option<String>,
    },
    /// What the request names does not exist here.
    Unknown {
        /// What was named.
        what: String,
    },
    /// The caller may not do this.
    Denied {
        /// Why, and what would do.
        why: String,
    },
    /// The request is larger than allowed.
    TooLarge {
        /// Bytes allowed.
        max: usize,
    },
    /// A part of the node stopped; the process must be restarted.
    Stopped {
        /// Which part.
        what: String,
    },
}

/// What kind of answer an error deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The caller must change the request.
    Request,
    /// What was named does not exist.
    Unknown,
    /// The caller may not do it.
    Denied,
    /// The request contradicts what is held.
    Conflict,
    /// The request is too large.
    TooLarge,
    /// The node cannot accept at present.
    Unavailable,
    /// The fault is ours.
    Internal,
}

impl NodeError {
    pub(crate) fn request(why: impl Into<String>) -> NodeError {
        NodeError::Request {
            why: why.into(),
            pointer: None,
        }
    }

    pub(crate) fn accord(why: impl Into<String>) -> NodeError {
        NodeError::Accord { why: why.into() }
    }

    pub(crate) fn io(what: impl Into<String>, cause: std::io::Error) -> NodeError {
        NodeError::Io {
            what: what.into(),
            cause,
        }
    }

    /// The same for who can only hear of the store.
    pub(crate) fn into_store(self) -> StoreError {
        match self {
            NodeError::Store(error) => error,
            other => StoreError::Stopped {
                cause: other.to_string(),
            },
        }
    }

    /// What kind of answer this deserves.
    pub fn class(&self) -> ErrorClass {
        match self {
            NodeError::Request { .. } => ErrorClass::Request,
            NodeError::Unknown { .. } => ErrorClass::Unknown,
            NodeError::Denied { .. } => ErrorClass::Denied,
            NodeError::Accord { .. } => ErrorClass::Conflict,
            NodeError::TooLarge { .. } => ErrorClass::TooLarge,
            NodeError::Store(
                StoreError::Full { .. } | StoreError::Io { .. } | StoreError::Stopped { .. },
            )
            | NodeError::Stopped { .. } => ErrorClass::Unavailable,
            NodeError::Store(StoreError::Refused { .. } | StoreError::WrongSize { .. }) => {
                ErrorClass::Conflict
            }
            NodeError::Store(StoreError::Entry { .. }) => ErrorClass::Request,
            NodeError::Store(_)
            | NodeError::Config { .. }
            | NodeError::Key { .. }
            | NodeError::Io { .. } => ErrorClass::Internal,
        }
    }
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> NodeError {
        NodeError::Store(error)
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeError::Config { place, why } => write!(f, "{place}: {why}"),
            NodeError::Key { path, why } => write!(f, "{}: {why}", path.display()),
            NodeError::Io { what, cause } => write!(f, "{what}: {cause}"),
            NodeError::Store(error) => write!(f, "{error}"),
            NodeError::Accord { why } | NodeError::Denied { why } => write!(f, "{why}"),
            NodeError::Request { why, .. } => write!(f, "{why}"),
            NodeError::Unknown { what } => write!(f, "there is no {what} here"),
            NodeError::TooLarge { max } => write!(
                f,
                "the request is larger than {max} bytes; send it in parts"
            ),
            NodeError::Stopped { what } => write!(f, "{what} has stopped; restart the node"),
        }
    }
}

impl std::error::Error for NodeError {}
