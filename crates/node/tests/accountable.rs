//! I10 on a node whose disk fails at every step in turn: a decision is in the audit log before its
//! effect is in the channel log, whichever write does not happen; and what is answered is accounted
//! for.

extern crate kurultai_node as node;

mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Method;
use node::admin::types::{AuditPage, ReleaseReport, ReleaseRequest, Selection};
use store::{Blobs, StoreError};
use world::{bundle, channel, indicator, indicator_id, prepare, ratified, within};

const CHANNEL: &str = "steppe/alerts";

/// What has been written, in the order of writing.
#[derive(Default)]
struct Written {
    /// Entry bundles of the audit log, as text.
    audit: String,
    /// Ids that reached the channel log.
    left: BTreeSet<String>,
    /// Those of them that the audit log did not name by then.
    unaccounted: Vec<String>,
    faults: usize,
}

/// Files that fail at the n-th write from now, and that look at what is written.
struct Watched {
    inner: Box<dyn Blobs>,
    until: Arc<AtomicI64>,
    written: Arc<Mutex<Written>>,
}

impl Watched {
    fn gate(&self) -> Result<(), StoreError> {
        if self.until.fetch_sub(1, Ordering::SeqCst) != 0 {
            return Ok(());
        }
        self.written.lock().expect("no panic").faults += 1;
        Err(StoreError::Full {
            what: "a test".into(),
        })
    }

    fn look_at(&self, blobs: &[(String, Vec<u8>)]) {
        let mut written = self.written.lock().expect("no panic");
        let entries = |log: &str| {
            let folder = format!("logs/{log}/KZ/tile/entries/");
            let of_log = blobs
                .iter()
                .filter(move |(key, _)| key.starts_with(&folder));
            let text = of_log.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
            text.collect::<String>()
        };
        written.audit += &entries("local/audit");
        let left = entries(CHANNEL);
        for (at, _) in left.match_indices("indicator--") {
            let id = left[at..].chars().take(47).collect::<String>();
            if !written.audit.contains(&id) {
                written.unaccounted.push(id.clone());
            }
            written.left.insert(id);
        }
    }
}

impl Blobs for Watched {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.gate()?;
        self.inner.append(key, at, bytes)
    }

    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        self.inner.truncate(key, length)
    }

    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        // Nothing, or the copy of a checkpoint, is written after the answer, whenever that is.
        if blobs.iter().all(|(key, _)| key.ends_with("/checkpoint")) {
            return self.inner.put_all(blobs);
        }
        self.gate()?;
        self.look_at(blobs);
        self.inner.put_all(blobs)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.inner.range(key, offset, length)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(folder)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }
}

/// What the audit log says about an object.
async fn accounted(kz: &world::Running, id: &str) -> Vec<String> {
    let audit: AuditPage = kz.get(&format!("/audit?object={id}")).await;
    let lines = audit.records.into_iter();
    lines.map(|line| line.record.what).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_accounted_for_before_it_takes_effect() {
    let until = Arc::new(AtomicI64::new(-1));
    let written = Arc::new(Mutex::new(Written::default()));
    let (gate, seen) = (Arc::clone(&until), Arc::clone(&written));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let wrap = move |options: store::Options| {
        options.wrap_blobs(move |inner| {
            Box::new(Watched {
                inner,
                until: Arc::clone(&gate),
                written: Arc::clone(&seen),
            })
        })
    };
    let kz = kz.start_with(Some(&note), wrap).await;
    let (mut failed, mut answered) = (0, 0);
    for round in 0..12u32 {
        // One that may leave and one that may not.
        let ids = [indicator_id(2 * round + 1), indicator_id(2 * round + 2)];
        let text = |number| bundle(&[indicator(2 * round + number, "")]);
        kz.add(&text(1), "TLP:GREEN//REL KZ,KG").await;
        kz.add(&text(2), "TLP:GREEN//REL KZ").await;
        let request = ReleaseRequest {
            channel: CHANNEL.into(),
            selection: Selection {
                ids: ids.to_vec(),
                ..Selection::default()
            },
            who: "aida".into(),
            explain: false,
        };
        let body = serde_json::to_vec(&request).expect("json");
        // With no fault every fourth time, so that success is seen, too.
        let step = if round % 4 == 3 {
            -1
        } else {
            i64::from(round % 6)
        };
        until.store(step, Ordering::SeqCst);
        let (status, _, answer) = kz.ask(Method::POST, "/release", body.clone()).await;
        until.store(-1, Ordering::SeqCst);
        let says = [accounted(&kz, &ids[0]).await, accounted(&kz, &ids[1]).await];
        if status.is_success() {
            answered += 1;
            let report: ReleaseReport = serde_json::from_slice(&answer).expect("report");
            assert_eq!((report.released, report.refused), (1, 1), "{report:?}");
            assert!(says[0].contains(&"release".to_owned()), "{says:?}");
            assert!(says[1].contains(&"refuse".to_owned()), "{says:?}");
        } else {
            failed += 1;
            assert_eq!(status.as_u16(), 503);
        }
        within(async { while kz.national("/readyz", None).await.0 != 200 {} }).await;
        // What failed can be asked for again, and then it is there, once.
        let (status, _, answer) = kz.ask(Method::POST, "/release", body).await;
        assert!(status.is_success(), "{}", String::from_utf8_lossy(&answer));
        assert!(
            accounted(&kz, &ids[0])
                .await
                .contains(&"release".to_owned())
        );
        let head = kz.held(CHANNEL, "KZ").await.expect("held");
        assert_eq!(head.size, u64::from(round) + 1);
    }
    let written = written.lock().expect("no panic");
    assert!(written.unaccounted.is_empty(), "{:?}", written.unaccounted);
    assert_eq!(
        written.left.len(),
        12,
        "only what may leave reached the log"
    );
    assert!(
        failed >= 3 && answered >= 3,
        "{failed} failed, {answered} answered"
    );
    assert!(written.faults >= failed);
}
