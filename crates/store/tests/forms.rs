//! What the release authority asks of the store: hidden forms, what partners said of an object that
//! the nation has, too, and label classes. A rebuilt index gives the same answers.

use std::sync::Arc;

use kurultai_store as store;
use log::{Action, Entry};
use model::Object;
use store::{
    Collection, Command, Heard, LogName, Options, Outcome, Query, Receive, ReceivedBundle, Reply,
    Store,
};

mod common;
use common::{add, append, clock, id, indicator, label, log, open, signer};

fn add_form(store: &Store, object: Object) -> Outcome {
    let command = Command::Add {
        objects: vec![object],
        label: label("TLP:GREEN//REL KZ,KG"),
        into: Collection::Forms,
    };
    match store.execute(command) {
        Ok(Reply::Added(mut outcomes)) => outcomes.remove(0),
        other => panic!("{other:?}"),
    }
}

fn entry(object: &Object, action: Action, label: &str) -> Entry {
    Entry {
        action,
        hash: object.hash().0,
        id: object.id().to_string(),
        modified: object.version().map(|version| version.to_string()),
        kind: object.id().type_name().to_owned(),
        label: label.to_owned(),
        attribution: "KG".to_owned(),
        salt: [9; 16],
        time: "2026-01-02T00:00:00.000Z".to_owned(),
    }
}

/// A partner's log brings (or takes back) objects; the store takes its word for their proofs.
fn receive(store: &Store, log: &LogName, entries: Vec<(Entry, Option<Object>)>) {
    let from = store.head(log).expect("a head").map_or(0, |head| head.size);
    let (entries, objects): (Vec<Entry>, Vec<Option<Object>>) = entries.into_iter().unzip();
    let raw: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| entry.encode().expect("encodes"))
        .collect();
    let mut tree = log::Tree::new();
    for index in 0..from {
        let width = from as u16;
        let path =
            log::tile::TilePath::at(log::tile::Kind::Entries, 0, u64::from(width)).expect("a path");
        let tile = store.tile(log, &path).expect("reads").expect("held");
        let held = log::entries::decode(&tile, width).expect("entries");
        tree.append(log::merkle::leaf_hash(held[index as usize]));
    }
    raw.iter()
        .for_each(|raw| tree.append(log::merkle::leaf_hash(raw)));
    let bodies: Vec<&[u8]> = objects
        .iter()
        .map(|object| object.as_ref().map_or(&[][..], |object| object.bytes()))
        .collect();
    let bundle = ReceivedBundle {
        bodies: log::bodies::encode(&bodies),
        raw,
        entries,
        objects,
        skip: 0,
    };
    let size = tree.size();
    let reply = store.execute(Command::Receive(Receive {
        log: log.clone(),
        from,
        bundles: vec![bundle],
        checkpoint: signer()(size, tree.root()),
        checkpoint_size: size,
        checkpoint_root: tree.root(),
    }));
    assert!(matches!(reply, Ok(Reply::Received { .. })), "{reply:?}");
}

#[test]
fn forms_are_held_and_shown_nowhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, vec![indicator(1, 0, "the original")]);
    let outcome = add_form(&store, indicator(2, 0, "its form"));
    assert!(matches!(outcome, Outcome::Added(_)));
    let national = store.count(&Collection::National).expect("counts");
    assert_eq!(national.objects, 1);
    assert_eq!(
        store.latest(&Collection::National, &id(2)).expect("reads"),
        None
    );
    let form = store
        .latest(&Collection::Forms, &id(2))
        .expect("reads")
        .expect("it is a form");
    // A form can be appended to an own log like anything that is held.
    append(&store, &log("KZ"), &[form], Action::Release);
    let channel = log("KZ").collection();
    assert!(store.latest(&channel, &id(2)).expect("reads").is_some());
    let refused = store.execute(Command::Add {
        objects: vec![indicator(3, 0, "")],
        label: label("TLP:CLEAR"),
        into: channel.clone(),
    });
    assert!(refused.is_err(), "nothing enters a channel but by a log");
    let before = store.counts().expect("counts");
    drop(store);
    store::rebuild(dir.path(), Options::new(clock())).expect("rebuilt");
    let store = open(dir.path());
    assert_eq!(store.counts().expect("counts"), before);
    assert_eq!(
        store.latest(&Collection::National, &id(2)).expect("reads"),
        None
    );
    assert!(
        store
            .latest(&Collection::Forms, &id(2))
            .expect("reads")
            .is_some()
    );
}

