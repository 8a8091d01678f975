//! The transport between nodes: HTTPS with both ends pinned by the accord.
//!
//! A [`Peer`] is one member's node. It keeps connections open (HTTP/2, else HTTP/1.1) and reads
//! every answer against a moving deadline: the answer has a grace period for its first byte and
//! may then never fall further behind a minimum rate. So a peer that stalls or trickles holds
//! exactly the task that asked it, for a time that the limit on bytes bounds.
//!
//! Answers carry no content coding: tiles do not compress and bodies are stored compressed.
//! What the bytes mean is left to [`crate::machine`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::events::Events;
use crate::limits::{
    ACCORD_NOTE_BYTES_MAX, ANSWER_GRACE, ANSWER_RATE_MIN, CONNECT_TIMEOUT, CONNECTION_IDLE_MAX,
    EVENTS_IDLE_MAX, PING_EVERY, POST_ANSWER_BYTES_MAX, PROBLEM_BYTES_MAX,
};
use crate::source::{FetchError, Source};
use crate::tls::{Identity, IdentityError, Pin, client_config};

/// How long to wait for a peer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time to the first byte of an answer, and how far it may fall behind `rate` later.
    pub grace: Duration,
    /// Bytes a second that an answer must keep up.
    pub rate: u64,
    /// Silence after which an event stream counts as dead.
    pub events_idle: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            grace: ANSWER_GRACE,
            rate: ANSWER_RATE_MIN,
            events_idle: EVENTS_IDLE_MAX,
        }
    }
}

/// One member's node, reached over HTTPS. Clones share connections.
#[derive(Clone)]
pub struct Peer {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    patience: Patience,
}

/// One log of one peer, as a [`Source`].
#[derive(Clone)]
pub struct PeerLog {
    peer: Peer,
    prefix: String,
}

