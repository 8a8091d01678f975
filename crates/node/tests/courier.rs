//! Courier files between nodes that never connect.

extern crate kurultai_node as node;

mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use hyper::{Method, Request, StatusCode};
use node::admin::types::{
    AuditPage, CourierExport, CourierExported, CourierImport, CourierImported, CourierKey,
    CourierKeyInfo, CourierPublish, CourierPublished, Problem, ReleaseReport, ReleaseRequest,
    Selection, WithdrawReport, WithdrawRequest,
};
use node::{Clock, Config, Node};
use serde::de::DeserializeOwned;
use store::Query;
use tempfile::TempDir;
use world::{bundle, channel, collection, indicator, indicator_id, prepare, ratified};

const GREEN: &str = "TLP:GREEN//REL KZ,KG,UZ";

/// A node that is open and neither listens nor calls: what it has of others came by hand.
struct Apart {
    node: Arc<Node>,
    _folder: Arc<TempDir>,
}

impl Apart {
    async fn open(folder: Arc<TempDir>, note: &str) -> Apart {
        let config = Config::load(&folder.path().join("data")).expect("config");
        let node = Node::open(config, Clock::system()).expect("open");
        let offered = node
            .offer_accord(note.as_bytes().to_vec(), true, "test")
            .await;
        offered.expect("the accord is installed");
        Apart {
            node,
            _folder: folder,
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Vec<u8>) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(body.into()).expect("request");
        let (status, _, body) = world::answered(&self.node, request).await;
        (status, body)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl serde::Serialize) -> T {
        let body = serde_json::to_vec(body).expect("json");
        let (status, body) = self.ask(Method::POST, path, body).await;
        let text = String::from_utf8_lossy(&body);
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_slice(&body).expect("the answer's type")
    }

    async fn add(&self, number: u32, label: &str) {
        let label = label.replace('/', "%2F").replace(' ', "%20");
        let path = format!("/objects?label={label}");
        let body = bundle(&[indicator(number, "")]);
        let (status, _) = self.ask(Method::POST, &path, body).await;
        assert!(status.is_success(), "{status}");
    }

    async fn release(&self, numbers: &[u32]) {
        let request = ReleaseRequest {
            channel: "steppe/alerts".into(),
            selection: Selection {
                ids: numbers.iter().map(|number| indicator_id(*number)).collect(),
                ..Selection::default()
            },
            who: "aida".into(),
            explain: false,
        };
        let report: ReleaseReport = self.post("/release", &request).await;
        assert_eq!(report.released, numbers.len(), "{report:?}");
    }

    /// The ids that the channel shows.
    async fn shown(&self) -> BTreeSet<String> {
        let query = Query {
            limit: 1000,
            ..Query::default()
        };
        let read = move |store: &store::Store| store.page(&collection("steppe/alerts"), &query);
        let page = self.node.read(read).await.expect("a page");
        let ids = page
            .records
            .iter()
            .map(|record| record.id.as_str().to_owned());
        ids.collect()
    }
}

fn ids(numbers: &[u32]) -> BTreeSet<String> {
    numbers.iter().map(|number| indicator_id(*number)).collect()
}

/// KZ and KG, in force in `alerts`, and a medium to carry between them.
async fn apart() -> (Apart, Apart, TempDir) {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let (kz, kg) = (kz.folder(), kg.folder());
    let (kz, kg) = (Apart::open(kz, &note).await, Apart::open(kg, &note).await);
    (kz, kg, tempfile::tempdir().expect("a medium"))
}

fn named(medium: &Path, name: &str) -> String {
    medium.join(name).to_str().expect("a plain name").to_owned()
}

fn for_kg(out: String) -> CourierExport {
    CourierExport {
        channels: vec!["steppe/alerts".into()],
        to: vec!["KG".into()],
        out,
        ..CourierExport::default()
    }
}

async fn refusal(node: &Apart, path: &str, body: &impl serde::Serialize) -> Problem {
    let body = Body::from(serde_json::to_vec(body).expect("json"));
    let (status, body) = node.ask(Method::POST, path, body).await;
    assert!(status.is_client_error(), "{status}");
    serde_json::from_slice(&body).expect("a problem")
}

