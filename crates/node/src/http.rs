//! One connection of any surface: bounded, timed, and finished politely at shutdown.
//!
//! The three servers (members, national, admin) differ in who may connect and what answers; how a
//! connection is carried is the same for all and is here.

#[cfg(test)]
mod tests;
mod traffic;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use crate::error::NodeError;
use crate::limits::{
    HEADER_BYTES_MAX, HEADER_SECS_MAX, RESETS_PENDING_MAX, SHUTDOWN_SECS_MAX, STREAMS_MAX,
    TRAFFIC_LOOK_SECS,
};
use crate::node::stopped;
use crate::problem::Fault;
use traffic::{Pieces, Traffic, paced};

/// Serves one connection until it ends, its client keeps the node waiting for too long (`traffic`)
/// or the node shuts down; then open requests get a while.
pub(crate) async fn serve<I, S>(io: I, service: S, mut shutdown: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let traffic = Traffic::new();
    let watched = traffic.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (turn, late) = (watched.begin(), Arc::new(AtomicBool::new(false)));
        let answer = service.call(request.map(|body| paced(body, &late)));
        async move {
            let mut response = answer.await?;
            // What broke off for us is not the handler's to explain, unless in a form of its own.
            let own = response.headers().get(header::CONTENT_TYPE);
            let own = own.is_some_and(|kind| kind.as_bytes().starts_with(b"application/taxii"));
            if late.load(Ordering::Relaxed) && response.status().is_client_error() && !own {
                response = Fault::slow().into_response();
            }
            Ok::<_, Infallible>(response.map(|body| Body::new(Pieces::new(body, turn))))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_SECS_MAX))
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_PENDING_MAX)
        .keep_alive_interval(Duration::from_secs(HEADER_SECS_MAX))
        .keep_alive_timeout(Duration::from_secs(HEADER_SECS_MAX));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut look = tokio::time::interval(Duration::from_secs(TRAFFIC_LOOK_SECS));
    // How a connection ends is its client's affair; nothing of ours depends on it.
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stopped(&mut shutdown) => break,
            _ = look.tick() => {
                if traffic.is_stalled() {
                    return;
                }
                if traffic.is_idle() {
                    break;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECS_MAX), connection).await);
}

/// Waits until all of a server's connections have ended, but not for ever.
pub(crate) async fn finished(places: &Semaphore, all: usize) -> Result<(), NodeError> {
    let all = u32::try_from(all).unwrap_or(u32::MAX);
    drop(
        tokio::time::timeout(
            Duration::from_secs(SHUTDOWN_SECS_MAX),
            places.acquire_many(all),
        )
        .await,
    );
    Ok(())
}

/// Counts what each caller has open and says when it is enough.
#[derive(Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<String, usize>>>);

/// One of a caller's share; gives it back when dropped.
pub(crate) struct Share {
    shares: Shares,
    caller: String,
    count: usize,
}

impl Shares {
    /// One more for `caller`, unless it has `max` already.
    pub(crate) fn take(&self, caller: &str, max: usize) -> Option<Share> {
        self.take_many(caller, 1, max)
    }

    /// So many more for `caller`, unless it would then have more than `max`.
    pub(crate) fn take_many(&self, caller: &str, count: usize, max: usize) -> Option<Share> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.get(caller).copied().unwrap_or_default();
        if held.saturating_add(count) > max {
            return None;
        }
        open.insert(caller.to_owned(), held + count);
        Some(Share {
            shares: self.clone(),
            caller: caller.to_owned(),
            count,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= self.count;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}
