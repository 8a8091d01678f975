//! What is remembered of a feed, as a value: how it went, how far it came, when it goes on.
//!
//! Pure: every function takes the time. Health is worked out from the last success and the clock,
//! never remembered, so a feed whose task died, or whose node was off, is not called healthy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::{
    BACKOFF_SECS_MAX, BACKOFF_SECS_MIN, RETRY_AFTER_SECS_MAX, UNRECALLED_MAX, WARNINGS_MAX,
};
use super::walk::TaxiiCursor;
use crate::admin::types::{FeedHealth, FeedRefusal};

/// Microseconds since 1970.
pub(super) type Micros = i64;

/// What is remembered of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FeedState {
    pub(super) added: Micros,
    pub(super) paused: bool,
    /// Whether a releaser ever opened what pushes.
    pub(super) opened: bool,
    pub(super) last_run: Option<Micros>,
    pub(super) last_success: Option<Micros>,
    pub(super) failures: u32,
    pub(super) last_error: Option<String>,
    /// It does not run before this.
    pub(super) not_before: Micros,
    pub(super) accepted: u64,
    pub(super) known: u64,
    pub(super) refused: u64,
    pub(super) warnings: Vec<String>,
    pub(super) cursor: Cursor,
}

/// How far a feed came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cursor {
    /// In an outside collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taxii: Option<TaxiiCursor>,
    /// What the server called the body that was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// When that body was changed, in the server's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// The files that were read, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) files: BTreeMap<String, FileMark>,
    /// In the own log that is pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<PushCursor>,
}

/// A file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileMark {
    pub(super) length: u64,
    /// Nanoseconds since 1970.
    pub(super) changed: i64,
    /// SHA-256 in hex.
    pub(super) hash: String,
}

/// How far an own log was pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PushCursor {
    /// The next entry.
    pub(super) entry: u64,
    /// What was pushed, withdrawn and could not be taken back.
    pub(super) unrecalled: Vec<FeedRefusal>,
    pub(super) unrecalled_total: u64,
}

impl PushCursor {
    /// One more that could not be taken back.
    pub(super) fn not_recalled(&mut self, refusal: FeedRefusal) {
        self.unrecalled_total += 1;
        self.unrecalled.push(refusal);
        if self.unrecalled.len() > UNRECALLED_MAX {
            self.unrecalled.remove(0);
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// What failed and what to do.
    pub(super) why: String,
    /// Seconds for which the server wants to be left alone.
    pub(super) retry_after: Option<u64>,
}

impl FeedState {
    /// A feed that was added just now.
    pub(super) fn new(now: Micros, paused: bool) -> FeedState {
        FeedState {
            added: now,
            paused,
            ..FeedState::default()
        }
    }

    /// A run succeeded. `roll` spreads feeds over time: any number.
    pub(super) fn succeeded(&mut self, now: Micros, every_secs: u64, roll: u16) {
        self.last_run = Some(now);
        self.last_success = Some(now);
        self.failures = 0;
        self.last_error = None;
        self.not_before = now.saturating_add(micros(jittered(every_secs, roll)));
    }

    /// A run failed.
    pub(super) fn failed(&mut self, now: Micros, every_secs: u64, failure: &Failure, roll: u16) {
        self.last_run = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(failure.why.clone());
        let pause = pause_secs(self.failures, every_secs, failure.retry_after, roll);
        self.not_before = now.saturating_add(micros(pause));
    }

    /// Adds a sentence about the server, once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
            if self.warnings.len() > WARNINGS_MAX {
                self.warnings.remove(0);
            }
        }
    }

    /// Seconds since the last success, or since it was added.
    pub(super) fn success_age_secs(&self, now: Micros) -> u64 {
        let since = self.last_success.unwrap_or(self.added);
        u64::try_from(now.saturating_sub(since) / 1_000_000).unwrap_or(0)
    }

    /// How it does, and why in one sentence.
    pub(super) fn health(&self, every_secs: u64, now: Micros) -> (FeedHealth, String) {
        if self.paused {
            return (FeedHealth::Paused, "it is paused".to_owned());
        }
        if self
            .last_success
            .is_some_and(|last| last > now.saturating_add(120_000_000))
        {
            let why = "the last success is in the future: the clock was set back; it runs again by itself";
            return (FeedHealth::Stale, why.to_owned());
        }
        let age = self.success_age_secs(now);
        let error = self.last_error.as_deref();
        // Twice the interval, and the jitter and length of a run on top.
        let overdue = age > every_secs.saturating_mul(2).saturating_add(120);
        if overdue {
            let last = match self.last_success {
                Some(_) => {
                    format!("the last success was {age} s ago, with an interval of {every_secs} s")
                }
                None => format!("it has never succeeded in {age} s"),
            };
            let why = match error {
                Some(error) => format!("{last}; {error}"),
                None => format!("{last}; see that the node runs"),
            };
            return (FeedHealth::Stale, why);
        }
        if self.failures > 0 {
            let why = error.unwrap_or("the last run failed").to_owned();
            return (FeedHealth::Failing, why);
        }
        if self.last_success.is_none() {
            return (FeedHealth::New, "it has not run yet".to_owned());
        }
        match &self.cursor.push {
            Some(push) if push.unrecalled_total > 0 => (
                FeedHealth::Unrecalled,
                format!(
                    "{} withdrawn objects could not be taken back from the outside server; ask its operator to remove them",
                    push.unrecalled_total
                ),
            ),
            _ => (FeedHealth::Healthy, "the last run succeeded".to_owned()),
        }
    }
}