async fn import(node: &Apart, files: &[&str]) -> CourierImported {
    let request = CourierImport {
        files: files.iter().map(ToString::to_string).collect(),
        who: "aida".into(),
    };
    node.post("/courier/import", &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_for_members_in_force_and_on_record_before_it_is_written() {
    let (kz, _kg, medium) = apart().await;
    kz.add(1, GREEN).await;
    kz.release(&[1]).await;
    let out = named(medium.path(), "a.car");

    let stranger = CourierExport {
        to: vec!["UZ".into()],
        ..for_kg(out.clone())
    };
    let problem = refusal(&kz, "/courier/export", &stranger).await;
    assert!(problem.detail.contains("UZ is not in force"), "{problem:?}");
    let unknown = CourierExport {
        channels: vec!["steppe/none".into()],
        ..for_kg(out.clone())
    };
    refusal(&kz, "/courier/export", &unknown).await;
    let sealed = CourierExport {
        encrypt: true,
        ..for_kg(out.clone())
    };
    let problem = refusal(&kz, "/courier/export", &sealed).await;
    assert!(problem.detail.contains("courier key --of"), "{problem:?}");
    assert!(!Path::new(&out).exists());

    let report: CourierExported = kz.post("/courier/export", &for_kg(out.clone())).await;
    assert_eq!((report.files.len(), report.logs[0].objects), (1, 1));
    let problem = refusal(&kz, "/courier/export", &for_kg(out)).await;
    assert!(problem.detail.contains("exists already"), "{problem:?}");
    let (_, audit) = kz.ask(Method::GET, "/audit", Body::empty()).await;
    let audit: AuditPage = serde_json::from_slice(&audit).expect("records");
    let records = audit.records.iter().map(|line| &line.record);
    let courier: Vec<_> = records.filter(|record| record.what == "courier").collect();
    assert!(courier.iter().any(|record| record.why.contains("for KG")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_sealed_with_a_receipt_and_a_withdrawal() {
    let (kz, kg, medium) = apart().await;
    kz.add(1, GREEN).await;
    kz.add(2, GREEN).await;
    kz.release(&[1, 2]).await;
    // KG's key comes by hand, under KG's root key; under another it is nobody's.
    let key: CourierKeyInfo = kg.post("/courier/key", &CourierKey::default()).await;
    let again: CourierKeyInfo = kg.post("/courier/key", &CourierKey::default()).await;
    assert_eq!(key, again);
    let offered = |note: String| CourierKey {
        note: Some(note),
        ..CourierKey::default()
    };
    let forged = key.note.replace("kg.example\n", "kz.example\n");
    refusal(&kz, "/courier/key", &offered(forged)).await;
    let believed: CourierKeyInfo = kz.post("/courier/key", &offered(key.note.clone())).await;
    assert_eq!(believed.key, key.key);

    let out = named(medium.path(), "there.car");
    let sealed = CourierExport {
        encrypt: true,
        ..for_kg(out.clone())
    };
    let _: CourierExported = kz.post("/courier/export", &sealed).await;
    let bytes = std::fs::read(&out).expect("the file");
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    // Not even its writer can read it.
    let report = import(&kz, &[&out]).await;
    let error = report.files[0].error.as_deref().expect("refused");
    assert!(error.contains("courier key"), "{error}");

    let report = import(&kg, &[&out]).await;
    assert!(report.whole, "{report:?}");
    assert_eq!(kg.shown().await, ids(&[1, 2]));
    assert_eq!(report.logs[0].origin, "KZ");

    // The way back, though KG has released nothing.
    let back = named(medium.path(), "back.car");
    let request = CourierExport {
        to: vec!["KZ".into()],
        ..for_kg(back.clone())
    };
    let report: CourierExported = kg.post("/courier/export", &request).await;
    assert_eq!((report.logs.len(), report.receipts), (0, 1));
    let report = import(&kz, &[&back]).await;
    assert_eq!(report.receipts.len(), 1, "{report:?}");
    assert!(report.receipts[0].contains("KG holds steppe/alerts's first 2"));
    let log = kz
        .node
        .channel("steppe/alerts")
        .expect("in force")
        .log("KZ");
    let head = kz.node.read(move |store| store.head(&log)).await;
    let head = head.expect("readable").expect("a log");
    assert!(
        head.cosignatures
            .iter()
            .any(|(key, _)| key.starts_with("kg.example/witness"))
    );

    // I6: the withdrawal goes by hand, too, and the body is in no later file.
    let withdraw = WithdrawRequest {
        channel: "steppe/alerts".into(),
        ids: vec![indicator_id(1)],
        reason: "the source asked for it".into(),
        who: "aida".into(),
    };
    let _: WithdrawReport = kz.post("/withdraw", &withdraw).await;
    let later = named(medium.path(), "later.car");
    let _: CourierExported = kz.post("/courier/export", &for_kg(later.clone())).await;
    let bytes = std::fs::read(&later).expect("the file");
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("phishing host 2") && !holds("phishing host 1"));
    assert!(import(&kg, &[&later]).await.whole);
    assert_eq!(kg.shown().await, ids(&[2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_for_everybody_is_published() {
    let (kz, _kg, medium) = apart().await;
    kz.add(1, GREEN).await;
    kz.add(2, "TLP:CLEAR").await;
    kz.add(3, "TLP:CLEAR").await;
    kz.release(&[1, 2]).await;
    let publish = |out: String, ids: Vec<String>| CourierPublish {
        channel: "steppe/alerts".into(),
        ids,
        out,
        ..CourierPublish::default()
    };
    let out = named(medium.path(), "public.car");
    // Not for everybody; for everybody but released by nobody.
    for id in [indicator_id(1), indicator_id(3)] {
        refusal(&kz, "/courier/publish", &publish(out.clone(), vec![id])).await;
    }
    assert!(!Path::new(&out).exists());
    let report: CourierPublished = kz
        .post("/courier/publish", &publish(out.clone(), Vec::new()))
        .await;
    assert_eq!(report.objects, 1);
    assert!(report.root.starts_with("bafyrei"));
    let bytes = std::fs::read(&out).expect("the file");
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("phishing host 2") && !holds("phishing host 1") && !holds("phishing host 3"));
}
