//! Origins that sign two histories: the evidence holds offline and the log ends (I3).

mod common;

use common::{Handmade, LABEL, Receiver, Wire, entry, indicator, sign};
use kurultai_sync as sync;
use log::{Action, Evidence, Verdict};
use sync::{FetchError, PullError};

/// The honest log's first `size` entries with entry `at` replaced, grown to `grown`.
fn fork(size: u64, at: usize, grown: u64) -> Handmade {
    let mut fork = Handmade::of(size);
    let other = indicator(500_000);
    fork.entries[at] = entry(&other, Action::Release, LABEL)
        .encode()
        .expect("an entry");
    fork.bodies[at] = other.bytes().to_vec();
    fork.grow(grown);
    fork
}

/// Pulls the honest log of `held` entries and then `second`; checks that the second is refused, and
/// stays so even for the honest log. Answers with the evidence.
async fn refused(held: u64, second: Handmade) -> String {
    let receiver = Receiver::new();
    let honest = Handmade::of(held);
    receiver.pulled(honest.clone()).await;
    let before = receiver.state();
    let wire = Wire::honest(second);
    let error = receiver
        .pull(&wire)
        .await
        .expect_err("it contradicts itself");
    let PullError::Contradiction {
        evidence, reason, ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(wire.cosigned.into_inner().expect("unpoisoned").is_empty());

    let state = receiver.state();
    assert_eq!(
        (state.size, state.root, &state.shown),
        (before.size, before.root, &before.shown)
    );
    assert_eq!(state.refused.as_ref(), Some(&reason));
    assert_eq!(state.evidence, 1);
    let kept = receiver.store.evidence().expect("readable").remove(0);
    assert_eq!(kept.content, evidence.as_bytes());

    let mut grown = honest;
    grown.grow(held + 1);
    let wire = Wire::honest(grown);
    let error = receiver.pull(&wire).await.expect_err("refused for good");
    assert!(matches!(error, PullError::Refused { .. }), "{error}");
    assert!(
        wire.requests.into_inner().expect("unpoisoned").is_empty(),
        "not even asked"
    );
    evidence
}

/// What a third party finds who has nothing but the file and the accord.
fn verdict(evidence: &str) -> Verdict {
    let keys = common::accord().log_keys("KZ", "alerts").expect("in force");
    let evidence = Evidence::parse(evidence.as_bytes()).expect("evidence");
    evidence.verify(&keys).expect("it shows something")
}

#[tokio::test]
async fn two_roots_for_one_size() {
    for size in [1, 256, 300] {
        let evidence = refused(size, fork(size, 0, size)).await;
        let Verdict::TwoRoots { size: shown, .. } = verdict(&evidence) else {
            panic!("{evidence}")
        };
        assert_eq!(shown, size);
    }
}

#[tokio::test]
async fn a_fork_that_grew() {
    for (held, at, grown) in [(1, 0, 2), (200, 199, 257), (256, 3, 512), (300, 299, 1_000)] {
        let evidence = refused(held, fork(held, at, grown)).await;
        match verdict(&evidence) {
            Verdict::Rewritten {
                older_size,
                newer_size,
                ..
            } => {
                assert_eq!((older_size, newer_size), (held, grown));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_that_shrank() {
    // A true earlier state: no proof beyond the two notes themselves.
    let evidence = refused(300, Handmade::of(299)).await;
    assert!(Evidence::parse(evidence.as_bytes()).is_err());
    let honest = Handmade::of(300);
    assert!(
        evidence.contains(&honest.checkpoint(300)) && evidence.contains(&honest.checkpoint(299))
    );
    refused(300, Handmade::new("alerts")).await;

    // An earlier state that never was: the tiles held here prove it.
    let evidence = refused(300, fork(257, 100, 257)).await;
    match verdict(&evidence) {
        Verdict::Rewritten {
            older_size,
            newer_size,
            ..
        } => {
            assert_eq!((older_size, newer_size), (257, 300));
        }
        other => panic!("{other:?}"),
    }
}

/// The checkpoint counts from the moment it was accepted, not only once its entries are held.
#[tokio::test]
async fn a_fork_during_a_catch_up() {
    for second in [
        fork(1_000, 999, 1_000),
        fork(1_000, 999, 1_100),
        fork(1_000, 999, 900),
    ] {
        let receiver = Receiver::new();
        let log = Handmade::of(1_000);
        let wire = Wire::tampered(log.clone(), |path, bytes| {
            if path.starts_with("objects/002") {
                return Err(FetchError::NotFound);
            }
            Ok(bytes)
        });
        receiver.pull(&wire).await.expect_err("it broke off");
        assert_eq!(receiver.assert_prefix_of(&log).size, 512);
        let size = second.size();
        let error = receiver
            .pull(&Wire::honest(second))
            .await
            .expect_err("a fork");
        let PullError::Contradiction { evidence, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(Evidence::parse(evidence.as_bytes()).is_ok(), size >= 1_000);
        assert!(receiver.state().refused.is_some());
    }
}

/// Bytes that are merely wrong prove nothing against the origin, whoever changed them.
#[tokio::test]
async fn unsigned_lies_are_no_evidence() {
    let receiver = Receiver::new();
    receiver.pulled(Handmade::of(10)).await;
    let mut fork = fork(10, 4, 12);
    let honest = Handmade::of(12);
    let wire = Wire::replaced(
        fork.clone(),
        "checkpoint",
        honest.checkpoint(12).into_bytes(),
    );
    let error = receiver
        .pull(&wire)
        .await
        .expect_err("tiles of another log");
    assert!(matches!(error, PullError::Tiles(_)), "{error}");
    // A checkpoint that only one of the two keys signed is not signed.
    fork.grow(13);
    let note = sign("alerts", 13, fork.root(13));
    let one = note
        .lines()
        .take(4)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let wire = Wire::replaced(fork, "checkpoint", one.into_bytes());
    let error = receiver.pull(&wire).await.expect_err("half signed");
    assert!(matches!(error, PullError::Checkpoint(_)), "{error}");
    let state = receiver.state();
    assert_eq!((state.size, state.evidence, state.refused), (10, 0, None));
    receiver.pulled(honest).await;
}
