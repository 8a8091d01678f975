//! Feeds of a running node: real servers of others, files, and servers that misbehave.

extern crate kurultai_node as node;

mod files;
mod guard;
mod hostile;
mod outside;
mod peers;
mod push;
mod recall;
mod tls;
mod turns;
mod versions;
#[path = "../world/mod.rs"]
mod world;

use std::time::Duration;

use axum::body::Body;
use hyper::{Method, StatusCode};
use node::admin::types::{FeedHealth, FeedInfo, FeedQuarantine, Problem};
use serde_json::{Value, json};
use store::Collection;
use world::{Running, prepare};

/// A node whose feeds may speak to this machine.
async fn node() -> Running {
    prepare("KZ", "[feeds]\nlocal = true\n")
        .await
        .start(None)
        .await
}

/// Adds a feed.
async fn add(at: &Running, name: &str, source: Value) -> FeedInfo {
    let spec = json!({"name": name, "source": source, "every_secs": 3600});
    at.post("/feeds", &spec).await
}

/// Asks for something that is refused; gives the reason.
async fn refused(at: &Running, method: Method, path: &str, body: Value) -> String {
    let (status, _, body) = at.ask(method, path, body.to_string()).await;
    assert!(status.is_client_error(), "{path}: {status}");
    let problem: Problem = serde_json::from_slice(&body).expect("a problem");
    problem.detail
}

/// Runs a feed to its end, also if the node itself runs it just now.
async fn run(at: &Running, name: &str) -> FeedInfo {
    let path = format!("/feeds/{name}/run");
    loop {
        let (status, _, body) = at.ask(Method::POST, &path, Body::empty()).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status == StatusCode::BAD_REQUEST && text.contains("runs already") {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        assert!(status.is_success(), "{status} {text}");
        return serde_json::from_slice(&body).expect("the feed");
    }
}

/// Waits until a feed has run of itself.
async fn ran(at: &Running, name: &str) -> FeedInfo {
    world::within(async {
        loop {
            let info: FeedInfo = at.get(&format!("/feeds/{name}")).await;
            if info.last_run.is_some() {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn quarantine(at: &Running, name: &str) -> FeedQuarantine {
    at.get(&format!("/feeds/{name}/quarantine")).await
}

/// The ids that the national collection shows, without feeds' own identities.
async fn national(at: &Running) -> Vec<String> {
    let records = at.shown(&Collection::National).await;
    records
        .iter()
        .map(|record| record.id.to_string())
        .filter(|id| !id.starts_with("identity--"))
        .collect()
}

fn assert_healthy(info: &FeedInfo) {
    assert_eq!(info.health, FeedHealth::Healthy, "{info:?}");
    assert_eq!((info.failures, &info.last_error), (0, &None));
}

fn assert_failing(info: &FeedInfo, why: &str) {
    assert_eq!(info.health, FeedHealth::Failing, "{info:?}");
    let said = info.last_error.as_deref().unwrap_or_default();
    assert!(said.contains(why), "{said:?} has no {why:?}");
}
