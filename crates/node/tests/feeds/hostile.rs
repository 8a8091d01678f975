//! Outside servers that misbehave: each failure is seen, what came before it counts, and the node
//! goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use hyper::{Method, StatusCode};
use node::admin::types::{FeedHealth, FeedInfo};
use serde_json::json;

use super::outside::{Outside, of_kind, page, status, taxii};
use super::peers::access;
use super::world::{indicator, prepare};
use super::{add, assert_failing, assert_healthy, national, node, quarantine, ran, refused, run};

const DATES: Option<(&str, &str)> = Some(("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"));

fn objects(number: u32, rest: &str) -> String {
    format!("{{{rest}\"objects\":[{}]}}", indicator(number, ""))
}

/// A feed of a server that answers so, after its first run.
async fn fed(outside: &Outside) -> (super::Running, FeedInfo) {
    let at = node().await;
    let url = format!("{}/taxii2/", outside.base);
    let source = json!({"kind": "taxii", "url": url, "collection": "first", "access": access(&at)});
    add(&at, "bad", source).await;
    let info = ran(&at, "bad").await;
    (at, info)
}

#[tokio::test]
async fn pages_without_end_are_ended() {
    let outside =
        Outside::taxii(|_| page(&objects(1, "\"more\":true,\"next\":\"x\","), DATES)).await;
    let (at, info) = fed(&outside).await;
    assert_failing(&info, "the same pages again and again");
    assert_eq!(national(&at).await.len(), 1, "what came before counts");
    assert!(
        info.warnings
            .iter()
            .any(|warning| warning.contains("sent before"))
    );
    // Ever new tokens with nothing behind them.
    let count = AtomicUsize::new(0);
    let outside = Outside::taxii(move |_| {
        let next = count.fetch_add(1, Ordering::Relaxed);
        taxii(&format!(
            "{{\"more\":true,\"next\":\"{next}\",\"objects\":[]}}"
        ))
    })
    .await;
    let (_, info) = fed(&outside).await;
    assert_failing(&info, "empty pages");
}

#[tokio::test]
async fn more_without_next_goes_on_by_date() {
    let outside = Outside::taxii(|got| {
        let second = got
            .query
            .contains("added_after=2026-01-01T00%3A00%3A04.999999Z");
        match second {
            false => page(
                &objects(1, "\"more\":true,"),
                Some(("2026-01-01T00:00:01Z", "2026-01-01T00:00:05.000000Z")),
            ),
            true => page(
                &objects(2, ""),
                Some(("2026-01-01T00:00:06Z", "2026-01-01T00:00:06Z")),
            ),
        }
    })
    .await;
    let (_, info) = fed(&outside).await;
    // A date without a fraction may be cut to the second, so it is asked from the second before.
    assert_failing(&info, "neither where nor of what date");
    let outside = Outside::taxii(|got| {
        match got
            .query
            .contains("added_after=2026-01-01T00%3A00%3A05.123455Z")
        {
            false => page(
                &objects(1, "\"more\":true,"),
                Some(("2026-01-01T00:00:01Z", "2026-01-01T00:00:05.123456Z")),
            ),
            true => page(
                &objects(2, ""),
                Some(("2026-01-01T00:00:06Z", "2026-01-01T00:00:06Z")),
            ),
        }
    })
    .await;
    let (at, info) = fed(&outside).await;
    assert_healthy(&info);
    assert_eq!(national(&at).await.len(), 2);
}

#[tokio::test]
async fn what_is_no_page_is_seen_and_changes_nothing() {
    type Answer = fn() -> axum::response::Response;
    let cases: [(&str, Answer); 7] = [
        ("text/html, which is no TAXII", || {
            of_kind("text/html", "<h1>Welcome</h1>")
        }),
        ("text/plain, which is no TAXII", || {
            of_kind("text/plain", "{}")
        }),
        ("cannot be read", || {
            taxii("{\"objects\":[{\"type\":\"indicator\",")
        }),
        ("500 Internal Server Error", || {
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }),
        ("401 Unauthorized", || status(StatusCode::UNAUTHORIZED)),
        ("packed in a way", || {
            let mut response = taxii("{}");
            response
                .headers_mut()
                .insert("content-encoding", "br".parse().unwrap());
            response
        }),
        ("the answer is damaged", || {
            let mut response = taxii("not gzip");
            response
                .headers_mut()
                .insert("content-encoding", "gzip".parse().unwrap());
            response
        }),
    ];
    for (why, answer) in cases {
        let outside = Outside::taxii(move |_| answer()).await;
        let (at, info) = fed(&outside).await;
        assert_failing(&info, why);
        assert!(national(&at).await.is_empty());
        let alarms = at.status().await.alarms;
        assert!(
            alarms
                .iter()
                .any(|alarm| alarm.kind == "feed" && alarm.subject == "bad")
        );
    }
}

