//! What gives way to another form in a window: it stays until the other one leaves, no failed write
//! loses either, and no removal overtakes what waits.

use hyper::Method;

use super::world::disk::Hiccup;
use super::*;

/// An accord of the next version, with other channels.
fn next_version(nodes: &[&Prepared], text: &str, channels: Vec<Channel>) -> String {
    let first = SignedAccord::parse(text.as_bytes()).expect("an accord");
    let next = Accord {
        version: 2,
        previous: Some(first.digest()),
        channels,
        ..first.accord().clone()
    };
    ratified_text(nodes, next)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_stays_when_what_was_to_take_its_place_may_not_leave() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let text = agreed(&[&kz, &kg], vec![quiet()]);
    let second = next_version(&[&kz, &kg], &text, vec![quiet()]);
    drop(kg);
    let kz = kz.start_at(Some(&text), Arc::clone(&ahead)).await;
    hide_names(&kz).await;
    kz.add(&bundle(&[desk(101), of_desk(1, 101, 30)]), GREEN)
        .await;
    kz.release(QUIET, &[&indicator_id(1)]).await;
    next_window(&ahead, &[&kz]).await;
    let named = kz.shown(&collection(QUIET)).await;
    assert_eq!(named.len(), 1);
    kz.add(&bundle(&[of_desk(1, 101, 31)]), AMBER).await;
    let report = kz.release(QUIET, &[&indicator_id(1)]).await;
    assert_eq!(report.queued, 1, "{report:?}");
    kz.node
        .offer_accord(second.into_bytes(), true, "test")
        .await
        .expect("the next version is installed");
    next_window(&ahead, &[&kz]).await;
    let stays = kz.shown(&collection(QUIET)).await;
    assert_eq!(stays.len(), 1, "{stays:?}");
    assert_eq!(stays[0].hash, named[0].hash);
    assert!(waiting(&kz).await.is_empty());
    let audit: AuditPage = kz.get("/audit").await;
    let id = named[0].id.to_string();
    let told = audit
        .records
        .iter()
        .any(|line| line.record.objects.contains(&id) && line.record.why.contains("so it stays"));
    assert!(told, "{audit:?}");

    // Asked for again, one comes for the other.
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    next_window(&ahead, &[&kz]).await;
    let nameless = kz.shown(&collection(QUIET)).await;
    assert_eq!(nameless.len(), 1, "{nameless:?}");
    assert_ne!(nameless[0].id, named[0].id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failed_write_loses_what_was_to_give_way() {
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let text = agreed(&[&kz, &kg], vec![quiet()]);
    drop(kg);
    let gate = Arc::clone(&left);
    let wrap = |options: store::Options| {
        options.wrap_blobs(move |inner| {
            let left = Arc::clone(&gate);
            Box::new(Hiccup { inner, left })
        })
    };
    let kz = kz.start_with(Some(&text), wrap).await;
    hide_names(&kz).await;
    kz.add(&bundle(&[desk(101), of_desk(1, 101, 30)]), GREEN)
        .await;
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    kz.add(&bundle(&[of_desk(1, 101, 31)]), AMBER).await;
    let first = waiting(&kz).await;
    let id = indicator_id(1);
    let request = format!(r#"{{"channel":"{QUIET}","selection":{{"ids":["{id}"]}}}}"#);
    let mut failed = 0;
    loop {
        left.store(failed, Ordering::SeqCst);
        let (status, _, _) = kz.ask(Method::POST, "/release", request.clone()).await;
        left.store(i64::MAX, Ordering::SeqCst);
        let now = waiting(&kz).await;
        assert_eq!(now.len(), 1, "after {failed} writes: {now:?}");
        if status.is_success() {
            assert_ne!(now[0].0, first[0].0);
            break;
        }
        failed += 1;
        world::within(async { while kz.national("/readyz", None).await.0 != 200 {} }).await;
    }
    assert!(failed > 2, "it has several steps to fail at: {failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_channel_out_of_force_is_not_removed() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let text = agreed(&[&kz, &kg], vec![quiet(), channel("open", &["KZ", "KG"])]);
    let second = next_version(&[&kz, &kg], &text, vec![channel("open", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start_at(Some(&text), Arc::clone(&ahead)).await;
    kz.add(&bundle(&[of_desk(1, 101, 30), of_desk(2, 101, 30)]), GREEN)
        .await;
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    kz.node
        .offer_accord(second.into_bytes(), true, "test")
        .await
        .expect("the next version is installed");
    let national = kz.shown(&Collection::National).await;
    for record in national {
        let waits = record.id.to_string() == indicator_id(1);
        match kz.node.remove(vec![record], "anna").await {
            Err(node::taxii::NotRemoved::Kept(why)) if waits => assert_eq!(why.channel, QUIET),
            Ok(()) if !waits => {}
            other => panic!("{other:?}"),
        }
    }
}
