//! Where a pull gets a log from: the one seam between the state machine and its transports.
//!
//! A source answers for one log of one origin. It promises nothing about what it hands out: every
//! byte is checked by [`crate::machine`]. It only keeps the bounds: at most `limit` bytes and no
//! endless waiting.

use std::fmt;
use std::future::Future;

use bytes::Bytes;

/// The resources of one log, by path: `checkpoint`, `tile/…` and `objects/…` as `log` spells them,
/// the latter with `?skip=k` for bodies that are not needed.
pub trait Source: Sync {
    /// Whether it shows what the origin serves at this moment, over a connection that proves the
    /// origin's key. What is not live shows what the origin signed at some time: that it is older
    /// than what is held means nothing then.
    fn live(&self) -> bool {
        true
    }

    /// The resource's bytes, as stored.
    ///
    /// # Errors
    /// [`FetchError`]; in particular [`FetchError::TooLarge`] as soon as more than `limit` bytes
    /// are announced or have come.
    fn fetch(
        &self,
        path: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Bytes, FetchError>> + Send;

    /// Hands signature lines for the log's checkpoint back to its origin. A source that cannot
    /// reach the origin (a file that came by hand) answers `Ok`: nothing depends on it.
    ///
    /// # Errors
    /// [`FetchError`] when the origin was reached and did not take them.
    fn cosign(&self, lines: String) -> impl Future<Output = Result<(), FetchError>> + Send;
}

/// Why a resource was not had. Except for [`FetchError::TooLarge`] all of them may pass by
/// themselves: try again later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or the TLS handshake failed: not there, or not the member that the accord
    /// names.
    Unreachable {
        /// The cause, for the operator's log.
        why: String,
    },
    /// The source does not have it.
    NotFound,
    /// The source answered with another HTTP status than success.
    Status {
        /// That status.
        code: u16,
    },
    /// The source says that it shares nothing with this member here at present: one of both has
    /// left or suspended it, or the source excludes this member.
    Apart {
        /// The source's own words.
        why: String,
    },
    /// More bytes than this resource can have.
    TooLarge {
        /// The most that is accepted.
        limit: usize,
    },
    /// No answer in time, or one that comes too slowly.
    Slow {
        /// Bytes that had come.
        bytes: usize,
    },
    /// The answer broke off or was not HTTP.
    Broken {
        /// The cause, for the operator's log.
        why: String,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Unreachable { why } => write!(
                f,
                "the peer cannot be reached ({why}); check its address, and that its certificate \
                 is the one in the accord"
            ),
            FetchError::NotFound => f.write_str("the peer does not have it"),
            FetchError::Status { code } => write!(f, "the peer answered with HTTP status {code}"),
            FetchError::Apart { why } => {
                write!(f, "the peer shares nothing with this member here: {why}")
            }
            FetchError::TooLarge { limit } => {
                write!(
                    f,
                    "the peer's answer is larger than the allowed {limit} bytes"
                )
            }
            FetchError::Slow { bytes } => {
                write!(
                    f,
                    "the peer's answer came too slowly ({bytes} bytes so far)"
                )
            }
            FetchError::Broken { why } => write!(f, "the peer's answer broke off ({why})"),
        }
    }
}

impl std::error::Error for FetchError {}
