//! Attempts to get a protected object out of a nation, or to get a decision of it changed.
//!
//! One nation (KZ) with its people, its own policy set in force and a partner (KG) that pulls and
//! publishes over the real transport. Every attempt goes through an interface that the attacker
//! would really have. Each is a [`case::Case`]: what is tried, and then that it was refused for
//! the right reason, that the reason stands in the audit log, and that no byte of what was to be
//! protected is in anything that leaves: own logs, outgoing forms, the channel as the partner holds
//! it. Failures are collected, so that one hole does not hide the next.

extern crate kurultai_node as node;

mod accords;
mod approvals;
mod case;
mod labels;
mod nation;
mod outgoing;
mod partners;
mod people;
mod policies;
mod times;
#[path = "../world/mod.rs"]
mod world;

use nation::Nation;

/// Fewer attempts than this are no test of a release authority.
const ATTEMPTS_MIN: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_is_refused_with_its_reason_and_accounted_for() {
    let mut nation = Nation::new().await;
    policies::attempts(&mut nation).await;
    labels::attempts(&mut nation).await;
    partners::attempts(&mut nation).await;
    outgoing::attempts(&mut nation).await;
    people::attempts(&mut nation).await;
    times::attempts(&mut nation).await;
    let mut nation = approvals::attempts(nation).await;
    nation.partner_holds_nothing_protected().await;
    accords::attempts(&mut nation).await;
    let book = nation.book();
    println!("{} attempts", book.names.len());
    assert!(
        book.failures.is_empty(),
        "{} of {} attempts:\n{}",
        book.failures.len(),
        book.names.len(),
        book.failures.join("\n")
    );
    assert!(book.names.len() >= ATTEMPTS_MIN, "{}", book.names.len());
    assert_eq!(
        book.accounted,
        book.names.len(),
        "each left its audit record"
    );
}
