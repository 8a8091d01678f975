//! Honest logs: everything arrives, once, in whatever steps.

mod common;

use common::{Handmade, LABEL, Origin, Receiver, Serve, Wire, entry, indicator, key, witness_pq};
use kurultai_sync as sync;
use log::{Action, Checkpoint, SignatureLine};
use policy::Role;
use sync::{FetchError, PullError};

#[tokio::test]
async fn a_real_origin_is_pulled_and_cosigned() {
    let origin = Origin::new();
    origin.release(0..300);
    let checkpoint = origin.serve("checkpoint").expect("it has one");
    let (wire, receiver) = (Wire::honest(origin), Receiver::new());
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!((progress.from, progress.to, progress.shown), (0, 300, 300));
    assert_eq!((progress.refused_count, progress.conflicts), (0, 0));
    assert!(progress.missing.is_empty());
    assert!(progress.bytes.unpacked > progress.bytes.bodies && progress.bytes.bodies > 0);

    let state = receiver.state();
    assert_eq!(state.shown.len(), 300);
    for (n, hash) in &state.shown {
        assert_eq!(*hash, indicator(*n).hash());
    }
    assert_eq!(
        receiver.national(),
        0,
        "what partners share is not the nation's own"
    );

    // Both of the receiver's witness keys cosigned exactly this checkpoint.
    assert!(progress.cosigned);
    let lines = wire.cosigned.lock().expect("unpoisoned").concat();
    let lines: Vec<SignatureLine> = lines
        .lines()
        .map(|line| SignatureLine::parse(line).expect("a line"))
        .collect();
    let (checkpoint, _) = Checkpoint::open(&checkpoint, receiver.view.keys()).expect("signed");
    for (line, key) in lines.iter().zip([key("KG", Role::Witness), witness_pq()]) {
        let time = log::cosign::verify(&checkpoint.to_text(), line, key.verifier());
        assert_eq!(time, Ok(common::NOW as u64));
    }
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn growth_across_partial_bundles() {
    let sizes = [1, 5, 255, 256, 257, 600];
    let receiver = Receiver::new();
    let mut log = Handmade::new("alerts");
    let mut held = 0;
    for size in sizes {
        log.grow(size);
        let progress = receiver.pulled(log.clone()).await;
        assert_eq!((progress.from, progress.to), (held, size));
        assert_eq!(progress.shown as u64, size - held);
        let state = receiver.assert_prefix_of(&log);
        assert_eq!((state.size, state.shown.len() as u64), (size, size));
        held = size;
    }
    for size in sizes {
        let receiver = Receiver::new();
        let log = Handmade::of(size);
        assert_eq!(receiver.pulled(log.clone()).await.shown as u64, size);
        assert_eq!(receiver.assert_prefix_of(&log).size, size);
    }
}

#[tokio::test]
async fn a_real_origin_grows_under_the_receiver() {
    let receiver = Receiver::new();
    let mut size = 0;
    let mut origin = Origin::new();
    for step in [1, 4, 250, 1, 1, 343] {
        origin.release(size..size + step);
        size += step;
        let wire = Wire::honest(origin);
        let progress = receiver.pull(&wire).await.expect("pulled");
        assert_eq!((progress.to, progress.shown as u64), (size, step));
        receiver.assert_prefix_of(&Handmade::of(size));
        // A new origin with the same content signs the same tree.
        drop(wire);
        origin = Origin::new();
        origin.release(0..size);
    }
}

/// Between the checkpoint and the rest of a pull the origin grows: it still serves what belongs to
/// the older checkpoint, although its tiles are full by now.
#[tokio::test]
async fn the_origin_may_be_ahead_of_its_checkpoint() {
    let origin = Origin::new();
    origin.release(0..300);
    let checkpoint = origin.serve("checkpoint").expect("it has one");
    origin.release(300..700);
    let receiver = Receiver::new();
    let wire = Wire::replaced(origin, "checkpoint", checkpoint);
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!((progress.to, progress.shown), (300, 300));
    receiver.assert_prefix_of(&Handmade::of(300));
}

#[tokio::test]
async fn a_real_origin_withdraws() {
    let origin = Origin::new();
    origin.release(0..300);
    let receiver = Receiver::new();
    origin.append(&[indicator(7), indicator(299)], Action::Withdraw);

    // What is withdrawn already no longer comes, and its absence is explained.
    let wire = Wire::honest(origin);
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!((progress.to, progress.shown), (302, 298));
    assert!(progress.missing.is_empty() && progress.refused.is_empty());
    let shown = receiver.state().shown;
    assert!(!shown.contains_key(&7) && !shown.contains_key(&299));
}

#[tokio::test]
async fn the_second_pull_changes_nothing() {
    let receiver = Receiver::new();
    let log = Handmade::of(300);
    receiver.pulled(log.clone()).await;
    let before = receiver.state();

    // The origin shows our cosignatures by now.
    let mut note = log.checkpoint(300);
    for key in [key("KG", Role::Witness), witness_pq()] {
        let text = note.split_once("\n\n").expect("a note").0.to_owned() + "\n";
        let line = log::cosign::cosign(&text, &key, 7).expect("cosigned");
        note.push_str(&format!("{line}\n"));
    }
    let wire = Wire::replaced(log, "checkpoint", note.into_bytes());
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!((progress.from, progress.to, progress.shown), (300, 300, 0));
    assert!(!progress.cosigned);
    assert_eq!(receiver.state(), before);
    assert_eq!(*wire.requests.lock().expect("unpoisoned"), ["checkpoint"]);
    assert!(wire.cosigned.lock().expect("unpoisoned").is_empty());
}

#[tokio::test]
async fn an_empty_log_is_nothing_new() {
    let receiver = Receiver::new();
    let progress = receiver.pulled(Handmade::new("alerts")).await;
    assert_eq!(
        (progress.from, progress.to, progress.cosigned),
        (0, 0, false)
    );
    assert_eq!(receiver.state().size, 0);
}

/// A pull that breaks off keeps what it had verified, and the next one goes on from there.
#[tokio::test]
async fn interrupted_pulls_go_on() {
    let log = Handmade::of(6_000);
    let receiver = Receiver::new();
    let mut held = 0;
    for bundle in [3_u64, 17, 20] {
        let broken = format!("objects/{bundle:03}");
        let wire = Wire::tampered(log.clone(), move |path, bytes| {
            if path.starts_with(&broken) {
                return Err(FetchError::Broken {
                    why: "cut".to_owned(),
                });
            }
            Ok(bytes)
        });
        receiver.pull(&wire).await.expect_err("it broke off");
        let state = receiver.assert_prefix_of(&log);
        assert_eq!(state.size, bundle * 256, "all before the break is kept");
        assert!(
            wire.cosigned.lock().expect("unpoisoned").is_empty(),
            "not all is held yet"
        );
        let first = format!("tile/entries/{:03}", held / 256);
        let asked = wire.requests.lock().expect("unpoisoned").clone();
        let entries = asked
            .iter()
            .filter(|path| path.starts_with("tile/entries/"));
        assert_eq!(entries.min(), Some(&first), "nothing held is fetched again");
        held = state.size;
    }
    let progress = receiver.pulled(log.clone()).await;
    assert_eq!((progress.from, progress.to), (held, 6_000));
    assert_eq!(receiver.assert_prefix_of(&log).shown.len(), 6_000);
}

/// While a catch-up is under way the origin goes on publishing.
#[tokio::test]
async fn the_log_may_grow_between_interruptions() {
    let mut log = Handmade::of(1_000);
    let receiver = Receiver::new();
    let wire = Wire::tampered(log.clone(), |path, bytes| {
        if path.starts_with("objects/002") {
            return Err(FetchError::NotFound);
        }
        Ok(bytes)
    });
    receiver.pull(&wire).await.expect_err("it broke off");
    assert_eq!(receiver.assert_prefix_of(&log).size, 512);
    log.grow(1_100);
    assert_eq!(receiver.pulled(log.clone()).await.to, 1_100);
    assert_eq!(receiver.assert_prefix_of(&log).shown.len(), 1_100);
}

/// More entries than one window of tiles: the level-1 tile is fetched once for each window.
#[tokio::test]
async fn several_windows() {
    let mut log = Handmade::new("alerts");
    let object = indicator(0);
    // One object, released and withdrawn over and over: 66,000 entries with hardly any bodies.
    for _ in 0..33_000 {
        log.push(&entry(&object, Action::Release, LABEL), &[]);
        log.push(&entry(&object, Action::Withdraw, LABEL), &[]);
    }
    let receiver = Receiver::new();
    let wire = Wire::honest(log.clone());
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!((progress.to, progress.shown), (66_000, 0));
    assert!(
        progress.missing.is_empty(),
        "every missing body is explained by a withdrawal"
    );
    assert_eq!(receiver.assert_prefix_of(&log).size, 66_000);
    let asked = wire.requests.lock().expect("unpoisoned");
    let tiles = asked
        .iter()
        .filter(|path| path.as_str() == "tile/1/000")
        .count();
    assert_eq!(tiles, 1);
}

#[tokio::test]
async fn withdrawn_objects_do_not_hold_up_the_log() {
    let mut log = Handmade::of(20);
    log.bodies[3].clear();
    log.bodies[7].clear();
    log.push(&entry(&indicator(3), Action::Withdraw, LABEL), &[]);
    let receiver = Receiver::new();
    let progress = receiver.pulled(log.clone()).await;
    assert_eq!((progress.to, progress.shown), (21, 18));
    assert_eq!(
        progress.missing,
        [7],
        "entry 3 is explained, entry 7 is not"
    );
    let state = receiver.state();
    assert!(!state.shown.contains_key(&3) && !state.shown.contains_key(&7));

    // A withdrawal that comes later takes the object away.
    log.push(&entry(&indicator(5), Action::Withdraw, LABEL), &[]);
    log.bodies[5].clear();
    receiver.pulled(log).await;
    assert!(!receiver.state().shown.contains_key(&5));
}

/// Pulls `texts` as the names of objects; answers how often bodies were asked for.
async fn bodies_asked_for(texts: impl Iterator<Item = String>) -> usize {
    let mut log = Handmade::new("alerts");
    for (n, text) in texts.enumerate() {
        let json = common::json(n as u64, &text);
        let object = model::Object::parse(json.as_bytes()).expect("an object");
        log.release(&object, LABEL);
    }
    let receiver = Receiver::new();
    let wire = Wire::honest(log.clone());
    let progress = receiver.pull(&wire).await.expect("pulled");
    assert_eq!(
        (progress.to, progress.shown as u64),
        (log.size(), log.size())
    );
    assert_eq!(
        receiver.assert_prefix_of(&log).shown.len() as u64,
        log.size()
    );
    let asked = wire.requests.lock().expect("unpoisoned");
    asked
        .iter()
        .filter(|path| path.starts_with("objects/"))
        .count()
}

/// A bundle whose bodies are too large to be held at once comes in pieces, be it packed or not.
#[tokio::test]
async fn large_bodies_come_in_pieces() {
    let mut noise = 1_u64;
    let mut letter = move || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + ((noise >> 33) % 26) as u8)
    };
    let noisy = (0..20).map(|_| (0..500_000).map(|_| letter()).collect());
    assert!(bodies_asked_for(noisy).await > 4);
    let smooth = (0..20).map(|_| "a".repeat(500_000));
    assert!(bodies_asked_for(smooth).await > 4);
    let small = (0..20).map(|_| "a".repeat(50_000));
    assert_eq!(bodies_asked_for(small).await, 1);
}