#[tokio::test]
async fn refused_objects_are_quarantined_once_and_others_are_taken() {
    let outside = Outside::taxii(|_| {
        page(
            &format!(
                "{{\"objects\":[{},{{\"type\":\"indicator\",\"id\":\"indicator--1\"}},7]}}",
                indicator(1, "")
            ),
            DATES,
        )
    })
    .await;
    let (at, info) = fed(&outside).await;
    assert_healthy(&info);
    assert_eq!((info.accepted, info.refused), (1, 2));
    let held = quarantine(&at, "bad").await;
    assert_eq!((held.refusals.len(), held.dropped), (2, 0));
    assert_eq!(held.refusals[0].id.as_deref(), Some("indicator--1"));
    assert!(!held.refusals[0].reason.is_empty() && held.refusals[0].place.contains("object 1"));
    let again = run(&at, "bad").await;
    assert_eq!((again.accepted, again.refused), (1, 2));
    assert_eq!(quarantine(&at, "bad").await, held);
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is() {
    let outside = Outside::taxii(|_| {
        let mut response = status(StatusCode::TOO_MANY_REQUESTS);
        response
            .headers_mut()
            .insert("retry-after", "7200".parse().unwrap());
        response
    })
    .await;
    let (at, info) = fed(&outside).await;
    assert_failing(&info, "429");
    let time = |text: &Option<String>| {
        model::Timestamp::parse(text.as_deref().unwrap())
            .unwrap()
            .unix_micros()
    };
    let pause = time(&info.next_run) - time(&info.last_run);
    assert!((7_190_000_000..7_210_000_000).contains(&pause), "{pause}");
    // It is not asked before, also after a restart; and a person may ask all the same.
    let before = outside.requests().len();
    let at = at.restart().await;
    let info: FeedInfo = at.get("/feeds/bad").await;
    assert_eq!((info.health, info.failures), (FeedHealth::Failing, 1));
    assert_eq!(outside.requests().len(), before);
    assert_eq!(run(&at, "bad").await.failures, 2);
}

#[tokio::test]
async fn bodies_without_end_are_cut_off() {
    let outside = Outside::taxii(|_| {
        let block = Bytes::from(vec![b' '; 1 << 20]);
        let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(block.clone()));
        of_kind(
            "application/taxii+json;version=2.1",
            Body::from_stream(endless),
        )
    })
    .await;
    let (at, info) = fed(&outside).await;
    assert_failing(&info, "larger than 67108864 bytes");
    assert!(national(&at).await.is_empty());
    // A small body that unpacks to a large one.
    let bomb = zstd::encode_all(std::io::repeat(b' ').take(100 << 20), 3).unwrap();
    let outside = Outside::taxii(move |_| {
        let mut response = of_kind("application/json", bomb.clone());
        response
            .headers_mut()
            .insert("content-encoding", "zstd".parse().unwrap());
        response
    })
    .await;
    let (_, info) = fed(&outside).await;
    assert_failing(&info, "larger than 67108864 bytes");
}

use std::io::Read;

