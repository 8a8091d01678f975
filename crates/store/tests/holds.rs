//! What a store keeps, shows and forgets.

mod common;

use common::*;
use kurultai_store as store;
use log::Action;
use log::tile::{Kind, TilePath};
use store::{Collection, Command, LogName, Options, Outcome, Query, Record, Reply, Store};

fn all(store: &Store, collection: &Collection) -> Vec<Record> {
    store
        .page(
            collection,
            &Query {
                limit: 10_000,
                ..Query::default()
            },
        )
        .expect("a page")
        .records
}

/// Waits for what the writer does after an answer: the next answer comes later.
fn settle(store: &Store) {
    store
        .execute(Command::Put {
            key: "settled".into(),
            value: None,
        })
        .expect("kept");
}

fn channel() -> Collection {
    log("KZ").collection()
}

#[test]
fn adds_are_held_in_order_and_duplicates_are_told_from_conflicts() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let outcomes = add(
        &store,
        vec![
            indicator(1, 0, "one"),
            indicator(2, 0, "two"),
            indicator(1, 0, "one"),
            indicator(1, 0, "other"),
        ],
    );
    let [
        Outcome::Added(one),
        Outcome::Added(two),
        Outcome::Duplicate(again),
        Outcome::Conflict { held },
    ] = outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert!(one < two);
    assert_eq!(again, one);
    assert_eq!(held, indicator(1, 0, "one").hash());
    assert!(
        matches!(add(&store, vec![indicator(2, 0, "two")])[..], [Outcome::Duplicate(seq)] if seq == two)
    );
    let records = all(&store, &Collection::National);
    assert_eq!(
        records.iter().map(|record| record.seq).collect::<Vec<_>>(),
        [one, two]
    );
    let bodies = store.bodies(&records).expect("the bytes");
    assert_eq!(bodies[1], indicator(2, 0, "two").bytes());
    let kept = store.evidence().expect("evidence");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].content, indicator(1, 0, "other").bytes());
}

#[test]
fn the_newest_version_is_shown_whatever_the_order_of_arrival() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, vec![indicator(1, 5, "middle")]);
    add(
        &store,
        vec![indicator(1, 9, "newest"), indicator(1, 1, "oldest")],
    );
    let records = all(&store, &Collection::National);
    assert_eq!(records.len(), 1);
    assert_eq!(
        store.bodies(&records).expect("the bytes")[0],
        indicator(1, 9, "newest").bytes()
    );
    let versions = store
        .versions(&Collection::National, &id(1))
        .expect("versions");
    let texts: Vec<_> = store
        .bodies(&versions)
        .expect("bytes")
        .into_iter()
        .collect();
    assert_eq!(
        texts,
        [
            indicator(1, 1, "oldest"),
            indicator(1, 5, "middle"),
            indicator(1, 9, "newest")
        ]
        .map(|o| o.bytes().to_vec())
    );
    let count = store.count(&Collection::National).expect("count");
    assert_eq!((count.objects, count.versions), (1, 3));
}

