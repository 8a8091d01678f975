//! Outside servers for tests: a small one that answers as it is told, and one request by hand.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that a server of the test got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

/// A server that answers as a function says, until it is dropped.
pub(crate) struct Outside {
    pub(crate) base: String,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Outside {
    pub(crate) async fn serve(
        answer: impl Fn(&Got) -> Response + Send + Sync + 'static,
    ) -> Outside {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&got));
        let router = Router::new().fallback(move |request: Request| {
            let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("body").to_bytes();
                let got = Got {
                    method: parts.method,
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers,
                    body,
                };
                let response = answer(&got);
                kept.lock().expect("not poisoned").push(got);
                Ok::<_, Infallible>(response)
            }
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving");
        });
        Outside { base, got, task }
    }

    /// A TAXII server with one collection; `objects` answers for its objects.
    pub(crate) async fn taxii(
        objects: impl Fn(&Got) -> Response + Send + Sync + 'static,
    ) -> Outside {
        Outside::serve(move |got| match got.path.as_str() {
            "/taxii2/" => taxii(r#"{"title":"t","api_roots":["/api1/"]}"#),
            "/api1/" => taxii(r#"{"title":"r","versions":["application/taxii+json;version=2.1"],"max_content_length":100000}"#),
            "/api1/collections/" => taxii(
                r#"{"collections":[{"id":"c0","title":"First","alias":"first","can_read":true,"can_write":true},{"id":"c1","title":"Closed","can_read":false,"can_write":false}]}"#,
            ),
            path if path.starts_with("/api1/collections/c0/objects/")
                || path.starts_with("/api1/status/") =>
            {
                objects(got)
            }
            _ => status(StatusCode::NOT_FOUND),
        })
        .await
    }

    pub(crate) fn requests(&self) -> Vec<Got> {
        self.got.lock().expect("not poisoned").clone()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer of TAXII.
pub(crate) fn taxii(body: &str) -> Response {
    page(body, None)
}

/// An answer of TAXII with the dates of a page's ends.
pub(crate) fn page(body: &str, dates: Option<(&str, &str)>) -> Response {
    let mut response =
        Response::builder().header("content-type", "application/taxii+json;version=2.1");
    if let Some((first, last)) = dates {
        response = response
            .header("x-taxii-date-added-first", first)
            .header("x-taxii-date-added-last", last);
    }
    response
        .body(Body::from(body.to_owned()))
        .expect("response")
}

/// An answer of this kind.
pub(crate) fn of_kind(kind: &str, body: impl Into<Body>) -> Response {
    Response::builder()
        .header("content-type", kind)
        .body(body.into())
        .expect("response")
}

pub(crate) fn status(status: StatusCode) -> Response {
    Response::builder()
        .status(status)
        .body(Body::empty())
        .expect("response")
}

/// One request of TAXII by hand, as user admin; answers with status and body.
pub(crate) async fn ask(method: &str, url: &str, body: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("connect");
    let length = body.len();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YWRtaW46cGFzcw==\r\n\
         Accept: application/taxii+json;version=2.1\r\nContent-Type: application/taxii+json;version=2.1\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = Vec::new();
    super::world::within(stream.read_to_end(&mut answer))
        .await
        .expect("read");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (status.expect("status"), body.unwrap_or_default())
}
