//! What the store itself takes: adding, appending to an own log, receiving a partner's, reading
//! pages, each in objects a second of wall time and of this process's CPU time.
//!
//! `cargo bench -p kurultai-store -- [OBJECTS]`
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark measures time"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::*;
use kurultai_store as store;
use log::Action;
use store::{Collection, Command, Query, Receive, ReceivedBundle, Record, Reply, Store};

fn main() {
    let objects: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(50_000);
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (origin, partner) = (open(one.path()), open(two.path()));
    let text = "x".repeat(700);
    let corpus: Vec<_> = (0..objects).map(|n| indicator(n, 0, &text)).collect();
    measure("add, batches of 500", objects, || {
        for batch in corpus.chunks(500) {
            add(&origin, batch.to_vec());
        }
    });
    let records = every(&origin);
    measure("append to an own log, batches of 4,096", objects, || {
        for batch in records.chunks(4096) {
            append(&origin, &log("KZ"), batch, Action::Release);
        }
    });
    let mut chunks = Vec::new();
    for (i, part) in corpus.chunks(256 * 16).enumerate() {
        chunks.push(received(i as u64 * 256 * 16, part, &records, objects));
    }
    measure("receive, chunks of 4,096", objects, || {
        for chunk in chunks.drain(..) {
            let reply = partner.execute(Command::Receive(chunk)).expect("received");
            assert!(matches!(reply, Reply::Received { conflicts: 0, .. }));
        }
    });
    measure("pages of 1,000 with their bytes", objects, || {
        let mut after = None;
        loop {
            let query = Query {
                after,
                limit: 1000,
                ..Query::default()
            };
            let page = partner
                .page(&log("KZ").collection(), &query)
                .expect("a page");
            after = page.records.last().map(|record| record.seq);
            std::hint::black_box(partner.bodies(&page.records).expect("the bytes"));
            if !page.more {
                break;
            }
        }
    });
}

fn received(from: u64, objects: &[model::Object], records: &[Record], size: u64) -> Receive {
    let mut bundles = Vec::new();
    for (i, part) in objects.chunks(256).enumerate() {
        let at = from as usize + i * 256;
        let entries: Vec<_> = records[at..at + part.len()]
            .iter()
            .map(|record| entry(record, Action::Release))
            .collect();
        let bodies: Vec<&[u8]> = part.iter().map(model::Object::bytes).collect();
        bundles.push(ReceivedBundle {
            raw: entries
                .iter()
                .map(|entry| entry.encode().expect("an entry"))
                .collect(),
            entries,
            objects: part.iter().cloned().map(Some).collect(),
            bodies: log::bodies::encode(&bodies),
            skip: 0,
        });
    }
    Receive {
        log: log("KZ"),
        from,
        bundles,
        checkpoint: "a checkpoint\n".into(),
        // Never reached: what a real checkpoint would say is for `sync` to check.
        checkpoint_size: size + 1,
        checkpoint_root: log::merkle::empty_root(),
    }
}

fn every(store: &Store) -> Vec<Record> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let query = Query {
            after,
            limit: 10_000,
            ..Query::default()
        };
        let page = store.page(&Collection::National, &query).expect("a page");
        after = page.records.last().map(|record| record.seq);
        records.extend(page.records);
        if !page.more {
            return records;
        }
    }
}

fn measure(what: &str, objects: u64, work: impl FnOnce()) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    work();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{what:<40} {:>9.0} objects/s {:>9.0} objects/CPU-s",
        objects as f64 / wall,
        objects as f64 / cpu
    );
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}
