//! Other readings of a string: what it says once its encoding is undone.
//!
//! Percent-encoding, base64 (both alphabets, with or without padding) and hexadecimal are undone,
//! and what came out is looked at again, up to a fixed depth. Each reading is no longer than what
//! it came from, so the work is bounded by the object's size.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// LIMIT: encodings undone one inside another. Two is one more than people do by accident.
const DEPTH_MAX: usize = 2;

/// LIMIT: readings of one string; each costs as much as the string itself.
const READINGS_MAX: usize = 64;

/// Characters of the shortest base64 or hexadecimal run that is undone: a name of three letters
/// takes four characters of base64, but every word of four letters is some base64.
const RUN_MIN: usize = 8;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Every other reading of a text.
pub(crate) fn readings(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    add(text, DEPTH_MAX, &mut all);
    all
}

fn add(text: &str, depth: usize, all: &mut Vec<String>) {
    if depth == 0 || all.len() >= READINGS_MAX {
        return;
    }
    let mut found = Vec::new();
    found.extend(percent(text));
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    for run in text.split(|c| !part(c)).filter(|run| run.len() >= RUN_MIN) {
        let bare = run.trim_end_matches('=');
        // Four characters make three bytes; of a run that is cut short the rest is left off.
        let usable = if bare.len() % 4 == 1 {
            &bare[..bare.len() - 1]
        } else {
            bare
        };
        for engine in [&STANDARD, &URL_SAFE] {
            if let Ok(bytes) = engine.decode(usable) {
                found.extend(texts(&bytes));
                break;
            }
        }
        found.extend(hex(bare).iter().flat_map(|bytes| texts(bytes)));
    }
    for reading in found {
        if all.len() >= READINGS_MAX {
            return;
        }
        add(&reading, depth - 1, all);
        all.push(reading);
    }
}

/// What bytes say as UTF-8 and, if every other byte is zero, as UTF-16. Bytes that are mostly no
/// text at all (pictures, programs) are still read: texts lie inside.
pub(crate) fn texts(bytes: &[u8]) -> Vec<String> {
    let mut out = vec![match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Anything that is not UTF-8 becomes a break between words.
        Err(_) => String::from_utf8_lossy(bytes).replace('\u{fffd}', "\n"),
    }];
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    if zeros > 2 && bytes.len() < zeros.saturating_mul(64) {
        // Little and big endian, at both alignments: zeros left out, other bytes as they are.
        let plain: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        out.push(String::from_utf8_lossy(&plain).into_owned());
        let units = |from: usize| {
            let pairs = bytes.get(from..).unwrap_or_default().chunks_exact(2);
            let units: Vec<u16> = pairs
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        };
        out.push(units(0));
        out.push(units(1));
    }
    out
}

/// `None`: there is nothing to undo.
fn percent(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut undone = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = &rest[2..];
                undone = true;
            }
            _ => out.push(byte),
        }
    }
    undone.then(|| String::from_utf8_lossy(&out).into_owned())
}

fn hex(run: &str) -> Option<Vec<u8>> {
    let run = run.strip_prefix("0x").unwrap_or(run);
    if !run.len().is_multiple_of(2) || !run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |pair: &[u8]| {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).unwrap_or_default();
        (digit(0) << 4 | digit(1)) as u8
    };
    Some(run.as_bytes().chunks_exact(2).map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_encodings() {
        let has = |text: &str, wanted: &str| readings(text).iter().any(|r| r.contains(wanted));
        for encoded in [
            "U0lMVkVSIEhFUk9O",
            "x=U0lMVkVSIEhFUk9OLg==;",
            "%53ILVER%20HERON",
            "53494c564552204845524f4e",
            "VTBsTVZrVlNJRWhGVWs5Tw==",
            "UwBJAEwAVgBFAFIAIABIAEUAUgBPAE4A",
        ] {
            assert!(
                has(encoded, "SILVER HERON"),
                "{encoded}: {:?}",
                readings(encoded)
            );
        }
        assert_eq!(readings("plain words"), [""; 0]);
    }
}
