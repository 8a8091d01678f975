//! Successful and failed answers get the same headers here and nowhere else.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use model::Timestamp;
use serde::Serialize;
use store::Record;

use super::media::TAXII;

const DATE_ADDED_FIRST: HeaderName = HeaderName::from_static("x-taxii-date-added-first");
const DATE_ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");

/// A small resource.
pub(super) fn json(status: StatusCode, resource: &impl Serialize) -> Response {
    // Serialising our own structs into memory cannot fail: they have string keys only.
    bytes(status, serde_json::to_vec(resource).unwrap_or_default())
}

/// A resource that is JSON already.
pub(super) fn bytes(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TAXII));
    // What one caller may read must not be served to the next by a cache in between.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A page that shows `records`, with the dates of its ends (section 3.2). An empty page has none.
pub(super) fn page(records: &[Record], body: Vec<u8>) -> Response {
    let mut response = bytes(StatusCode::OK, body);
    if let (Some(first), Some(last)) = (records.first(), records.last()) {
        for (name, record) in [(DATE_ADDED_FIRST, first), (DATE_ADDED_LAST, last)] {
            if let Ok(value) = HeaderValue::try_from(date_added(record)) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}

/// When a record came into its collection, as TAXII writes times.
pub(super) fn date_added(record: &Record) -> String {
    Timestamp::from_unix_micros(record.seq).to_micros_string()
}
