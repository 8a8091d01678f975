//! Content negotiation (TAXII 2.1 section 1.6.8, RFC 9110 section 12.5.1).
//!
//! There is one media type, so negotiating means answering two questions: does the client take it,
//! and is the body of it. Both are lenient where the standards allow: a missing Accept or version
//! parameter, spaces, letter case, quotes and other parameters do not matter.

use axum::http::{HeaderMap, header};

use super::fault::Fault;

/// The media type of every TAXII 2.1 message.
pub(super) const TAXII: &str = "application/taxii+json;version=2.1";

/// The media type of the objects that collections hold.
pub(super) const STIX: &str = "application/stix+json;version=2.1";

/// Whether the client takes TAXII 2.1. Of the ranges that cover it the most specific one decides,
/// and its quality must not be zero.
pub(super) fn accepted(headers: &HeaderMap) -> Result<(), Fault> {
    let mut ranges = headers.get_all(header::ACCEPT).iter().peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let mut best = None;
    for range in ranges
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let range = Range::parse(range);
        if let Some(specific) = range.covers() {
            best = best.max(Some((specific, range.wanted)));
        }
    }
    match best {
        Some((_, true)) => Ok(()),
        _ => Err(Fault::not_acceptable()),
    }
}

/// Whether the body is a TAXII 2.1 message, once unpacked.
pub(super) fn sent(headers: &HeaderMap) -> Result<(), Fault> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next().map(|value| value.to_str()), types.next()) {
        (Some(Ok(value)), None) if Range::parse(value).covers() >= Some(2) => Ok(()),
        _ => Err(Fault::media_type(
            "The body must be an application/taxii+json;version=2.1 envelope: say so in Content-Type.",
        )),
    }
}

/// One media range with the parameters that matter here.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    wanted: bool,
}

impl Range<'_> {
    fn parse(text: &str) -> Range<'_> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Range {
            name: parts.next().unwrap_or_default(),
            version: None,
            wanted: true,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value),
                // A quality that is not a number at all is taken as the default, 1.
                "q" => range.wanted = !value.parse().is_ok_and(|q: f32| q <= 0.0),
                _ => {}
            }
        }
        range
    }

    /// How specifically the range names our type, if it covers it.
    fn covers(&self) -> Option<u8> {
        let named = self.name.eq_ignore_ascii_case("application/taxii+json");
        match self.version {
            Some("2.1") if named => Some(3),
            None if named => Some(2),
            _ if self.name.eq_ignore_ascii_case("application/*") => Some(1),
            _ if self.name == "*/*" || self.name == "*" => Some(0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        accepted(&headers).is_ok()
    }

    #[test]
    fn what_clients_say_they_take() {
        assert!(accepts(&[]));
        for good in [
            "application/taxii+json;version=2.1",
            "application/taxii+json; version=2.1",
            "application/taxii+json ; version = \"2.1\" ; charset=utf-8",
            "Application/TAXII+JSON",
            "application/taxii+json",
            "application/*",
            "*/*",
            "text/html, application/xhtml+xml;q=0.9, */*;q=0.8",
            "application/taxii+json;version=2.0, application/taxii+json;version=2.1;q=0.1",
            "application/taxii+json;q=0, application/taxii+json;version=2.1",
            "application/taxii+json;version=2.1;q=1.000, */*;q=0",
        ] {
            assert!(accepts(&[good]), "{good}");
        }
        assert!(accepts(&["text/html", "application/taxii+json"]));
        for bad in [
            "",
            "text/html",
            "application/json",
            "application/vnd.oasis.taxii+json; version=2.0",
            "application/taxii+json;version=2.0",
            "application/taxii+json;version=2.1;q=0",
            "application/taxii+json;version=2.1;q=0.000, */*",
            "application/taxii+json;q=0, */*;q=1",
            "application/taxii+jsonx",
        ] {
            assert!(!accepts(&[bad]), "{bad}");
        }
    }

    #[test]
    fn what_bodies_may_be() {
        let is_sent = |pairs: &[(header::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name.clone(), value.parse().unwrap());
            }
            sent(&headers).is_ok()
        };
        let content = |value| (header::CONTENT_TYPE, value);
        assert!(is_sent(&[content("application/taxii+json;version=2.1")]));
        assert!(is_sent(&[content(
            "application/taxii+json ; charset=utf-8; version=2.1"
        )]));
        assert!(is_sent(&[content("APPLICATION/taxii+json")]));
        assert!(!is_sent(&[]));
        assert!(!is_sent(&[content("application/json")]));
        assert!(!is_sent(&[content("application/*")]));
        assert!(!is_sent(&[content("*/*")]));
        assert!(!is_sent(&[content("application/taxii+json;version=2.0")]));
        assert!(!is_sent(&[
            content("application/taxii+json"),
            content("application/taxii+json")
        ]));
    }
}
