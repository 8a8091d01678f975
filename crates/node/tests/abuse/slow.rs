//! Clients that begin and do not finish.

use std::time::Duration;

use hyper::Method;
use node::admin::types::AddReport;
use node::limits::{HEADER_BYTES_MAX, HEADER_SECS_MAX, TRAFFIC_LOOK_SECS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{bundle, indicator, prepare, within};
use super::{ATTACKER, OTHER, connect, is_served, request, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_does_not_hold_up_the_intake() {
    let kz = prepare("KZ", "").await.start(None).await;
    let anna = kz.person("anna", &["analyst"]).await;
    let mut slow = connect(ATTACKER, kz.national).await.unwrap();
    let head = format!(
        "POST /api/objects HTTP/1.1\r\nhost: x\r\nauthorization: {anna}\r\ncontent-length: 100000\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // Long enough for the node to have begun with it; sooner proves less, never more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let body = bundle(&[indicator(1, "")]);
    let added = within(kz.ask_as(&anna, Method::POST, "/objects", body.clone())).await;
    let report: AddReport = serde_json::from_slice(&added.1).unwrap();
    assert_eq!(report.added, 1);
    let headers = [("authorization", anna.as_str())];
    let sent = request("POST /api/objects", &headers, body.as_bytes());
    let (status, text) = send(OTHER, kz.national, &sent).await;
    assert!(status == 200 && text.contains("\"duplicates\":1"), "{text}");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_loris_is_shaken_off_and_nobody_else_waits() {
    let kz = prepare("KZ", "").await.start(None).await;
    let mut loris = Vec::new();
    for number in 0..100 {
        let mut stream = connect(ATTACKER, kz.national).await.unwrap();
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /healthz HTTP/1.1\r\nhost: x\r\n",
            _ => b"PRI * HTTP/2.0\r\n",
        };
        stream.write_all(begun).await.unwrap();
        loris.push(stream);
    }
    let begun = tokio::time::Instant::now();
    let bound = Duration::from_secs(HEADER_SECS_MAX + 2 * TRAFFIC_LOOK_SECS + 10);
    let mut closed = Vec::new();
    for mut stream in loris {
        closed.push(tokio::spawn(async move {
            let mut sink = Vec::new();
            drop(stream.read_to_end(&mut sink).await);
        }));
    }
    while closed.iter().any(|task| !task.is_finished()) {
        let asked = tokio::time::Instant::now();
        assert!(is_served(OTHER, kz.national).await);
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{:?}",
            asked.elapsed()
        );
        assert!(begun.elapsed() < bound, "some are still open");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(
        begun.elapsed() >= Duration::from_secs(HEADER_SECS_MAX - 1),
        "not at once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_headers_are_refused_on_every_surface() {
    let kz = prepare("KZ", "").await.start(None).await;
    let long = "x".repeat(2 * HEADER_BYTES_MAX);
    for path in [
        "/taxii2/",
        "/api/status",
        "/auth/me",
        "/console/sign-in",
        "/healthz",
    ] {
        let line = format!("GET {path}");
        for name in ["authorization", "cookie", "accept", "x-forwarded-for"] {
            let (status, text) = send(
                ATTACKER,
                kz.national,
                &request(&line, &[(name, &long)], b""),
            )
            .await;
            assert_eq!(status, 431, "{path} {name} {text}");
        }
        let many = vec![("a", "b"); 500];
        assert_eq!(
            send(ATTACKER, kz.national, &request(&line, &many, b""))
                .await
                .0,
            431
        );
        let query = format!("GET {path}?{}", "x".repeat(2 * HEADER_BYTES_MAX));
        let (status, _) = send(ATTACKER, kz.national, &request(&query, &[], b"")).await;
        assert!(matches!(status, 414 | 431), "{path} {status}");
    }
    assert!(is_served(ATTACKER, kz.national).await);
}
