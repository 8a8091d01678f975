//! Taking request bodies into memory without letting clients fill it.
//!
//! One body has at most `max_content_length` bytes, however it is framed and whatever its headers
//! claim; all bodies together have a budget, and whoever does not fit is asked to come back. A
//! client that falls silent loses its place.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::Fault;
use super::limits::{CONTENT_BYTES_HELD_MAX, CONTENT_BYTES_MAX, CONTENT_SILENT_SECS_MAX};

/// Bytes that one permit of the budget stands for.
const UNIT: usize = 1024;

/// The budget of all bodies.
pub(super) struct Uploads {
    budget: Arc<Semaphore>,
}

/// A whole body and its share of the budget.
pub(super) struct Upload {
    /// The body.
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Uploads {
    /// The whole budget, unused.
    pub(super) fn new() -> Uploads {
        Uploads {
            budget: Arc::new(Semaphore::new(CONTENT_BYTES_HELD_MAX / UNIT)),
        }
    }

    /// Reads a body to its end.
    pub(super) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Upload, Fault> {
        let claimed = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if claimed.is_some_and(|length| length > CONTENT_BYTES_MAX) {
            return Err(Fault::too_large(CONTENT_BYTES_MAX));
        }
        let mut share: Option<OwnedSemaphorePermit> = None;
        let mut whole = BytesMut::new();
        let mut reserved = 0;
        let silence = Duration::from_secs(CONTENT_SILENT_SECS_MAX);
        while let Some(frame) = tokio::time::timeout(silence, body.frame())
            .await
            .map_err(|_| Fault::silent())?
        {
            let Ok(data) = frame.map_err(|_| Fault::broken_body())?.into_data() else {
                continue;
            };
            let length = whole.len() + data.len();
            if length > CONTENT_BYTES_MAX {
                return Err(Fault::too_large(CONTENT_BYTES_MAX));
            }
            if length > reserved {
                // The first time what the client announced, later twice what came; never more
                // than one body may have.
                let goal = length
                    .max(claimed.unwrap_or(2 * length))
                    .min(CONTENT_BYTES_MAX);
                let units = u32::try_from(goal.div_ceil(UNIT) - reserved.div_ceil(UNIT))
                    .unwrap_or(u32::MAX);
                let more = self.budget.clone().try_acquire_many_owned(units);
                let more = more.map_err(|_| {
                    Fault::busy("Too many bodies are being received: try again in a moment.")
                })?;
                match &mut share {
                    Some(share) => share.merge(more),
                    none => *none = Some(more),
                }
                whole.reserve(goal - whole.len());
                reserved = goal;
            }
            whole.extend_from_slice(&data);
        }
        Ok(Upload {
            bytes: whole.freeze(),
            _share: share,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    fn chunked(sizes: &[usize]) -> Body {
        let frames: Vec<_> = sizes
            .iter()
            .map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(futures_util::stream::iter(frames))
    }

    async fn read(uploads: &Uploads, body: Body) -> Result<usize, StatusCode> {
        let upload = uploads.read(&HeaderMap::new(), body).await;
        upload
            .map(|upload| upload.bytes.len())
            .map_err(|fault| fault.into_response().status())
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_and_not_beyond() {
        let uploads = Uploads::new();
        assert_eq!(read(&uploads, Body::empty()).await, Ok(0));
        assert_eq!(read(&uploads, chunked(&[1, 0, 2000, 5])).await, Ok(2006));
        assert_eq!(
            read(&uploads, chunked(&[CONTENT_BYTES_MAX - 1, 1])).await,
            Ok(CONTENT_BYTES_MAX)
        );
        assert_eq!(
            read(&uploads, chunked(&[CONTENT_BYTES_MAX, 1])).await,
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        );
        assert_eq!(
            uploads.budget.available_permits(),
            CONTENT_BYTES_HELD_MAX / UNIT,
            "all shares came back"
        );
    }

    #[tokio::test]
    async fn an_announced_length_is_believed_only_to_refuse() {
        let uploads = Uploads::new();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, (CONTENT_BYTES_MAX + 1).into());
        let fault = uploads.read(&headers, Body::empty()).await.err().unwrap();
        assert_eq!(
            fault.into_response().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        headers.insert(header::CONTENT_LENGTH, 1.into());
        assert_eq!(
            uploads
                .read(&headers, chunked(&[4000, 4000]))
                .await
                .unwrap()
                .bytes
                .len(),
            8000
        );
    }

    #[tokio::test]
    async fn the_budget_holds_for_all_bodies_together() {
        let uploads = Uploads::new();
        let mut held = Vec::new();
        for _ in 0..CONTENT_BYTES_HELD_MAX / CONTENT_BYTES_MAX {
            held.push(
                uploads
                    .read(&HeaderMap::new(), chunked(&[CONTENT_BYTES_MAX]))
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(
            read(&uploads, chunked(&[1])).await,
            Err(StatusCode::SERVICE_UNAVAILABLE)
        );
        held.pop();
        assert_eq!(read(&uploads, chunked(&[1])).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_given_up() {
        let uploads = Uploads::new();
        let body =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(&uploads, body).await, Err(StatusCode::REQUEST_TIMEOUT));
    }
}
