//! Kill -9 at any moment under write load: all that was acknowledged is there, nothing is half
//! visible (I5).
//!
//! The test runs itself as a child process that writes and prints an acknowledgement line after
//! each answer; the parent kills it after a number of lines drawn from a seed.

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use common::*;
use kurultai_store as store;
use log::Action;
use log::tile::{Kind, TilePath};
use store::{Collection, Query, Record, Store};

const CHILD: &str = "KURULTAI_STORE_CRASH_CHILD";
/// Kills, each with another seed.
const ROUNDS: u64 = 25;

/// The writer: adds small and large batches, releases and withdraws, forever.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let store = open(Path::new(&dir));
    let mut n = store.count(&Collection::National).expect("count").objects;
    loop {
        let count = [1, 3, 40, 700][(n % 4) as usize];
        let from = n;
        add(
            &store,
            (from..from + count)
                .map(|n| indicator(n, 0, "under load"))
                .collect(),
        );
        n += count;
        println!("added {n}");
        let ids = (from..n).map(id).collect();
        let query = Query {
            ids,
            limit: 1000,
            ..Query::default()
        };
        let records = store
            .page(&Collection::National, &query)
            .expect("a page")
            .records;
        append(&store, &log("KZ"), &records, Action::Release);
        println!("released {from}-{n}");
        append(&store, &log("KZ"), &records[..1], Action::Withdraw);
        println!("withdrawn {from}");
    }
}

#[test]
fn whatever_was_acknowledged_survives_kill_9() {
    if std::env::var(CHILD).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let (mut added, mut released, mut withdrawn) = (0u64, Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // A small deterministic draw: where to kill, in acknowledgements and in a busy wait after.
        let draw = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let lines = 1 + (draw >> 60) as usize;
        let spin = (draw >> 30) % 3_000_000;
        let mut child = Process::new(std::env::current_exe().expect("this test"))
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut acknowledged = Vec::new();
        let mut line = String::new();
        while acknowledged.len() < lines && out.read_line(&mut line).expect("a line") > 0 {
            acknowledged.push(std::mem::take(&mut line));
        }
        for i in 0..spin {
            std::hint::black_box(i);
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        while out.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            acknowledged.push(std::mem::take(&mut line));
        }
        for line in &acknowledged {
            match line.trim_end().split_once(' ') {
                Some(("added", n)) => added = n.parse().expect("a number"),
                Some(("released", range)) => {
                    let (from, to) = range.split_once('-').expect("a range");
                    released.extend(
                        from.parse::<u64>().expect("a number")..to.parse().expect("a number"),
                    );
                }
                Some(("withdrawn", n)) => withdrawn.push(n.parse::<u64>().expect("a number")),
                _ => {}
            }
        }
        check(dir.path(), added, &released, &withdrawn, round);
    }
    assert!(added > 100, "the children did write: {added}");
}

fn check(dir: &Path, added: u64, released: &[u64], withdrawn: &[u64], round: u64) {
    let store = open(dir);
    let records = every(&store, &Collection::National);
    assert!(
        records.len() as u64 >= added,
        "round {round}: {} of {added} acknowledged objects",
        records.len()
    );
    let bodies = store.bodies(&records).expect("every record has its bytes");
    for (record, body) in records.iter().zip(&bodies) {
        assert_eq!(
            model::Hash::of(body),
            record.hash,
            "round {round}: {}",
            record.id
        );
    }
    let shown = every(&store, &log("KZ").collection());
    let ids: HashSet<_> = shown.iter().map(|record| record.id.clone()).collect();
    for n in released.iter().filter(|n| !withdrawn.contains(n)) {
        assert!(
            ids.contains(&id(*n)) || was_withdrawn(&store, *n),
            "round {round}: released {n}"
        );
    }
    for n in withdrawn {
        assert!(
            !shown.iter().any(|record| record.id == id(*n)),
            "round {round}: withdrawn {n} is shown"
        );
    }
    let Some(head) = store.head(&log("KZ")).expect("a head") else {
        return;
    };
    let mut leaves = Vec::new();
    for path in TilePath::range(Kind::Entries, 0, head.size, head.size) {
        let bundle = store
            .tile(&log("KZ"), &path)
            .expect("read")
            .expect("a bundle");
        let entries = log::entries::decode(&bundle, path.width).expect("whole");
        leaves.extend(entries.iter().map(|entry| log::merkle::leaf_hash(entry)));
        store
            .objects(&log("KZ"), path.index, path.width, 0)
            .expect("read")
            .expect("bodies");
    }
    assert_eq!(log::merkle::root_of(&leaves), head.root, "round {round}");
    assert!(
        head.checkpoint
            .contains(&format!("\n{}\n{}\n", head.size, head.root.to_base64())),
        "round {round}"
    );
}

/// The child may have withdrawn an object and been killed before it could say so.
fn was_withdrawn(store: &Store, n: u64) -> bool {
    let head = store.head(&log("KZ")).expect("read").expect("a head");
    TilePath::range(Kind::Entries, 0, head.size, head.size).any(|path| {
        let bundle = store
            .tile(&log("KZ"), &path)
            .expect("read")
            .expect("a bundle");
        let entries = log::entries::decode(&bundle, path.width).expect("whole");
        entries.iter().any(|raw| {
            let entry = log::Entry::decode(raw).expect("an entry");
            entry.action == Action::Withdraw && entry.id == id(n).to_string()
        })
    })
}

fn every(store: &Store, collection: &Collection) -> Vec<Record> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .page(
                collection,
                &Query {
                    after,
                    limit: 10_000,
                    ..Query::default()
                },
            )
            .expect("a page");
        after = page.records.last().map(|record| record.seq);
        records.extend(page.records);
        if !page.more {
            return records;
        }
    }
}
