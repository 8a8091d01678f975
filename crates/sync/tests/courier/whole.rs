//! Files in good order: whole, since some entry, in parts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use log::Action;
use sync::courier::{Outcome, PackError};

use super::common::{Origin, Receiver, indicator};
use super::{exported, import, order, packed, sync};

fn missing(outcome: &Outcome) -> RangeInclusive<u64> {
    match outcome {
        Outcome::Missing { entries, .. } => entries.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_brings_what_a_connection_brings() {
    let origin = Origin::new();
    origin.release(0..700);
    let file = exported(&origin, 0);
    assert_eq!(file, exported(&origin, 0), "one content, one file");

    let by_file = Receiver::new();
    let done = import(&by_file, std::slice::from_ref(&file)).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
    assert_eq!((done.from, done.to, done.progress.shown), (0, 700, 700));
    assert!(done.progress.cosigned, "cosigned for the way back");

    let by_wire = Receiver::new();
    by_wire.pulled(origin).await;
    assert_eq!(by_file.state(), by_wire.state());

    let again = import(&by_file, &[file]).await;
    assert!(matches!(again.outcome, Outcome::Whole), "{again:?}");
    assert_eq!((again.from, again.to, again.progress.shown), (700, 700, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn since_says_what_must_come_first() {
    let origin = Origin::new();
    origin.release(0..600);
    let early = exported(&origin, 0);
    origin.release(600..1100);
    // The bundle of entry 700 begins at 512.
    let late = exported(&origin, 700);
    let receiver = Receiver::new();

    let done = import(&receiver, std::slice::from_ref(&late)).await;
    assert_eq!(missing(&done.outcome), 0..=511);
    assert_eq!(done.to, 0);

    let done = import(&receiver, &[late.clone(), early]).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
    assert_eq!((done.from, done.to), (0, 1100));
    assert_eq!(receiver.state().shown.len(), 1100);

    origin.release(1100..1101);
    let done = import(&receiver, &[exported(&origin, 1100)]).await;
    assert_eq!((done.from, done.to), (1100, 1101));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_keep_their_size_and_come_in_any_order() {
    let origin = Origin::new();
    origin.release(0..3000);
    let limit = 512 << 10;
    let parts = packed(&origin, &order(&origin, 0, Some(limit))).expect("exported");
    assert!((3..=6).contains(&parts.len()), "{} parts", parts.len());
    assert!(parts.iter().all(|part| part.len() as u64 <= limit));

    // In one go, whatever the order of the names.
    let backward: Vec<_> = parts.iter().rev().cloned().collect();
    let receiver = Receiver::new();
    let done = import(&receiver, &backward).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
    assert_eq!(receiver.state().shown.len(), 3000);

    // One by one: each goes as far as it can and says what is missing.
    let receiver = Receiver::new();
    let done = import(&receiver, &parts[1..2]).await;
    let first = missing(&done.outcome);
    assert_eq!((*first.start(), done.to), (0, 0));
    let mut held = BTreeSet::new();
    for part in &parts {
        let done = import(&receiver, std::slice::from_ref(part)).await;
        held.insert(done.to);
        if done.to < 3000 {
            assert_eq!(*missing(&done.outcome).start(), done.to);
        }
    }
    assert_eq!(held.len(), parts.len(), "every part brought something");
    assert_eq!(*first.end(), held.first().expect("some") - 1);
    assert_eq!(receiver.state().shown.len(), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_holds_no_bundle_is_refused_with_what_it_needs() {
    let origin = Origin::new();
    origin.release(0..10);
    let error = packed(&origin, &order(&origin, 0, Some(1000))).expect_err("too small");
    assert!(matches!(error, PackError::TooSmall { .. }), "{error}");
    assert!(error.to_string().contains("--split"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_makes_a_file_with_nothing_in_it() {
    let file = exported(&Origin::new(), 0);
    let done = import(&Receiver::new(), &[file]).await;
    assert!(matches!(done.outcome, Outcome::Failed(_)), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_in_no_file_and_every_part_says_so_itself() {
    let origin = Origin::new();
    origin.release(0..2000);
    let with = exported(&origin, 0);
    let body = indicator(5).bytes().to_vec();
    let holds = |file: &[u8]| file.windows(body.len()).any(|bytes| bytes == body);
    assert!(holds(&with));
    origin.append(&[indicator(5)], Action::Withdraw);

    let parts = packed(&origin, &order(&origin, 0, Some(512 << 10))).expect("exported");
    assert!(parts.len() > 1);
    assert!(!parts.iter().any(|part| holds(part)), "I6");
    let receiver = Receiver::new();
    let done = import(&receiver, &parts[..1]).await;
    assert!(done.to > 256, "the first part alone gets past it: {done:?}");
    let done = import(&receiver, &parts).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
    assert_eq!(receiver.state().shown.len(), 1999);

    // Who has it from an earlier file stops showing it.
    let other = Receiver::new();
    import(&other, std::slice::from_ref(&with)).await;
    assert_eq!(other.state().shown.len(), 2000);
    import(&other, &[exported(&origin, 2000)]).await;
    assert_eq!(other.state(), receiver.state());
    // And the old file does not bring it back.
    import(&other, &[with]).await;
    assert_eq!(other.state(), receiver.state());
}
