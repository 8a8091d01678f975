//! Numbers: which ones are accepted, and the one way to write each (ECMAScript's, RFC 8785 §3.2.2.3).
//!
//! A canonical number is an IEEE-754 double, so a number that a double changes would silently mean
//! something else after canonicalisation. The rule, decided on decimal values and never on text:
//!
//! 1. a number whose canonical form has exactly the same decimal value is accepted (`1.50`, `1E3`,
//!    `0.1`, `-0`, `9007199254740994`);
//! 2. otherwise, a fraction of magnitude below 2^53 that is a normal double and is written with at
//!    most 17 significant digits is accepted and rounded to the nearest double: that is how C's
//!    `%.17g` and RFC 8785's own samples spell doubles (`333333333.33333329`, `0.10000000000000001`);
//! 3. everything else is refused: integers from 2^53 on that no double equals, longer fractions,
//!    overflow to infinity, and what would round to zero or to a subnormal.

use crate::limits::FRACTION_DIGITS_MAX;
use crate::refusal::NumberFault;

/// Digits that any integer may have without meeting a double's limits: 10^15 < 2^53.
const SAFE_INTEGER_DIGITS: usize = 15;

/// From here on doubles are further apart than one.
const SPARSE: f64 = 9_007_199_254_740_992.0;

/// Whether `token`, already known to be a JSON number, is written as RFC 8785 writes it.
pub(crate) fn is_canonical(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() <= SAFE_INTEGER_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        return token != b"-0";
    }
    match parse(token) {
        Some(value) if value.is_finite() => {
            let mut written = Vec::with_capacity(32);
            write(&mut written, value);
            written == token
        }
        _ => false,
    }
}

/// Appends the canonical form of `token`, already known to be a JSON number.
pub(crate) fn rewrite(out: &mut Vec<u8>, token: &[u8]) -> Result<(), NumberFault> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() <= SAFE_INTEGER_DIGITS
        && digits.iter().all(u8::is_ascii_digit)
        && token != b"-0"
    {
        out.extend_from_slice(token);
        return Ok(());
    }
    let value = parse(token).ok_or(NumberFault::Precision)?;
    if !value.is_finite() {
        return Err(NumberFault::Overflow);
    }
    let start = out.len();
    write(out, value);
    let meant = Decimal::of(token);
    if meant == Decimal::of(&out[start..]) {
        return Ok(());
    }
    let fault = if value.abs() >= SPARSE || meant.is_integer() {
        NumberFault::Integer
    } else if value.is_normal() && meant.digits.len() <= FRACTION_DIGITS_MAX {
        return Ok(());
    } else {
        NumberFault::Precision
    };
    out.truncate(start);
    Err(fault)
}

/// The nearest double (the standard library rounds correctly).
fn parse(token: &[u8]) -> Option<f64> {
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// Appends a finite double as ECMAScript's Number::toString does.
pub(crate) fn write(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
        return;
    }
    let scientific = shortest(value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: Vec<u8> = mantissa.bytes().filter(|&byte| byte != b'.').collect();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value < 0.0 {
        out.push(b'-');
    }
    let length = digits.len() as i32;
    // ECMAScript's n: the decimal point stands after the n-th digit.
    let point = exponent + 1;
    if length <= point && point <= 21 {
        out.extend_from_slice(&digits);
        out.resize(out.len() + (point - length) as usize, b'0');
    } else if 0 < point && point <= 21 {
        out.extend_from_slice(&digits[..point as usize]);
        out.push(b'.');
        out.extend_from_slice(&digits[point as usize..]);
    } else if -6 < point && point <= 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + -point as usize, b'0');
        out.extend_from_slice(&digits);
    } else {
        out.push(digits[0]);
        if length > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(exponent.unsigned_abs().to_string().as_bytes());
    }
}

/// The shortest digits that read back as the same double, as `d.ddde±x`; of several, the nearest to
/// the double, and of two that are equally near the even one, as RFC 8785 asks.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest
        .bytes()
        .take_while(|&byte| byte != b'e')
        .filter(|&byte| byte != b'.')
        .count();
    if digits > SAFE_INTEGER_DIGITS {
        // The standard library's shortest form is nearest but does not settle ties; its form with a
        // given number of digits does. Shorter ones are too far apart for a tie.
        let even = format!("{value:.*e}", digits - 1);
        if even.parse() == Ok(value) {
            return even;
        }
    }
    shortest
}

/// A decimal value: ±0.d₁d₂… × 10^point, no leading or trailing zero digits. Zero has no digits, no
/// sign and point 0, so that two tokens are equal exactly when they denote the same number.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    /// Reads a JSON number token.
    fn of(token: &[u8]) -> Decimal {
        let (negative, token) = match token.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, token),
        };
        let split = token.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match split {
            Some(at) => (&token[..at], exponent(&token[at + 1..])),
            None => (token, 0),
        };
        let whole = mantissa
            .iter()
            .position(|&byte| byte == b'.')
            .unwrap_or(mantissa.len());
        let mut digits: Vec<u8> = mantissa
            .iter()
            .copied()
            .filter(|&byte| byte != b'.')
            .collect();
        let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
        if leading == digits.len() {
            return Decimal {
                negative: false,
                digits: Vec::new(),
                point: 0,
            };
        }
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = exponent
            .saturating_add(whole as i64)
            .saturating_sub(leading as i64);
        Decimal {
            negative,
            digits,
            point,
        }
    }

    fn is_integer(&self) -> bool {
        self.point >= self.digits.len() as i64
    }
}

/// The value of `[+-]digits`, saturating: an exponent that long has left every double behind.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = digits.iter().fold(0i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i64::from(digit.saturating_sub(b'0')))
    });
    if negative { -magnitude } else { magnitude }
}

/// Length of the JSON number at the start of `bytes`, or the offset at which it stops being one.
#[inline]
pub(crate) fn scan(bytes: &[u8]) -> Result<usize, usize> {
    let digits_from = |mut at: usize| {
        while matches!(bytes.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    };
    let start = usize::from(bytes.first() == Some(&b'-'));
    let mut at = match bytes.get(start) {
        Some(b'0') => start + 1,
        Some(b'1'..=b'9') => digits_from(start + 1),
        _ => return Err(start),
    };
    if bytes.get(at) == Some(&b'.') {
        let end = digits_from(at + 1);
        if end == at + 1 {
            return Err(end);
        }
        at = end;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits_from(at + 1 + sign);
        if end == at + 1 + sign {
            return Err(end);
        }
        at = end;
    }
    Ok(at)
}
