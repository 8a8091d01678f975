//! Every way in which a TAXII request can fail, and how it is told (TAXII 2.1 section 3.6).
//!
//! A client gets a title, one sentence, the HTTP status and an id of this occurrence; the operator
//! finds the same id in the node's log beside the cause. Causes of our own failures (paths, SQL)
//! never leave the node.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::StoreError;
use uuid::Uuid;

use super::reply;
use crate::auth::AuthError;

/// A failed request.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    title: &'static str,
    description: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What only the operator may know.
    cause: Option<String>,
}

#[derive(Serialize)]
struct Message<'a> {
    title: &'a str,
    description: &'a str,
    error_id: String,
    http_status: &'a str,
}

impl Fault {
    fn new(
        status: StatusCode,
        title: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Fault {
        Fault {
            status,
            title,
            description: description.into(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// The HTTP status that tells it.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// 400: a parameter is malformed.
    pub(super) fn parameter(description: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(StatusCode::BAD_REQUEST, "Malformed parameter", description)
    }

    /// 400: the body did not arrive whole.
    pub(super) fn broken_body() -> Fault {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "Incomplete body",
            "The request body did not arrive whole: send it again.",
        )
    }

    /// 400: the body is not packed as it says.
    pub(super) fn broken_packing() -> Fault {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "Broken compression",
            "The request body is not whole gzip or zstd data as its Content-Encoding says, has more than 1,024 gzip members, or a zstd window above 8 MiB: pack it anew.",
        )
    }

    /// 403: the resource may be known of but not this be done with it.
    pub(super) fn forbidden(description: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(StatusCode::FORBIDDEN, "Not allowed", description)
    }

    /// 404: there is no such thing, or none that this caller may know of; the two look the same.
    pub(super) fn missing(what: &'static str) -> Fault {
        Fault::new(
            StatusCode::NOT_FOUND,
            "Not found",
            format!("There is no such {what} here, or you may not read it."),
        )
    }

    /// 405: the resource does not know this method.
    pub(super) fn method(allow: &'static str) -> Fault {
        let mut fault = Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            format!("This resource takes {allow} only."),
        );
        fault
            .headers
            .push((header::ALLOW, HeaderValue::from_static(allow)));
        fault
    }

    /// 406: none of the accepted media types is ours.
    pub(super) fn not_acceptable() -> Fault {
        Fault::new(
            StatusCode::NOT_ACCEPTABLE,
            "Not acceptable",
            "This server answers in application/taxii+json;version=2.1 only: accept that type.",
        )
    }

    /// 408: the body stopped coming.
    pub(super) fn silent() -> Fault {
        Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            "Body too slow",
            "The request body stopped coming: send it again.",
        )
    }

    /// 413: the body is larger than `max_content_length`.
    pub(super) fn too_large(max: usize) -> Fault {
        Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Body too large",
            format!(
                "A body has at most {max} bytes (max_content_length of the API root): send the objects in several envelopes."
            ),
        )
    }

    /// 415: the body is of another type.
    pub(super) fn media_type(description: &'static str) -> Fault {
        Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            description,
        )
    }

    /// 415: the body is packed in a way that is not known here, or more than once.
    pub(super) fn content_encoding() -> Fault {
        let mut fault = Fault::media_type(
            "A body comes plain, or packed once with gzip or zstd: say which in Content-Encoding.",
        );
        let known = HeaderValue::from_static("gzip, zstd, identity");
        fault.headers.push((header::ACCEPT_ENCODING, known));
        fault
    }

    /// 422: the body is of the right type but nothing in it can be used.
    pub(super) fn unprocessable(description: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unprocessable body",
            description,
        )
    }

    /// 503: right, but not at this moment.
    pub(super) fn busy(description: &'static str) -> Fault {
        let mut fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", description);
        fault.retry_soon();
        fault
    }

    /// 500: our own mistake.
    pub(super) fn ours(cause: impl Into<String>) -> Fault {
        let mut fault = Fault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Server failure",
            "The server failed: tell its operator the error_id.",
        );
        fault.cause = Some(cause.into());
        fault
    }

    fn retry_soon(&mut self) {
        self.headers
            .push((header::RETRY_AFTER, HeaderValue::from_static("1")));
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        if let StoreError::Full { .. } = error {
            let mut fault = Fault::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "Storage full",
                "The server has no room for more objects at present; nothing of this request was kept: try again later.",
            );
            fault.cause = Some(error.to_string());
            return fault;
        }
        Fault::ours(error.to_string())
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Fault {
        match error {
            AuthError::Busy => {
                let mut fault =
                    Fault::new(StatusCode::TOO_MANY_REQUESTS, "Busy", error.to_string());
                fault.retry_soon();
                fault
            }
            AuthError::Later { secs } => {
                let title = "Too many failures";
                let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, title, error.to_string());
                fault.headers.push((header::RETRY_AFTER, secs.into()));
                fault
            }
            AuthError::Store(error) => error.into(),
            error => {
                let mut fault = Fault::new(
                    StatusCode::UNAUTHORIZED,
                    "Not authenticated",
                    error.to_string(),
                );
                let challenges = [
                    r#"Basic realm="kurultai", charset="UTF-8""#,
                    r#"Bearer realm="kurultai""#,
                ];
                let lines = challenges
                    .map(|line| (header::WWW_AUTHENTICATE, HeaderValue::from_static(line)));
                fault.headers.extend(lines);
                fault
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let error_id = Uuid::new_v4().to_string();
        match &self.cause {
            Some(cause) => tracing::error!(
                error_id,
                status = self.status.as_u16(),
                cause,
                "a TAXII request failed"
            ),
            None => tracing::debug!(
                error_id,
                status = self.status.as_u16(),
                title = self.title,
                "a TAXII request was refused"
            ),
        }
        let message = Message {
            title: self.title,
            description: &self.description,
            error_id,
            http_status: self.status.as_str(),
        };
        let mut response = reply::json(self.status, &message);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}
