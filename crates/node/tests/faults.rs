//! A log that is rewritten behind its partners' backs: they keep the evidence, take nothing more
//! from it, and say so; everything else goes on.

extern crate kurultai_node as node;

mod world;

use std::path::Path;

use node::admin::types::{AuditPage, EvidenceInfo, PeerInfo};
use world::{bundle, channel, indicator, indicator_id, prepare, ratified};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("type") {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(std::fs::copy(entry.path(), target).expect("copy")),
            // Sockets belong to a process, not to the data.
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_log_is_refused_with_evidence_and_the_rest_goes_on() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(
        &[&kz, &kg],
        vec![
            channel("alerts", &["KZ", "KG"]),
            channel("relief", &["KZ", "KG"]),
        ],
    );
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    let objects: Vec<String> = (1..=4).map(|number| indicator(number, "")).collect();
    kz.add(&bundle(&objects), "TLP:GREEN//REL KG").await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;

    // A backup is taken, the log grows, the backup is put back, and the log grows otherwise.
    let backup = tempfile::tempdir().expect("temporary folder");
    let kz = kz.restart_after(|data| copy(data, backup.path())).await;
    kz.release("steppe/alerts", &[&indicator_id(2)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
    let held = kg.held("steppe/alerts", "KZ").await.expect("held");
    let kz = kz
        .restart_after(|data| {
            std::fs::remove_dir_all(data).expect("removed");
            copy(backup.path(), data);
        })
        .await;
    kz.release("steppe/alerts", &[&indicator_id(3)]).await;

    kg.until(async || {
        let head = kg.held("steppe/alerts", "KZ").await;
        head.is_some_and(|head| head.refused.is_some())
    })
    .await;
    let after = kg.held("steppe/alerts", "KZ").await.expect("held");
    assert_eq!((after.size, after.root), (held.size, held.root));
    kg.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
    let evidence: Vec<EvidenceInfo> = kg.get("/evidence").await;
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    assert_eq!(evidence[0].log.as_deref(), Some("steppe/alerts/KZ"));
    let parsed =
        log::Evidence::parse(evidence[0].text.as_bytes()).expect("evidence that stands alone");
    let keys = kg.node.channel("steppe/alerts").expect("in force");
    let keys = keys.accord.log_keys("KZ", "alerts").expect("keys");
    parsed.verify(&keys).expect("proof against the origin");
    let status = kg.status().await;
    assert_eq!(status.alarms[0].kind, "log-refused");
    assert_eq!(status.alarms[0].subject, "steppe/alerts/KZ");
    let peers: Vec<PeerInfo> = kg.get("/peers").await;
    assert!(peers[0].logs.iter().any(|log| log.refused.is_some()));
    kg.until(async || {
        let audit: AuditPage = kg.get("/audit").await;
        audit
            .records
            .iter()
            .any(|line| line.record.what == "log-refused")
    })
    .await;

    // The other log of the same partner is another statement and still believed.
    kz.release("steppe/relief", &[&indicator_id(4)]).await;
    kg.until_shown("steppe/relief", &[&indicator_id(4)]).await;
    // And a restart forgets nothing.
    let kg = kg.restart().await;
    let head = kg.held("steppe/alerts", "KZ").await.expect("held");
    assert!(head.refused.is_some());
}
