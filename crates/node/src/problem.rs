//! Error answers of the admin and member surfaces: RFC 9457 problem details.
//!
//! A caller gets a stable name, a sentence that says what to do, and never a cause from inside
//! (paths, SQL): what is our own fault goes to the log and answers in general words.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::admin::types::Problem;
use crate::auth::{AuthError, Denied};
use crate::error::{ErrorClass, NodeError};

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Problem);

impl Fault {
    /// A problem of this kind.
    pub(crate) fn new(
        status: StatusCode,
        kind: &str,
        title: &str,
        detail: impl Into<String>,
    ) -> Fault {
        Fault(Problem {
            kind: format!("urn:kurultai:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            pointer: None,
        })
    }

    pub(crate) fn request(detail: impl Into<String>) -> Fault {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "request",
            "The request is malformed",
            detail,
        )
    }

    pub(crate) fn not_found() -> Fault {
        Fault::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing here",
            "There is nothing here for you.",
        )
    }

    pub(crate) fn method() -> Fault {
        Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "The method is not allowed",
            "This resource does not know the method.",
        )
    }

    pub(crate) fn slow() -> Fault {
        Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow",
            "The request came too slowly",
            "Send it again, over a faster link.",
        )
    }

    /// For whoever asks for more than their share at one time.
    pub(crate) fn crowded() -> Fault {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Too many requests at one time",
            "Your address has too many requests open here: wait for their answers first.",
        )
    }

    /// For whoever leaves too much lying, or comes when others do.
    pub(crate) fn untaken() -> Fault {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Too many answers are being sent at one time",
            "Take the answers that are under way to you first, or try again in a few seconds.",
        )
    }

    pub(crate) fn too_large(max: usize) -> Fault {
        NodeError::TooLarge { max }.into()
    }
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Fault {
        let detail = error.to_string();
        let (status, kind, title) = match error.class() {
            ErrorClass::Request => (
                StatusCode::BAD_REQUEST,
                "request",
                "The request is malformed",
            ),
            ErrorClass::Unknown => (
                StatusCode::NOT_FOUND,
                "not-found",
                "There is no such thing here",
            ),
            ErrorClass::Denied => (StatusCode::FORBIDDEN, "duty", "The caller may not do this"),
            ErrorClass::Conflict => (
                StatusCode::CONFLICT,
                "conflict",
                "The request contradicts what is held",
            ),
            ErrorClass::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
            ),
            ErrorClass::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The node accepts nothing at present",
            ),
            ErrorClass::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The node failed",
            ),
        };
        let mut fault = Fault::new(status, kind, title, detail);
        if let NodeError::Request { pointer, .. } = error {
            fault.0.pointer = pointer;
        }
        fault
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Fault {
        Fault::new(
            StatusCode::FORBIDDEN,
            "duty",
            "The caller may not do this",
            denied.why,
        )
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Fault {
        let detail = error.to_string();
        match error {
            AuthError::Store(error) => error.into(),
            AuthError::UnknownUser { name } => NodeError::Unknown {
                what: format!("user {name:?}"),
            }
            .into(),
            AuthError::UnknownId { id } => NodeError::Unknown {
                what: format!("token {id:?}"),
            }
            .into(),
            AuthError::SecondFactor => Fault::new(
                StatusCode::UNAUTHORIZED,
                "second-factor",
                "A one-time code is needed",
                detail,
            ),
            AuthError::Missing | AuthError::Wrong => Fault::new(
                StatusCode::UNAUTHORIZED,
                "credentials",
                "Credentials are needed",
                detail,
            ),
            AuthError::Busy | AuthError::Later { .. } => Fault::new(
                StatusCode::TOO_MANY_REQUESTS,
                "later",
                "Try again later",
                detail,
            ),
            AuthError::Apart { .. }
            | AuthError::OwnRights
            | AuthError::LastOperator { .. }
            | AuthError::NotTheirs { .. } => Fault::new(
                StatusCode::FORBIDDEN,
                "separation",
                "Duties are kept apart",
                detail,
            ),
            _ => Fault::request(detail),
        }
    }
}

impl From<store::StoreError> for Fault {
    fn from(error: store::StoreError) -> Fault {
        NodeError::Store(error).into()
    }
}

impl Fault {
    /// The same for a partner, who learns nothing about our inside.
    pub(crate) fn for_partner(mut self) -> Fault {
        if self.0.status >= 500 {
            tracing::error!(detail = self.0.detail, "a partner's request failed");
            self.0.detail = "The node could not answer; try again later.".to_owned();
        }
        self
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Our own struct of strings and numbers always serialises.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // What there is too much of comes free in moments; clients that obey wait that long.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            for challenge in [r#"Basic realm="kurultai""#, r#"Bearer realm="kurultai""#] {
                headers.append(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(challenge),
                );
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_for_want_of_room_is_told_when_to_come_back() {
        for fault in [Fault::crowded(), Fault::untaken()] {
            let response = fault.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
        let other = Fault::not_found().into_response();
        assert!(!other.headers().contains_key(header::RETRY_AFTER));
    }
}
