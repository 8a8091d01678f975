//! A plain HTTP/1.1 keep-alive client over TCP or a unix socket.
//!
//! `demo` and `bench` speak to nodes as a national tool would, and every command speaks to the
//! admin socket: both through [`Http`]. It sends and returns raw bytes and does nothing else, so
//! that the load it makes does not distort what `bench` measures. TLS between members is
//! `sync`'s work, not this module's.

// The tool opens connections to the nodes that it was told of; that is its task.
#![allow(clippy::disallowed_methods)]

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::exit::Failure;
use crate::limits::{ANSWER_BYTES_MAX, REQUEST_TIME_MAX};

/// One connection to a node.
pub(crate) struct Http {
    sender: http1::SendRequest<Full<Bytes>>,
    authority: String,
    authorization: Option<String>,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Http {
    /// Connects to `authority`, a `host:port`.
    pub(crate) async fn tcp(authority: &str) -> Result<Http, Failure> {
        let stream = TcpStream::connect(authority)
            .await
            .map_err(|error| unreachable(authority, &error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| unreachable(authority, &error))?;
        Http::over(TokioIo::new(stream), authority).await
    }

    /// Connects to the unix socket at `path`.
    pub(crate) async fn unix(path: &Path) -> Result<Http, Failure> {
        let name = path.display().to_string();
        let stream = UnixStream::connect(path)
            .await
            .map_err(|error| unreachable(&name, &error))?;
        Http::over(TokioIo::new(stream), "localhost").await
    }

    async fn over<I>(io: I, authority: &str) -> Result<Http, Failure>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(io)
            .await
            .map_err(|error| unreachable(authority, &error))?;
        tokio::spawn(async move {
            // A broken connection shows as an error of the request that was under way.
            let _ = connection.await;
        });
        Ok(Http {
            sender,
            authority: authority.to_owned(),
            authorization: None,
        })
    }

    /// Sends `value` as the Authorization header of every request from now on.
    pub(crate) fn authorize(mut self, value: String) -> Http {
        self.authorization = Some(value);
        self
    }

    /// One GET.
    pub(crate) async fn get(&mut self, path: &str, accept: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, &[("accept", accept)], Bytes::new())
            .await
    }

    /// One request; the answer's body is held whole, up to `ANSWER_BYTES_MAX`.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority);
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| {
            Failure::usage(format!(
                "{path:?} is not a path that can be asked for: {error}; correct it"
            ))
        })?;
        match tokio::time::timeout(REQUEST_TIME_MAX, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::unavailable(format!(
                "{} did not answer within {} s; look at its log or try again",
                self.authority,
                REQUEST_TIME_MAX.as_secs()
            ))),
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        self.sender
            .ready()
            .await
            .map_err(|error| unreachable(&self.authority, &error))?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&self.authority, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| {
                Failure::unavailable(format!(
                    "the answer of {} broke off or was too long: {error}; try again",
                    self.authority
                ))
            })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn unreachable(name: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::unavailable(format!(
        "cannot talk to {name}: {error}; check that the node runs there"
    ))
}
