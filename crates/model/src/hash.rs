//! The name of a version's bytes: SHA-256 of the canonical form, and its CIDv1 spelling.
//!
//! Invariant (I8): one object version has one canonical form and therefore one hash on every node.
//! This module only names bytes; that they are canonical is `Object`'s business.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// SHA-256 of an object's canonical bytes. Displayed and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of `bytes` as they stand.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// CIDv1, codec raw (0x55), multihash sha2-256, multibase base32 lower: `bafkrei…`. Any IPFS
    /// tool can check the object's bytes against it.
    pub fn cid(&self) -> String {
        let mut binary = [0u8; 36];
        binary[..4].copy_from_slice(&[0x01, 0x55, 0x12, 0x20]);
        binary[4..].copy_from_slice(&self.0);
        let mut text = String::with_capacity(60);
        text.push('b');
        let (mut held, mut bits) = (0u32, 0u32);
        for byte in binary {
            held = (held << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(base32_digit(held >> bits));
            }
        }
        if bits > 0 {
            text.push(base32_digit(held << (5 - bits)));
        }
        text
    }
}

/// The base32 (RFC 4648, lower-case, no padding) digit of the lowest five bits.
fn base32_digit(value: u32) -> char {
    char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(value & 31) as usize])
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashError;

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for HashError {}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| HashError)?;
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (hex_value(pair[0]), hex_value(pair[1])) else {
                return Err(HashError);
            };
            *byte = high << 4 | low;
        }
        Ok(Hash(bytes))
    }
}

/// The value of one lower-case hex digit. Upper case is refused: one thing, one spelling.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    /// Eight digits: enough to follow one object through a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({:.8}…)", self.to_string())
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_bytes_as_other_tools_do() {
        // `printf hello | sha256sum`, and `ipfs add --raw-leaves --cid-version 1` of the same bytes.
        let hash = Hash::of(b"hello");
        assert_eq!(
            hash.to_string(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(
            hash.cid(),
            "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
        );
        assert_eq!(format!("{hash:?}"), "Hash(2cf24dba…)");
    }

    #[test]
    fn text_form_is_exact() {
        let hash = Hash::of(b"");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(hash.to_string().to_uppercase().parse::<Hash>().is_err());
        assert!("".parse::<Hash>().is_err());
        assert!(hash.to_string()[1..].parse::<Hash>().is_err());
        assert!("é".repeat(32).parse::<Hash>().is_err());
    }
}
