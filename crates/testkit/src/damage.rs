//! Damage to bytes, as hostile input and bad media do it.

use crate::rng::Rng;

/// Damages `bytes` in one place: flips a bit, sets a byte, cuts off the end, repeats or removes a
/// part, splices in a part of `other`, or plants something that formats give meaning to.
pub fn damage(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    const PLANTS: [&[u8]; 8] = [
        b"\n",
        b"\n\n",
        b"\"",
        b"\x00",
        b"\xff\xff\xff\xff",
        b"\xe2\x80\x94 ",
        b"../",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = rng.below(bytes.len());
    let end = (at + 1 + rng.below(64)).min(bytes.len());
    match rng.below(7) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next().to_le_bytes()[0],
        2 => bytes.truncate(at),
        3 => {
            let part = bytes[at..end].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, part);
        }
        4 => {
            bytes.drain(at..end);
        }
        5 if !other.is_empty() => {
            let from = rng.below(other.len());
            let to = (from + 1 + rng.below(64)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            bytes.splice(at..at, rng.pick(&PLANTS).iter().copied());
        }
    }
}
