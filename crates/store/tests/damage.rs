//! Disks that fail to read or to undo, and readers in a race with the writer.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use common::*;
use kurultai_store as store;
use log::Action;
use store::{
    Blobs, Collection, Command, Options, Query, Receive, ReceivedBundle, Record, Store, StoreError,
};

/// What fails at present.
struct Faults {
    /// Reads that still succeed; below zero they all do.
    reads: AtomicI64,
    files: AtomicBool,
    cuts: AtomicBool,
}

struct Faulty {
    inner: Box<dyn Blobs>,
    faults: Arc<Faults>,
}

fn failed() -> StoreError {
    StoreError::Io {
        what: "a test".into(),
        cause: "EIO".into(),
    }
}

fn gate(fails: &AtomicBool) -> Result<(), StoreError> {
    if fails.load(Ordering::SeqCst) {
        return Err(failed());
    }
    Ok(())
}

impl Blobs for Faulty {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.append(key, at, bytes)
    }
    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        if gate(&self.faults.cuts).is_err() {
            // As `LocalBlobs` does: whoever writes next opens the file anew.
            let _ = self.inner.truncate("journal/none.seg", length);
            return gate(&self.faults.cuts);
        }
        self.inner.truncate(key, length)
    }
    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        gate(&self.faults.files)?;
        self.inner.put_all(blobs)
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }
    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        match self.faults.reads.load(Ordering::SeqCst) {
            0 => return Err(failed()),
            1.. => drop(self.faults.reads.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        self.inner.range(key, offset, length)
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(folder)
    }
    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }
}

/// A store without a cache of bodies, and its faults.
fn faulty() -> (Options, Arc<Faults>) {
    let faults = Arc::new(Faults {
        reads: AtomicI64::new(-1),
        files: AtomicBool::new(false),
        cuts: AtomicBool::new(false),
    });
    let wrapped = faults.clone();
    let options = Options::new(clock())
        .cache_bytes(0)
        .wrap_blobs(move |inner| {
            Box::new(Faulty {
                inner,
                faults: wrapped.clone(),
            })
        });
    (options, faults)
}

fn national(store: &Store) -> Vec<Record> {
    let query = Query {
        limit: 10_000,
        ..Query::default()
    };
    store
        .page(&Collection::National, &query)
        .expect("a page")
        .records
}

fn release(store: &Store, records: &[Record]) -> Result<store::Reply, StoreError> {
    let changes = records.iter().map(|record| store::Change {
        entry: entry(record, Action::Release),
        object: Some(record.object),
    });
    store.execute(Command::Append {
        log: log("KZ"),
        changes: changes.collect(),
        signer: signer(),
    })
}

#[test]
fn a_command_that_gets_halfway_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, faults) = faulty();
    let store = Store::open(dir.path(), options).expect("opened");
    add(
        &store,
        (0..700).map(|n| indicator(n, 0, "x")).collect::<Vec<_>>(),
    );
    let records = national(&store);
    release(&store, &records[..10]).expect("released");
    // A finished bundle needs the bodies of its objects; those of the second cannot be read.
    faults.reads.store(1, Ordering::SeqCst);
    let refused = release(&store, &records[10..700]);
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    faults.reads.store(-1, Ordering::SeqCst);
    let size = |store: &Store| store.head(&log("KZ")).expect("read").expect("held").size;
    assert_eq!(size(&store), 10);
    release(&store, &records[10..600]).expect("the log goes on where it was");
    assert_eq!(size(&store), 600);
    drop(store);
    store::rebuild(dir.path(), Options::new(clock())).expect("the journal has no contradiction");
    assert_eq!(size(&open(dir.path())), 600);
}

#[test]
fn what_could_not_be_undone_never_comes_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, faults) = faulty();
    let store = Store::open(dir.path(), options).expect("opened");
    add(
        &store,
        (0..300).map(|n| indicator(n, 0, "x")).collect::<Vec<_>>(),
    );
    let records = national(&store);
    // Two frames of one size each, of which the second must not follow what is written instead.
    faults.files.store(true, Ordering::SeqCst);
    faults.cuts.store(true, Ordering::SeqCst);
    release(&store, &records[..256 + 1]).expect_err("refused");
    faults.files.store(false, Ordering::SeqCst);
    faults.cuts.store(false, Ordering::SeqCst);
    release(&store, &records[..256]).expect("released");
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        store.head(&log("KZ")).expect("read").expect("held").size,
        256
    );
}

#[test]
fn a_journal_that_cannot_be_read_is_not_taken_for_its_end() {
    let dir = tempfile::tempdir().expect("a folder");
    add(&open(dir.path()), vec![indicator(1, 0, "x")]);
    let (options, faults) = faulty();
    faults.reads.store(0, Ordering::SeqCst);
    let refused = store::rebuild(dir.path(), options.clone());
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    faults.reads.store(-1, Ordering::SeqCst);
    store::rebuild(dir.path(), options).expect("whole");
    assert_eq!(national(&open(dir.path())).len(), 1);
}