#[test]
fn releases_are_published_revised_and_withdrawn() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let log = log("KZ");
    add(&store, (0..300).map(|n| indicator(n, 0, "first")).collect());
    let records = all(&store, &Collection::National);
    assert_eq!(
        append(&store, &log, &records, Action::Release),
        Reply::Logged {
            from: 0,
            to: 300,
            already: 0
        }
    );
    assert_eq!(
        append(&store, &log, &records[..10], Action::Release),
        Reply::Logged {
            from: 300,
            to: 300,
            already: 10
        }
    );
    add(&store, vec![indicator(3, 1, "second")]);
    let newer = store
        .latest(&Collection::National, &id(3))
        .expect("read")
        .expect("held");
    append(&store, &log, std::slice::from_ref(&newer), Action::Release);
    let tail = TilePath {
        kind: Kind::Entries,
        index: 1,
        width: 45,
    };
    let bundle = store.tile(&log, &tail).expect("read").expect("a bundle");
    let last = log::entries::decode(&bundle, 45).expect("whole")[44].to_vec();
    assert_eq!(
        log::Entry::decode(&last).expect("an entry").action,
        Action::Revise
    );
    assert_eq!(all(&store, &channel()).len(), 300);

    let shown = store.versions(&channel(), &id(3)).expect("versions");
    assert_eq!(shown.len(), 2);
    append(&store, &log, &shown, Action::Withdraw);
    assert!(store.latest(&channel(), &id(3)).expect("read").is_none());
    assert_eq!(all(&store, &channel()).len(), 299);
    // The member's own copy stays; the bundles that partners fetch no longer have the bytes.
    assert!(
        store
            .latest(&Collection::National, &id(3))
            .expect("read")
            .is_some()
    );
    let place = records
        .iter()
        .position(|record| record.id == id(3))
        .expect("released");
    let full = log::bodies::decode(
        &store
            .objects(&log, 0, 256, 0)
            .expect("read")
            .expect("a bundle"),
        256,
    )
    .expect("whole");
    assert!(full[place].is_empty());
    assert_eq!(full.iter().filter(|body| body.is_empty()).count(), 1);
    settle(&store);
    let stored = std::fs::read(dir.path().join("logs/test/ct/KZ/objects/000")).expect("the file");
    assert!(
        log::bodies::decode(&stored, 256).expect("whole")[place].is_empty(),
        "erased on disk, too"
    );
    let part = log::bodies::decode(
        &store
            .objects(&log, 1, 47, 40)
            .expect("read")
            .expect("a bundle"),
        47,
    )
    .expect("whole");
    assert!(
        part[..40].iter().all(Vec::is_empty),
        "what the reader has already is left out"
    );
    assert!(
        !part[43].is_empty() && part[44].is_empty(),
        "the second version is withdrawn, too"
    );
}

#[test]
fn the_log_is_the_tree_of_its_entries_at_every_width() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let log = log("KZ");
    add(&store, (0..600).map(|n| indicator(n, 0, "x")).collect());
    let records = all(&store, &Collection::National);
    let mut at = 0;
    for step in [1, 4, 250, 1, 1, 100, 243] {
        append(&store, &log, &records[at..at + step], Action::Release);
        at += step;
        let head = store.head(&log).expect("read").expect("a head");
        assert_eq!(head.size, at as u64);
        let mut leaves = Vec::new();
        for path in TilePath::range(Kind::Entries, 0, head.size, head.size) {
            let bundle = store.tile(&log, &path).expect("read").expect("a bundle");
            leaves.extend(
                log::entries::decode(&bundle, path.width)
                    .expect("whole")
                    .iter()
                    .map(|entry| log::merkle::leaf_hash(entry)),
            );
        }
        assert_eq!(log::merkle::root_of(&leaves), head.root);
        for width in [1u16, 2, (at % 256).max(1) as u16] {
            let path = TilePath {
                kind: Kind::Hashes(0),
                index: at as u64 / 256,
                width,
            };
            if u64::from(width) <= head.size % 256 {
                let tile = store.tile(&log, &path).expect("read").expect("a tile");
                let from = head.size as usize / 256 * 256;
                let want: Vec<u8> = leaves[from..from + width as usize]
                    .iter()
                    .flat_map(|hash| hash.0)
                    .collect();
                assert_eq!(tile, want);
            }
        }
    }
    let partials =
        std::fs::read_dir(dir.path().join("logs/test/ct/KZ/tile/entries")).expect("a folder");
    let partials: Vec<_> = partials.flatten().map(|file| file.file_name()).collect();
    assert_eq!(
        partials
            .iter()
            .filter(|name| name.to_string_lossy().ends_with(".p"))
            .count(),
        3,
        "{partials:?}"
    );
    assert!(
        std::fs::read_dir(dir.path().join("logs/test/ct/KZ/tile/entries/000.p"))
            .expect("a folder")
            .next()
            .is_none()
    );
}