impl Peer {
    /// The node at `url` (`https://host:port`, as the accord gives it) that proves the key `pin`.
    /// Connects when first asked.
    ///
    /// # Errors
    /// When this node's identity cannot be used.
    pub fn new(identity: &Identity, url: &str, pin: Pin) -> Result<Peer, IdentityError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(identity, pin)?)
            .https_only()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CONNECTION_IDLE_MAX)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_EVERY)
            .build(connector);
        Ok(Peer {
            client,
            base: url.trim_end_matches('/').to_owned(),
            patience: Patience::default(),
        })
    }

    /// The same peer with another patience.
    pub fn with_patience(mut self, patience: Patience) -> Peer {
        self.patience = patience;
        self
    }

    /// The peer's own log of a channel.
    pub fn log(&self, accord: &str, channel: &str) -> PeerLog {
        PeerLog {
            peer: self.clone(),
            prefix: format!("/log/{accord}/{channel}/"),
        }
    }

    /// What the peer answers to GET `path` (which begins with a slash), at most `limit` bytes.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn get(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        self.exchange(request, limit).await
    }

    /// Sends `body` to `path`; the answer's content does not matter.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn post(&self, path: &str, body: String) -> Result<(), FetchError> {
        let mut request = self.request(Method::POST, path, Bytes::from(body))?;
        let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, plain);
        self.exchange(request, POST_ANSWER_BYTES_MAX)
            .await
            .map(drop)
    }

    /// Sends `body` to `path` and gives the answer's status, whatever it is, and at most `limit`
    /// bytes of its content: for calls whose refusals say something.
    ///
    /// # Errors
    /// [`FetchError`], but never for a status.
    pub async fn call(
        &self,
        path: &str,
        body: String,
        limit: usize,
    ) -> Result<(u16, Bytes), FetchError> {
        let mut request = self.request(Method::POST, path, Bytes::from(body))?;
        let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, plain);
        let start = Instant::now();
        let response = self.raw(request, start + self.patience.grace).await?;
        let status = response.status().as_u16();
        let answer = self.read(response.into_body(), start, limit).await?;
        Ok((status, answer))
    }

    /// The signed accord note as the peer holds it.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn accord(&self, name: &str) -> Result<Bytes, FetchError> {
        self.get(&format!("/accords/{name}"), ACCORD_NOTE_BYTES_MAX)
            .await
    }

    /// Opens the stream of the peer's news about its logs.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn events(&self) -> Result<Events, FetchError> {
        let mut request = self.request(Method::GET, "/events", Bytes::new())?;
        let stream = hyper::header::HeaderValue::from_static("text/event-stream");
        request.headers_mut().insert(ACCEPT, stream);
        let response = self
            .send(request, Instant::now() + self.patience.grace)
            .await?;
        Ok(Events::new(response.into_body(), self.patience.events_idle))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, FetchError> {
        let broken = |why: String| FetchError::Unreachable { why };
        let uri = Uri::try_from(format!("{}{path}", self.base))
            .map_err(|error| broken(error.to_string()))?;
        Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))
            .map_err(|error| broken(error.to_string()))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Bytes, FetchError> {
        let start = Instant::now();
        let response = self.send(request, start + self.patience.grace).await?;
        self.read(response.into_body(), start, limit).await
    }

    /// Sends a request and looks at the head of the answer.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, FetchError> {
        let response = self.raw(request, deadline).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::NotFound),
            StatusCode::FORBIDDEN => Err(self.apart(response).await),
            status => Err(FetchError::Status {
                code: status.as_u16(),
            }),
        }
    }

    /// A refusal, with its words where the peer says that we share nothing with it at present.
    async fn apart(&self, response: Response<Incoming>) -> FetchError {
        let code = response.status().as_u16();
        let body = self.read(response.into_body(), Instant::now(), PROBLEM_BYTES_MAX);
        let problem = body.await.ok();
        match problem.and_then(|body| said(&body)) {
            Some(why) => FetchError::Apart { why },
            None => FetchError::Status { code },
        }
    }

    /// Sends a request; the answer's status is for the caller to look at.
    async fn raw(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, FetchError> {
        match timeout_at(deadline, self.client.request(request)).await {
            Err(_) => Err(FetchError::Slow { bytes: 0 }),
            Ok(Err(error)) if error.is_connect() => {
                Err(FetchError::Unreachable { why: chain(&error) })
            }
            Ok(Err(error)) => Err(FetchError::Broken { why: chain(&error) }),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// Reads an answer's body against the limit and the moving deadline.
    async fn read(
        &self,
        mut body: Incoming,
        start: Instant,
        limit: usize,
    ) -> Result<Bytes, FetchError> {
        let announced = body.size_hint().lower();
        if announced > limit as u64 {
            return Err(FetchError::TooLarge { limit });
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let bytes = first.len() + rest.len();
            let earned = Duration::from_millis(bytes as u64 * 1000 / self.patience.rate.max(1));
            let deadline = start + self.patience.grace + earned;
            let frame = match timeout_at(deadline, body.frame()).await {
                Err(_) => return Err(FetchError::Slow { bytes }),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(FetchError::Broken { why: chain(&error) }),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes + data.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            // A single frame is handed on as it is; more are joined in one buffer.
            if bytes == 0 {
                first = data;
                continue;
            }
            if rest.is_empty() {
                rest.reserve((announced as usize).max(first.len() + data.len()));
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
        Ok(if rest.is_empty() {
            first
        } else {
            rest.freeze()
        })
    }
}

/// The words of the problem details by which a peer says why it shares nothing with us.
fn said(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    if problem.get("type")?.as_str()? != "urn:kurultai:problem:apart" {
        return None;
    }
    let detail = problem.get("detail")?.as_str()?.chars();
    Some(detail.filter(|c| !c.is_control()).collect())
}

impl Source for PeerLog {
    async fn fetch(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        self.peer
            .get(&format!("{}{path}", self.prefix), limit)
            .await
    }

    async fn cosign(&self, lines: String) -> Result<(), FetchError> {
        self.peer
            .post(&format!("{}cosignatures", self.prefix), lines)
            .await
    }
}

/// An error with its causes: the outermost alone says little ("client error (Connect)").
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