#[test]
fn a_journal_that_lost_what_was_published_does_not_begin_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, (0..3).map(|n| indicator(n, 0, "x")).collect());
    let records = national(&store);
    release(&store, &records[..1]).expect("released");
    drop(store);
    release(&open(dir.path()), &records[1..]).expect("released");
    // The second start's segment is gone.
    let lost = dir.path().join("journal/00000002.seg");
    let kept = std::fs::read(&lost).expect("it was there");
    std::fs::write(&lost, b"").expect("emptied");
    let ahead = Store::open(dir.path(), Options::new(clock())).err();
    assert!(
        matches!(ahead, Some(StoreError::Index { .. })),
        "an index that is ahead of its journal is not used: {ahead:?}"
    );
    for _ in 0..2 {
        let refused = store::rebuild(dir.path(), Options::new(clock()));
        assert!(
            matches!(refused, Err(StoreError::Corrupt { .. })),
            "{refused:?}"
        );
    }
    std::fs::write(&lost, kept).expect("restored");
    store::rebuild(dir.path(), Options::new(clock())).expect("whole again");
}

/// A bundle is finished while somebody asks for its beginning: then its bodies are read from
/// another place, and none may look withdrawn.
#[test]
fn bodies_are_whole_while_the_log_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(
        &store,
        (0..2600).map(|n| indicator(n, 0, "x")).collect::<Vec<_>>(),
    );
    let records = national(&store);
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), done.clone());
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let Some(head) = store.head(&log("KZ")).expect("read") else {
                        continue;
                    };
                    let (index, width) = ((head.size - 1) / 256, (head.size - 1) % 256 + 1);
                    let packed = store
                        .objects(&log("KZ"), index, width as u16, 0)
                        .expect("read")
                        .expect("there");
                    let bodies = log::bodies::decode(&packed, width as usize).expect("whole");
                    assert!(bodies.iter().all(|body| !body.is_empty()), "at {index}");
                    let path = log::TilePath::at(log::Kind::Entries, index, head.size);
                    let tile = store.tile(&log("KZ"), &path.expect("a path"));
                    assert!(tile.expect("read").is_some(), "entries at {index}");
                }
            })
        })
        .collect();
    for some in records.chunks(7) {
        release(&store, some).expect("released");
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().expect("every answer was whole");
    }
}

#[test]
fn a_partners_definition_says_nothing_about_national_objects() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let parse = |json: &str| model::Object::parse(json.as_bytes()).expect("valid");
    let marked = parse(
        r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-00000000beef","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[a:b = 'c']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","object_marking_refs":["marking-definition--00000000-0000-4000-8000-00000000dead"]}"#,
    );
    let definition = parse(
        r#"{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-00000000dead","created":"2026-01-01T00:00:00.000Z","definition_type":"statement","definition":{"statement":"as agreed"}}"#,
    );
    let id = marked.id().clone();
    add(&store, vec![marked]);
    let sent = log::Entry {
        action: Action::Release,
        hash: definition.hash().0,
        id: definition.id().to_string(),
        modified: None,
        kind: "marking-definition".into(),
        label: "TLP:CLEAR".into(),
        attribution: "KG".into(),
        salt: [1; 16],
        time: "2026-01-02T00:00:00.000Z".into(),
    };
    let raw = sent.encode().expect("an entry");
    store
        .execute(Command::Receive(Receive {
            log: log("KG"),
            from: 0,
            bundles: vec![ReceivedBundle {
                raw: vec![raw.clone()],
                entries: vec![sent],
                bodies: log::bodies::encode(&[definition.bytes()]),
                objects: vec![Some(definition.clone())],
                skip: 0,
            }],
            checkpoint: "a note".into(),
            checkpoint_size: 1,
            checkpoint_root: log::merkle::leaf_hash(&raw),
        }))
        .expect("received");
    let nobody = model::Releasable::Members(Default::default());
    let releasable = || {
        let record = store.latest(&Collection::National, &id).expect("read");
        let label = store.label(&record.expect("held")).expect("a label");
        label.releasable_to.clone()
    };
    assert_eq!(releasable(), nobody, "the nation has not taken it up");
    add(&store, vec![definition]);
    assert_ne!(releasable(), nobody);
}

#[test]
fn a_partners_nonsense_id_stops_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let nonsense = log::Entry {
        action: Action::Withdraw,
        hash: [9; 32],
        id: "no id at all".into(),
        modified: None,
        kind: "indicator".into(),
        label: "TLP:CLEAR".into(),
        attribution: "KG".into(),
        salt: [1; 16],
        time: "2026-01-02T00:00:00.000Z".into(),
    };
    let raw = nonsense.encode().expect("an entry");
    let root = log::merkle::leaf_hash(&raw);
    let received = store.execute(Command::Receive(Receive {
        log: log("KG"),
        from: 0,
        bundles: vec![ReceivedBundle {
            raw: vec![raw],
            entries: vec![nonsense],
            bodies: log::bodies::encode(&[&[]]),
            objects: vec![None],
            skip: 0,
        }],
        checkpoint: "a note".into(),
        checkpoint_size: 1,
        checkpoint_root: root,
    }));
    assert!(
        matches!(received, Ok(store::Reply::Received { size: 1, .. })),
        "{received:?}"
    );
    drop(store);
    store::rebuild(dir.path(), Options::new(clock())).expect("the journal has no contradiction");
}