#[tokio::test(start_paused = false)]
async fn a_removed_feed_ends_a_run_that_hangs() {
    let outside = Outside::taxii(|_| {
        let body = stream::pending::<Result<Bytes, std::io::Error>>();
        of_kind(
            "application/taxii+json;version=2.1",
            Body::from_stream(body),
        )
    })
    .await;
    let at = node().await;
    let url = format!("{}/taxii2/", outside.base);
    add(
        &at,
        "slow",
        json!({"kind": "taxii", "url": url, "collection": "c0"}),
    )
    .await;
    super::world::within(async {
        while !outside
            .requests()
            .iter()
            .any(|got| got.path.ends_with("/objects/"))
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let why = refused(&at, Method::POST, "/feeds/slow/run", json!({})).await;
    assert!(why.contains("runs already"), "{why}");
    let (status, _, _) = at.ask(Method::DELETE, "/feeds/slow", Body::empty()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(at.get::<Vec<FeedInfo>>("/feeds").await.is_empty());
}

#[tokio::test]
async fn credentials_go_to_the_server_they_are_for_and_to_no_other() {
    let other = Outside::serve(|_| taxii(&objects(1, ""))).await;
    let elsewhere = format!("{}/objects/", other.base);
    let outside = Outside::taxii(move |_| {
        let mut response = status(StatusCode::TEMPORARY_REDIRECT);
        response
            .headers_mut()
            .insert("location", elsewhere.parse().unwrap());
        response
    })
    .await;
    let (at, info) = fed(&outside).await;
    assert_healthy(&info);
    assert_eq!(national(&at).await.len(), 1);
    for got in outside.requests() {
        assert_eq!(
            got.headers["authorization"], "Basic YWRtaW46cGFzcw==",
            "{}",
            got.path
        );
    }
    let led = other.requests();
    assert!(
        !led.is_empty()
            && led
                .iter()
                .all(|got| !got.headers.contains_key("authorization"))
    );
    // In a circle.
    let outside = Outside::taxii(|got| {
        let mut response = status(StatusCode::FOUND);
        response
            .headers_mut()
            .insert("location", got.path.parse().unwrap());
        response
    })
    .await;
    let (_, info) = fed(&outside).await;
    assert_failing(&info, "redirects more than");
}

#[tokio::test]
async fn nothing_on_this_machine_is_asked_unless_that_is_allowed() {
    let inside = Outside::serve(|_| taxii("{}")).await;
    let at = prepare("KZ", "").await.start(None).await;
    for url in [
        format!("{}/taxii2/", inside.base),
        "http://localhost:8441/x".into(),
        "http://[::1]/".into(),
    ] {
        let spec = json!({"name": "in", "source": {"kind": "http-json", "url": url}});
        let why = refused(&at, Method::POST, "/feeds", spec).await;
        assert!(why.contains("feeds.local"), "{why}");
    }
    assert!(inside.requests().is_empty());
}

#[tokio::test]
async fn secrets_are_files_of_their_folder_and_nothing_else() {
    let at = node().await;
    access(&at);
    let add = async |access: serde_json::Value| {
        let spec = json!({"name": "x", "source": {"kind": "taxii", "url": "https://127.0.0.1/", "access": access}});
        refused(&at, Method::POST, "/feeds", spec).await
    };
    for file in ["../keys/root.key", "/etc/passwd", "..", ".", "a/b"] {
        let why = add(json!({"user": "u", "password": file})).await;
        assert!(why.contains("secrets are files in"), "{file}: {why}");
    }
    let folder = at.node.config().data.join("secrets");
    std::os::unix::fs::symlink("../keys/root.key", folder.join("link")).unwrap();
    assert!(add(json!({"token": "link"})).await.contains("it is a link"));
    std::fs::write(folder.join("open"), "x").unwrap();
    assert!(add(json!({"token": "open"})).await.contains("chmod 600"));
    assert!(
        add(json!({"token": "outside", "user": "u"}))
            .await
            .contains("or nothing")
    );
}

#[tokio::test]
async fn a_feed_that_nobody_runs_is_not_called_healthy() {
    let ahead = Arc::new(AtomicI64::new(0));
    let outside = Outside::taxii(|_| page(&objects(1, ""), DATES)).await;
    let prepared = prepare("KZ", "[feeds]\nlocal = true\n").await;
    let at = prepared.start_at(None, Arc::clone(&ahead)).await;
    let url = format!("{}/api1/", outside.base);
    add(&at, "good", json!({"kind": "taxii", "url": url})).await;
    assert_healthy(&ran(&at, "good").await);
    assert!(
        at.national("/metrics", None)
            .await
            .1
            .contains("kurultai_feed_healthy{feed=\"good\"} 1")
    );
    drop(outside);
    // The loop may notice and fail, or not have noticed yet: either way it is not healthy.
    ahead.store(3 * 3_600 * 1_000_000, Ordering::Relaxed);
    let info: FeedInfo = at.get("/feeds/good").await;
    assert_eq!(info.health, FeedHealth::Stale, "{info:?}");
    assert!(info.success_age_secs >= 3 * 3_600);
    let at = at.restart_at(ahead).await;
    let info: FeedInfo = at.get("/feeds/good").await;
    assert_eq!(info.health, FeedHealth::Stale, "{info:?}");
    let (_, metrics) = at.national("/metrics", None).await;
    for line in [
        "kurultai_feed_healthy{feed=\"good\"} 0",
        "kurultai_feed_last_success_age_seconds{feed=\"good\"} 1",
        "kurultai_feed_objects{feed=\"good\",outcome=\"accepted\"} 1",
        "kurultai_feed_consecutive_failures{feed=\"good\"} ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
