//! A disk that fails at any step: nothing is acknowledged, nothing changes, and all goes on when
//! the fault is gone.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::*;
use kurultai_store as store;
use log::Action;
use store::{Blobs, Collection, Command, Options, Query, Store, StoreError};

/// Blobs that fail at the n-th write from now.
struct Failing {
    inner: Box<dyn Blobs>,
    left: Arc<AtomicI64>,
}

impl Failing {
    fn gate(&self) -> Result<(), StoreError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left == 0 {
            Err(StoreError::Full {
                what: "a test".into(),
            })
        } else {
            Ok(())
        }
    }
}

impl Blobs for Failing {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.gate()?;
        self.inner.append(key, at, bytes)
    }
    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        self.inner.truncate(key, length)
    }
    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        // The writer tidies after it has answered: nothing to write must not meet the fault that
        // was meant for the next command.
        if blobs.is_empty() {
            return Ok(());
        }
        // The copy of a checkpoint is written after the answer, whenever that is.
        if blobs.iter().all(|(key, _)| key.ends_with("/checkpoint")) {
            return self.inner.put_all(blobs);
        }
        if self.gate().is_err() {
            // A full disk lets some files through before it refuses.
            self.inner.put_all(&blobs[..blobs.len() / 2])?;
            return Err(StoreError::Full {
                what: "a test".into(),
            });
        }
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

#[test]
fn a_write_that_fails_at_any_step_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let left = Arc::new(AtomicI64::new(-1));
    let wrapped = left.clone();
    let options = Options::new(clock()).wrap_blobs(move |inner| {
        Box::new(Failing {
            inner,
            left: wrapped.clone(),
        })
    });
    let store = Store::open(dir.path(), options).expect("opened");
    let log = log("KZ");
    let mut released = 0;
    for step in 0..40i64 {
        let n = step as u64 * 300;
        add(&store, (n..n + 300).map(|n| indicator(n, 0, "x")).collect());
        let query = Query {
            ids: (n..n + 300).map(id).collect(),
            limit: 1000,
            ..Query::default()
        };
        let records = store
            .page(&Collection::National, &query)
            .expect("a page")
            .records;
        let before = (
            store.heads().expect("heads"),
            store.counts().expect("counts"),
        );
        left.store(step % 2, Ordering::SeqCst);
        let changes = records.iter().map(|record| store::Change {
            entry: entry(record, Action::Release),
            object: Some(record.object),
        });
        let refused = store.execute(Command::Append {
            log: log.clone(),
            changes: changes.collect(),
            signer: signer(),
        });
        assert!(
            matches!(refused, Err(StoreError::Full { .. })),
            "step {step}: {refused:?}"
        );
        assert!(!store.health().writable);
        assert_eq!(
            (
                store.heads().expect("heads"),
                store.counts().expect("counts")
            ),
            before,
            "step {step}"
        );
        left.store(-1, Ordering::SeqCst);
        // Other entries than those refused take their place.
        released += 250;
        append(&store, &log, &records[50..], Action::Release);
        assert!(store.health().writable);
        assert_eq!(
            store.head(&log).expect("read").expect("a head").size,
            released
        );
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        store.head(&log).expect("read").expect("a head").size,
        released
    );
    append(
        &store,
        &log,
        &store.versions(&Collection::National, &id(0)).expect("read"),
        Action::Release,
    );
    assert_eq!(
        store.count(&log.collection()).expect("count").objects,
        released + 1
    );
}

/// A real file system of a few megabytes. Skipped where mounting is not permitted.
#[test]
fn a_full_file_system_is_said_and_survived() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |program: &str, args: &[&str]| {
        std::process::Command::new(program)
            .args(args)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let path = dir.path().to_str().expect("a plain path");
    if !run("mount", &["-t", "tmpfs", "-o", "size=6m", "tmpfs", path]) {
        assert!(
            std::env::var("KURULTAI_REQUIRE_ALL").is_err(),
            "mounting a tmpfs is not permitted here"
        );
        println!("skipped: mounting a tmpfs is not permitted here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let store = open(dir.path());
        add(&store, (0..100).map(|n| indicator(n, 0, "early")).collect());
        let ballast = dir.path().join("ballast");
        let mut acknowledged = 100;
        let refused = loop {
            // Text that does not compress, so that the disk fills quickly.
            let noise = |n: u64| {
                (0..1500)
                    .map(|i| model::Hash::of(&(n * 10_000 + i).to_be_bytes()).to_string())
                    .collect::<String>()
            };
            let objects = (acknowledged..acknowledged + 5)
                .map(|n| indicator(n, 0, &noise(n)))
                .collect();
            match store.execute(Command::Add {
                objects,
                label: label("TLP:CLEAR"),
                into: Collection::National,
            }) {
                Ok(_) => acknowledged += 5,
                Err(error) => break error,
            }
            if acknowledged == 105 {
                std::fs::write(&ballast, vec![1u8; 1 << 20]).expect("there is room yet");
            }
            assert!(acknowledged < 5000, "the disk never filled");
        };
        assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
        assert!(!store.health().writable);
        let count = store
            .count(&Collection::National)
            .expect("reads go on")
            .objects;
        assert_eq!(count, acknowledged);
        let page = store
            .page(
                &Collection::National,
                &Query {
                    limit: 10_000,
                    ..Query::default()
                },
            )
            .expect("reads go on");
        assert_eq!(
            store.bodies(&page.records).expect("reads go on").len() as u64,
            acknowledged
        );
        std::fs::remove_file(&ballast).expect("space returns");
        add(&store, vec![indicator(9_999_999, 0, "late")]);
        assert!(store.health().writable);
        drop(store);
        assert_eq!(
            open(dir.path())
                .count(&Collection::National)
                .expect("count")
                .objects,
            acknowledged + 1
        );
    });
    assert!(run("umount", &[path]), "the test's own mount");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn settings_change_together_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a folder");
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let gate = Arc::clone(&left);
    let options = Options::new(clock()).wrap_blobs(move |inner| {
        let left = Arc::clone(&gate);
        Box::new(Failing { inner, left })
    });
    let store = Store::open(dir.path(), options).expect("opened");
    let put = |settings: &[(&str, Option<&str>)]| {
        let settings = settings.iter();
        let settings = settings.map(|(key, value)| {
            (
                String::from(*key),
                value.map(|value| value.as_bytes().to_vec()),
            )
        });
        let settings = settings.collect();
        store.execute(Command::PutAll { settings })
    };
    let held = |store: &Store| {
        let held = store.scan("q/").expect("settings").into_iter();
        held.map(|(key, _)| key).collect::<Vec<_>>()
    };
    put(&[("q/a", Some("1")), ("q/b", Some("1"))]).expect("put");
    left.store(0, Ordering::SeqCst);
    put(&[("q/c", Some("1")), ("q/a", None)]).expect_err("the disk is full");
    assert_eq!(held(&store), ["q/a", "q/b"]);
    put(&[("q/c", Some("1")), ("q/a", None)]).expect("put");
    assert_eq!(held(&store), ["q/b", "q/c"]);
    drop(store);
    assert_eq!(held(&open(dir.path())), ["q/b", "q/c"], "after a restart");
}
