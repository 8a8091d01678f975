//! Cosignatures (C2SP tlog-cosignature): "I saw this checkpoint at this time, and everything I saw
//! of this log before is consistent with it".
//!
//! Both forms of the specification: Ed25519 (`cosignature/v1`) signs the checkpoint's text under
//! two lines of header; ML-DSA-44 (`subtree/v1`) signs a binary message that also commits to the
//! cosigner's name. A signature line carries eight bytes of time, big-endian, and the signature.
//!
//! Checking consistency *before* cosigning is the duty of the caller; so is deciding whether a
//! time is plausible.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{KeyKind, SignatureLine, SigningKey, VerifierKey};

/// First bytes of the ML-DSA-44 message.
const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// LIMIT: the specification keeps the top bit of the time free.
const TIME_MAX: u64 = i64::MAX as u64;

/// Cosigns the checkpoint with this text (three lines, each with its newline) at `unix_secs`,
/// seconds since 1970.
///
/// # Errors
/// [`CosignError`] when the text is no checkpoint, the key is not a cosignature key, or the time
/// is beyond 2^63.
pub fn cosign(
    checkpoint_text: &str,
    key: &SigningKey,
    unix_secs: u64,
) -> Result<SignatureLine, CosignError> {
    let message = message(checkpoint_text, key.verifier(), unix_secs)?;
    let mut signature = unix_secs.to_be_bytes().to_vec();
    signature.extend(key.sign(&message));
    Ok(SignatureLine::new(key.verifier(), signature))
}

/// Checks that `line` is `key`'s cosignature of the checkpoint with this text, and returns the
/// time it states, in seconds since 1970.
///
/// # Errors
/// [`CosignError`] when it is not.
pub fn verify(
    checkpoint_text: &str,
    line: &SignatureLine,
    key: &VerifierKey,
) -> Result<u64, CosignError> {
    if !line.is_of(key) {
        return Err(CosignError::OtherKey {
            name: key.name().to_owned(),
        });
    }
    let bad = || CosignError::BadSignature {
        name: key.name().to_owned(),
    };
    let (time, signature) = line.signature().split_first_chunk::<8>().ok_or_else(bad)?;
    if signature.len() != key.signature_len() {
        return Err(bad());
    }
    let time = u64::from_be_bytes(*time);
    let message = message(checkpoint_text, key, time)?;
    if key.verifies(&message, signature) {
        Ok(time)
    } else {
        Err(bad())
    }
}

/// The bytes that are signed.
fn message(text: &str, key: &VerifierKey, time: u64) -> Result<Vec<u8>, CosignError> {
    let checkpoint = Checkpoint::parse_text(text).map_err(CosignError::Checkpoint)?;
    if time > TIME_MAX {
        return Err(CosignError::Time);
    }
    match key.kind() {
        KeyKind::CosignatureV1 => Ok(format!("cosignature/v1\ntime {time}\n{text}").into_bytes()),
        KeyKind::CosignatureMlDsa44 => {
            let mut message = SUBTREE_LABEL.to_vec();
            push_short(&mut message, key.name());
            message.extend(time.to_be_bytes());
            push_short(&mut message, checkpoint.origin());
            message.extend(0u64.to_be_bytes());
            message.extend(checkpoint.size().to_be_bytes());
            message.extend(checkpoint.root().0);
            Ok(message)
        }
        KeyKind::Ed25519 | KeyKind::MlDsa44 => Err(CosignError::KeyKind),
    }
}

/// A text under one byte of length.
fn push_short(message: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).expect("key names and origins have at most 255 bytes");
    message.push(length);
    message.extend(text.as_bytes());
}

/// Why a cosignature was refused, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CosignError {
    /// The text is no checkpoint.
    Checkpoint(CheckpointError),
    /// The key does not make cosignatures.
    KeyKind,
    /// The time is beyond 2^63 seconds.
    Time,
    /// The line is of another key.
    OtherKey {
        /// Name of the key that was asked for.
        name: String,
    },
    /// The line does not verify.
    BadSignature {
        /// Name of the key.
        name: String,
    },
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(error) => write!(f, "nothing to cosign: {error}"),
            Self::KeyKind => f.write_str("only a cosignature key can make or check a cosignature"),
            Self::Time => f.write_str("the time of a cosignature must be below 2^63 seconds"),
            Self::OtherKey { name } => write!(f, "the cosignature is not of the key {name:?}"),
            Self::BadSignature { name } => {
                write!(
                    f,
                    "the cosignature of {name:?} does not verify for this checkpoint"
                )
            }
        }
    }
}

impl std::error::Error for CosignError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Checkpoint(error) => Some(error),
            _ => None,
        }
    }
}
