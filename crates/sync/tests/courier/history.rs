//! Old files and false ones: age is no evidence, contradiction is.

use log::{Evidence, Verdict};
use sync::PullError;
use sync::courier::Outcome;

use super::common::{Origin, Receiver, Wire, indicator};
use super::{exported, import, sync};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_is_no_rollback() {
    let origin = Origin::new();
    origin.release(0..300);
    let old = exported(&origin, 0);
    origin.release(300..400);
    let receiver = Receiver::new();
    import(&receiver, &[exported(&origin, 0)]).await;
    let before = receiver.state();

    let done = import(&receiver, &[old]).await;
    assert!(
        matches!(done.outcome, Outcome::Older { size: 300 }),
        "{done:?}"
    );
    assert_eq!(receiver.state(), before);
    assert_eq!((before.refused.as_ref(), before.evidence), (None, 0));

    // Nor is it one while a catch-up has got only halfway.
    let new = exported(&origin, 256);
    let halfway = Receiver::new();
    let done = import(&halfway, &[new]).await;
    assert!(matches!(done.outcome, Outcome::Missing { .. }), "{done:?}");
    assert_eq!(halfway.state().refused, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_connection_the_same_is_a_rollback() {
    let origin = Origin::new();
    origin.release(0..300);
    let receiver = Receiver::new();
    import(&receiver, &[exported(&origin, 0)]).await;
    let earlier = Origin::new();
    earlier.release(0..200);
    let error = receiver.pull(&Wire::honest(earlier)).await;
    let error = error.expect_err("the origin lost entries");
    assert!(matches!(error, PullError::Contradiction { .. }), "{error}");
}

/// Imports a file of 300 entries and then one of a history whose first entry is another.
async fn contradicted(second: u64) -> (Receiver, String) {
    let (origin, other) = (Origin::new(), Origin::new());
    origin.release(0..300);
    other.append(&[indicator(7777)], log::Action::Release);
    other.release(1..second);
    let receiver = Receiver::new();
    import(&receiver, &[exported(&origin, 0)]).await;
    let done = import(&receiver, &[exported(&other, 0)]).await;
    let Outcome::Failed(PullError::Contradiction { evidence, .. }) = done.outcome else {
        panic!("{done:?}")
    };
    (receiver, evidence)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_by_courier_are_evidence_that_anybody_can_check() {
    // Longer than what is held, as long, and shorter.
    for second in [400, 300, 200] {
        let (receiver, evidence) = contradicted(second).await;
        let state = receiver.state();
        assert!(state.refused.is_some());
        assert_eq!((state.evidence, state.size), (1, 300));
        let evidence = Evidence::parse(evidence.as_bytes()).expect("it can be read");
        let verdict = evidence.verify(receiver.view.keys()).expect("it holds");
        assert!(matches!(
            verdict,
            Verdict::TwoRoots { .. } | Verdict::Rewritten { .. }
        ));
    }
}
