//! Taking request bodies into memory without letting clients fill it.
//!
//! One body has at most `max_content_length` bytes, as it comes and when it is unpacked, however it
//! is framed and whatever its headers claim; all bodies together have a budget, and whoever does not
//! fit is asked to come back. A client that falls silent loses its place. Bodies are unpacked on
//! blocking threads, a piece at a time: never on those that serve connections, and none waits there
//! for a client.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::blocking;
use super::coding::{Coding, Unpacker};
use super::fault::Fault;
use super::limits::{
    CONTENT_BYTES_HELD_MAX, CONTENT_BYTES_MAX, CONTENT_SILENT_SECS_MAX, DRAINED_BYTES_MAX,
    DRAINED_SECS_MAX, PACKED_STEP_BYTES, ZSTD_WINDOW_LOG_MAX,
};

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

    /// Reads a body to its end, unpacking it on the way.
    pub(super) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Upload, Fault> {
        let coding = Coding::sent(headers)?;
        let claimed = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if claimed.is_some_and(|length| length > CONTENT_BYTES_MAX) {
            drain(&mut body).await;
            return Err(Fault::too_large(CONTENT_BYTES_MAX));
        }
        let mut whole = Whole {
            bytes: Vec::new(),
            // What is announced is the length as sent.
            claimed: claimed.filter(|_| coding == Coding::Identity),
            reserved: 0,
            share: None,
            budget: Arc::clone(&self.budget),
            fault: None,
        };
        if coding == Coding::Zstd {
            whole.reserve(1 << ZSTD_WINDOW_LOG_MAX)?;
        }
        let unpacker = Unpacker::new(coding, whole).map_err(|_| Fault::broken_packing())?;
        let mut unpacker = Unpacking {
            unpacker,
            packed: Vec::new(),
        };
        let silence = Duration::from_secs(CONTENT_SILENT_SECS_MAX);
        let mut came = 0;
        while let Some(frame) = tokio::time::timeout(silence, body.frame())
            .await
            .map_err(|_| Fault::silent())?
        {
            let Ok(data) = frame.map_err(|_| Fault::broken_body())?.into_data() else {
                continue;
            };
            came += data.len();
            if came > CONTENT_BYTES_MAX {
                drop(unpacker);
                drain(&mut body).await;
                return Err(Fault::too_large(CONTENT_BYTES_MAX));
            }
            unpacker = match unpacker.take(&data).await {
                Ok(unpacker) => unpacker,
                Err(fault) => {
                    drain(&mut body).await;
                    return Err(fault);
                }
            };
        }
        let whole = unpacker.finish().await?;
        Ok(Upload {
            bytes: whole.bytes.into(),
            _share: whole.share,
        })
    }
}

/// A body on its way through its decoder.
struct Unpacking {
    unpacker: Unpacker<Whole>,
    /// What came and has not been unpacked yet, up to `PACKED_STEP_BYTES` and a frame.
    packed: Vec<u8>,
}

impl Unpacking {
    /// Takes a frame of the body. A plain one is only copied, which is not worth another thread.
    async fn take(mut self, data: &[u8]) -> Result<Unpacking, Fault> {
        if let Unpacker::Identity(_) = self.unpacker {
            self.unpack(data)?;
            return Ok(self);
        }
        self.packed.extend_from_slice(data);
        if self.packed.len() < PACKED_STEP_BYTES {
            return Ok(self);
        }
        blocking(move || {
            let packed = std::mem::take(&mut self.packed);
            self.unpack(&packed)?;
            Ok(self)
        })
        .await
    }

    /// The whole body.
    async fn finish(mut self) -> Result<Whole, Fault> {
        let plain = matches!(self.unpacker, Unpacker::Identity(_));
        let end = move || {
            let packed = std::mem::take(&mut self.packed);
            self.unpack(&packed)?;
            // What the packing held back to the end counts, too.
            let done = self.unpacker.end();
            done.map_err(|_| self.fault())?;
            let whole = self.unpacker.finish();
            whole.map_err(|_| Fault::broken_packing())
        };
        if plain { end() } else { blocking(end).await }
    }

