//! Successful and failed answers get the same headers here and nowhere else.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use model::Timestamp;
use serde::Serialize;
use store::Seq;

use super::coding::Coding;
use super::media::TAXII;
use super::tag::Tag;

const DATE_ADDED_FIRST: HeaderName = HeaderName::from_static("x-taxii-date-added-first");
const DATE_ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");

/// What an answer depends on beside the address.
const VARY: &str = "accept, accept-encoding, authorization";

/// A small resource.
pub(super) fn json(status: StatusCode, resource: &impl Serialize) -> Response {
    // Serialising our own structs into memory cannot fail: they have string keys only.
    bytes(status, serde_json::to_vec(resource).unwrap_or_default())
}

/// A resource that is JSON already.
pub(super) fn bytes(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TAXII));
    // What one caller may read must not be served to the next by a cache in between, nor lie about
    // on a disk; who keeps pages all the same can ask by their tags whether they still hold.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A page between these positions, with the dates of its ends (section 3.2); an empty page has
/// none. The body is in this coding already.
pub(super) fn page(
    ends: Option<(Seq, Seq)>,
    body: impl Into<Body>,
    tag: &Tag,
    coding: Coding,
) -> Response {
    let mut response = bytes(StatusCode::OK, body);
    let headers = response.headers_mut();
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    if let Some(tag) = tag.header(coding) {
        headers.insert(header::ETAG, tag);
    }
    if let Some((first, last)) = ends {
        for (name, seq) in [(DATE_ADDED_FIRST, first), (DATE_ADDED_LAST, last)] {
            if let Ok(value) = HeaderValue::try_from(date_added(seq)) {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// 304: the client has this page, by this tag.
pub(super) fn unchanged(tag: HeaderValue) -> Response {
    // A body without a known length: a content-length here would be taken for the page's.
    let none = futures_util::stream::empty::<Result<Bytes, Infallible>>();
    let mut response = bytes(StatusCode::NOT_MODIFIED, Body::from_stream(none));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ETAG, tag);
    response
}

/// When a record at this position came into its collection, as TAXII writes times.
pub(super) fn date_added(seq: Seq) -> String {
    Timestamp::from_unix_micros(seq).to_micros_string()
}