/// Seconds until the next try after so many failures in a row: doubling from `BACKOFF_SECS_MIN` to
/// an hour or the interval, whichever is longer, and never before the server allows it.
pub(super) fn pause_secs(
    failures: u32,
    every_secs: u64,
    retry_after: Option<u64>,
    roll: u16,
) -> u64 {
    let doublings = failures.saturating_sub(1).min(20);
    let ceiling = BACKOFF_SECS_MAX.max(every_secs);
    let own = (BACKOFF_SECS_MIN << doublings).min(ceiling);
    let asked = retry_after.unwrap_or(0).min(RETRY_AFTER_SECS_MAX);
    // The server's word is a least time, so only what is ours moves, and only to later.
    jittered(own, roll).max(asked)
}

/// `secs` and up to a tenth more.
fn jittered(secs: u64, roll: u16) -> u64 {
    secs + secs * u64::from(roll) / (10 * u64::from(u16::MAX))
}

fn micros(secs: u64) -> i64 {
    i64::try_from(secs.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEC: i64 = 1_000_000;

    fn failure(retry_after: Option<u64>) -> Failure {
        Failure {
            why: "the server said no".into(),
            retry_after,
        }
    }

    #[test]
    fn health_follows_the_last_success_and_the_clock() {
        let mut state = FeedState::new(0, false);
        assert_eq!(state.health(300, 60 * SEC).0, FeedHealth::New);
        assert_eq!(state.health(300, 1_000 * SEC).0, FeedHealth::Stale);
        state.succeeded(1_000 * SEC, 300, 0);
        assert_eq!(state.not_before, 1_300 * SEC);
        assert_eq!(state.health(300, 1_300 * SEC).0, FeedHealth::Healthy);
        // Nobody ran it any more: the value is the same, the time is not.
        let (health, why) = state.health(300, 1_721 * SEC);
        assert_eq!(health, FeedHealth::Stale);
        assert!(why.contains("721 s ago"), "{why}");
        state.failed(1_400 * SEC, 300, &failure(None), 0);
        let (health, why) = state.health(300, 1_401 * SEC);
        assert_eq!((health, &*why), (FeedHealth::Failing, "the server said no"));
        state.succeeded(1_500 * SEC, 300, 0);
        assert_eq!(state.health(300, 1_501 * SEC).0, FeedHealth::Healthy);
        state.paused = true;
        assert_eq!(state.health(300, i64::MAX).0, FeedHealth::Paused);
    }

    #[test]
    fn what_cannot_be_recalled_is_not_healthy() {
        let mut state = FeedState::new(0, false);
        state.succeeded(0, 300, 0);
        let push = state.cursor.push.get_or_insert_default();
        for _ in 0..UNRECALLED_MAX + 5 {
            push.not_recalled(FeedRefusal::default());
        }
        assert_eq!(push.unrecalled.len(), UNRECALLED_MAX);
        let (health, why) = state.health(300, SEC);
        assert_eq!(health, FeedHealth::Unrecalled);
        assert!(why.starts_with("205 withdrawn objects"), "{why}");
    }

    #[test]
    fn pauses_double_to_a_ceiling_and_keep_to_what_the_server_asks() {
        assert_eq!(pause_secs(1, 300, None, 0), 30);
        assert_eq!(pause_secs(2, 300, None, 0), 60);
        assert_eq!(pause_secs(30, 300, None, 0), BACKOFF_SECS_MAX);
        assert_eq!(pause_secs(30, 7_200, None, 0), 7_200);
        assert_eq!(pause_secs(1, 300, Some(120), 0), 120);
        assert_eq!(pause_secs(1, 300, Some(u64::MAX), 0), RETRY_AFTER_SECS_MAX);
    }

    proptest! {
        #[test]
        fn pauses_never_overflow_nor_undercut(
            failures in any::<u32>(),
            every in 0..=u64::MAX / 4_000_000,
            asked in any::<Option<u64>>(),
            roll in any::<u16>(),
        ) {
            let pause = pause_secs(failures, every, asked, roll);
            prop_assert!(pause >= BACKOFF_SECS_MIN);
            prop_assert!(pause >= asked.unwrap_or(0).min(RETRY_AFTER_SECS_MAX));
            let ceiling = BACKOFF_SECS_MAX.max(every);
            prop_assert!(pause <= (ceiling + ceiling / 10).max(RETRY_AFTER_SECS_MAX));
        }
    }
}
