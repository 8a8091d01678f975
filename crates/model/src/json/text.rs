//! The inside of JSON strings: where plain text ends, what an escape means, and how member names
//! are ordered.
//!
//! All functions work on raw string content (between the quotes, escapes in place) of input that
//! has been checked as UTF-8. "Canonical raw" means escaped as RFC 8785 says: the seven short
//! escapes, `\u00xx` in lower case for the other control characters, everything else itself.

use std::borrow::Cow;
use std::cmp::Ordering;

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The first position from `at` on that holds a quote, a backslash or a control character; the
/// length of `bytes` when there is none. Eight bytes at a time, because this is where intake
/// spends its time.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let found = zero_byte(word ^ (EACH * b'"' as u64))
            | zero_byte(word ^ (EACH * b'\\' as u64))
            | (word.wrapping_sub(EACH * 0x20) & !word & HIGH);
        if found != 0 {
            // Borrows only spread upwards, so the lowest flag is exact.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Flags the bytes of `word` that are zero (exact for the lowest one).
#[inline]
fn zero_byte(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & HIGH
}

/// Length of a canonical escape at the start of `raw` (which begins with a backslash), or `None`
/// when RFC 8785 would write that character otherwise.
pub(crate) fn canonical_escape(raw: &[u8]) -> Option<usize> {
    match raw.get(1)? {
        b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r' => Some(2),
        b'u' => {
            let digits = raw.get(2..6)?;
            let control = digits.starts_with(b"00")
                && matches!(digits[2], b'0' | b'1')
                && matches!(digits[3], b'0'..=b'9' | b'a'..=b'f');
            let short = matches!(digits, b"0008" | b"0009" | b"000a" | b"000c" | b"000d");
            (control && !short).then_some(6)
        }
        _ => None,
    }
}

/// Appends one character as canonical raw.
pub(crate) fn push_canonical(out: &mut Vec<u8>, character: char) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        '\0'..='\x1f' => {
            let code = character as u8;
            out.extend_from_slice(b"\\u00");
            out.push(b'0' + (code >> 4));
            out.push(b"0123456789abcdef"[usize::from(code & 15)]);
            return;
        }
        _ => {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The text that canonical raw content stands for.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(raw);
    if !raw.contains(&b'\\') {
        return text;
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('f') => out.push('\u{c}'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code = rest.by_ref().take(4).filter_map(|digit| digit.to_digit(16));
                let code = code.fold(0, |value, digit| value << 4 | digit);
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(literal) => out.push(literal),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// RFC 8785's order of two member names given as canonical raw: by UTF-16 code units.
#[inline]
pub(crate) fn compare_names(left: &[u8], right: &[u8]) -> Ordering {
    let same = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    match (left.get(same), right.get(same)) {
        (None, None) => Ordering::Equal,
        // A name without escapes is ordered by its first differing byte, except that UTF-16 puts
        // supplementary characters (lead bytes F0 to F4) before U+E000 to U+FFFF (EE and EF).
        _ if !left.contains(&b'\\') && !right.contains(&b'\\') => {
            match (left.get(same), right.get(same)) {
                (Some(&l), Some(&r)) => utf16_rank(l).cmp(&utf16_rank(r)),
                _ => left.len().cmp(&right.len()),
            }
        }
        _ => decode(left)
            .encode_utf16()
            .cmp(decode(right).encode_utf16()),
    }
}

#[inline]
fn utf16_rank(byte: u8) -> u8 {
    if byte == 0xee || byte == 0xef {
        byte + 0x10
    } else {
        byte
    }
}
