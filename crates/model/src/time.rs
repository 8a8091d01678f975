//! Instants as STIX writes them: RFC 3339 in UTC with `Z` (STIX 2.1, section 3.2).
//!
//! Two timestamps are the same when they are the same instant, whatever number of zeros was
//! written, so versions are compared on `Timestamp`, never on text. Precision is kept to the
//! nanosecond; more digits are refused because they could not be compared exactly. A leap second
//! (`:60`) is refused too: it would be equal to the next second and so make two versions one.
//! This module reads no clock.

use std::fmt;
use std::str::FromStr;

use crate::limits::SUBSECOND_DIGITS_MAX;

/// Seconds of a day; POSIX time has no leap seconds.
const DAY_SECONDS: i64 = 86_400;

/// An instant in UTC, exact to the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    seconds: i64,
    /// Nanoseconds after `seconds`. INVARIANT: below 1,000,000,000, also before 1970.
    nanos: u32,
}

impl Timestamp {
    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, upper-case `T` and `Z`, at most nine digits after
    /// the point, years 0000 to 9999.
    ///
    /// # Errors
    /// `TimestampError` says what is wrong.
    pub fn parse(text: &str) -> Result<Timestamp, TimestampError> {
        let text = text.as_bytes();
        let Some((date_time, rest)) = text.split_at_checked(19) else {
            return Err(TimestampError::Form);
        };
        for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            if date_time[at] != mark {
                return Err(TimestampError::Form);
            }
        }
        let number = |from: usize, to: usize| -> Result<i64, TimestampError> {
            date_time[from..to]
                .iter()
                .try_fold(0, |value, digit| match digit {
                    b'0'..=b'9' => Ok(value * 10 + i64::from(digit - b'0')),
                    _ => Err(TimestampError::Form),
                })
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let nanos = subsecond(rest)?;
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return Err(TimestampError::NoSuchDay);
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimestampError::NoSuchTime);
        }
        let seconds =
            days_before(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        Ok(Timestamp { seconds, nanos })
    }

    /// The instant `micros` microseconds after 1970 (before it when negative).
    pub fn from_unix_micros(micros: i64) -> Timestamp {
        let nanos = (micros.rem_euclid(1_000_000) * 1000) as u32;
        Timestamp {
            seconds: micros.div_euclid(1_000_000),
            nanos,
        }
    }

    /// The instant `nanos` nanoseconds after 1970. Saturates at the ends of 64-bit seconds.
    pub fn from_unix_nanos(nanos: i128) -> Timestamp {
        let seconds = nanos.div_euclid(1_000_000_000);
        let seconds = seconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Timestamp {
            seconds,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Microseconds since 1970, rounded down. Saturates; every RFC 3339 year fits.
    pub fn unix_micros(&self) -> i64 {
        self.seconds
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(self.nanos / 1000))
    }

    /// Nanoseconds since 1970, exact.
    pub fn unix_nanos(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// Whether the instant fits 64-bit nanoseconds since 1970 (years 1678 to 2262), which is what
    /// the index keeps of a version.
    pub fn fits_index(&self) -> bool {
        i64::try_from(self.unix_nanos()).is_ok()
    }

    /// RFC 3339 with exactly six digits after the point, rounded down: TAXII 2.1's `date_added`.
    pub fn to_micros_string(&self) -> String {
        let mut text = String::with_capacity(27);
        // Writing to a String cannot fail.
        let _ = self.write_seconds(&mut text);
        let _ = fmt::Write::write_fmt(&mut text, format_args!(".{:06}Z", self.nanos / 1000));
        text
    }

    /// Everything up to the seconds.
    fn write_seconds(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let (year, month, day) = civil_date(self.seconds.div_euclid(DAY_SECONDS));
        let second = self.seconds.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// What follows the seconds: `Z` or `.digitsZ`, as nanoseconds.
fn subsecond(rest: &[u8]) -> Result<u32, TimestampError> {
    let digits = match rest {
        b"Z" => return Ok(0),
        [b'.', digits @ .., b'Z'] if !digits.is_empty() => digits,
        _ => return Err(TimestampError::Form),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimestampError::Form);
    }
    if digits.len() > SUBSECOND_DIGITS_MAX {
        return Err(TimestampError::TooPrecise);
    }
    let value = digits
        .iter()
        .fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    Ok(value * 10u32.pow((SUBSECOND_DIGITS_MAX - digits.len()) as u32))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. The year is taken to begin
/// in March so that the leap day is its last day and month lengths follow one line (153 days in
/// each five months).
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date that is `days` after 1970-01-01: the inverse of `days_before`.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    let year = days.div_euclid(146_097) * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Why a text is not a timestamp.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampError {
    /// Not of the form `YYYY-MM-DDTHH:MM:SS.sssZ`.
    Form,
    /// The month or the day does not exist.
    NoSuchDay,
    /// The hour, minute or second does not exist (a leap second counts as none).
    NoSuchTime,
    /// More than nine digits after the point.
    TooPrecise,
}

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimestampError::Form => "a timestamp has the form 2026-11-24T05:00:00.000Z, in UTC",
            TimestampError::NoSuchDay => "the timestamp names a day that does not exist",
            TimestampError::NoSuchTime => "the timestamp names a time of day that does not exist",
            TimestampError::TooPrecise => "a timestamp has at most nine digits after the point",
        })
    }
}

