//! Whoever decides about a feed while it runs, while others decide, and while the disk is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use hyper::{Method, StatusCode};
use node::admin::types::{FeedHealth, FeedInfo};
use serde_json::json;

use super::outside::{Outside, of_kind, taxii};
use super::world::disk::Disk;
use super::world::{indicator, prepare, within};
use super::{add, assert_healthy, node, run};

fn asked(outside: &Outside) -> usize {
    let got = outside.requests();
    got.iter()
        .filter(|got| got.path.ends_with("/objects/"))
        .count()
}

#[tokio::test]
async fn when_a_pause_is_answered_no_run_is_under_way() {
    let hangs = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&hangs);
    let outside = Outside::taxii(move |_| {
        if told.load(Ordering::SeqCst) {
            let body = stream::pending::<Result<Bytes, std::io::Error>>();
            return of_kind("application/taxii+json", Body::from_stream(body));
        }
        taxii(&format!("{{\"objects\":[{}]}}", indicator(1, "")))
    })
    .await;
    let at = node().await;
    let url = format!("{}/api1/", outside.base);
    add(&at, "slow", json!({"kind": "taxii", "url": url})).await;
    within(async {
        while asked(&outside) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let paused: FeedInfo = at.post("/feeds/slow/pause", &json!({})).await;
    assert_eq!(paused.health, FeedHealth::Paused);
    hangs.store(false, Ordering::SeqCst);
    // Had the run still been under way, this would be told that it runs already.
    let _: FeedInfo = at.post("/feeds/slow/resume", &json!({})).await;
    let info = within(run(&at, "slow")).await;
    assert_healthy(&info);
    assert_eq!(info.failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_brings_back_what_another_removes_at_the_same_moment() {
    let at = node().await;
    let file = json!({"kind": "file", "path": "/nowhere/at/all"});
    for round in 0..12 {
        add(&at, "both", file.clone()).await;
        let ask = |method: Method, path: &'static str| {
            let at = &at;
            async move { at.ask(method, path, "{}").await.0 }
        };
        let (_, removed, _, _) = tokio::join!(
            ask(Method::POST, "/feeds/both/pause"),
            ask(Method::DELETE, "/feeds/both"),
            ask(Method::POST, "/feeds/both/run"),
            ask(Method::POST, "/feeds/both/resume"),
        );
        assert_eq!(removed, StatusCode::NO_CONTENT);
        let left: Vec<FeedInfo> = at.get("/feeds").await;
        assert!(left.is_empty(), "round {round}: {left:?}");
        // A new one of that name knows nothing of the old one.
        add(&at, "both", file.clone()).await;
        let info: FeedInfo = at.get("/feeds/both").await;
        assert!(info.failures <= 1 && info.refused == 0, "{info:?}");
        let (status, _, _) = at.ask(Method::DELETE, "/feeds/both", "").await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_feed_whose_run_cannot_be_noted_rests() {
    let full = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&full);
    // While it answers, the disk fills up: the run cannot write down how it ended, so that the feed
    // is due as before.
    let outside = Outside::taxii(move |_| {
        told.store(true, Ordering::SeqCst);
        taxii("{}")
    })
    .await;
    let prepared = prepare("KZ", "[feeds]\nlocal = true\n").await;
    let wrap = move |options: store::Options| {
        options.wrap_blobs(move |inner| {
            Box::new(Disk {
                inner,
                full: Arc::clone(&full),
                under: "",
            })
        })
    };
    let at = prepared.start_with(None, wrap).await;
    let url = format!("{}/api1/", outside.base);
    add(&at, "rests", json!({"kind": "taxii", "url": url})).await;
    within(async {
        while asked(&outside) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // Each of these wakes whoever looks for feeds that are due.
    for _ in 0..20 {
        let (status, _, _) = at.ask(Method::POST, "/feeds/rests/pause", "").await;
        assert!(!status.is_success());
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(&outside), 1);
}
