//! The wake-up stream: which own logs of the caller's channels stand at which size.
//!
//! Nothing depends on it; it only saves partners the wait for their next poll. A listener first
//! hears how every log stands, then each growth. One that reads too slowly misses single events
//! and is told how everything stands instead, so a slow listener costs a bounded queue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use store::{Event, LogName, StoreError};
use tokio::sync::{broadcast, watch};

use super::{Caller, readable};
use crate::limits::EVENTS_PING_SECS;
use crate::node::{Node, stopped};

/// The stream's answer.
pub(super) fn stream(node: Arc<Node>, caller: Caller) -> Response {
    let listener = Listener {
        events: node.events(),
        accords: node.accords_changed(),
        shutdown: node.shutdown(),
        told: BTreeMap::new(),
        all: true,
        node,
        caller,
    };
    let lines = stream::unfold(listener, |mut listener| async move {
        let line = listener.next().await?;
        Some((Ok::<_, Infallible>(line), listener))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Listener {
    node: Arc<Node>,
    caller: Caller,
    events: broadcast::Receiver<Event>,
    accords: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    /// The size last told of each log. Cosignatures also make events; without this memory each
    /// would wake every partner, whose cosignatures would wake the next.
    told: BTreeMap<LogName, u64>,
    /// Whether to look at every log instead of waiting.
    all: bool,
}

impl Listener {
    /// The next bytes of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.all {
                self.all = false;
                let lines = self.everything().await;
                // Even if there is nothing to tell, so that the caller knows that it is heard.
                return Some(Bytes::from(if lines.is_empty() {
                    ": listening\n\n".to_owned()
                } else {
                    lines
                }));
            }
            let event = tokio::select! {
                () = stopped(&mut self.shutdown) => return None,
                changed = self.accords.changed() => {
                    changed.ok()?;
                    self.all = true;
                    continue;
                }
                () = tokio::time::sleep(Duration::from_secs(EVENTS_PING_SECS)) => {
                    return Some(Bytes::from_static(b": still here\n\n"));
                }
                event = self.events.recv() => event,
            };
            match event {
                Ok(Event::Head { log, size }) => {
                    if let Some(line) = self.line(&log, size) {
                        return Some(Bytes::from(line));
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => self.all = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    async fn everything(&mut self) -> String {
        let heads =
            self.node
                .read(|store| store.heads())
                .await
                .unwrap_or_else(|error: StoreError| {
                    tracing::error!(%error, "the heads cannot be read");
                    Vec::new()
                });
        heads
            .iter()
            .filter_map(|(log, head)| self.line(log, head.size))
            .collect()
    }

    /// The line about a log, if it is news and the caller's business.
    fn line(&mut self, log: &LogName, size: u64) -> Option<String> {
        if log.origin != self.node.config().code
            || self.told.get(log).is_some_and(|told| *told >= size)
            || size == 0
        {
            return None;
        }
        readable(&self.node, &self.caller, &log.accord, &log.channel)?;
        self.told.insert(log.clone(), size);
        Some(format!("data: {}/{} {size}\n\n", log.accord, log.channel))
    }
}
