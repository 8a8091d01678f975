//! The URL query of a read (TAXII 2.1 section 3.4): which objects, from where, how many.
//!
//! A parameter that is malformed or given twice is refused (400), never guessed at; parameters and
//! match fields that the standard does not define are ignored, as it allows. The `next` cursor is
//! opened here, so what leaves this module holds only values that are right.

use std::borrow::Cow;

use model::{Id, Timestamp, Tlp};
use store::Seq;

use super::cursor::Cursors;
use super::fault::Fault;
use super::limits::{MATCH_VALUES_MAX, PAGE_OBJECTS_DEFAULT, PAGE_OBJECTS_MAX, QUERY_BYTES_MAX};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// Only what came after this position.
    pub(super) after: Option<Seq>,
    /// At most this many, from 1 to `PAGE_OBJECTS_MAX`.
    pub(super) limit: usize,
    /// Only these ids, if any.
    pub(super) ids: Vec<Id>,
    /// Only these types, if any.
    pub(super) kinds: Vec<String>,
    /// Which versions of each object.
    pub(super) versions: Versions,
    /// False when only STIX versions are asked for that no object here has.
    pub(super) stix_21: bool,
    /// Only what is labelled up to this level: the caller's clearance.
    pub(super) clearance: Tlp,
}

/// Which versions of each object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Versions {
    /// The latest.
    Last,
    /// Every one.
    All,
    /// The earliest, the latest and those of certain instants, as far as asked for.
    Chosen {
        /// The earliest.
        first: bool,
        /// The latest.
        last: bool,
        /// Those of these instants.
        at: Vec<Timestamp>,
    },
}

impl Wanted {
    /// Reads the part of a URL after `?`. `versions` are meant where it names none; `cursors` opens
    /// `next` for the collection at hand.
    pub(super) fn parse(
        query: Option<&str>,
        versions: Versions,
        collection: &[u8; 16],
        cursors: &Cursors,
    ) -> Result<Wanted, Fault> {
        let query = query.unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            return Err(Fault::parameter(format!(
                "A query has at most {QUERY_BYTES_MAX} bytes: ask in several requests."
            )));
        }
        let mut wanted = Wanted {
            after: None,
            limit: PAGE_OBJECTS_DEFAULT,
            ids: Vec::new(),
            kinds: Vec::new(),
            versions,
            stix_21: true,
            clearance: Tlp::Red,
        };
        let mut seen: Vec<Name> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = Name::parse(&decode(name)?) else {
                continue;
            };
            if seen.contains(&name) {
                return Err(Fault::parameter(format!(
                    "{} is given more than once: give it once, with commas between values.",
                    name.text()
                )));
            }
            wanted.take(name, &decode(value)?, collection, cursors)?;
            seen.push(name);
        }
        Ok(wanted)
    }

    fn take(
        &mut self,
        name: Name,
        value: &str,
        collection: &[u8; 16],
        cursors: &Cursors,
    ) -> Result<(), Fault> {
        match name {
            Name::AddedAfter => self.go_after(added_after(value)?),
            Name::Limit => self.limit = limit(value)?,
            Name::Next => {
                let seq = cursors.open(collection, value).ok_or_else(|| {
                    Fault::parameter("next is not a value that this server gave for this collection: take it from the page before as it stands.")
                })?;
                self.go_after(seq);
            }
            Name::MatchId => {
                let id = |text: &str| {
                    Id::parse(text).map_err(|cause| {
                        Fault::parameter(format!(
                            "match[id] holds what is no STIX identifier: {cause}."
                        ))
                    })
                };
                self.ids = values(name, value)?.map(id).collect::<Result<_, _>>()?;
            }
            Name::MatchType => {
                self.kinds = values(name, value)?.map(kind).collect::<Result<_, _>>()?
            }
            Name::MatchVersion => self.versions = versions(values(name, value)?)?,
            Name::MatchSpecVersion => {
                let all: Vec<&str> = values(name, value)?.collect();
                let good = |text: &&str| {
                    text.split('.').count() == 2
                        && text.split('.').all(|part| {
                            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
                        })
                };
                if !all.iter().all(good) {
                    return Err(Fault::parameter(
                        "match[spec_version] takes versions such as 2.1, with commas between them.",
                    ));
                }
                self.stix_21 = all.contains(&"2.1");
            }
        }
        Ok(())
    }

    /// `next` and `added_after` may both be given: the client repeats its query with the cursor.
    fn go_after(&mut self, seq: Seq) {
        self.after = self.after.max(Some(seq));
    }
}

/// The parameters that the standard defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    AddedAfter,
    Limit,
    Next,
    MatchId,
    MatchType,
    MatchVersion,
    MatchSpecVersion,
}

impl Name {
    const ALL: [Name; 7] = [
        Name::AddedAfter,
        Name::Limit,
        Name::Next,
        Name::MatchId,
        Name::MatchType,
        Name::MatchVersion,
        Name::MatchSpecVersion,
    ];

