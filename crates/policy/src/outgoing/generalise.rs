//! Making values coarser without making them false: times, positions, addresses, host names.
//!
//! A value inside something that would name another thing afterwards (a URL, an e-mail address, a
//! regular expression) is not touched but reported, and the release stops there.

use model::Timestamp;
use serde_json::{Map, Value};

use super::addresses::{self, addresses, coarse};
use super::edit::drop_value;
use super::stix_pattern::{Comparison, Token, any_of};

/// What a time is rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Hour,
    Day,
    Month,
}

const HOUR_NANOS: i128 = 3_600_000_000_000;

impl Unit {
    pub(crate) fn of(word: &str) -> Option<Unit> {
        match word {
            "hour" => Some(Unit::Hour),
            "day" => Some(Unit::Day),
            "month" => Some(Unit::Month),
            _ => None,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Month => "month",
        }
    }

    /// The beginning of the hour, day or month (UTC) that holds the instant.
    pub(crate) fn floor(self, time: Timestamp) -> Timestamp {
        match self {
            Unit::Hour => floor(time, HOUR_NANOS),
            Unit::Day => floor(time, 24 * HOUR_NANOS),
            Unit::Month => {
                let text = time.to_string();
                let first = format!("{}-01T00:00:00Z", text.get(..7).unwrap_or_default());
                Timestamp::parse(&first).unwrap_or(time)
            }
        }
    }

    /// The same for what ends something: the beginning of the next one, unless it is one already.
    pub(crate) fn ceiling(self, time: Timestamp) -> Timestamp {
        let start = self.floor(time);
        if start == time {
            return time;
        }
        let next = match self {
            Unit::Hour => Timestamp::from_unix_nanos(start.unix_nanos() + HOUR_NANOS),
            Unit::Day => Timestamp::from_unix_nanos(start.unix_nanos() + 24 * HOUR_NANOS),
            // No month is longer than 31 days and none shorter than 28.
            Unit::Month => self.floor(Timestamp::from_unix_nanos(
                start.unix_nanos() + 31 * 24 * HOUR_NANOS,
            )),
        };
        writable(next).unwrap_or(start)
    }
}

/// The last multiple of `nanos` since 1970 that is not after the instant. An instant before the
/// year 0 cannot be written, so the very first ones stay as they are.
pub(crate) fn floor(time: Timestamp, nanos: i128) -> Timestamp {
    let nanos = nanos.max(1);
    let floor = Timestamp::from_unix_nanos(time.unix_nanos().div_euclid(nanos) * nanos);
    writable(floor).unwrap_or(time)
}

/// A time rounded down to a whole multiple of so many minutes since 1970 (no minutes count as one),
/// as far as it can be written.
pub fn round_down(time: Timestamp, minutes: u32) -> Timestamp {
    floor(time, i128::from(minutes.max(1)) * 60_000_000_000)
}

fn writable(time: Timestamp) -> Option<Timestamp> {
    Timestamp::parse(&time.to_string()).ok()
}

/// How much of a place stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Administrative,
    Country,
    Region,
}

impl Area {
    pub(crate) fn of(word: &str) -> Option<Area> {
        match word {
            "administrative-area" => Some(Area::Administrative),
            "country" => Some(Area::Country),
            "region" => Some(Area::Region),
            _ => None,
        }
    }

    /// The properties of a location (STIX 2.1, section 4.10) that say more than this. Name and
    /// description are among them: they usually are the name of the very place.
    pub(crate) fn finer(self) -> &'static [&'static str] {
        const ALL: [&str; 10] = [
            "name",
            "description",
            "latitude",
            "longitude",
            "precision",
            "street_address",
            "postal_code",
            "city",
            "administrative_area",
            "country",
        ];
        match self {
            Area::Administrative => &ALL[..8],
            Area::Country => &ALL[..9],
            Area::Region => &ALL,
        }
    }
}

/// Metres of one degree of latitude.
const DEGREE_METRES: f64 = 111_320.0;

/// Rounds a position and states a precision that is true of it. Returns what changed.
pub(crate) fn round_position(location: &mut Map<String, Value>, decimals: u8) -> Vec<&'static str> {
    let scale = 10f64.powi(i32::from(decimals));
    let mut changed = Vec::new();
    for name in ["latitude", "longitude"] {
        let Some(value) = location.get_mut(name) else {
            continue;
        };
        match value.as_f64() {
            Some(degrees) => {
                let rounded = (degrees * scale).round() / scale;
                if rounded != degrees {
                    changed.push(name);
                    *value = Value::from(rounded);
                }
            }
            // No number, no position: whatever it says, it is not let through.
            None => {
                changed.push(name);
                drop_value(value);
            }
        }
    }
    if location.contains_key("latitude") && location.contains_key("longitude") {
        let honest = (DEGREE_METRES / scale / 2.0).ceil().max(1.0);
        let stated = location.get("precision").and_then(Value::as_f64);
        if stated.is_none_or(|stated| stated < honest) {
            location.insert("precision".to_owned(), Value::from(honest));
            changed.push("precision");
        }
    }
    changed
}

