//! I3: a member that signs two histories is found out; both are kept as evidence that anybody can
//! check offline, the log is stopped, and nothing that was held before is touched.

use log::{Evidence, Verdict};
use store::{Change, Store};
use sync::PullError;
use testkit::{Faults, World, assert_converged, state};

/// Three members and a channel; KG has published `count` entries.
fn world(seed: u64, count: usize) -> World {
    let three = &testkit::SIX[..3];
    let mut world = World::new(
        seed,
        testkit::accord(three, vec![testkit::channel("c", three)]),
    );
    publish(&mut world, "KG", count);
    world
}

fn publish(world: &mut World, code: &str, count: usize) {
    let label = label();
    let records = world.add_labelled(code, count, &label);
    world.force_all(code, "c", &records);
}

fn label() -> model::Label {
    model::Label::parse("TLP:CLEAR").expect("a label")
}

/// A second history of KG's log: another store, the same keys, other entries.
fn other_history(world: &mut World, name: &str, count: usize) -> Store {
    let store = world.open("KG", name);
    let objects: Vec<model::Object> = (0..count)
        .map(|_| {
            let now = world.now();
            testkit::object(&mut world.rng, now)
        })
        .collect();
    let add = store::Command::Add {
        objects,
        label: label(),
        into: store::Collection::National,
    };
    store.execute(add).expect("the store takes objects");
    let query = store::Query {
        limit: 5_000,
        ..store::Query::default()
    };
    let page = store
        .page(&store::Collection::National, &query)
        .expect("it reads");
    let mut changes = Vec::new();
    for record in &page.records {
        let entry = world.entry(log::Action::Release, record, &label());
        changes.push(Change {
            entry,
            object: Some(record.object),
        });
    }
    let append = store::Command::Append {
        log: world.log("KG", "c"),
        changes,
        signer: world.signer("KG", "c"),
    };
    store.execute(append).expect("the store appends");
    store
}

/// Pulls the other history at `reader` and expects it to be caught with evidence of this kind.
fn caught(world: &World, store: &Store, reader: &str) -> Verdict {
    let before = state(world.store(reader));
    let log = world.log("KG", "c");
    let held = world
        .store(reader)
        .head(&log)
        .expect("it reads")
        .expect("held");
    let wire = testkit::Wire::new(store, log.clone(), &world.accord, reader);
    let error = world
        .pull_over(&wire, reader, "KG", "c")
        .expect_err("two histories");
    let PullError::Contradiction {
        evidence, reason, ..
    } = &error
    else {
        panic!("{}: {error}", world.place());
    };
    assert!(!reason.is_empty());

    // The evidence is kept, and a third party with only the accord can check it.
    let kept = world.store(reader).evidence().expect("it reads");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].log.as_ref(), Some(&log));
    assert_eq!(kept[0].content, evidence.as_bytes());
    let read = Evidence::parse(evidence.as_bytes()).expect("it is evidence");
    let keys = world.accord.log_keys("KG", "c").expect("keys");
    let verdict = read.verify(&keys).expect("it convinces");
    let others = world.accord.log_keys("KZ", "c").expect("keys");
    assert!(read.verify(&others).is_err(), "it accuses nobody else");

    // Nothing but the refusal has changed: the same size, the same root, the same objects.
    let after = world
        .store(reader)
        .head(&log)
        .expect("it reads")
        .expect("held");
    assert_eq!((after.size, after.root), (held.size, held.root));
    assert!(after.refused.is_some());
    assert_ne!(state(world.store(reader)), before, "the refusal shows");
    assert_eq!(
        world.records(reader, &world.collection("c")).len() as u64,
        held.size,
        "what was held stays"
    );

    // The log is stopped: neither history is taken any further, and another pull adds no evidence.
    let stopped = world
        .pull(reader, "KG", "c", Faults::None)
        .expect_err("the log is refused");
    assert!(matches!(stopped, PullError::Refused { .. }), "{stopped}");
    let wire = testkit::Wire::new(store, log, &world.accord, reader);
    let stopped = world
        .pull_over(&wire, reader, "KG", "c")
        .expect_err("the log is refused");
    assert!(matches!(stopped, PullError::Refused { .. }), "{stopped}");
    assert_eq!(world.store(reader).evidence().expect("it reads").len(), 1);
    verdict
}