    fn parse(text: &str) -> Option<Name> {
        Name::ALL.into_iter().find(|name| name.text() == text)
    }

    fn text(self) -> &'static str {
        match self {
            Name::AddedAfter => "added_after",
            Name::Limit => "limit",
            Name::Next => "next",
            Name::MatchId => "match[id]",
            Name::MatchType => "match[type]",
            Name::MatchVersion => "match[version]",
            Name::MatchSpecVersion => "match[spec_version]",
        }
    }
}

/// The values of a match field, none of them empty.
fn values(name: Name, value: &str) -> Result<impl Iterator<Item = &str> + Clone, Fault> {
    let values = value.split(',');
    if values.clone().any(str::is_empty) {
        return Err(Fault::parameter(format!(
            "{} has an empty value: give one or more, with single commas between them.",
            name.text()
        )));
    }
    if values.clone().nth(MATCH_VALUES_MAX).is_some() {
        return Err(Fault::parameter(format!(
            "{} takes at most {MATCH_VALUES_MAX} values: ask in several requests.",
            name.text()
        )));
    }
    Ok(values)
}

/// The last position that is not after `text`. Positions have microseconds, so finer digits only
/// say that the position at that microsecond is before.
fn added_after(text: &str) -> Result<Seq, Fault> {
    let wrong = || {
        Fault::parameter("added_after takes a UTC timestamp such as 2026-11-24T05:00:00.000000Z.")
    };
    let mut text = text.to_ascii_uppercase();
    if let Some(point) = text.find('.') {
        let digits = text[point + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        if digits > 9 {
            text.replace_range(point + 10..point + 1 + digits, "");
        }
    }
    Timestamp::parse(&text)
        .map(|instant| instant.unix_micros())
        .map_err(|_| wrong())
}

fn limit(text: &str) -> Result<usize, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.bytes().all(|byte| byte == b'0') {
        return Err(Fault::parameter(
            "limit takes a whole number greater than zero.",
        ));
    }
    // What does not fit a number is more than the most anyway.
    Ok(text.parse().unwrap_or(usize::MAX).min(PAGE_OBJECTS_MAX))
}

fn kind(text: &str) -> Result<String, Fault> {
    let good = text.len() <= 250
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    good.then(|| text.to_owned()).ok_or_else(|| {
        Fault::parameter(
            "match[type] takes STIX types such as indicator, with commas between them.",
        )
    })
}

fn versions<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Result<Versions, Fault> {
    let (mut first, mut last, mut at) = (false, false, Vec::new());
    let twice = || Fault::parameter("match[version] holds the same value twice: give each once.");
    if values.clone().any(|value| value == "all") {
        return match values.count() {
            1 => Ok(Versions::All),
            _ => Err(Fault::parameter(
                "match[version]=all cannot be combined with other versions.",
            )),
        };
    }
    for value in values {
        match value {
            "first" if first => return Err(twice()),
            "last" if last => return Err(twice()),
            "first" => first = true,
            "last" => last = true,
            value => {
                let instant = Timestamp::parse(value).map_err(|_| {
                    Fault::parameter("match[version] takes first, last, all, or timestamps such as 2026-11-24T05:00:00.000Z.")
                })?;
                if at.contains(&instant) {
                    return Err(twice());
                }
                at.push(instant);
            }
        }
    }
    Ok(match (first, at.is_empty()) {
        (false, true) => Versions::Last,
        _ => Versions::Chosen { first, last, at },
    })
}

/// Undoes the percent encoding of a part of a query; `+` is a space there.
fn decode(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    percent_decode(&text.replace('+', " "))
        .map(Cow::Owned)
        .ok_or_else(|| Fault::parameter("The query is not percent-encoded UTF-8."))
}