/// Why a value cannot be made coarser.
pub(crate) const LOCATOR: &str = "it stands inside a URL or an e-mail address, which would name something else; drop or replace the whole";

const PART: &str = "it is compared in a way that has no coarser form; drop or replace the pattern";

/// Addresses in a text replaced by their networks. `Ok(None)`: there are none that are finer.
pub(crate) fn networks(text: &str, ipv4: u8, ipv6: u8) -> Result<Option<String>, &'static str> {
    let replace = |text: &str| {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for found in addresses(text) {
            if let Some(net) = coarse(found.net, ipv4, ipv6) {
                out.push_str(&text[done..found.range.start]);
                out.push_str(&net.to_string());
                done = found.range.end;
            }
        }
        (done > 0).then(|| out + &text[done..])
    };
    // An address in brackets is one as well; then the brackets go.
    let plain = replace(text);
    let text_or_plain = plain.as_deref().unwrap_or(text);
    let plain = match addresses::refang(text_or_plain)
        .as_deref()
        .and_then(replace)
    {
        Some(refanged) => Some(refanged),
        None => plain,
    };
    if plain.is_some() && addresses::is_locator(text) {
        return Err(LOCATOR);
    }
    Ok(plain)
}

/// A comparison with an address as one with its network.
pub(crate) fn network_comparison(
    comparison: &Comparison<'_>,
    ipv4: u8,
    ipv6: u8,
) -> Result<Option<Vec<Token>>, &'static str> {
    let texts = comparison.literals.iter().map(|literal| match literal {
        Token::Text(text) | Token::Typed(_, text) => text.as_str(),
        _ => "",
    });
    let is_address = matches!(comparison.kind(), "ipv4-addr" | "ipv6-addr");
    if is_address && matches!(comparison.operator, "LIKE" | "MATCHES" | "ISSUPERSET") {
        return Err(PART);
    }
    let mut alternatives = Vec::new();
    let mut changed = false;
    for text in texts {
        let net = addresses::whole(text);
        match net.and_then(|net| coarse(net, ipv4, ipv6)) {
            Some(net) => {
                let widens = comparison.is_equality()
                    || (comparison.operator == "ISSUBSET" && !comparison.negated);
                if !widens {
                    return Err(PART);
                }
                changed = true;
                alternatives.push(comparison.with("ISSUBSET", &net.to_string()));
            }
            None => {
                // Backslashes part the octets of regular expressions.
                let bare = text.replace('\\', "");
                if net.is_none() && networks(&bare, ipv4, ipv6) != Ok(None) {
                    return Err(PART);
                }
                let operator = if comparison.operator == "ISSUBSET" {
                    "ISSUBSET"
                } else {
                    "="
                };
                alternatives.push(comparison.with(operator, text));
            }
        }
    }
    alternatives.dedup();
    Ok(changed.then(|| any_of(alternatives)))
}

/// A comparison with a host name as one with the domain above it. What was made coarser is added
/// to `seen`, with what it became.
pub(crate) fn domain_comparison(
    comparison: &Comparison<'_>,
    labels: usize,
    seen: &mut Vec<(String, String)>,
) -> Result<Option<Vec<Token>>, &'static str> {
    let mut alternatives = Vec::new();
    let mut changed = false;
    let is_name = comparison.kind() == "domain-name" || comparison.path.ends_with("_ref.value");
    for literal in &comparison.literals {
        let text = match literal {
            Token::Text(text) => text.as_str(),
            _ => continue,
        };
        let host = host_of(text);
        let above =
            host.and_then(|host| addresses::parent(host, labels).map(|above| (host, above)));
        match above {
            Some((host, above)) if is_name && host == text && comparison.is_equality() => {
                changed = true;
                seen.push((host.to_owned(), above.to_owned()));
                alternatives.push(comparison.with("=", above));
                alternatives.push(comparison.with("LIKE", &format!("%.{above}")));
            }
            Some(_) if is_name || addresses::is_locator(text) => return Err(PART),
            // A wild card or an expression over names says what is below the domain as well.
            None if is_name && matches!(comparison.operator, "LIKE" | "MATCHES") => {
                let bare = text.replace(['\\', '%', '^', '$', '*', '+'], "");
                if bare.split('.').filter(|label| !label.is_empty()).count() > labels {
                    return Err(PART);
                }
                return Ok(None);
            }
            _ => alternatives.push(comparison.with("=", text)),
        }
    }
    alternatives.dedup();
    Ok(changed.then(|| any_of(alternatives)))
}

