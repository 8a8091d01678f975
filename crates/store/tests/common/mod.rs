//! What the store's tests share: a clock that only counts, objects and entries made to order.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kurultai_store as store;
use model::{Id, Label, Object};
use store::{Change, Command, LogName, Options, Outcome, Record, Reply, Seq, Signer, Store};

/// A clock that moves on by one second at each look; positions must not depend on its speed.
pub(crate) fn clock() -> Arc<dyn Fn() -> Seq + Send + Sync> {
    let now = AtomicI64::new(1_700_000_000_000_000);
    Arc::new(move || now.fetch_add(1_000_000, Ordering::Relaxed))
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, Options::new(clock())).expect("the folder is free and whole")
}

pub(crate) fn uuid(n: u64) -> String {
    format!(
        "{:08x}-0000-4000-8000-{n:012x}",
        n.wrapping_mul(2_654_435_761) as u32
    )
}

/// Version `version` of indicator number `n`, with some text.
pub(crate) fn indicator(n: u64, version: u32, text: &str) -> Object {
    let json = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:{:02}:00.000Z","name":"{text}","pattern":"[ipv4-addr:value = '198.51.100.{}']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}}"#,
        uuid(n),
        version,
        n % 256,
    );
    Object::parse(json.as_bytes()).expect("a valid indicator")
}

pub(crate) fn label(text: &str) -> Label {
    Label::parse(text).expect("a valid label")
}

pub(crate) fn add(store: &Store, objects: Vec<Object>) -> Vec<Outcome> {
    match store.execute(Command::Add {
        objects,
        label: label("TLP:GREEN//REL KZ,KG"),
        into: store::Collection::National,
    }) {
        Ok(Reply::Added(outcomes)) => outcomes,
        other => panic!("add: {other:?}"),
    }
}

/// Signs nothing: the store does not look into checkpoints.
pub(crate) fn signer() -> Signer {
    Arc::new(|size, root| {
        format!(
            "kz.example/test/ct\n{size}\n{}\n\n— kz.example/test/ct AAAA\n",
            root.to_base64()
        )
    })
}

pub(crate) fn log(origin: &str) -> LogName {
    LogName::new("test", "ct", origin)
}

pub(crate) fn entry(record: &Record, action: log::Action) -> log::Entry {
    log::Entry {
        action,
        hash: record.hash.0,
        id: record.id.to_string(),
        modified: record.version.map(|version| version.to_string()),
        kind: record.id.type_name().to_owned(),
        label: record.assigned.to_string(),
        attribution: "KZ".into(),
        salt: [7; 16],
        time: "2026-01-02T00:00:00.000Z".into(),
    }
}

pub(crate) fn append(
    store: &Store,
    log: &LogName,
    records: &[Record],
    action: log::Action,
) -> Reply {
    let changes = records
        .iter()
        .map(|record| Change {
            entry: entry(record, action),
            object: Some(record.object),
        })
        .collect();
    store
        .execute(Command::Append {
            log: log.clone(),
            changes,
            signer: signer(),
        })
        .expect("appended")
}

pub(crate) fn id(n: u64) -> Id {
    Id::parse(&format!("indicator--{}", uuid(n))).expect("a valid id")
}
