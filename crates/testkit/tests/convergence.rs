//! I3 and I8 under a bad network: pulls fail, are repeated and resume, and in the end everybody
//! holds the same logs and the same bytes.

use testkit::{
    Fault, Faults, Rng, World, assert_converged, assert_releasable, random_accord, state,
};

/// One member acts at random for a while.
fn act(world: &mut World, code: &str) {
    let own: Vec<String> = world
        .logs()
        .into_iter()
        .filter(|(_, origin)| origin == code)
        .map(|(channel, _)| channel)
        .collect();
    let count = 1 + world.rng.below(6);
    let records = world.add_drawn(code, count);
    if own.is_empty() {
        return;
    }
    for record in &records {
        let channel = world.rng.pick(&own).clone();
        let _ = world.release(code, &channel, record);
        if world.rng.one_in(4) {
            let now = world.now();
            let body = world
                .store(code)
                .bodies(std::slice::from_ref(record))
                .expect("it reads");
            let before = model::Object::parse(&body[0]).expect("it is an object");
            let after = testkit::revision(&before, &mut world.rng, now);
            let (_, label) = world.truth(&record.hash).expect("it was added").clone();
            let revised = world.add(code, vec![after], &label);
            let _ = world.release(code, &channel, &revised[0]);
        }
    }
    let channel = world.rng.pick(&own).clone();
    let log = world.log(code, &channel);
    let mut shown = world.records(code, &world.collection(&channel));
    shown.retain(|record| record.log.as_ref() == Some(&log));
    if !shown.is_empty() && world.rng.one_in(3) {
        let gone = world.rng.pick(&shown).clone();
        world.withdraw(code, &channel, &gone);
    }
}

#[test]
fn a_bad_network_delays_and_changes_nothing() {
    let mut failures = 0;
    for seed in 100..106 {
        let mut world = World::new(seed, random_accord(&mut Rng::seeded(seed)));
        let codes = world.codes();
        let logs = world.logs();
        let mut faults: Vec<Fault> = Fault::HONEST.to_vec();
        faults.extend(Fault::LYING);
        for round in 0..6 {
            for code in &codes {
                act(&mut world, code);
            }
            for (channel, origin) in &logs {
                for (_, reader) in logs.iter().filter(|(name, _)| name == channel) {
                    if reader == origin || world.rng.one_in(3) {
                        continue;
                    }
                    let faults = Faults::Random {
                        seed: seed << 8 | round,
                        one_in: 6,
                        faults: faults.clone(),
                    };
                    // No lie of the network may pass for a lie of the origin.
                    if let Err(error) = world.pull(reader, origin, channel, faults) {
                        failures += 1;
                        let accused = matches!(
                            error,
                            sync::PullError::Contradiction { .. } | sync::PullError::Refused { .. }
                        );
                        assert!(!accused, "{}: {error}", world.place());
                    }
                }
            }
            if world.rng.one_in(3) {
                let code = world.rng.pick(&codes).clone();
                world.restart(&code);
            }
            assert_releasable(&world);
            assert_converged(&world);
        }
        world.settle();
        assert_releasable(&world);
        assert_converged(&world);
        for (channel, origin) in &logs {
            let head = |code: &str| {
                let head = world.store(code).head(&world.log(origin, channel));
                head.expect("it reads").map_or(0, |head| head.size)
            };
            for (_, reader) in logs.iter().filter(|(name, _)| name == channel) {
                assert_eq!(
                    head(reader),
                    head(origin),
                    "{}: {reader} {channel}",
                    world.place()
                );
            }
        }
    }
    assert!(
        failures > 50,
        "only {failures} pulls failed: the network was too good"
    );
}

#[test]
fn a_second_pull_changes_nothing() {
    let mut world = World::new(7, random_accord(&mut Rng::seeded(7)));
    for code in world.codes() {
        for _ in 0..5 {
            act(&mut world, &code);
        }
    }
    world.settle();
    let before: Vec<_> = world
        .codes()
        .iter()
        .map(|code| state(world.store(code)))
        .collect();
    world.pass(3_600);
    world.settle();
    let after: Vec<_> = world
        .codes()
        .iter()
        .map(|code| state(world.store(code)))
        .collect();
    assert_eq!(before, after);
}

/// A log of several bundles, with a peer that goes away after every possible number of answers:
/// each attempt gets further or changes nothing, and the sum is the whole log.
#[test]
fn a_pull_goes_on_where_it_broke_off() {
    let accord = testkit::accord(
        &testkit::SIX[..2],
        vec![testkit::channel("c", &testkit::SIX[..2])],
    );
    let mut world = World::new(8, accord);
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let mut records = Vec::new();
    for _ in 0..6 {
        records.extend(world.add_labelled("KG", 200, &label));
    }
    records.retain(|record| world.truth(&record.hash).expect("added").1.tlp < model::Tlp::Red);
    for part in records.chunks(97) {
        world.force_all("KG", "c", part);
    }
    let size = world
        .store("KG")
        .head(&world.log("KG", "c"))
        .expect("it reads")
        .expect("a log")
        .size;
    assert_eq!(size, records.len() as u64);

    // A reader with a whole pull, to know how many requests that takes.
    let wire = world.wire("KZ", "KG", "c");
    let whole = world.open("KZ", "whole");
    world
        .pull_into(&whole, &wire, "KZ", "KG", "c")
        .expect("a good network");
    let requests = wire.requests();
    assert!(requests >= 12, "{requests} requests are no test");

    for count in 0..requests {
        let reader = world.open("KZ", &format!("after-{count}"));
        let wire = world.wire("KZ", "KG", "c").with(Faults::After { count });
        assert!(world.pull_into(&reader, &wire, "KZ", "KG", "c").is_err());
        let held = reader
            .head(&world.log("KG", "c"))
            .expect("it reads")
            .map_or(0, |head| head.size);
        assert!(held < size);
        let wire = world.wire("KZ", "KG", "c");
        let progress = world
            .pull_into(&reader, &wire, "KZ", "KG", "c")
            .expect("a good network");
        assert_eq!((progress.from, progress.to), (held, size));
        assert_eq!(
            shown(&reader, &world),
            shown(&whole, &world),
            "after {count} answers"
        );
    }
}

/// What a reader shows of the channel, without its own positions.
fn shown(store: &store::Store, world: &World) -> Vec<(model::Id, model::Hash, Option<u64>)> {
    let query = store::Query {
        all_versions: true,
        limit: 5_000,
        ..store::Query::default()
    };
    let page = store
        .page(&world.collection("c"), &query)
        .expect("the index reads");
    assert!(!page.more);
    page.records
        .into_iter()
        .map(|record| (record.id, record.hash, record.entry))
        .collect()
}
