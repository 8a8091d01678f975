//! I2: whatever partners publish, they change nothing that a member originated: they cannot take
//! it back, replace it or outdate it in its own national collection.

use model::{Label, Object};
use store::{Collection, Command, Outcome, Record, Reply};
use testkit::{World, assert_converged, state};

/// Three members, all settled; KG has released one object.
fn world(seed: u64) -> (World, Record) {
    let three = &testkit::SIX[..3];
    let accord = testkit::accord(three, vec![testkit::channel("c", three)]);
    let mut world = World::new(seed, accord);
    let open = label();
    let now = world.now();
    let mut object = testkit::object(&mut world.rng, now);
    while !object.marking_refs().is_empty() {
        object = testkit::object(&mut world.rng, now);
    }
    let record = world.add("KG", vec![object], &open).remove(0);
    world.release("KG", "c", &record).expect("it is open");
    world.settle();
    (world, record)
}

fn label() -> Label {
    Label::parse("TLP:CLEAR").expect("a label")
}

/// The object behind a record, as KG holds it.
fn object(world: &World, record: &Record) -> Object {
    let bytes = world.store("KG").bodies(std::slice::from_ref(record));
    Object::parse(&bytes.expect("it reads")[0]).expect("an object")
}

/// KZ takes the object as its own and gives the record.
fn adopt(world: &World, object: Object) -> Record {
    let hash = object.hash();
    let add = Command::Add {
        objects: vec![object],
        label: label(),
        into: Collection::National,
    };
    let reply = world.store("KZ").execute(add).expect("KZ takes objects");
    assert!(matches!(reply, Reply::Added(_)));
    let national = world.records("KZ", &Collection::National);
    let found = national.into_iter().find(|record| record.hash == hash);
    found.expect("it is there")
}

/// Whether KG's release shows at a member.
fn stands(world: &World, code: &str, record: &Record) -> bool {
    let own = world.log("KG", "c");
    world
        .records(code, &world.collection("c"))
        .iter()
        .any(|held| held.hash == record.hash && held.log.as_ref() == Some(&own))
}

#[test]
fn nobody_takes_back_what_another_released() {
    let (mut world, record) = world(1);
    let before = world.records("KG", &Collection::National);
    let own = adopt(&world, object(&world, &record));
    world.force("KZ", "c", &own, &label());
    world.settle();
    world.withdraw("KZ", "c", &own);
    world.settle();
    for code in world.codes() {
        assert!(
            stands(&world, &code, &record),
            "KG's release is gone at {code}"
        );
    }
    assert_eq!(world.records("KG", &Collection::National), before);
    assert_converged(&world);
}

#[test]
fn nobody_replaces_what_another_released() {
    let (mut world, record) = world(2);
    let now = object(&world, &record).modified().expect("it has versions");
    // Another content under KG's id and version, from somebody who never saw KG's.
    let forged = testkit::revision(&object(&world, &record), &mut world.rng, now);
    assert_ne!(forged.hash(), record.hash);
    let conflict = Command::Add {
        objects: vec![forged.clone()],
        label: label(),
        into: Collection::National,
    };
    let reply = world.store("KZ").execute(conflict).expect("an answer");
    assert!(
        matches!(&reply, Reply::Added(outcomes) if matches!(outcomes[0], Outcome::Conflict { .. })),
        "KZ holds KG's already: {reply:?}"
    );
    let naive = world.open("KZ", "naive");
    let add = Command::Add {
        objects: vec![forged.clone()],
        label: label(),
        into: Collection::National,
    };
    naive.execute(add).expect("an empty store takes it");
    let query = store::Query {
        limit: 10,
        ..store::Query::default()
    };
    let page = naive.page(&Collection::National, &query).expect("it reads");
    let entry = world.entry(log::Action::Release, &page.records[0], &label());
    let append = Command::Append {
        log: world.log("KZ", "c"),
        changes: vec![store::Change {
            entry,
            object: Some(page.records[0].object),
        }],
        signer: world.signer("KZ", "c"),
    };
    naive.execute(append).expect("it appends");
    for reader in ["KG", "PK"] {
        let wire = testkit::Wire::new(&naive, world.log("KZ", "c"), &world.accord, reader);
        let progress = world.pull_over(&wire, reader, "KZ", "c");
        let progress = progress.expect("the log is good, only its object is not");
        assert_eq!((progress.shown, progress.conflicts), (0, 1), "{reader}");
        assert!(stands(&world, reader, &record));
        let shown = world.records(reader, &world.collection("c"));
        assert!(shown.iter().all(|held| held.hash != forged.hash()));
        let kept = world.store(reader).evidence().expect("it reads");
        assert!(
            kept.iter().any(|kept| kept.content == forged.bytes()),
            "{reader} keeps the other content as evidence"
        );
    }
}

#[test]
fn a_newer_version_from_a_partner_leaves_the_national_collection_alone() {
    let (mut world, record) = world(3);
    let before = world.records("KG", &Collection::National);
    let now = world.now();
    let newer = testkit::revision(&object(&world, &record), &mut world.rng, now);
    let own = adopt(&world, newer);
    world.force("KZ", "c", &own, &label());
    world.settle();
    assert_eq!(world.records("KG", &Collection::National), before);
    let latest = world.store("KG").latest(&Collection::National, &record.id);
    assert_eq!(latest.expect("it reads").expect("held").hash, record.hash);
    // In the channel both are there, each under the log that brought it.
    assert!(stands(&world, "PK", &record));
    let shown = world.records("PK", &world.collection("c"));
    assert!(shown.iter().any(|held| held.hash == own.hash));
    world.withdraw("KZ", "c", &own);
    world.settle();
    assert!(stands(&world, "PK", &record), "and KG's is what is left");
    assert_converged(&world);
}

#[test]
fn the_own_log_is_pulled_from_nobody() {
    let (world, _) = world(4);
    let before = state(world.store("KG"));
    let wire = world.wire("KG", "KG", "c");
    let error = world
        .pull_over(&wire, "KG", "KG", "c")
        .expect_err("it is KG's own");
    assert!(matches!(error, sync::PullError::Own { .. }), "{error}");
    assert_eq!(state(world.store("KG")), before);
}