fn said(heard: &[Heard]) -> Vec<(String, String, bool, bool)> {
    heard
        .iter()
        .map(|heard| {
            (
                heard.record.id.to_string(),
                heard.record.assigned.to_string(),
                heard.withdrawn,
                heard.record.seq < heard.ours,
            )
        })
        .collect()
}

#[test]
fn what_a_partner_said_of_an_object_stays_known() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let (red, amber) = ("TLP:RED//REL KZ,KG", "TLP:AMBER//REL KZ,KG");
    let (theirs, gone, ours, other) = (
        indicator(1, 0, "theirs, added again"),
        indicator(2, 0, "theirs, added again after they took it back"),
        indicator(3, 0, "ours first"),
        indicator(4, 0, "theirs alone"),
    );
    add(&store, vec![ours.clone(), indicator(9, 0, "ours alone")]);
    receive(
        &store,
        &log("KG"),
        [(&theirs, red), (&gone, amber), (&ours, red), (&other, red)]
            .into_iter()
            .map(|(object, label)| (entry(object, Action::Release, label), Some(object.clone())))
            .collect(),
    );
    receive(
        &store,
        &log("KG"),
        vec![(entry(&gone, Action::Withdraw, amber), None)],
    );
    let outcomes = add(
        &store,
        // A later version under the same id is as much theirs as the one they sent.
        vec![theirs.clone(), indicator(1, 5, "edited here"), gone.clone()],
    );
    assert!(matches!(outcomes[0], Outcome::Duplicate(_)));
    // What this member's own log showed and took back is not what a partner said.
    let mine = store
        .latest(&Collection::National, &id(9))
        .expect("reads")
        .expect("held");
    append(
        &store,
        &log("KZ"),
        std::slice::from_ref(&mine),
        Action::Release,
    );
    append(&store, &log("KZ"), &[mine], Action::Withdraw);
    add(&store, vec![indicator(9, 1, "ours, revised")]);
    let ids: Vec<_> = [1, 2, 3, 4, 9].map(id).to_vec();
    let expected = vec![
        (id(1).to_string(), red.to_owned(), false, true),
        (id(2).to_string(), amber.to_owned(), true, true),
        (id(3).to_string(), red.to_owned(), false, false),
    ];
    let check = |store: &Store| {
        assert_eq!(said(&store.heard(&ids).expect("reads")), expected);
        let mut met = Vec::new();
        while let Some(next) = store.met(met.last(), 1).expect("reads").pop() {
            met.push(next);
        }
        for n in [1, 2, 3] {
            assert!(met.contains(&id(n)), "{n} is met");
        }
        assert!(!met.contains(&id(4)), "the nation does not have it");
        let mut once = met.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), met.len(), "pages repeat nothing");
    };
    check(&store);
    drop(store);
    store::rebuild(dir.path(), Options::new(clock())).expect("rebuilt");
    check(&open(dir.path()));
}

#[test]
fn classes_count_what_shares_label_marks_and_type() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let first: Vec<Object> = (0..700).map(|n| indicator(n, 0, "first")).collect();
    add(&store, first);
    let amber = Command::Add {
        objects: (700..1_000).map(|n| indicator(n, 0, "amber")).collect(),
        label: label("TLP:AMBER//REL KZ"),
        into: Collection::National,
    };
    store.execute(amber).expect("added");
    // A later version moves its object from one class to the other and is counted once.
    let revised = Command::Add {
        objects: (0..50).map(|n| indicator(n, 1, "revised")).collect(),
        label: label("TLP:AMBER//REL KZ"),
        into: Collection::National,
    };
    store.execute(revised).expect("added");
    let counts = |store: &Store| -> Vec<(Arc<str>, String, u64)> {
        store
            .classes(&Collection::National)
            .expect("classes")
            .into_iter()
            .map(|class| {
                let kind = class.example.id.type_name().to_owned();
                (class.example.assigned, kind, class.objects)
            })
            .collect()
    };
    let expected: Vec<(Arc<str>, String, u64)> = vec![
        ("TLP:GREEN//REL KG,KZ".into(), "indicator".into(), 650),
        ("TLP:AMBER//REL KZ".into(), "indicator".into(), 350),
    ];
    assert_eq!(counts(&store), expected);
    // The same by walking through all of them.
    let query = Query {
        limit: 2_000,
        ..Query::default()
    };
    let all = store.page(&Collection::National, &query).expect("a page");
    for (assigned, _, count) in &expected {
        let walked = all
            .records
            .iter()
            .filter(|record| record.assigned == *assigned);
        assert_eq!(walked.count() as u64, *count);
    }
    drop(store);
    store::rebuild(dir.path(), Options::new(clock())).expect("rebuilt");
    assert_eq!(counts(&open(dir.path())), expected);
}
