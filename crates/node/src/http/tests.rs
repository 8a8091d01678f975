//! A connection whose client is slow, silent or greedy, over a pipe and by a clock that runs ahead.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::limits::{CONNECTION_IDLE_SECS_MAX, PACE_BYTES, PACE_SECS_MAX};

/// Bytes that the pipe holds, as a system's socket buffers do.
const PIPE: usize = 4096;
/// The answer to `GET /large`.
const LARGE: usize = 8 * PACE_BYTES;

/// Echoes the length of a body, or answers with something large.
async fn answer(request: Request<Body>) -> Result<Response, Infallible> {
    if request.uri().path() == "/large" {
        return Ok(vec![b'x'; LARGE].into_response());
    }
    Ok(match request.into_body().collect().await {
        Ok(body) => body.to_bytes().len().to_string().into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    })
}

/// The client's end of a connection; the sender is for the node's shutdown.
fn connect() -> (DuplexStream, watch::Sender<bool>) {
    let (ours, theirs) = duplex(PIPE);
    let (stop, shutdown) = watch::channel(false);
    tokio::spawn(serve(theirs, service_fn(answer), shutdown));
    (ours, stop)
}

/// What comes until the node closes, and after how many seconds it did.
async fn end_of(client: &mut DuplexStream) -> (String, u64) {
    let begun = Instant::now();
    let mut text = Vec::new();
    // A pipe whose other end went away while it was written to is closed as well.
    drop(client.read_to_end(&mut text).await);
    (
        String::from_utf8_lossy(&text).into_owned(),
        begun.elapsed().as_secs(),
    )
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_finish_the_headers_is_closed() {
    let beginnings: [&[u8]; 5] = [
        b"",
        b"G",
        b"PRI * HTTP/2",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        // The whole preface of HTTP/2, and no request after it.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    for beginning in beginnings {
        let (mut client, _stop) = connect();
        client.write_all(beginning).await.unwrap();
        let (_, secs) = end_of(&mut client).await;
        let bound = HEADER_SECS_MAX + TRAFFIC_LOOK_SECS + SHUTDOWN_SECS_MAX;
        assert!(
            (HEADER_SECS_MAX..=bound).contains(&secs),
            "{beginning:?}: {secs}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_never_end_are_closed_however_often_a_byte_comes() {
    let (client, _stop) = connect();
    let (mut from, mut to) = tokio::io::split(client);
    to.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let dripping = tokio::spawn(async move {
        for _ in 0..10_000 {
            if to.write_all(b"a: b\r\n").await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    });
    let begun = Instant::now();
    let mut rest = Vec::new();
    drop(from.read_to_end(&mut rest).await);
    assert!(begun.elapsed().as_secs() <= HEADER_SECS_MAX + TRAFFIC_LOOK_SECS);
    assert!(dripping.await.unwrap(), "the connection is gone");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_drips_is_answered_408_and_closed() {
    for drip in [false, true] {
        let (client, _stop) = connect();
        let (mut from, mut to) = tokio::io::split(client);
        to.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nabc")
            .await
            .unwrap();
        let sending = tokio::spawn(async move {
            while drip && to.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        });
        let begun = Instant::now();
        let mut text = Vec::new();
        drop(from.read_to_end(&mut text).await);
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
        assert!(text.contains("urn:kurultai:problem:slow"), "{text}");
        assert!(begun.elapsed().as_secs() <= PACE_SECS_MAX + TRAFFIC_LOOK_SECS);
        sending.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_ends_the_connection_and_a_slow_reader_gets_it_all() {
    let (mut client, _stop) = connect();
    client
        .write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(PACE_SECS_MAX + 2 * TRAFFIC_LOOK_SECS)).await;
    let (text, _) = end_of(&mut client).await;
    assert!(
        text.len() < LARGE,
        "only what was under way: {}",
        text.len()
    );

    let (mut client, _stop) = connect();
    client
        .write_all(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let (mut got, mut part) = (0, vec![0; 2048]);
    loop {
        match client.read(&mut part).await.unwrap() {
            0 => break,
            length => got += length,
        }
        // 2,048 bytes a second.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(got > LARGE, "all of it, and its head: {got}");
}

#[tokio::test(start_paused = true)]
async fn too_many_or_too_long_headers_are_answered_431() {
    let long = format!("a: {}\r\n", "x".repeat(HEADER_BYTES_MAX));
    for headers in [long, "a: b\r\n".repeat(200)] {
        let (client, _stop) = connect();
        let (mut from, mut to) = tokio::io::split(client);
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let sending = tokio::spawn(async move { drop(to.write_all(request.as_bytes()).await) });
        let mut text = Vec::new();
        drop(from.read_to_end(&mut text).await);
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        sending.abort();
    }
}

/// An HTTP/2 client over the pipe.
async fn h2(
    client: DuplexStream,
) -> (
    hyper::client::conn::http2::SendRequest<Body>,
    tokio::task::JoinHandle<Result<(), hyper::Error>>,
) {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(1 << 20)
        .initial_stream_window_size(PIPE as u32)
        .handshake(TokioIo::new(client))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://x{path}"))
        .body(Body::empty())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn http2_is_closed_when_idle_and_when_every_answer_lies() {
    let (client, _stop) = connect();
    let (mut sender, connection) = h2(client).await;
    let answer = sender.send_request(get("/")).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        Bytes::from("0")
    );
    let begun = Instant::now();
    drop(connection.await);
    let secs = begun.elapsed().as_secs();
    let bound = CONNECTION_IDLE_SECS_MAX + TRAFFIC_LOOK_SECS + SHUTDOWN_SECS_MAX;
    assert!((CONNECTION_IDLE_SECS_MAX..=bound).contains(&secs), "{secs}");

    let (client, _stop) = connect();
    let (mut sender, connection) = h2(client).await;
    // One window stays shut while other answers are taken: the connection keeps the pace.
    let lying = sender.send_request(get("/large")).await.unwrap();
    for _ in 0..3 * PACE_SECS_MAX / 5 {
        let answer = sender.send_request(get("/")).await.unwrap();
        assert!(answer.into_body().collect().await.is_ok());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // Pings are answered, and nothing is taken any more.
    let begun = Instant::now();
    drop(connection.await);
    let secs = begun.elapsed().as_secs();
    let bound = PACE_SECS_MAX - 5..=PACE_SECS_MAX + 2 * TRAFFIC_LOOK_SECS;
    assert!(bound.contains(&secs), "{secs}");
    drop(lying);
}

#[tokio::test(start_paused = true)]
async fn http2_headers_beyond_the_bound_are_refused() {
    let (client, _stop) = connect();
    let (mut sender, _connection) = h2(client).await;
    let mut request = get("/");
    let long = "x".repeat(HEADER_BYTES_MAX).parse().unwrap();
    request.headers_mut().insert("a", long);
    match sender.send_request(request).await {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => assert!(!error.is_timeout(), "{error}"),
    }
}