impl std::error::Error for TimestampError {}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        Timestamp::parse(text)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 UTC with at least three digits after the point and as many more as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_seconds(f)?;
        let (mut value, mut width) = (self.nanos, 9);
        while width > 3 && value % 10 == 0 {
            value /= 10;
            width -= 1;
        }
        write!(f, ".{value:0width$}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(text: D) -> Result<Timestamp, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(text)?;
        Timestamp::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    #[test]
    fn known_instants() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-24T05:40:17Z", 1_795_498_817),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(at(text).seconds, seconds, "{text}");
        }
    }

    #[test]
    fn compares_instants_not_text() {
        assert_eq!(
            at("2024-01-01T00:00:00Z"),
            at("2024-01-01T00:00:00.000000Z")
        );
        assert!(at("2024-01-01T00:00:00.1Z") > at("2024-01-01T00:00:00.09Z"));
        assert!(at("1960-01-01T00:00:00.5Z") > at("1960-01-01T00:00:00.4Z"));
    }

    #[test]
    fn writes_as_many_digits_as_needed() {
        for (text, written) in [
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z"),
            ("2024-01-01T00:00:00.1Z", "2024-01-01T00:00:00.100Z"),
            ("2024-01-01T00:00:00.12345Z", "2024-01-01T00:00:00.12345Z"),
            (
                "2024-01-01T00:00:00.000000001Z",
                "2024-01-01T00:00:00.000000001Z",
            ),
        ] {
            assert_eq!(at(text).to_string(), written);
        }
        assert_eq!(
            at("2024-01-01T00:00:00.1234567Z").to_micros_string(),
            "2024-01-01T00:00:00.123456Z"
        );
    }

    #[test]
    fn refuses_what_is_not_a_timestamp() {
        use TimestampError::*;
        for (text, error) in [
            ("", Form),
            ("2024-01-01", Form),
            ("2024-01-01T00:00:00", Form),
            ("2024-01-01T00:00:00z", Form),
            ("2024-01-01t00:00:00Z", Form),
            ("2024-01-01 00:00:00Z", Form),
            ("2024-01-01T00:00:00+00:00", Form),
            ("2024-01-01T00:00:00.Z", Form),
            ("2024-01-01T00:00:00.1aZ", Form),
            ("+024-01-01T00:00:00Z", Form),
            ("20240101T000000.000000Z", Form),
            ("２024-01-01T00:00:00Z", Form),
            ("2024-13-01T00:00:00Z", NoSuchDay),
            ("2024-00-01T00:00:00Z", NoSuchDay),
            ("2023-02-29T00:00:00Z", NoSuchDay),
            ("1900-02-29T00:00:00Z", NoSuchDay),
            ("2024-04-31T00:00:00Z", NoSuchDay),
            ("2024-01-01T24:00:00Z", NoSuchTime),
            ("2024-01-01T00:60:00Z", NoSuchTime),
            ("2016-12-31T23:59:60Z", NoSuchTime),
            ("2024-01-01T00:00:00.1234567891Z", TooPrecise),
        ] {
            assert_eq!(Timestamp::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn index_range_is_64_bit_nanoseconds() {
        assert!(at("1678-01-01T00:00:00Z").fits_index());
        assert!(at("2262-04-11T23:47:16.854775807Z").fits_index());
        assert!(!at("2262-04-11T23:47:16.854775808Z").fits_index());
        assert!(!at("1677-01-01T00:00:00Z").fits_index());
    }

    proptest! {
        #[test]
        fn text_round_trips(nanos in -62_167_219_200_000_000_000i128..253_402_300_800_000_000_000i128) {
            let instant = Timestamp::from_unix_nanos(nanos);
            prop_assert_eq!(instant.unix_nanos(), nanos);
            prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
            let coarse = Timestamp::from_unix_micros(instant.unix_micros());
            prop_assert_eq!(Timestamp::parse(&instant.to_micros_string()), Ok(coarse));
            prop_assert!(coarse <= instant && instant.unix_nanos() - coarse.unix_nanos() < 1000);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9TZ:.]{0,32}|.{0,40}") {
            if let Ok(instant) = Timestamp::parse(&text) {
                prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
            }
        }
    }
}
