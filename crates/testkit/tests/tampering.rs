//! I4: whatever is changed on the way, in any resource, is noticed; nothing of it is stored and
//! the origin is not blamed for it.

use sync::PullError;
use testkit::{Fault, Faults, Rng, World, assert_converged, damage, state};

/// Two members, a channel, and a log of two bundles at KG.
fn world(seed: u64, count: usize) -> World {
    let pair = &testkit::SIX[..2];
    let mut world = World::new(
        seed,
        testkit::accord(pair, vec![testkit::channel("c", pair)]),
    );
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let mut records = world.add_labelled("KG", count, &label);
    records.retain(|record| world.truth(&record.hash).expect("added").1.tlp < model::Tlp::Red);
    world.force_all("KG", "c", &records);
    world
}

#[test]
fn every_kind_of_change_in_every_resource_is_noticed() {
    let world = world(1, 400);
    let wire = world.wire("KZ", "KG", "c");
    let probe = world.open("KZ", "probe");
    world
        .pull_into(&probe, &wire, "KZ", "KG", "c")
        .expect("a good network");
    let paths = wire.paths();
    for kind in [
        "checkpoint",
        "tile/0/",
        "tile/1/",
        "tile/entries/",
        "objects/",
    ] {
        assert!(
            paths.iter().any(|path| path.starts_with(kind)),
            "{kind} in {paths:?}"
        );
    }
    let mut rounds = 0;
    for path in &paths {
        for fault in Fault::LYING {
            for seed in 0..6 {
                let reader = world.open("KZ", &format!("reader-{rounds}"));
                rounds += 1;
                let faults = Faults::Path {
                    seed,
                    prefix: path.clone(),
                    fault,
                };
                let wire = world.wire("KZ", "KG", "c").with(faults);
                let place = format!("{fault:?} of {path}, seed {seed}");
                let outcome = world.pull_into(&reader, &wire, "KZ", "KG", "c");
                let error = match outcome {
                    Err(error) => error,
                    // Another compressed form of the same bodies is no lie.
                    Ok(_) if path.starts_with("objects/") => {
                        assert_eq!(shown(&reader, &world), shown(&probe, &world), "{place}");
                        continue;
                    }
                    Ok(_) => panic!("{place}: nobody noticed"),
                };
                let blamed = matches!(
                    error,
                    PullError::Contradiction { .. } | PullError::Refused { .. }
                );
                assert!(!blamed, "{place}: {error}");
                assert!(!error.to_string().is_empty());
                // A verified beginning may be kept; here there is at most one bundle before.
                let head = reader.head(&world.log("KG", "c")).expect("it reads");
                let held = head.map_or(0, |head| head.size);
                assert!(held == 0 || held == 256, "{place}: {held} entries held");
                let all = shown(&probe, &world);
                let begun: Vec<_> = all
                    .iter()
                    .filter(|(.., at)| at.is_some_and(|at| at < held))
                    .collect();
                assert_eq!(
                    shown(&reader, &world).iter().collect::<Vec<_>>(),
                    begun,
                    "{place}"
                );
                // And the truth is still taken.
                let wire = world.wire("KZ", "KG", "c");
                world
                    .pull_into(&reader, &wire, "KZ", "KG", "c")
                    .expect(&place);
                assert_eq!(shown(&reader, &world), all, "{place}");
            }
        }
    }
}

fn shown(store: &store::Store, world: &World) -> Vec<(model::Id, model::Hash, Option<u64>)> {
    let query = store::Query {
        all_versions: true,
        limit: 5_000,
        ..store::Query::default()
    };
    let page = store
        .page(&world.collection("c"), &query)
        .expect("the index reads");
    let bodies = store
        .bodies(&page.records)
        .expect("what is shown has bytes");
    for (record, body) in page.records.iter().zip(bodies) {
        assert_eq!(model::Hash::of(&body), record.hash);
    }
    page.records
        .into_iter()
        .map(|record| (record.id, record.hash, record.entry))
        .collect()
}

/// Checkpoints damaged at random or signed by others: no change of state, not even a remembered
/// head.
#[test]
fn no_damaged_checkpoint_is_believed() {
    let mut world = world(2, 30);
    world
        .pull("KZ", "KG", "c", Faults::None)
        .expect("a good network");
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let more = world.add_labelled("KG", 10, &label);
    world.force_all("KG", "c", &more);
    let before = state(world.store("KZ"));
    let log = world.log("KG", "c");
    let good = world
        .store("KG")
        .checkpoint(&log)
        .expect("it reads")
        .expect("a checkpoint");
    let mut rng = Rng::seeded(0xc4ec);
    let mut forged = vec![
        // Another member's log key, and another log of the right member.
        world.signer("KZ", "c")(40, log::Hash([7; 32])),
        good.replace("steppe", "desert"),
        good.replacen("\n\n", "\nextension\n\n", 1),
        // Only one of the two signatures that KG's logs carry.
        one_line_less(&good, 0),
        one_line_less(&good, 1),
        String::new(),
    ];
    for _ in 0..600 {
        let mut bytes = good.clone().into_bytes();
        damage(&mut bytes, good.as_bytes(), &mut rng);
        forged.extend(String::from_utf8(bytes).ok().filter(|text| *text != good));
    }
    for (number, note) in forged.into_iter().enumerate() {
        // A further line of an unknown key, or one repeated, leaves a checkpoint good.
        if log::Checkpoint::open(
            note.as_bytes(),
            &world.accord.log_keys("KG", "c").expect("keys"),
        )
        .is_ok()
        {
            assert!(number > 5, "forgery {number} opens");
            continue;
        }
        let wire = world.wire("KZ", "KG", "c").showing(note.clone());
        let error = world.pull_over(&wire, "KZ", "KG", "c").expect_err(&note);
        assert!(
            matches!(error, PullError::Checkpoint(_)),
            "{number}: {error}"
        );
        assert_eq!(
            state(world.store("KZ")),
            before,
            "forgery {number} changed something"
        );
    }
    world.settle();
    assert_converged(&world);
}

/// The note without its signature line of this number.
fn one_line_less(note: &str, number: usize) -> String {
    let (text, lines) = note.split_once("\n\n").expect("a note");
    let kept: Vec<&str> = lines
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != number)
        .map(|(_, line)| line)
        .collect();
    format!("{text}\n\n{}\n", kept.join("\n"))
}

/// An origin that signs an entry for one object and serves another, or serves an object whose own
/// marking is stricter than the entry says: the log goes on, the object is not shown.
#[test]
fn an_object_that_contradicts_its_entry_is_not_shown() {
    let mut world = world(3, 5);
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let now = world.now();
    let mut marked = testkit::object(&mut world.rng, now);
    while marked.marking_refs().first().map(model::Id::as_str)
        != Some(model::tlp_marking(model::Tlp::Red))
    {
        marked = testkit::object(&mut world.rng, now);
    }
    let hash = marked.hash();
    let record = world.add("KG", vec![marked], &label).remove(0);
    world.force("KG", "c", &record, &label);
    let progress = world
        .pull("KZ", "KG", "c", Faults::None)
        .expect("the log itself is good");
    assert_eq!(progress.refused_count, 1, "{:?}", progress.refused);
    assert!(
        progress.refused[0].1.contains("TLP:RED"),
        "{:?}",
        progress.refused
    );
    assert!(
        shown(world.store("KZ"), &world)
            .iter()
            .all(|(_, held, _)| *held != hash)
    );
    let head = world
        .store("KZ")
        .head(&world.log("KG", "c"))
        .expect("it reads")
        .expect("held");
    assert_eq!(head.size, progress.to);
}
