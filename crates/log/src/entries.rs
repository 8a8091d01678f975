//! Entry bundles: up to 256 log entries in one resource (C2SP tlog-tiles, "Log entries").
//!
//! Each entry is preceded by its length as two bytes, big-endian; nothing else is in a bundle. How
//! many entries there must be follows from the path, so that a bundle that is cut short at an
//! entry boundary is refused here already. Whether the entries are the ones of the log is decided
//! by [`crate::Tiles::entry_bundle`].

use std::fmt;

use crate::limits::BUNDLE_RECORD_BYTES_MAX;
use crate::tile::TILE_WIDTH;

/// Puts entries into a bundle.
///
/// # Panics
/// On an entry above 65,535 bytes or more than 256 of them. Both are the caller's own: an encoded
/// [`crate::Entry`] has at most 4096 bytes, a decoded bundle obeys both bounds.
pub fn encode(entries: &[&[u8]]) -> Vec<u8> {
    assert!(
        entries.len() as u64 <= TILE_WIDTH,
        "a bundle has at most 256 entries"
    );
    let mut bundle = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
    for entry in entries {
        let bytes = u16::try_from(entry.len()).expect("an entry has at most 65,535 bytes");
        bundle.extend_from_slice(&bytes.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    bundle
}

/// Takes a bundle of exactly `width` entries apart.
///
/// # Errors
/// [`BundleError`] when it has fewer or more entries, or ends inside one.
pub fn decode(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let longest = usize::from(width) * (BUNDLE_RECORD_BYTES_MAX + 2);
    if bundle.len() > longest {
        return Err(BundleError::Trailing {
            bytes: bundle.len() - longest,
        });
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bundle;
    for index in 0..width {
        let cut = BundleError::Cut { index };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BundleError::Trailing { bytes: rest.len() })
    }
}

/// Why an entry bundle was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// The bundle ends before or inside this entry.
    Cut {
        /// Number of the entry within the bundle.
        index: u16,
    },
    /// The bundle goes on after its last entry.
    Trailing {
        /// Bytes too many.
        bytes: usize,
    },
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { index } => write!(f, "the entry bundle ends at its entry {index}"),
            Self::Trailing { bytes } => {
                write!(f, "the entry bundle has {bytes} bytes after its last entry")
            }
        }
    }
}

impl std::error::Error for BundleError {}
