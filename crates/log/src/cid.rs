//! Content identifiers, as much of the [CID specification](https://github.com/multiformats/cid) as
//! courier files use: version 1, codec raw or dag-cbor, multihash sha2-256. Always 36 bytes, so that
//! whoever reads one knows where it ends. The text form is that of `model::Hash::cid`.

use std::fmt;

use crate::Hash;

/// How the bytes that a [`Cid`] names are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Plain bytes.
    Raw,
    /// A dag-cbor value.
    DagCbor,
}

/// The name of a block: its codec and the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    /// How to read the block.
    pub codec: Codec,
    /// SHA-256 of the block.
    pub hash: Hash,
}

impl Cid {
    /// Bytes of the binary form.
    pub const BYTES: usize = 36;

    /// The name of `block`.
    pub fn of(codec: Codec, block: &[u8]) -> Cid {
        Cid {
            codec,
            hash: Hash::of(block),
        }
    }

    /// The name of plain bytes with this SHA-256.
    pub fn raw(hash: [u8; 32]) -> Cid {
        Cid {
            codec: Codec::Raw,
            hash: Hash(hash),
        }
    }

    /// The binary form: version 1, the codec, sha2-256, 32 bytes, the hash.
    pub fn to_bytes(&self) -> [u8; Cid::BYTES] {
        let codec = match self.codec {
            Codec::Raw => 0x55,
            Codec::DagCbor => 0x71,
        };
        let mut bytes = [0; Cid::BYTES];
        bytes[..4].copy_from_slice(&[1, codec, 0x12, 32]);
        bytes[4..].copy_from_slice(&self.hash.0);
        bytes
    }

    /// Reads the form of [`Cid::to_bytes`]; `None` for any other, such as other hash functions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Cid> {
        let (head, hash) = bytes.split_at_checked(4)?;
        let codec = match head {
            [1, 0x55, 0x12, 32] => Codec::Raw,
            [1, 0x71, 0x12, 32] => Codec::DagCbor,
            _ => return None,
        };
        Some(Cid {
            codec,
            hash: Hash(hash.try_into().ok()?),
        })
    }
}

/// Multibase base32, lower case without padding: `bafkrei…` or `bafyrei…`.
impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut text = String::from("b");
        let (mut held, mut bits) = (0_u32, 0_u32);
        for byte in self.to_bytes() {
            held = held << 8 | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(char::from(DIGITS[(held >> bits & 31) as usize]));
            }
        }
        if bits > 0 {
            text.push(char::from(DIGITS[(held << (5 - bits) & 31) as usize]));
        }
        f.write_str(&text)
    }
}
