//! I5: whatever step a crash falls on, what was answered is there, a command is there whole or
//! not at all, and the store goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};

use model::Hash;
use store::{Change, Collection, Command, Options, Reply, Store};
use testkit::{Image, Images, Rng, State, World, state};

/// What a command that was given to the store should leave behind.
#[derive(Clone)]
enum Effect {
    /// These objects in the national collection.
    Added(BTreeSet<Hash>),
    /// The own log at this size or more.
    Logged(u64),
    /// A setting.
    Set(String, Vec<u8>),
}

fn options(clock: &Arc<AtomicI64>) -> Options {
    let clock = clock.clone();
    Options::new(Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)))
}

/// Runs drawn commands on a store that is photographed, several in flight at a time.
fn run(world: &mut World, store: &Store, images: &Images, rounds: usize) -> Vec<Effect> {
    let mut effects: Vec<Effect> = Vec::new();
    let mut size = 0;
    for round in 0..rounds {
        let mut group: Vec<(Command, Effect)> = Vec::new();
        for _ in 0..1 + world.rng.below(3) {
            let count = 1 + world.rng.below(40);
            let objects: Vec<model::Object> = (0..count)
                .map(|_| {
                    let now = world.now();
                    testkit::object(&mut world.rng, now)
                })
                .collect();
            let hashes = objects.iter().map(model::Object::hash).collect();
            let label = model::Label::parse("TLP:CLEAR").expect("a label");
            group.push((
                Command::Add {
                    objects,
                    label,
                    into: Collection::National,
                },
                Effect::Added(hashes),
            ));
        }
        let name = format!("setting/{}", round % 3);
        let value = vec![round as u8; 3];
        group.push((
            Command::Put {
                key: name.clone(),
                value: Some(value.clone()),
            },
            Effect::Set(name, value),
        ));
        if let Some((append, entries)) = append(world, store) {
            size += entries;
            group.push((append, Effect::Logged(size)));
        }
        let (tell, answers) = mpsc::channel();
        let waiting = group.len();
        for (command, effect) in group {
            effects.push(effect);
            let tell = tell.clone();
            store.submit(command, move |reply| {
                let _ = tell.send(reply);
            });
        }
        // Answers come in order; each image knows how many had been given.
        for number in 0..waiting {
            let reply = answers.recv().expect("the store answers");
            assert!(reply.is_ok(), "{}: {reply:?}", world.place());
            images.answered(effects.len() - waiting + number + 1);
        }
    }
    effects
}

/// Releases some of what the store holds and withdraws some of what it shows.
fn append(world: &mut World, store: &Store) -> Option<(Command, u64)> {
    let all = |collection| {
        let query = store::Query {
            all_versions: true,
            limit: 5_000,
            ..store::Query::default()
        };
        store.page(&collection, &query).expect("it reads").records
    };
    let national = all(Collection::National);
    if national.is_empty() {
        return None;
    }
    let log = world.log("KG", "c");
    let shown = all(log.collection());
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let mut changes = Vec::new();
    let mut touched = BTreeSet::new();
    for _ in 0..1 + world.rng.below(30) {
        let (action, record) = if !shown.is_empty() && world.rng.one_in(4) {
            (log::Action::Withdraw, world.rng.pick(&shown).clone())
        } else {
            (log::Action::Release, world.rng.pick(&national).clone())
        };
        let is_shown = shown.iter().any(|have| have.hash == record.hash);
        let changes_something = is_shown == (action == log::Action::Withdraw);
        if !changes_something || !touched.insert(record.hash) {
            continue;
        }
        let entry = world.entry(action, &record, &label);
        let object = (action == log::Action::Release).then_some(record.object);
        changes.push(Change { entry, object });
    }
    let entries = changes.len() as u64;
    let signer = world.signer("KG", "c");
    (entries > 0).then_some((
        Command::Append {
            log,
            changes,
            signer,
        },
        entries,
    ))
}