#[test]
fn pages_follow_one_another_without_gap_or_repeat() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, (0..1000).map(|n| indicator(n, 0, "x")).collect());
    add(
        &store,
        (0..1000).step_by(3).map(|n| indicator(n, 1, "y")).collect(),
    );
    for limit in [1usize, 7, 333, 999, 1000, 1001] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .page(
                    &Collection::National,
                    &Query {
                        after,
                        limit,
                        ..Query::default()
                    },
                )
                .expect("a page");
            after = page.records.last().map(|record| record.seq);
            seen.extend(page.records.into_iter().map(|record| record.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen.len(), 1000);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }
    let query = Query {
        kinds: vec!["malware".into()],
        limit: 10,
        ..Query::default()
    };
    assert!(
        store
            .page(&Collection::National, &query)
            .expect("a page")
            .records
            .is_empty()
    );
    let query = Query {
        ids: vec![id(3), id(4)],
        all_versions: true,
        limit: 10,
        ..Query::default()
    };
    assert_eq!(
        store
            .page(&Collection::National, &query)
            .expect("a page")
            .records
            .len(),
        3
    );
}

#[test]
fn a_reopened_and_a_rebuilt_store_answer_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = log("KZ");
    let before = {
        let store = open(dir.path());
        add(&store, (0..520).map(|n| indicator(n, 0, "first")).collect());
        add(
            &store,
            (0..100).map(|n| indicator(n, 1, "second")).collect(),
        );
        let records = all(&store, &Collection::National);
        append(&store, &log, &records[..400], Action::Release);
        append(&store, &log, &records[20..30], Action::Withdraw);
        append(&store, &log, &records[25..30], Action::Release);
        store
            .execute(Command::Put {
                key: "user/anna".into(),
                value: Some(b"x".to_vec()),
            })
            .expect("kept");
        store
            .execute(Command::Put {
                key: "user/ben".into(),
                value: Some(b"y".to_vec()),
            })
            .expect("kept");
        store
            .execute(Command::Put {
                key: "user/ben".into(),
                value: None,
            })
            .expect("removed");
        let lines = vec![(
            "kg.example/witness".to_owned(),
            "— kg.example/witness BBBB\n".to_owned(),
        )];
        store
            .execute(Command::Cosigned {
                log: log.clone(),
                size: 415,
                lines,
            })
            .expect("kept");
        let refuse = Command::Refuse {
            log: LogName::new("test", "ct", "TJ"),
            reason: "forked".into(),
            evidence: "e".into(),
        };
        store.execute(refuse).expect("refused");
        store
            .execute(Command::Audit {
                log: LogName::new("local", "audit", "KZ"),
                records: vec![b"r".to_vec()],
                signer: signer(),
            })
            .expect("audited");
        answers(&store, &log)
    };
    assert_eq!(answers(&open(dir.path()), &log), before);
    let files = |dir: &std::path::Path| {
        std::fs::read(dir.join("logs/test/ct/KZ/objects/000")).expect("the bodies")
    };
    let bodies = files(dir.path());
    std::fs::remove_dir_all(dir.path().join("logs")).expect("removed");
    let rebuilt = store::rebuild(dir.path(), Options::new(clock())).expect("rebuilt");
    assert_eq!(rebuilt.logs, 3);
    assert_eq!(answers(&open(dir.path()), &log), before);
    assert_eq!(files(dir.path()), bodies);
}

/// Everything that a store answers, as text.
fn answers(store: &Store, log: &LogName) -> String {
    let mut text = format!(
        "{:?}\n{:?}\n",
        store.heads().expect("heads"),
        store.checkpoint(log).expect("checkpoint")
    );
    for (collection, count) in store.counts().expect("counts") {
        let query = Query {
            all_versions: true,
            limit: 10_000,
            ..Query::default()
        };
        let records = store.page(&collection, &query).expect("a page").records;
        let latest = all(store, &collection);
        text += &format!(
            "{collection:?} {count:?}\n{records:?}\n{latest:?}\n{:?}\n",
            store.bodies(&records).expect("bytes")
        );
    }
    text + &format!(
        "{:?}\n{:?}\n",
        store.scan("").expect("settings"),
        store.evidence().expect("evidence")
    )
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let _held = open(dir.path());
    let refused = Store::open(dir.path(), Options::new(clock()))
        .err()
        .expect("locked");
    assert!(refused.to_string().contains("in use"), "{refused}");
}