/// While a pull is under way an operator has the log refused: the store takes no more, the pull says
/// so and cosigns nothing.
#[tokio::test]
async fn what_the_store_does_not_take_ends_the_pull() {
    let receiver = Receiver::new();
    let (store, log) = (receiver.store.clone(), receiver.view.log().clone());
    let wire = Wire::tampered(Handmade::of(300), move |path, bytes| {
        if path == "objects/000" {
            let (reason, evidence) = ("an operator's order".to_owned(), String::new());
            let log = log.clone();
            let refuse = store::Command::Refuse {
                log,
                reason,
                evidence,
            };
            store.execute(refuse).expect("refused");
        }
        Ok(bytes)
    });
    let error = receiver.pull(&wire).await.expect_err("not taken");
    let refused = matches!(&error, PullError::Store(store::StoreError::Refused { .. }));
    assert!(refused, "{error}");
    assert_eq!(receiver.state().size, 0);
    assert!(wire.cosigned.into_inner().expect("unpoisoned").is_empty());
}

/// The future can be spawned: it is `Send` whatever the source.
#[test]
fn a_pull_can_be_spawned() {
    fn spawnable(_: impl Send) {}
    let (receiver, wire) = (Receiver::new(), Wire::honest(Handmade::of(1)));
    let clock = common::clock();
    spawnable(sync::pull(&wire, &receiver.store, &receiver.view, &clock));
}
