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
    /// The next entry that is looked at for what goes out.
    pub(super) entry: u64,
    /// The next entry that is looked at for withdrawals; absent in what older versions kept, which
    /// had one place for both.
    pub(super) recalled: Option<u64>,
    /// What was withdrawn and is to be asked for.
    pub(super) waiting: Vec<Waiting>,
    pub(super) recall: Recall,
    /// What was pushed, withdrawn and could not be taken back.
    pub(super) unrecalled: Vec<FeedRefusal>,
    pub(super) unrecalled_total: u64,
}

/// One withdrawn object that is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) id: String,
    /// Its version, as the own log has it.
    pub(super) modified: Option<String>,
    /// SHA-256 of its bytes in hex.
    pub(super) hash: String,
    /// How often the server failed to delete it.
    pub(super) tries: u32,
}

/// How taking back goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recall {
    /// Failures in a row, whatever failed.
    pub(super) failures: u32,
    /// What failed last, while something withdrawn is still outside for it.
    pub(super) hindered: Option<String>,
    /// It is not asked for before this.
    pub(super) not_before: Micros,
}

impl PushCursor {
    /// Up to which entry withdrawals were looked for.
    pub(super) fn looked_up_to(&self) -> u64 {
        self.recalled.unwrap_or(self.entry)
    }

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

    /// How far it pushed.
    pub(super) fn push(&mut self) -> &mut PushCursor {
        self.cursor.push.get_or_insert_default()
    }

    /// Something withdrawn could not be asked for.
    pub(super) fn recall_failed(
        &mut self,
        now: Micros,
        every_secs: u64,
        failure: &Failure,
        roll: u16,
    ) {
        let recall = &mut self.push().recall;
        recall.failures = recall.failures.saturating_add(1);
        recall.hindered = Some(failure.why.clone());
        let pause = pause_secs(recall.failures, every_secs, failure.retry_after, roll);
        recall.not_before = now.saturating_add(micros(pause));
    }

    /// What was withdrawn and is still outside, in one sentence.
    fn outside(&self) -> Option<String> {
        let push = self.cursor.push.as_ref()?;
        let lost = match push.unrecalled_total {
            0 => None,
            1 => Some("1 withdrawn object could not be taken back from the outside server; ask its operator to remove it".to_owned()),
            many => Some(format!(
                "{many} withdrawn objects could not be taken back from the outside server; ask its operator to remove them"
            )),
        };
        let waits = push.recall.hindered.as_ref().map(|why| {
            format!("something withdrawn is still outside and is asked for again: {why}")
        });
        match (lost, waits) {
            (Some(lost), Some(waits)) => Some(format!("{lost}; {waits}")),
            (lost, waits) => lost.or(waits),
        }
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

    /// How it does, and why in one sentence. What is withdrawn and still outside is said whatever
    /// else there is to say, also of a feed that is paused (I6).
    pub(super) fn health(&self, every_secs: u64, now: Micros) -> (FeedHealth, String) {
        let (health, why) = self.of_runs(every_secs, now);
        match (self.outside(), health) {
            (None, _) => (health, why),
            (Some(outside), FeedHealth::Failing | FeedHealth::Stale) => {
                (health, format!("{why}; {outside}"))
            }
            (Some(outside), FeedHealth::Paused) => {
                (FeedHealth::Unrecalled, format!("{why}, and {outside}"))
            }
            (Some(outside), _) => (FeedHealth::Unrecalled, outside),
        }
    }

    fn of_runs(&self, every_secs: u64, now: Micros) -> (FeedHealth, String) {
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
        (FeedHealth::Healthy, "the last run succeeded".to_owned())
    }
}

/// Microseconds until something is due; 0: now. Further ahead than anything sets it, the clock was
/// set back since.
pub(super) fn wait_micros(not_before: Micros, now: Micros, every_secs: u64) -> u64 {
    let ahead = u64::try_from(not_before.saturating_sub(now)).unwrap_or(0);
    let most = every_secs
        .max(RETRY_AFTER_SECS_MAX)
        .saturating_mul(2 * 1_000_000);
    if ahead > most { 0 } else { ahead }
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
        // Neither a pause nor a failure hides it.
        state.paused = true;
        let (health, why) = state.health(300, SEC);
        assert_eq!(health, FeedHealth::Unrecalled);
        assert!(why.contains("paused, and 205 withdrawn objects"), "{why}");
        state.paused = false;
        state.failed(SEC, 300, &failure(None), 0);
        let (health, why) = state.health(300, SEC);
        assert_eq!(health, FeedHealth::Failing);
        assert!(why.contains("said no; 205 withdrawn objects"), "{why}");
    }

    #[test]
    fn what_waits_to_be_taken_back_is_said_until_it_is() {
        let mut state = FeedState::new(0, true);
        assert_eq!(state.health(300, SEC).0, FeedHealth::Paused);
        state.recall_failed(SEC, 300, &failure(Some(90)), 0);
        state.recall_failed(SEC, 300, &failure(Some(90)), 0);
        let (health, why) = state.health(300, SEC);
        assert_eq!(health, FeedHealth::Unrecalled);
        assert!(why.contains("still outside and is asked for again: the server said no"));
        assert_eq!(state.push().recall.not_before, 91 * SEC);
        state.push().recall = Recall::default();
        assert_eq!(state.health(300, SEC).0, FeedHealth::Paused);
    }

    #[test]
    fn what_older_versions_kept_is_read() {
        let text = r#"{"entry":7,"unrecalled":[],"unrecalled_total":0}"#;
        let mut push: PushCursor = serde_json::from_str(text).unwrap();
        assert_eq!(push.looked_up_to(), 7);
        push.recalled = Some(9);
        assert_eq!(push.looked_up_to(), 9);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_feed_waiting() {
        let day = 86_400 * SEC;
        assert_eq!(wait_micros(100 * SEC, 90 * SEC, 300), 10 * SEC as u64);
        assert_eq!(wait_micros(90 * SEC, 100 * SEC, 300), 0);
        assert_eq!(wait_micros(2 * day, 0, 300), 2 * day as u64);
        // A year ahead: nothing sets it so far.
        assert_eq!(wait_micros(365 * day, 0, 300), 0);
        assert_eq!(wait_micros(i64::MAX, i64::MIN, 604_800), 0);
        let mut state = FeedState::new(0, false);
        state.succeeded(365 * day, 300, 0);
        let (health, why) = state.health(300, day);
        assert_eq!(health, FeedHealth::Stale);
        assert!(why.contains("set back"), "{why}");
        assert_eq!(state.success_age_secs(day), 0);
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
