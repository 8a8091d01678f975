//! What was pushed and is withdrawn comes back, or is said to be outside: while a feed is paused,
//! while a server is down, and when somebody removes the feed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use hyper::{Method, StatusCode};
use node::admin::types::{AuditPage, FeedHealth, FeedInfo};
use serde_json::{Value, json};

use super::outside::{Got, Outside, status, taxii};
use super::push::{ALERTS, kz, kz_at, open, release, source, takes, withdraw};
use super::world::{Running, accord, channel, indicator_id, prepare, ratified_text};
use super::{assert_failing, assert_healthy, refused, run};

/// A server that keeps ids, gives them back, and refuses with a status where a test says so.
#[derive(Clone, Default)]
struct Keeps {
    held: Arc<Mutex<BTreeSet<String>>>,
    /// The status with which it answers what posts; 0: it takes it.
    posts: Arc<AtomicU16>,
    /// The same of what deletes.
    deletes: Arc<AtomicU16>,
    /// The same of what asks for one object.
    looks: Arc<AtomicU16>,
}

impl Keeps {
    async fn serve(&self) -> Outside {
        let keeps = self.clone();
        Outside::taxii(move |got| keeps.answer(got)).await
    }

    fn answer(&self, got: &Got) -> Response {
        let told = match got.method {
            Method::POST => &self.posts,
            Method::DELETE => &self.deletes,
            _ => &self.looks,
        };
        let code = told.load(Ordering::SeqCst);
        if code != 0 {
            return status(StatusCode::from_u16(code).expect("a status"));
        }
        let mut held = self.held.lock().expect("not poisoned");
        let id = got.path.trim_end_matches('/').rsplit('/').next();
        let id = id.unwrap_or_default().to_owned();
        match got.method {
            Method::POST => {
                let body: Value = serde_json::from_slice(&got.body).expect("JSON");
                for object in body["objects"].as_array().expect("objects") {
                    held.insert(object["id"].as_str().expect("an id").to_owned());
                }
                takes()
            }
            Method::DELETE => {
                held.remove(&id);
                status(StatusCode::OK)
            }
            _ if held.contains(&id) => taxii(&format!("{{\"objects\":[{{\"id\":\"{id}\"}}]}}")),
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    fn has(&self, number: u32) -> bool {
        let held = self.held.lock().expect("not poisoned");
        held.contains(&indicator_id(number))
    }
}

async fn info(at: &Running) -> FeedInfo {
    at.get("/feeds/out").await
}

/// A node that has pushed the first `count` indicators to a server, and that server.
async fn pushed(count: u32) -> (Running, Keeps, Outside) {
    let keeps = Keeps::default();
    let outside = keeps.serve().await;
    let at = kz().await;
    release(&at, 0..count, "TLP:CLEAR").await;
    open(&at, source(&outside, json!({}))).await;
    assert_healthy(&run(&at, "out").await);
    (at, keeps, outside)
}

#[tokio::test]
async fn a_pause_stops_what_goes_out_and_not_what_is_to_come_back() {
    let (keeps, ahead) = (Keeps::default(), Arc::new(AtomicI64::new(0)));
    let outside = keeps.serve().await;
    let at = kz_at(Arc::clone(&ahead)).await;
    release(&at, 0..3, "TLP:CLEAR").await;
    open(&at, source(&outside, json!({}))).await;
    assert_healthy(&run(&at, "out").await);
    let _: FeedInfo = at.post("/feeds/out/pause", &json!({})).await;
    release(&at, 3..4, "TLP:CLEAR").await;
    withdraw(&at, 1).await;
    at.until(async || !keeps.has(1)).await;
    at.until(async || info(&at).await.health == FeedHealth::Paused)
        .await;
    assert!(
        keeps.has(0) && keeps.has(2) && !keeps.has(3),
        "nothing else"
    );
    // The server is down: it is said, by the feed's health and by an alarm, paused or not.
    keeps.deletes.store(503, Ordering::SeqCst);
    withdraw(&at, 2).await;
    at.until(async || info(&at).await.health == FeedHealth::Unrecalled)
        .await;
    let why = info(&at).await.why;
    assert!(why.contains("it is paused") && why.contains("503"), "{why}");
    let alarms = at.status().await.alarms;
    assert!(
        alarms
            .iter()
            .any(|alarm| alarm.kind == "feed" && alarm.text.contains("still outside"))
    );
    assert!(keeps.has(2));
    let at = at.restart_at(Arc::clone(&ahead)).await;
    assert_eq!(info(&at).await.health, FeedHealth::Unrecalled);
    // It is up again, and in a while it is asked again.
    keeps.deletes.store(0, Ordering::SeqCst);
    ahead.fetch_add(3_600 * 1_000_000, Ordering::SeqCst);
    let _: FeedInfo = at.post("/feeds/out/pause", &json!({})).await;
    at.until(async || info(&at).await.health == FeedHealth::Paused)
        .await;
    assert!(keeps.has(0) && !keeps.has(2) && !keeps.has(3));
}

#[tokio::test]
async fn an_outage_uses_up_no_tries_and_a_server_that_cannot_delete_does() {
    let (at, keeps, _outside) = pushed(2).await;
    for (code, times) in [(503, 7), (401, 2), (429, 2), (502, 2), (500, 4)] {
        keeps.deletes.store(code, Ordering::SeqCst);
        withdraw(&at, 1).await;
        for _ in 0..times {
            let info = run(&at, "out").await;
            assert_failing(&info, &code.to_string());
            assert_eq!(info.unrecalled_total, 0, "{code}");
        }
    }
    // The fifth answer of its own that fails over this object.
    let info = run(&at, "out").await;
    assert_eq!(
        (info.health, info.unrecalled_total),
        (FeedHealth::Unrecalled, 1)
    );
    assert!(info.unrecalled[0].reason.contains("500"), "{info:?}");
}

#[tokio::test]
async fn what_no_answer_proves_to_be_gone_is_said_to_be_outside() {
    for (looks, gone) in [(0, true), (406, false), (410, true)] {
        let (at, keeps, _outside) = pushed(1).await;
        keeps.looks.store(looks, Ordering::SeqCst);
        withdraw(&at, 0).await;
        let info = run(&at, "out").await;
        match gone {
            true => assert_healthy(&info),
            false => {
                assert_eq!(info.health, FeedHealth::Unrecalled);
                let said = &info.unrecalled[0].reason;
                assert!(said.contains("does not say whether it is gone"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn one_object_holds_up_neither_the_recall_of_others_nor_what_goes_out() {
    // Of the first it says that it deletes it, and falls over whoever looks; of the second it is
    // always away.
    let keeps = Keeps::default();
    let inner = keeps.clone();
    let outside = Outside::taxii(move |got| match got.method {
        Method::GET if got.path.contains(&indicator_id(0)) => {
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Method::DELETE if got.path.contains(&indicator_id(1)) => {
            status(StatusCode::SERVICE_UNAVAILABLE)
        }
        _ => inner.answer(got),
    })
    .await;
    let at = kz().await;
    release(&at, 0..4, "TLP:CLEAR").await;
    open(&at, source(&outside, json!({}))).await;
    assert_healthy(&run(&at, "out").await);
    for number in 0..3 {
        withdraw(&at, number).await;
    }
    release(&at, 4..5, "TLP:CLEAR").await;
    for _ in 0..6 {
        let info = run(&at, "out").await;
        assert_eq!(info.health, FeedHealth::Failing, "{info:?}");
        assert!(
            info.why.contains("503") || info.why.contains("500"),
            "{info:?}"
        );
    }
    assert!(!keeps.has(2) && keeps.has(1) && keeps.has(3) && keeps.has(4));
    let info = info(&at).await;
    assert_eq!(info.unrecalled_total, 1, "the one is given up: {info:?}");
    assert_eq!(
        info.unrecalled[0].id.as_deref(),
        Some(indicator_id(0).as_str())
    );
    assert!(info.why.contains("is asked for again"), "{info:?}");
}

#[tokio::test]
async fn what_is_released_again_is_not_taken_back_for_what_was_before() {
    let (at, keeps, _outside) = pushed(2).await;
    // It is away when the withdrawal is looked for, and back when the object is released again.
    keeps.deletes.store(503, Ordering::SeqCst);
    withdraw(&at, 1).await;
    assert_failing(&run(&at, "out").await, "503");
    let report = at.release(ALERTS, &[&indicator_id(1)]).await;
    assert_eq!(report.released, 1, "{report:?}");
    assert_healthy(&run(&at, "out").await);
    keeps.deletes.store(0, Ordering::SeqCst);
    assert_healthy(&run(&at, "out").await);
    assert!(keeps.has(1));
    // And its next withdrawal finds it.
    withdraw(&at, 1).await;
    assert_healthy(&run(&at, "out").await);
    assert!(!keeps.has(1) && keeps.has(0));
}

#[tokio::test]
async fn a_channel_into_which_others_publish_is_no_ones_to_push_though_the_inbox_is_out_of_force() {
    let (kz, kg, uz) = (
        prepare("KZ", "[feeds]\nlocal = true\n").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let mut inbox = channel("inbox", &["KZ", "UZ"]);
    inbox.delegate = Some(policy::Delegate {
        member: "KZ".into(),
        into: "alerts".into(),
    });
    let mut alerts = channel("alerts", &["KZ", "KG"]);
    alerts.attribution = policy::Attribution::Member;
    let members = [&kz.member, &kg.member, &uz.member];
    let mut text = accord(&members, vec![]).accord().clone();
    text.channels = vec![alerts, inbox];
    text.obligations.non_attribution = true;
    // UZ has not ratified: its inbox is not in force, and the channel is.
    let note = ratified_text(&[&kz, &kg], text);
    let at = kz.start(Some(&note)).await;
    let outside = Outside::taxii(|_| takes()).await;
    let spec = json!({"name": "out", "source": source(&outside, json!({}))});
    let why = refused(&at, Method::POST, "/feeds", spec).await;
    assert!(why.contains("publishes for others"), "{why}");
}

#[tokio::test]
async fn a_feed_with_something_outside_is_removed_only_by_force_and_on_record() {
    let (at, keeps, outside) = pushed(3).await;
    let why = refused(&at, Method::DELETE, "/feeds/out", json!({})).await;
    assert!(
        why.starts_with("3 objects that the feed out pushed"),
        "{why}"
    );
    // It still works, and what could not be taken back counts as well.
    keeps.deletes.store(405, Ordering::SeqCst);
    withdraw(&at, 1).await;
    assert_eq!(run(&at, "out").await.unrecalled_total, 1);
    let why = refused(&at, Method::DELETE, "/feeds/out", json!({})).await;
    assert!(why.starts_with("3 objects"), "{why}");
    let (status, _, _) = at.ask(Method::DELETE, "/feeds/out?force=true", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let audit: AuditPage = at.get("/audit?limit=1000").await;
    let forced = audit.records.iter().map(|line| &line.record);
    let forced: Vec<_> = forced
        .filter(|record| record.what == "feed" && record.why.contains("by force"))
        .collect();
    let mut ids: Vec<&str> = forced
        .iter()
        .flat_map(|record| record.objects.iter().map(String::as_str))
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2].map(indicator_id));
    // One that has nothing outside goes without.
    keeps.deletes.store(0, Ordering::SeqCst);
    open(&at, source(&outside, json!({}))).await;
    assert_healthy(&run(&at, "out").await);
    withdraw(&at, 0).await;
    withdraw(&at, 2).await;
    assert_healthy(&run(&at, "out").await);
    let (status, _, _) = at.ask(Method::DELETE, "/feeds/out", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_not_healthy_and_nothing_is_passed_over() {
    for code in [400, 413, 422, 403, 500] {
        let keeps = Keeps::default();
        keeps.posts.store(code, Ordering::SeqCst);
        let outside = keeps.serve().await;
        let at = kz().await;
        release(&at, 0..20, "TLP:CLEAR").await;
        open(&at, source(&outside, json!({}))).await;
        let info = run(&at, "out").await;
        assert_failing(&info, &code.to_string());
        assert_eq!((info.accepted, info.refused), (0, 0), "{code}");
        keeps.posts.store(0, Ordering::SeqCst);
        let info = run(&at, "out").await;
        assert_healthy(&info);
        assert_eq!(info.accepted, 20, "{code}");
    }
}

#[tokio::test]
async fn what_is_pushed_crosses_no_network_in_the_clear_and_goes_to_no_other_server() {
    let at = kz().await;
    release(&at, 0..1, "TLP:CLEAR").await;
    let plain = json!({"kind": "taxii-push", "url": "http://192.0.2.1/taxii2/", "channel": ALERTS});
    let spec = json!({"name": "clear", "source": plain});
    let why = refused(&at, Method::POST, "/feeds", spec).await;
    assert!(why.contains("use https"), "{why}");
    let other = Outside::taxii(|_| takes()).await;
    let root = format!("{}/api1/", other.base);
    let outside =
        Outside::serve(move |_| taxii(&format!(r#"{{"title":"t","api_roots":["{root}"]}}"#))).await;
    open(&at, source(&outside, json!({}))).await;
    assert_failing(&run(&at, "out").await, "another server than the feed's");
    assert!(other.requests().iter().all(|got| got.method == Method::GET));
    // Nor where a redirection leads.
    let outside = Outside::taxii(move |_| {
        let mut response = status(StatusCode::TEMPORARY_REDIRECT);
        let to = format!("{}/api1/collections/c0/objects/", other.base);
        response
            .headers_mut()
            .insert("location", to.parse().expect("a header"));
        response
    })
    .await;
    let spec = json!({"name": "led", "source": source(&outside, json!({})), "every_secs": 3600});
    let _: FeedInfo = at.post("/feeds", &spec).await;
    let _: FeedInfo = at.post("/feeds/led/resume", &json!({})).await;
    assert_failing(&run(&at, "led").await, "written to elsewhere");
}