    fn unpack(&mut self, packed: &[u8]) -> Result<(), Fault> {
        #[cfg(test)]
        tests::looked(&self.unpacker);
        let done = self.unpacker.write(packed);
        done.map_err(|_| self.fault())
    }

    /// Why the decoder or the body behind it took no more.
    fn fault(&mut self) -> Fault {
        let told = self.unpacker.inner().and_then(|whole| whole.fault.take());
        told.unwrap_or_else(Fault::broken_packing)
    }
}

/// Takes the rest of a refused body off the connection, within bounds: a client that is still
/// writing when the connection ends gets a broken pipe instead of the reason.
async fn drain(body: &mut Body) {
    let rest = async {
        let mut came = 0;
        while let Some(Ok(frame)) = body.frame().await {
            came += frame.data_ref().map_or(0, Bytes::len);
            if came > DRAINED_BYTES_MAX {
                return;
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(DRAINED_SECS_MAX), rest).await);
}

/// A body in the making: it takes as much as one body may have, and as the budget gives.
struct Whole {
    bytes: Vec<u8>,
    claimed: Option<usize>,
    /// Bytes of the budget that it has.
    reserved: usize,
    share: Option<OwnedSemaphorePermit>,
    budget: Arc<Semaphore>,
    /// Why it takes no more.
    fault: Option<Fault>,
}

impl Whole {
    /// Takes more of the budget.
    fn reserve(&mut self, bytes: usize) -> Result<(), Fault> {
        let units = (self.reserved + bytes).div_ceil(UNIT) - self.reserved.div_ceil(UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let more = self.budget.clone().try_acquire_many_owned(units);
        let more = more.map_err(|_| {
            Fault::busy("Too many bodies are being received: try again in a moment.")
        })?;
        match &mut self.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        self.reserved += bytes;
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), Fault> {
        let length = self.bytes.len() + by;
        if length > CONTENT_BYTES_MAX {
            return Err(Fault::too_large(CONTENT_BYTES_MAX));
        }
        if length > self.bytes.capacity() {
            // The first time what the client announced, later twice what came; never more than one
            // body may have.
            let goal = length
                .max(self.claimed.unwrap_or(2 * length))
                .min(CONTENT_BYTES_MAX);
            self.reserve(goal - self.bytes.capacity())?;
            self.bytes.reserve_exact(goal - self.bytes.len());
        }
        Ok(())
    }
}

impl Write for Whole {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Err(fault) = self.grow(data.len()) {
            self.fault = Some(fault);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    /// No body is unpacked where connections are served: every test here serves on its own thread.
    pub(super) fn looked(unpacker: &Unpacker<Whole>) {
        let plain = matches!(unpacker, Unpacker::Identity(_));
        let serving = std::thread::current()
            .name()
            .is_some_and(|name| name.contains("::"));
        assert!(plain || !serving, "unpacked on a thread that serves");
    }

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
    async fn a_packed_body_is_bounded_by_what_it_becomes() {
        let uploads = Uploads::new();
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut headers = HeaderMap::new();
            let name = coding.name().unwrap();
            headers.insert(header::CONTENT_ENCODING, name.parse().unwrap());
            let send = async |size: usize| {
                let packed = coding.pack(vec![b' '; size]).unwrap();
                assert!(packed.len() < 1 << 20);
                let upload = uploads.read(&headers, Body::from(packed)).await;
                upload
                    .map(|upload| upload.bytes.len())
                    .map_err(|fault| fault.into_response().status())
            };
            assert_eq!(send(CONTENT_BYTES_MAX).await, Ok(CONTENT_BYTES_MAX));
            for size in [CONTENT_BYTES_MAX + 1, 20 * CONTENT_BYTES_MAX] {
                assert_eq!(
                    send(size).await,
                    Err(StatusCode::PAYLOAD_TOO_LARGE),
                    "{name}"
                );
            }
            let broken = uploads.read(&headers, Body::from("plain after all")).await;
            let status = broken.err().unwrap().into_response().status();
            assert_eq!(status, StatusCode::BAD_REQUEST);
        }
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
