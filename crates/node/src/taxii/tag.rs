//! Entity tags (RFC 9110 section 8.8.3): what a page shows, in sixteen bytes.
//!
//! A tag is a digest of what the page's bytes follow from: its kind, its collection, where the next
//! one begins, and position and hash of each record. So it is right at all times, whatever was
//! added, withdrawn or removed, and it is known before any body is read.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use super::coding::Coding;
use crate::auth::secret;

/// The tag of a page, without the coding that it is sent in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(String);

impl Tag {
    /// The tag of whatever `feed` gives to the function that it is handed.
    pub(super) fn of(feed: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Tag {
        let mut digest = Sha256::new();
        feed(&mut |bytes| digest.update(bytes));
        Tag(secret::encode(&digest.finalize()[..16]))
    }

    /// The header for the page in this coding; each has a tag of its own, since its bytes differ.
    pub(super) fn header(&self, coding: Coding) -> Option<HeaderValue> {
        let suffix = coding
            .name()
            .map_or(String::new(), |name| format!("-{name}"));
        HeaderValue::try_from(format!("\"{}{suffix}\"", self.0)).ok()
    }

    /// The tag by which a client has the page already, in whatever coding; `coding` is the one that
    /// it would get now, for a client that names no tag (`*`).
    pub(super) fn held(&self, headers: &HeaderMap, coding: Coding) -> Option<HeaderValue> {
        let all = [Coding::Identity, Coding::Gzip, Coding::Zstd];
        let own = all.map(|coding| self.header(coding));
        let values = headers.get_all(header::IF_NONE_MATCH).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .find_map(|tag| {
                if tag == "*" {
                    return self.header(coding);
                }
                let tag = tag.strip_prefix("W/").unwrap_or(tag);
                own.iter().flatten().find(|own| *own == tag).cloned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_tag_is_known_in_every_form() {
        let tag = Tag::of(|hash| hash(b"page"));
        let held = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            let held = tag.held(&headers, Coding::Gzip)?;
            Some(held.to_str().unwrap().to_owned())
        };
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let value = tag.header(coding).unwrap();
            let value = value.to_str().unwrap();
            assert_eq!(
                held(value).as_deref(),
                Some(value),
                "the tag that was named"
            );
            assert_eq!(held(&format!("\"x\", W/{value}")).as_deref(), Some(value));
        }
        let now = tag.header(Coding::Gzip).unwrap();
        assert_eq!(held("*").as_deref(), now.to_str().ok());
        for other in [
            "",
            "\"\"",
            "\"x\"",
            &tag.0,
            &format!("\"{}-br\"", tag.0),
            &format!("\"{}", tag.0),
        ] {
            assert_eq!(held(other), None, "{other}");
        }
        assert_eq!(tag.held(&HeaderMap::new(), Coding::Gzip), None);
    }
}
