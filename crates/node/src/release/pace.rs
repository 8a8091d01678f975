//! What a decision must know of the time before it: how much a person has just released, and the
//! latest time that this process has decided at.
//!
//! Rules about bulk would mean nothing if a thousand objects could go as four times 250, so what
//! one person released within the last hour counts into the next request. And a clock that is set
//! back makes no label young again: time does not run backwards for decisions. Both begin anew with
//! the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::{BULK_MINUTES, BULK_REQUESTS_MAX};

/// The state behind the rules about pace.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latest: i64,
    tickets: u64,
    lately: HashMap<String, Vec<Share>>,
}

/// What one request released, or may yet.
#[derive(Debug)]
struct Share {
    ticket: u64,
    at: i64,
    objects: u64,
}

impl Pace {
    /// The time for a decision, in microseconds since 1970: what the clock says, but never before
    /// an earlier answer.
    pub(crate) fn time(&self, now: i64) -> i64 {
        let mut state = self.lock();
        state.latest = state.latest.max(now);
        state.latest
    }

    /// A person asks for so many objects. Answers with what that makes in the last hour, and with
    /// the ticket for [`Pace::done`]. Until then all of them count, so that requests made at once
    /// count together.
    pub(crate) fn asks(&self, who: &str, objects: u64, now: i64) -> (u64, u64) {
        let since = now.saturating_sub(i64::from(BULK_MINUTES) * 60_000_000);
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.lately.retain(|_, shares| {
            shares.retain(|share| share.at > since && share.objects > 0);
            !shares.is_empty()
        });
        let shares = state.lately.entry(who.to_owned()).or_default();
        if shares.len() >= BULK_REQUESTS_MAX {
            // One share for the two oldest, as old as the younger: it counts longer, never less.
            let oldest = shares.remove(0);
            if let Some(next) = shares.first_mut() {
                next.objects += oldest.objects;
            }
        }
        shares.push(Share {
            ticket,
            at: now,
            objects,
        });
        let total = shares.iter().map(|share| share.objects).sum();
        (total, ticket)
    }

    /// So many of them were let go in the end. What was refused does not count.
    pub(crate) fn done(&self, who: &str, ticket: u64, objects: u64) {
        let mut state = self.lock();
        let shares = state.lately.get_mut(who).into_iter().flatten();
        for share in shares.filter(|share| share.ticket == ticket) {
            share.objects = objects;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_count_together_for_an_hour_and_refusals_do_not() {
        let pace = Pace::default();
        let hour = 3_600_000_000;
        let (total, first) = pace.asks("anna", 600, 0);
        assert_eq!(total, 600);
        assert_eq!(pace.asks("bek", 7, 0).0, 7, "each person by themselves");
        // At once with the first.
        let (total, second) = pace.asks("anna", 600, 1);
        assert_eq!(total, 1_200);
        pace.done("anna", second, 0);
        assert_eq!(pace.asks("anna", 1, 2).0, 601);
        pace.done("anna", first, 10);
        assert_eq!(pace.asks("anna", 1, 3).0, 12);
        assert_eq!(pace.asks("anna", 5, 4 + hour).0, 5);
    }

    #[test]
    fn however_many_requests_none_is_forgotten_early() {
        let pace = Pace::default();
        for at in 0..3 * BULK_REQUESTS_MAX as i64 {
            pace.asks("anna", 1, at);
        }
        assert_eq!(pace.asks("anna", 0, 99).0, 3 * BULK_REQUESTS_MAX as u64);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let pace = Pace::default();
        assert_eq!(pace.time(10), 10);
        assert_eq!(pace.time(5), 10);
        assert_eq!(pace.time(11), 11);
    }
}
