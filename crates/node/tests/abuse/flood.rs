//! More connections and requests than one client may have.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use node::limits::{
    NATIONAL_CONNECTIONS_EACH_MAX, NATIONAL_CONNECTIONS_MAX, NATIONAL_REQUESTS_EACH_MAX,
    STREAMS_MAX,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{Running, prepare, within};
use super::{ATTACKER, OTHER, connect, is_served, request, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_places() {
    let kz = prepare("KZ", "").await.start(None).await;
    let mut held = Vec::new();
    for _ in 0..NATIONAL_CONNECTIONS_EACH_MAX {
        held.push(connect(ATTACKER, kz.national).await.unwrap());
    }
    let (status, text) = send(ATTACKER, kz.national, &request("GET /healthz", &[], b"")).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("\r\nretry-after: 5\r\n") && text.ends_with("try again later\n"));
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(text.contains(&format!("content-length: {}\r\n", body.len())));
    assert!(is_served(OTHER, kz.national).await);
    drop(held);
    kz.until(async || is_served(ATTACKER, kz.national).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_addresses_together_are_bounded_and_those_who_are_in_stay() {
    let kz = prepare("KZ", "").await.start(None).await;
    let mut other = connect(OTHER, kz.national).await.unwrap();
    other
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut part = [0; 4096];
    assert!(within(other.read(&mut part)).await.unwrap() > 0);
    let mut held = Vec::new();
    for number in 0..NATIONAL_CONNECTIONS_MAX {
        let from = format!("127.0.1.{}", number / 64);
        held.push(connect(&from, kz.national).await.unwrap());
    }
    let probe = request("GET /healthz", &[], b"");
    assert_eq!(send("127.0.0.9", kz.national, &probe).await.0, 503);
    other
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let length = within(other.read(&mut part)).await.unwrap();
    assert!(part[..length].starts_with(b"HTTP/1.1 200 "));
    drop(held);
    kz.until(async || is_served("127.0.0.9", kz.national).await)
        .await;
}

/// An HTTP/2 connection from an address.
async fn h2(from: &str, kz: &Running) -> SendRequest<Body> {
    let stream = connect(from, kz.national).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

/// A request whose body never comes.
fn waiting() -> Request<Body> {
    let body = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    Request::post("http://node/auth/session")
        .body(Body::from_stream(body))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_hand_are_bounded_for_one_address() {
    let kz = prepare("KZ", "").await.start(None).await;
    let mut senders = Vec::new();
    let mut answers = FuturesUnordered::new();
    let connections = NATIONAL_REQUESTS_EACH_MAX / STREAMS_MAX as usize + 1;
    for _ in 0..connections {
        let mut sender = h2(ATTACKER, &kz).await;
        for _ in 0..STREAMS_MAX {
            answers.push(sender.send_request(waiting()));
        }
        senders.push(sender);
    }
    let beyond = connections * STREAMS_MAX as usize - NATIONAL_REQUESTS_EACH_MAX;
    for _ in 0..beyond {
        let answer = within(answers.next()).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let more = tokio::time::timeout(Duration::from_millis(500), answers.next()).await;
    assert!(more.is_err(), "the others are in hand: {more:?}");
    assert!(is_served(OTHER, kz.national).await);
    drop((answers, senders));
    kz.until(async || is_served(ATTACKER, kz.national).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_taken_back_at_once_do_no_harm() {
    let kz = prepare("KZ", "").await.start(None).await;
    let mut refused = 0;
    for _ in 0..5 {
        let mut sender = h2(ATTACKER, &kz).await;
        for _ in 0..2_000 {
            let request = Request::get("http://node/taxii2/")
                .header("authorization", "Bearer kurultai_of-nobody")
                .body(Body::empty())
                .unwrap();
            // Sent, and taken back in the same breath: HEADERS and RST_STREAM.
            if futures_util::poll!(std::pin::pin!(sender.ready())).is_ready() {
                drop(futures_util::poll!(std::pin::pin!(
                    sender.send_request(request)
                )));
            } else {
                refused += 1;
                tokio::task::yield_now().await;
            }
        }
        assert!(is_served(OTHER, kz.national).await);
    }
    assert!(refused < 10_000, "some of it was sent");
    kz.until(async || is_served(ATTACKER, kz.national).await)
        .await;
}