/// Objects drawn here may be marked TLP:RED themselves, which the channel refuses to show; these
/// worlds count what is shown, so they need a seed without.
fn settle_whole(world: &World) {
    world.settle();
    assert_converged(world);
}

fn shown_everything(seed: u64, count: usize) -> World {
    (seed..seed + 200)
        .map(|seed| world(seed, count))
        .find(|world| {
            settle_whole(world);
            world.records("KZ", &world.collection("c")).len() == count
        })
        .expect("a seed without objects above the ceiling")
}

#[test]
fn two_roots_of_one_size() {
    let mut world = shown_everything(1, 3);
    let other = other_history(&mut world, "other", 3);
    let verdict = caught(&world, &other, "KZ");
    assert!(
        matches!(verdict, Verdict::TwoRoots { size: 3, .. }),
        "{verdict:?}"
    );
}

#[test]
fn a_longer_log_that_does_not_continue_the_held_one() {
    for longer in [4, 9, 300] {
        let mut world = shown_everything(1_000, 3);
        let other = other_history(&mut world, "other", longer);
        let verdict = caught(&world, &other, "KZ");
        let expected = longer as u64;
        assert!(
            matches!(verdict, Verdict::Rewritten { older_size: 3, newer_size, .. } if newer_size == expected),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_shorter_log_of_another_history() {
    let mut world = shown_everything(2_000, 4);
    let other = other_history(&mut world, "other", 2);
    let verdict = caught(&world, &other, "KZ");
    assert!(
        matches!(
            verdict,
            Verdict::Rewritten {
                older_size: 2,
                newer_size: 4,
                ..
            }
        ),
        "{verdict:?}"
    );
}

#[test]
fn a_log_that_shrank_is_stopped_although_it_proves_no_lie() {
    let mut world = world(3, 4);
    let log = world.log("KG", "c");
    let old = world
        .store("KG")
        .checkpoint(&log)
        .expect("it reads")
        .expect("a checkpoint");
    publish(&mut world, "KG", 4);
    world.settle();
    let shown = world.records("KZ", &world.collection("c"));
    let wire = world.wire("KZ", "KG", "c").showing(old);
    let error = world
        .pull_over(&wire, "KZ", "KG", "c")
        .expect_err("it shrank");
    assert!(matches!(error, PullError::Contradiction { .. }), "{error}");
    let head = world
        .store("KZ")
        .head(&log)
        .expect("it reads")
        .expect("held");
    assert_eq!(head.size, 8);
    assert!(head.refused.is_some());
    assert_eq!(world.records("KZ", &world.collection("c")), shown);
    assert_eq!(world.store("KZ").evidence().expect("it reads").len(), 1);
}

#[test]
fn one_refused_log_stops_no_other() {
    let mut world = shown_everything(4_000, 3);
    let other = other_history(&mut world, "other", 3);
    caught(&world, &other, "KZ");
    publish(&mut world, "PK", 3);
    world
        .pull("KZ", "PK", "c", Faults::None)
        .expect("PK's log is good");
    world
        .pull("PK", "KG", "c", Faults::None)
        .expect("PK saw one history only");
    assert_eq!(
        world
            .store("KZ")
            .head(&world.log("PK", "c"))
            .expect("it reads")
            .expect("held")
            .size,
        3
    );
    // And a restart does not forget the refusal.
    world.restart("KZ");
    let stopped = world
        .pull("KZ", "KG", "c", Faults::None)
        .expect_err("the log is refused");
    assert!(matches!(stopped, PullError::Refused { .. }), "{stopped}");
}
