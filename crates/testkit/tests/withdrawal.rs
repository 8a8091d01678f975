//! I6: once a withdrawal is integrated, nobody serves the bytes, whatever one asks for, and the
//! log still verifies for those who come later.

use log::TilePath;
use testkit::{Faults, World, assert_converged};

/// Whether `needle` occurs in what a store serves of the channel: pages with bodies, and for an
/// own log every body bundle at every width and skip that a partner could ask for.
fn served(world: &World, code: &str, hash: model::Hash, origin: &str) -> bool {
    let store = world.store(code);
    let mut found = false;
    for record in world.records(code, &world.collection("c")) {
        found |= record.hash == hash;
        let body = store
            .bodies(std::slice::from_ref(&record))
            .expect("it reads");
        found |= model::Hash::of(&body[0]) == hash;
    }
    let log = world.log(origin, "c");
    let size = store
        .head(&log)
        .expect("it reads")
        .map_or(0, |head| head.size);
    for path in TilePath::range(log::Kind::Objects, 0, size, size) {
        for width in 1..=path.width {
            for skip in [0, 1, usize::from(width) / 2] {
                let Some(bundle) = store
                    .objects(&log, path.index, width, skip)
                    .expect("it reads")
                else {
                    continue;
                };
                let bodies = log::bodies::decode(&bundle, usize::from(width)).expect("a bundle");
                found |= bodies.iter().any(|body| model::Hash::of(body) == hash);
            }
        }
    }
    found
}

fn world(seed: u64, count: usize) -> World {
    let three = &testkit::SIX[..3];
    let mut world = World::new(
        seed,
        testkit::accord(three, vec![testkit::channel("c", three)]),
    );
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let mut records = world.add_labelled("KG", count * 2, &label);
    records.retain(|record| world.truth(&record.hash).expect("added").1.tlp < model::Tlp::Red);
    records.truncate(count);
    assert_eq!(records.len(), count, "enough objects below the ceiling");
    world.force_all("KG", "c", &records);
    world
}

#[test]
fn withdrawn_bytes_are_served_by_nobody() {
    // Below one bundle, exactly one, and more: the files are kept in different ways.
    for (seed, count) in [(1, 5), (2, 256), (3, 300)] {
        let mut world = world(seed, count);
        world.settle();
        let shown = world.records("KG", &world.collection("c"));
        let gone = world.rng.pick(&shown).clone();
        for code in ["KG", "KZ", "PK"] {
            assert!(
                served(&world, code, gone.hash, "KG"),
                "{count}: {code} shows it at first"
            );
        }
        world.withdraw("KG", "c", &gone);
        assert!(
            !served(&world, "KG", gone.hash, "KG"),
            "{count}: its origin serves it no more"
        );
        world.settle();
        for code in ["KG", "KZ", "PK"] {
            assert!(
                !served(&world, code, gone.hash, "KG"),
                "{count}: {code} serves it no more"
            );
            assert_eq!(world.records(code, &world.collection("c")).len(), count - 1);
        }
        for code in ["KG", "KZ", "PK"] {
            world.restart(code);
            assert!(
                !served(&world, code, gone.hash, "KG"),
                "{count}: nor {code} after a restart"
            );
        }
        assert_converged(&world);

        // Somebody who comes later verifies the same log without the bytes.
        let late = world.open("PK", "late");
        let wire = world.wire("PK", "KG", "c");
        let progress = world
            .pull_into(&late, &wire, "PK", "KG", "c")
            .expect("the log verifies");
        assert_eq!(progress.shown, count - 1);
        assert!(
            progress.missing.is_empty(),
            "a later entry explains what is not there"
        );
        let roots = |store: &store::Store| {
            let head = store
                .head(&world.log("KG", "c"))
                .expect("it reads")
                .expect("held");
            (head.size, head.root)
        };
        assert_eq!(roots(&late), roots(world.store("KG")));
    }
}

#[test]
fn an_object_that_two_members_share_stays_with_the_other() {
    let mut world = world(4, 3);
    world.settle();
    let gone = world.records("KG", &world.collection("c"))[0].clone();
    // KZ has the same object of its own and releases it, too.
    let body = world
        .store("KG")
        .bodies(std::slice::from_ref(&gone))
        .expect("it reads");
    let object = model::Object::parse(&body[0]).expect("an object");
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let added = store::Command::Add {
        objects: vec![object],
        label: label.clone(),
        into: store::Collection::National,
    };
    world
        .store("KZ")
        .execute(added)
        .expect("KZ takes it as its own");
    let own = world.records("KZ", &store::Collection::National);
    let own = own
        .iter()
        .find(|record| record.hash == gone.hash)
        .expect("it is there")
        .clone();
    world.force("KZ", "c", &own, &label);
    world.settle();
    world.withdraw("KG", "c", &gone);
    world.settle();
    let from = |code: &str| {
        let records = world.records(code, &world.collection("c"));
        let mut origins: Vec<String> = records
            .into_iter()
            .filter(|record| record.hash == gone.hash)
            .filter_map(|record| record.log)
            .map(|log| log.origin)
            .collect();
        origins.sort();
        origins
    };
    assert_eq!(from("PK"), ["KZ"], "KG's release is gone, KZ's stands");
    assert!(!served(&world, "KG", model::Hash([0; 32]), "KG"));
    let again = world
        .pull("PK", "KG", "c", Faults::None)
        .expect("nothing new");
    assert_eq!(again.from, again.to);
}

#[test]
fn what_was_taken_back_before_a_partner_came_never_reaches_it() {
    let mut world = world(5, 4);
    let gone = world.records("KG", &world.collection("c"))[1].clone();
    world.withdraw("KG", "c", &gone);
    world.settle();
    for code in ["KZ", "PK"] {
        assert!(!served(&world, code, gone.hash, "KG"));
        let held = world
            .store(code)
            .versions(&world.collection("c"), &gone.id)
            .expect("it reads");
        assert!(held.is_empty(), "{code}");
    }
}