#[test]
fn labels_are_resolved_with_the_definitions_that_are_held() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, vec![indicator(1, 0, "plain")]);
    let record = store
        .latest(&Collection::National, &id(1))
        .expect("read")
        .expect("held");
    assert_eq!(
        *store.label(&record).expect("a label"),
        label("TLP:GREEN//REL KZ,KG")
    );
    let unknown = r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-00000000beef","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[a:b = 'c']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","object_marking_refs":["marking-definition--00000000-0000-4000-8000-00000000dead"]}"#;
    let object = model::Object::parse(unknown.as_bytes()).expect("valid");
    let unknown_id = object.id().clone();
    add(&store, vec![object]);
    let record = store
        .latest(&Collection::National, &unknown_id)
        .expect("read")
        .expect("held");
    assert_eq!(
        store.label(&record).expect("a label").releasable_to,
        model::Releasable::Members(Default::default())
    );
    let definition = r#"{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-00000000dead","created":"2026-01-01T00:00:00.000Z","definition_type":"statement","definition":{"statement":"as agreed"}}"#;
    add(
        &store,
        vec![model::Object::parse(definition.as_bytes()).expect("valid")],
    );
    assert_eq!(
        *store.label(&record).expect("a label"),
        label("TLP:GREEN//REL KZ,KG"),
        "a statement restricts nothing"
    );
}

/// Judged and taken in one step, so nothing can be withdrawn or removed in between.
#[test]
fn what_only_makes_labels_stricter_brings_nothing_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let at_least = |objects: Vec<model::Object>| {
        let command = Command::AddAtLeast {
            objects,
            label: label("TLP:AMBER"),
        };
        match store.execute(command).expect("judged") {
            Reply::Added(outcomes) => outcomes,
            reply => panic!("{reply:?}"),
        }
    };
    let added = at_least((1..=3).map(|n| indicator(n, 0, "x")).collect());
    assert!(added.iter().all(|one| matches!(one, Outcome::Added(_))));
    // A partner's, that the nation never had, withdrawn; one of the nation's own removed.
    let records = all(&store, &Collection::National);
    append(&store, &log("KZ"), &records[..1], Action::Release);
    append(&store, &log("KZ"), &records[..1], Action::Withdraw);
    let removed = vec![(records[1].id.clone(), records[1].hash)];
    store
        .execute(Command::Remove { objects: removed })
        .expect("removed");
    let again = at_least((1..=4).map(|n| indicator(n, 0, "x")).collect());
    assert!(
        matches!(again[0], Outcome::Duplicate(_)),
        "the nation has it"
    );
    assert_eq!(again[1], Outcome::Stopped(store::Standing::Removed));
    assert!(matches!(again[2], Outcome::Duplicate(_)));
    assert!(matches!(again[3], Outcome::Added(_)));
    // Other versions of both.
    let newer = at_least((1..=3).map(|n| indicator(n, 1, "y")).collect());
    assert_eq!(
        newer[0],
        Outcome::Stopped(store::Standing::Withdrawn(log("KZ")))
    );
    assert_eq!(newer[1], Outcome::Stopped(store::Standing::Removed));
    assert!(matches!(newer[2], Outcome::Added(_)));
    assert_eq!(all(&store, &Collection::National).len(), 3);
    // A person's word still does.
    let by_hand = add(&store, vec![indicator(2, 0, "x"), indicator(1, 1, "y")]);
    assert!(
        by_hand
            .iter()
            .all(|one| !matches!(one, Outcome::Stopped(_)))
    );
    drop(store);
    let store = open(dir.path());
    assert_eq!(all(&store, &Collection::National).len(), 4);
}