/// Opens an image as a restarted node would and looks at what is there.
fn check(world: &World, number: usize, image: &Image, effects: &[Effect], clock: &Arc<AtomicI64>) {
    let place = format!(
        "{}: {} ({})",
        world.place(),
        image.step,
        image.dir.display()
    );
    let store =
        Store::open(&image.dir, options(clock)).unwrap_or_else(|error| panic!("{place}: {error}"));
    // Every record has bytes, and they are what its hash says.
    let shown = state(&store);
    let store = if number.is_multiple_of(4) {
        drop(store);
        rebuilt(&image.dir, &shown, clock, &place)
    } else {
        store
    };
    let query = store::Query {
        all_versions: true,
        limit: 10_000,
        ..store::Query::default()
    };
    let page = store.page(&Collection::National, &query).expect("it reads");
    let held: BTreeSet<Hash> = page.records.iter().map(|record| record.hash).collect();
    let head = store.head(&world.log("KG", "c")).expect("it reads");
    let size = head.as_ref().map_or(0, |head| head.size);
    let mut sizes = BTreeSet::from([0]);
    let mut settings = std::collections::BTreeMap::new();
    for (number, effect) in effects.iter().enumerate() {
        let answered = number < image.answered;
        match effect {
            Effect::Added(hashes) => {
                let there = hashes.intersection(&held).count();
                assert!(
                    there == 0 || there == hashes.len(),
                    "{place}: command {number} is half there"
                );
                assert!(
                    !answered || there > 0,
                    "{place}: answered command {number} is lost"
                );
            }
            Effect::Logged(to) => {
                sizes.insert(*to);
                assert!(
                    !answered || size >= *to,
                    "{place}: answered entries are lost: {size} of {to}"
                );
            }
            Effect::Set(key, value) => {
                if answered {
                    settings.insert(key.clone(), number);
                }
                let now = store.get(key).expect("it reads");
                let later = effects[number..].iter().any(|later| {
                    matches!(later, Effect::Set(other, then) if other == key && now.as_ref() == Some(then))
                });
                assert!(
                    !answered || later,
                    "{place}: answered setting {key} = {value:?} is {now:?}"
                );
            }
        }
    }
    assert!(
        sizes.contains(&size),
        "{place}: the log has {size} entries, a part of a command"
    );
    if let Some(head) = head
        && number.is_multiple_of(2)
    {
        verify_log(world, &store, &head, &place);
    }
    // And it goes on.
    let label = model::Label::parse("TLP:CLEAR").expect("a label");
    let mut rng = Rng::seeded(1);
    let object = testkit::object(&mut rng, world.now());
    let added = store.execute(Command::Add {
        objects: vec![object],
        label,
        into: Collection::National,
    });
    assert!(matches!(added, Ok(Reply::Added(_))), "{place}: {added:?}");
}

/// What the journal has and what the index shows is the same: a new index changes nothing.
fn rebuilt(dir: &Path, shown: &State, clock: &Arc<AtomicI64>, place: &str) -> Store {
    store::rebuild(dir, options(clock)).unwrap_or_else(|error| panic!("{place}: {error}"));
    let store = Store::open(dir, options(clock)).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(
        state(&store) == *shown,
        "{place}: a rebuilt index shows something else"
    );
    store
}

/// A partner can pull the recovered log from its first entry.
fn verify_log(world: &World, origin: &Store, head: &store::Head, place: &str) {
    let keys = world.accord.log_keys("KG", "c").expect("keys");
    if head.size == 0 {
        return;
    }
    let (checkpoint, _) = log::Checkpoint::open(head.checkpoint.as_bytes(), &keys).expect(place);
    assert_eq!(
        (checkpoint.size(), checkpoint.root()),
        (head.size, head.root),
        "{place}"
    );
    let reader = tempfile::tempdir().expect("a temporary folder");
    let reader = Store::open(reader.path(), world.options()).expect("a store opens");
    let wire = testkit::Wire::new(origin, world.log("KG", "c"), &world.accord, "KZ");
    let progress = world
        .pull_into(&reader, &wire, "KZ", "KG", "c")
        .expect(place);
    assert_eq!(progress.to, head.size, "{place}");
    assert!(
        progress.missing.is_empty(),
        "{place}: {:?} have no bytes",
        progress.missing
    );
}

#[test]
fn a_crash_between_any_two_steps_loses_nothing_and_shows_nothing_half() {
    for seed in 0..2 {
        let pair = &testkit::SIX[..2];
        let mut world = World::new(
            seed,
            testkit::accord(pair, vec![testkit::channel("c", pair)]),
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (live, copies) = (folder.path().join("live"), folder.path().join("copies"));
        let clock = Arc::new(AtomicI64::new(1_767_225_600_000_000));
        let images = Images::new(&live, &copies, Rng::seeded(seed ^ 0xc4a5), 4);
        let wrap = images.clone();
        let store = Store::open(
            &live,
            options(&clock).wrap_blobs(move |blobs| wrap.wrap(blobs)),
        );
        let store = store.expect("the store opens");
        let effects = run(&mut world, &store, &images, 20);
        drop(store);
        let taken = images.taken();
        let steps: BTreeSet<&str> = taken
            .iter()
            .map(|image| image.step.split(" of ").next().unwrap_or_default())
            .collect();
        for step in [
            "before append",
            "after append",
            "within an append",
            "after put_all",
        ] {
            assert!(steps.contains(step), "no image {step} among {steps:?}");
        }
        for (number, image) in taken.iter().enumerate() {
            check(&world, number, image, &effects, &clock);
        }
    }
}