/// Undoes percent encoding, or tells that it is broken or not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: [u8; 16] = [3; 16];

    fn parse(query: &str) -> Result<Wanted, Fault> {
        let cursors = Cursors::new([1; 32]);
        Wanted::parse(Some(query), Versions::Last, &COLLECTION, &cursors)
    }

    fn refused(query: &str) -> bool {
        parse(query).is_err()
    }

    #[test]
    fn nothing_asked_is_the_latest_of_everything() {
        let cursors = Cursors::new([1; 32]);
        let wanted = Wanted::parse(None, Versions::Last, &COLLECTION, &cursors).unwrap();
        assert_eq!(wanted, parse("").unwrap());
        assert_eq!(wanted, parse("&&unknown=%41&match[colour]=red").unwrap());
        assert_eq!(
            (wanted.after, wanted.limit, wanted.versions),
            (None, PAGE_OBJECTS_DEFAULT, Versions::Last)
        );
    }

    #[test]
    fn times_of_any_precision() {
        let micros = |text: &str| {
            parse(&format!("added_after={text}"))
                .unwrap()
                .after
                .unwrap()
        };
        let whole = micros("2026-11-24T05:00:00Z");
        assert_eq!(micros("2026-11-24T05:00:00.000000Z"), whole);
        assert_eq!(micros("2026-11-24T05%3A00%3A00.5Z"), whole + 500_000);
        assert_eq!(micros("2026-11-24t05:00:00.000001z"), whole + 1);
        assert_eq!(micros("2026-11-24T05:00:00.000001999Z"), whole + 1);
        assert_eq!(
            micros("2026-11-24T05:00:00.0000019999999999999999Z"),
            whole + 1
        );
        assert!(micros("1969-12-31T23:59:59.999999Z") < 0);
        for bad in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T05:00:00",
            "2026-11-24T05:00:00+05:00",
            "2026-13-01T00:00:00Z",
            "2026-11-24T05:00:00.Z",
            "12345",
            "2026-11-24T05:00:00.1Zé",
        ] {
            assert!(refused(&format!("added_after={bad}")), "{bad}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(parse("limit=7").unwrap().limit, 7);
        assert_eq!(parse("limit=007").unwrap().limit, 7);
        for large in ["5001", "99999999999999999999999999999999"] {
            assert_eq!(
                parse(&format!("limit={large}")).unwrap().limit,
                PAGE_OBJECTS_MAX
            );
        }
        for bad in [
            "", "0", "000", "-1", "+1", "1.0", "1e3", "ten", "%31%20", "１",
        ] {
            assert!(refused(&format!("limit={bad}")), "{bad}");
        }
    }

    #[test]
    fn match_lists() {
        let id = "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb";
        assert_eq!(
            parse(&format!("match%5Bid%5D={id},{id}"))
                .unwrap()
                .ids
                .len(),
            2
        );
        assert_eq!(
            parse("match[type]=indicator,x-own_type").unwrap().kinds,
            ["indicator", "x-own_type"]
        );
        assert!(parse("match[spec_version]=2.0,2.1").unwrap().stix_21);
        assert!(!parse("match[spec_version]=2.0").unwrap().stix_21);
        for bad in [
            "match[id]=",
            "match[id]=indicator",
            "match[id]=indicator--3600ad1b",
            "match[type]=",
            "match[type]=a,,b",
            "match[type]=a b",
            "match[type]=%00",
            "match[spec_version]=2",
            "match[spec_version]=2.x",
            "match[spec_version]=.",
            "match[version]=",
        ] {
            assert!(refused(bad), "{bad}");
        }
        assert!(refused(&format!(
            "match[type]={}",
            vec!["a"; MATCH_VALUES_MAX + 1].join(",")
        )));
    }

    #[test]
    fn version_lists() {
        let versions =
            |text: &str| parse(&format!("match[version]={text}")).map(|wanted| wanted.versions);
        let at = Timestamp::parse("2018-03-02T01:01:01.123Z").unwrap();
        assert_eq!(versions("last").unwrap(), Versions::Last);
        assert_eq!(versions("all").unwrap(), Versions::All);
        assert_eq!(
            versions("first").unwrap(),
            Versions::Chosen {
                first: true,
                last: false,
                at: vec![]
            }
        );
        assert_eq!(
            versions("first,2018-03-02T01:01:01.123Z,last").unwrap(),
            Versions::Chosen {
                first: true,
                last: true,
                at: vec![at]
            }
        );
        for bad in [
            "all,last",
            "all,all",
            "first,first",
            "last,last",
            "newest",
            "2018",
            "2018-03-02T01:01:01.123Z,2018-03-02T01:01:01.1230Z",
        ] {
            assert!(versions(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_given_twice_or_badly_encoded() {
        for bad in [
            "limit=1&limit=1",
            "match[type]=a&match%5btype%5d=b",
            "limit=%",
            "limit=%2",
            "limit=%zz",
            "%ff=1",
            "added_after=%ff",
        ] {
            assert!(refused(bad), "{bad}");
        }
        assert!(refused(&format!("x={}", "a".repeat(QUERY_BYTES_MAX))));
    }

    #[test]
    fn cursors_are_opened() {
        let cursors = Cursors::new([1; 32]);
        let next = cursors.seal(&COLLECTION, 42);
        assert_eq!(parse(&format!("next={next}")).unwrap().after, Some(42));
        assert_eq!(
            parse(&format!(
                "next={next}&added_after=1970-01-01T00:00:00.000007Z"
            ))
            .unwrap()
            .after,
            Some(42)
        );
        assert_eq!(
            parse(&format!("added_after=1970-01-01T00:00:01Z&next={next}"))
                .unwrap()
                .after,
            Some(1_000_000)
        );
        assert!(refused("next=") && refused("next=42") && refused(&format!("next={next}A")));
    }
}
