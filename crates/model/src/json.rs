//! JSON as this project needs it: canonical (RFC 8785) or made canonical, and nothing in between.
//!
//! Two readers, on purpose. `strict` accepts canonical bytes only, in one pass without allocating,
//! and hands leaves to whoever picks typed fields; most traffic is canonical and never meets the
//! other one. `rebuild` reads any JSON text and writes the canonical form, refusing what would not
//! mean the same on every node (duplicate names, lone surrogates, numbers that a double changes,
//! deep nesting). What `rebuild` writes is read by `strict` again before it counts, so the claim
//! "these bytes are canonical" always has two witnesses.

pub(crate) mod number;
pub(crate) mod rebuild;
pub(crate) mod strict;
pub(crate) mod text;

use crate::refusal::{Reason, Refusal};
use strict::Stop;

/// The RFC 8785 form of any JSON text. Not limited in size; the result is at most about five times
/// as long as the input.
///
/// # Errors
/// Whatever JSON (RFC 8259) or this crate's limits on numbers, names and depth forbid.
pub fn canonicalise(json: &[u8]) -> Result<Vec<u8>, Refusal> {
    utf8(json)?;
    match strict::whole(json, &mut strict::Nothing) {
        Ok(()) => Ok(json.to_vec()),
        Err(Stop::Refused(fault)) => Err(fault.into()),
        Err(Stop::NotCanonical) => Ok(rebuild::whole(json, usize::MAX)?),
    }
}

/// Whether a JSON text already is its own RFC 8785 form.
///
/// # Errors
/// As `canonicalise`: `Ok(false)` means that it would succeed with other bytes.
pub fn is_canonical(json: &[u8]) -> Result<bool, Refusal> {
    utf8(json)?;
    match strict::whole(json, &mut strict::Nothing) {
        Ok(()) => Ok(true),
        Err(Stop::Refused(fault)) => Err(fault.into()),
        Err(Stop::NotCanonical) => rebuild::whole(json, usize::MAX)
            .map(|_| false)
            .map_err(Refusal::from),
    }
}

/// Checks the encoding of the whole input first: every reader below relies on it.
pub(crate) fn utf8(bytes: &[u8]) -> Result<(), Refusal> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::whole(Reason::Utf8 {
            offset: error.valid_up_to(),
        })),
    }
}

#[cfg(test)]
mod tests;
