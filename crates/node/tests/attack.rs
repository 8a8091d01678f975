//! Real input: both releases of ATT&CK for ICS, added in order at one node, released, and held by
//! the partner with the same hashes.

extern crate kurultai_node as node;

mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;

use hyper::Method;
use node::admin::types::{AddReport, EvidenceInfo, ReleaseReport, ReleaseRequest, Selection};
use store::Collection;
use world::{channel, collection, prepare, ratified};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("KURULTAI_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = folder.join("stix");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("KURULTAI_REQUIRE_ALL").is_none(),
        "{} is missing",
        folder.display()
    );
    println!(
        "skipped: {} is missing; set KURULTAI_DATA",
        folder.display()
    );
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_releases_of_attack_reach_the_partner_whole() {
    let Some(data) = data() else { return };
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    let mut conflicts = 0;
    for file in ["ics-attack-15.1.json.zst", "ics-attack-18.1.json.zst"] {
        let body = std::fs::read(data.join(file)).expect("readable");
        let path = "/objects?label=TLP:GREEN%2F%2FREL%20KG";
        let (status, _, body) = kz.ask(Method::POST, path, body).await;
        assert!(status.is_success(), "{}", String::from_utf8_lossy(&body));
        let report: AddReport = serde_json::from_slice(&body).expect("report");
        assert_eq!(report.refused, 0, "{:?}", report.refusals.first());
        assert!(report.added > 500, "{report:?}");
        conflicts += report.conflicts;
        let request = ReleaseRequest {
            channel: "steppe/alerts".into(),
            selection: Selection {
                all: true,
                ..Selection::default()
            },
            who: "aida".into(),
            explain: false,
        };
        let report: ReleaseReport = kz.post("/release", &request).await;
        assert_eq!(
            (report.refused, report.waiting, report.unknown),
            (0, 0, 0),
            "{:?}",
            report.results.first()
        );
        assert!(report.released > 500);
    }
    // The copyright statement kept its id and has no version, but other words (known in this data).
    assert_eq!(conflicts, 1);
    let evidence: Vec<EvidenceInfo> = kz.get("/evidence").await;
    assert_eq!(evidence.len(), 1);

    let log_size = kz.held("steppe/alerts", "KZ").await.expect("own log").size;
    kg.until(async || {
        kg.held("steppe/alerts", "KZ")
            .await
            .is_some_and(|head| head.size == log_size)
    })
    .await;
    let hashes = |records: Vec<store::Record>| -> BTreeSet<_> {
        records
            .into_iter()
            .map(|record| (record.id.to_string(), record.version, record.hash))
            .collect()
    };
    let channel = collection("steppe/alerts");
    let (national, ours, theirs) = (
        hashes(kz.shown(&Collection::National).await),
        hashes(kz.shown(&channel).await),
        hashes(kg.shown(&channel).await),
    );
    assert_eq!(ours, theirs);
    assert!(ours.is_subset(&national));
    assert_eq!(ours.len() as u64, log_size);
}