/// The host of a text that is a host name, a URL or an e-mail address.
pub(crate) fn host_of(text: &str) -> Option<&str> {
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest,
        None => text,
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host);
    addresses::is_host(host).then_some(host)
}

/// Replaces a name wherever it stands on its own in a text, in any letter case.
pub(crate) fn replace_name(text: &str, name: &str, with: &str) -> Option<String> {
    let (low, wanted) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut done = 0;
    // ASCII letter case never changes a length, so both texts have the same offsets.
    for (at, _) in low.match_indices(wanted.as_str()) {
        let end = at + wanted.len();
        if at >= done && !text[..at].ends_with(part) && !text[end..].starts_with(part) {
            out.push_str(&text[done..at]);
            out.push_str(with);
            done = end;
        }
    }
    (done > 0).then(|| out + &text[done..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::stix_pattern::{lex, rewrite, write};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    #[test]
    fn times_are_rounded_to_the_calendar() {
        let time = at("2024-02-29T13:45:10.123Z");
        for (unit, floor, ceiling) in [
            (Unit::Hour, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z"),
            (Unit::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Unit::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            assert_eq!(unit.floor(time), at(floor));
            assert_eq!(unit.ceiling(time), at(ceiling));
            assert_eq!(unit.ceiling(at(floor)), at(floor));
        }
        let last = at("9999-12-31T23:59:59Z");
        assert_eq!(Unit::Month.ceiling(last), at("9999-12-01T00:00:00Z"));
        assert_eq!(
            Unit::Month.floor(at("0000-01-01T00:00:00Z")),
            at("0000-01-01T00:00:00Z")
        );
    }

    #[test]
    fn minutes_are_rounded_down_to_what_can_be_written() {
        let noon = at("2026-01-01T12:59:59.9Z");
        assert_eq!(round_down(noon, 60), at("2026-01-01T12:00:00Z"));
        assert_eq!(round_down(noon, 0), at("2026-01-01T12:59:00Z"));
        assert_eq!(
            round_down(at("1969-12-31T23:59:00Z"), 60),
            at("1969-12-31T23:00:00Z")
        );
        let first = at("0000-01-01T00:00:01Z");
        assert_eq!(
            round_down(first, 10_007),
            first,
            "nothing before the year 0"
        );
    }

    #[test]
    fn addresses_in_patterns_become_networks() {
        let run = |text: &str| {
            rewrite(&lex(text).expect(text), &mut |found| {
                network_comparison(found, 24, 48)
            })
            .map(|tokens| tokens.map(|tokens| write(&tokens)))
        };
        assert_eq!(
            run("[ipv4-addr:value = '10.1.2.3']"),
            Ok(Some("[ipv4-addr:value ISSUBSET '10.1.2.0/24']".to_owned()))
        );
        assert_eq!(
            run("[ipv4-addr:value IN ('10.1.2.3','10.1.2.9','192.0.2.0/24') AND a:b = 'c']"),
            Ok(Some("[(ipv4-addr:value ISSUBSET '10.1.2.0/24' OR ipv4-addr:value = '192.0.2.0/24') AND a:b = 'c']".to_owned()))
        );
        assert_eq!(run("[ipv4-addr:value ISSUBSET '10.0.0.0/8']"), Ok(None));
        for refused in [
            "[ipv4-addr:value != '10.1.2.3']",
            "[ipv4-addr:value NOT = '10.1.2.3']",
            "[ipv4-addr:value MATCHES '^10\\\\.1']",
            "[url:value = 'http://10.1.2.3/x']",
            "[url:value MATCHES 'http://10\\\\.1\\\\.2\\\\.3/']",
        ] {
            assert!(run(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn hosts_in_patterns_become_domains() {
        let mut seen = Vec::new();
        let mut run = |text: &str| {
            rewrite(&lex(text).expect(text), &mut |found| {
                domain_comparison(found, 2, &mut seen)
            })
            .map(|tokens| tokens.map(|tokens| write(&tokens)))
        };
        assert_eq!(
            run("[domain-name:value = 'a.b.example.kz']"),
            Ok(Some(
                "[(domain-name:value = 'example.kz' OR domain-name:value LIKE '%.example.kz')]"
                    .to_owned()
            ))
        );
        assert_eq!(run("[file:name = 'a.b.c.exe']"), Ok(None));
        assert!(run("[url:value = 'https://a.b.example.kz/x']").is_err());
        assert!(run("[domain-name:value LIKE '%.b.example.kz']").is_err());
        assert_eq!(
            seen,
            [("a.b.example.kz".to_owned(), "example.kz".to_owned())]
        );
        assert_eq!(
            replace_name("at A.b.Example.kz, xa.b", "a.b.example.kz", "example.kz").as_deref(),
            Some("at example.kz, xa.b")
        );
    }
}
