//! Random bytes, keyed digests and comparisons that do not leak by their timing.
//!
//! The only place of `auth` and `taxii` that draws randomness: salts, tokens, generated passwords
//! and the keys of this module's MACs have no other source.
#![allow(clippy::disallowed_methods)] // drawing secrets is what this module is for

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A key for [`mac`].
pub(crate) type Key = [u8; 32];

/// Fresh random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .expect("a system without a working random source cannot run a node");
    bytes
}

/// HMAC-SHA-256 (RFC 2104) over `parts`, each preceded by its length so that no two lists of
/// parts give the same message.
pub(crate) fn mac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let (mut inner, mut outer) = ([0x36; 64], [0x5c; 64]);
    for (at, byte) in key.iter().enumerate() {
        inner[at] ^= byte;
        outer[at] ^= byte;
    }
    let mut message = Sha256::new_with_prefix(inner);
    for part in parts {
        message.update((part.len() as u64).to_be_bytes());
        message.update(part);
    }
    Sha256::new_with_prefix(outer)
        .chain_update(message.finalize())
        .finalize()
        .into()
}

/// Whether two values are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (x, y)| {
        std::hint::black_box(difference | (x ^ y))
    });
    a.len() == b.len() && difference == 0
}

/// SHA-256 in lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    crate::keys::hex(&Sha256::digest(bytes))
}

/// Unpadded URL-safe base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of unpadded URL-safe base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_is_hmac_sha256() {
        // RFC 4231's construction with a 32-byte key; the message is one part with its length.
        // Expected value computed by Python's hmac module.
        let key = [0x0b; 32];
        let hex: String = mac(&key, &[b"Hi There"])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "0bc448fbd942bda00fa596aed1a2014da91bb53394aafc0fd1b510d9ce5de26a"
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        let key = [7; 32];
        assert_ne!(mac(&key, &[b"ab", b"c"]), mac(&key, &[b"a", b"bc"]));
        assert_ne!(mac(&key, &[b"abc"]), mac(&key, &[b"abc", b""]));
    }

    #[test]
    fn same_is_equality() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
