//! kill -9 under write load: whatever was acknowledged is there after the restart, whole, and
//! nothing else is there by halves (I5).

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Server, ask, envelope, fed, member, note, note_id, on, pair, run};

/// Objects in one envelope.
const ENVELOPE: u64 = 25;

#[test]
fn acknowledged_objects_survive_kill_9_at_any_moment() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let mut expected = BTreeMap::new();
    // Each seed is another number of acknowledged envelopes before the kill; the kill itself falls
    // wherever the node happens to be in the next one.
    for (round, acks) in [1u64, 2, 5, 3, 9, 4].into_iter().enumerate() {
        let base = round as u64 * 1_000_000;
        let mut server = Server::start(&data);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let (acknowledged, socket) = (Arc::clone(&acknowledged), data.join("admin.sock"));
                std::thread::spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        let from = base + writer * 100_000 + number * ENVELOPE;
                        match ask(
                            &socket,
                            "POST",
                            "/objects?who=test",
                            &envelope(from, from + ENVELOPE),
                        ) {
                            Some((200, _)) => done.push(from),
                            Some((status, body)) => panic!("{status}: {body}"),
                            None => return (done, from),
                        }
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    unreachable!("the loop ends with the server")
                })
            })
            .collect();
        while acknowledged.load(Ordering::SeqCst) < acks {
            std::thread::yield_now();
        }
        server.kill();
        let ends: Vec<(Vec<u64>, u64)> = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        drop(server);
        let held = held(&data);
        for (done, under_way) in ends {
            for from in done {
                for number in from..from + ENVELOPE {
                    expected.insert(
                        note_id(number),
                        model::Hash::of(note(number).as_bytes()).to_string(),
                    );
                }
            }
            let here = (under_way..under_way + ENVELOPE)
                .filter(|number| held.contains_key(&note_id(*number)))
                .count() as u64;
            assert!(
                here == 0 || here == ENVELOPE,
                "round {round}: an envelope is there by halves: {here} of {ENVELOPE}"
            );
            if here == ENVELOPE {
                for number in under_way..under_way + ENVELOPE {
                    expected.insert(
                        note_id(number),
                        model::Hash::of(note(number).as_bytes()).to_string(),
                    );
                }
            }
        }
        assert_eq!(held.len(), expected.len(), "round {round}");
        assert_eq!(
            held, expected,
            "round {round}: the same objects with the same bytes"
        );
    }
}

/// Ids and hashes of the national collection, through the binary.
fn held(data: &std::path::Path) -> BTreeMap<String, String> {
    let page = on(data, &["objects", "--limit", "1000000", "--json"])
        .code(0)
        .json();
    let text = |object: &serde_json::Value, key: &str| object[key].as_str().unwrap().to_owned();
    page["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (text(object, "id"), text(object, "hash")))
        .collect()
}

#[test]
fn a_log_verifies_after_kill_9_while_releasing() {
    let root = tempfile::tempdir().unwrap();
    let (a, _, accord) = pair(root.path());
    fed(
        &a,
        &["add", "-", "--label", "TLP:GREEN//REL AA,BB"],
        envelope(0, 600).as_bytes(),
    )
    .code(0);
    let mut acknowledged = 0u64;
    for acks in [1u64, 3, 7, 2] {
        let mut server = Server::start(&a);
        let done = Arc::new(AtomicU64::new(0));
        let start = acknowledged;
        let writer = {
            let (done, socket) = (Arc::clone(&done), a.join("admin.sock"));
            std::thread::spawn(move || {
                for number in start.. {
                    let body = format!(
                        "{{\"channel\":\"pact/all\",\"selection\":{{\"ids\":[\"{}\"]}},\"who\":\"test\"}}",
                        note_id(number)
                    );
                    match ask(&socket, "POST", "/release", &body) {
                        Some((200, _)) => done.fetch_add(1, Ordering::SeqCst),
                        Some((status, body)) => panic!("{status}: {body}"),
                        None => return,
                    };
                }
            })
        };
        while done.load(Ordering::SeqCst) < acks {
            std::thread::yield_now();
        }
        server.kill();
        writer.join().unwrap();
        acknowledged += done.load(Ordering::SeqCst);
        let shown = on(&a, &["objects", "pact/all", "--limit", "1000", "--json"])
            .code(0)
            .json();
        let ids: Vec<&str> = shown["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        for number in 0..acknowledged {
            assert!(
                ids.contains(&note_id(number).as_str()),
                "{} was acknowledged",
                note_id(number)
            );
        }
        assert!(
            ids.len() as u64 <= acknowledged + 1,
            "only the release under way may be there besides"
        );
        // The next round starts behind it.
        acknowledged = ids.len() as u64;
        let report = run(&[
            "verify",
            &a.display().to_string(),
            "--accord",
            &accord.display().to_string(),
            "--json",
        ]);
        let report = report.code(0).json();
        // The checkpoint's file is written after the commit, so that the kill may leave it one
        // release behind (or, before the second one, absent); never ahead and never wrong.
        let logs = report["logs"].as_array().unwrap();
        let log = logs
            .iter()
            .find(|log| log["origin"] == "aa.example/pact/all");
        let stated = log.map_or(0, |log| log["size"].as_u64().unwrap());
        assert!(
            stated == acknowledged || stated + 1 == acknowledged,
            "{stated} of {acknowledged}"
        );
    }
}
