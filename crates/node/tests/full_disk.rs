//! A disk that fills up: nothing more is acknowledged, what is held is still served, everybody is
//! told, and with the space returns the work.

extern crate kurultai_node as node;

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use hyper::Method;
use node::admin::types::Problem;
use world::disk::Disk;
use world::{bundle, channel, indicator, indicator_id, prepare, ratified, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_writes_wait_and_both_say_so() {
    let full = Arc::new(AtomicBool::new(false));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let switch = Arc::clone(&full);
    let wrap = move |options: store::Options| {
        options.wrap_blobs(move |inner| {
            Box::new(Disk {
                inner,
                full: Arc::clone(&switch),
                under: "",
            })
        })
    };
    let (kz, kg) = (
        kz.start_with(Some(&note), wrap).await,
        kg.start(Some(&note)).await,
    );
    let green = "TLP:GREEN//REL KG";
    kz.add(&bundle(&[indicator(1, "")]), green).await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
    let user = kz.user("aida").await;

    full.store(true, Ordering::SeqCst);
    let (status, kind, body) = kz
        .ask(Method::POST, "/objects", bundle(&[indicator(2, "")]))
        .await;
    let problem: Problem = serde_json::from_slice(&body).expect("problem");
    assert_eq!(
        (status.as_u16(), kind.as_str()),
        (503, "application/problem+json")
    );
    assert!(problem.detail.contains("full"), "{problem:?}");
    let request = format!(
        r#"{{"channel":"steppe/alerts","ids":["{}"],"reason":"r"}}"#,
        indicator_id(1)
    );
    assert_eq!(
        kz.ask(Method::POST, "/withdraw", request).await.0.as_u16(),
        503
    );

    assert_eq!(kz.national("/healthz", None).await.0, 200);
    let (code, page) = kz
        .national(
            "/taxii2/kurultai/collections/national/objects/",
            Some(&user),
        )
        .await;
    assert!(
        code == 200 && page.contains("mail-1.example") && !page.contains("mail-2.example"),
        "{page}"
    );
    assert!(
        kg.peer_of(&kz)
            .get("/log/steppe/alerts/checkpoint", 1 << 20)
            .await
            .is_ok()
    );
    assert_eq!(kz.national("/readyz", None).await.0, 503);
    let status = kz.status().await;
    assert!(!status.ready && !status.store.writable);
    assert!(
        status
            .alarms
            .iter()
            .any(|alarm| alarm.kind == "store-full" && alarm.text.contains("full")),
        "{status:?}"
    );

    // The node finds out by itself that there is space again.
    full.store(false, Ordering::SeqCst);
    within(async { while kz.national("/readyz", None).await.0 != 200 {} }).await;
    assert_eq!(
        kz.ask(Method::GET, "/status", Body::empty())
            .await
            .0
            .as_u16(),
        200
    );
    kz.add(&bundle(&[indicator(2, "")]), green).await;
    kz.release("steppe/alerts", &[&indicator_id(2)]).await;
    // The withdrawal was refused as a whole, so the first object is still there.
    kg.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
    assert!(kz.status().await.alarms.is_empty());
}
