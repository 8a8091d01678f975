//! What runs when: one loop that starts runs when they are due and notes how each ended.
//!
//! A run that panics fails its feed and nothing else. Should the loop itself end, the node does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id as TaskId, JoinSet};
use tokio::time::Instant;

use super::limits::{BACKOFF_SECS_MIN, RUN_SECS_MAX, RUNS_MAX, SETTLED_SECS};
use super::push::Way;
use super::run::Run;
use super::state::{Failure, FeedState, wait_micros};
use super::{Kept, STATE, json_bytes};
use crate::admin::types::{AuditRecord, FeedInfo};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::keys::random;
use crate::node::{Node, stopped};

/// Seconds after which the loop looks again though nothing was said.
const LOOK_SECS: u64 = 30;

/// Runs feeds when they are due, until shutdown.
pub(crate) async fn follow(node: Arc<Node>) {
    let mut shutdown = node.shutdown();
    let mut runs: JoinSet<bool> = JoinSet::new();
    let mut names: HashMap<TaskId, String> = HashMap::new();
    // Feeds whose run could not even be noted: on a full disk what is due would stay due at once.
    let mut resting: HashMap<String, Instant> = HashMap::new();
    loop {
        resting.retain(|_, until| *until > Instant::now());
        let wait = match start_due(&node, &mut runs, &mut names, &resting).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "the feeds could not be looked at and will be later");
                Duration::from_secs(LOOK_SECS)
            }
        };
        tokio::select! {
            () = stopped(&mut shutdown) => {
                let lanes = names.values().map(|name| node.feeds.lane(name));
                let _held: Vec<_> = lanes.map(|lane| lane.hold()).collect();
                while runs.join_next().await.is_some() {}
                return;
            }
            () = node.feeds.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(ended) = runs.join_next_with_id() => {
                let (id, noted, panicked) = match ended {
                    Ok((id, noted)) => (id, noted, false),
                    Err(error) => (error.id(), false, error.is_panic()),
                };
                let Some(name) = names.remove(&id) else {
                    continue;
                };
                if !noted {
                    let rest = Duration::from_secs(BACKOFF_SECS_MIN);
                    resting.insert(name.clone(), Instant::now() + rest);
                }
                if panicked {
                    tracing::error!(feed = name, "a run of the feed ended in a panic");
                    let failure = Failure::of("the run ended by a fault of this program; its log says more");
                    if let Err(error) = node.note_failure(&name, &failure).await {
                        tracing::error!(%error, feed = name, "that could not be noted");
                    }
                }
            }
        }
    }
}

/// Starts what is due; answers with the time until something else is.
async fn start_due(
    node: &Arc<Node>,
    runs: &mut JoinSet<bool>,
    names: &mut HashMap<TaskId, String>,
    resting: &HashMap<String, Instant>,
) -> Result<Duration, NodeError> {
    let now = node.clock().micros();
    let mut wait = LOOK_SECS * 1_000_000;
    for (kept, state) in node.feeds_kept().await? {
        let name = kept.spec.name.clone();
        let runs_already = names.values().any(|running| *running == name);
        if runs_already || resting.contains_key(&name) || node.feeds.lane(&name).is_busy() {
            continue;
        }
        let part = match node.due(&kept, &state, now).await? {
            Due::Now(part) => part,
            Due::In(micros) => {
                wait = wait.min(micros.max(1_000));
                continue;
            }
            Due::Never => continue,
        };
        if runs.len() >= RUNS_MAX {
            continue;
        }
        let (node, feed) = (Arc::clone(node), name.clone());
        let task = runs.spawn(async move {
            match node.run_once(&feed, part, None).await {
                Ok(ran) => ran,
                Err(error) => {
                    tracing::error!(%error, feed, "how the run ended could not be noted");
                    false
                }
            }
        });
        names.insert(task.id(), name);
    }
    Ok(Duration::from_micros(wait))
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What the feed is for.
    Whole,
    /// Takes back what was withdrawn, whether the feed is paused or not.
    Recall,
}

/// When something is to be done.
enum Due {
    Now(Part),
    /// In so many microseconds.
    In(u64),
    /// Not before somebody decides something.
    Never,
}

impl Node {
    /// What is to be done for a feed, and when.
    async fn due(&self, kept: &Kept, state: &FeedState, now: i64) -> Result<Due, NodeError> {
        let every = kept.spec.every_secs;
        let whole = match kept.paused {
            true => None,
            false => Some(wait_micros(state.not_before, now, every)),
        };
        if whole == Some(0) {
            return Ok(Due::Now(Part::Whole));
        }
        let otherwise = whole.map_or(Due::Never, Due::In);
        let (Some(way), Some(push)) = (Way::of(&kept.spec.source), &state.cursor.push) else {
            return Ok(otherwise);
        };
        // Withdrawals do not wait for the interval, nor for the end of a pause (I6).
        let Ok(own) = way.own(self) else {
            return Ok(otherwise);
        };
        let head = self.read(move |store| store.head(&own)).await?;
        let nothing_new = head.is_none_or(|head| head.size <= push.looked_up_to());
        if nothing_new && push.waiting.is_empty() {
            return Ok(otherwise);
        }
        let recall = wait_micros(push.recall.not_before, now, every);
        Ok(match (recall, whole) {
            (0, _) => Due::Now(Part::Recall),
            (recall, whole) => Due::In(recall.min(whole.unwrap_or(u64::MAX))),
        })
    }

    /// Runs a feed now and waits for the end; how it ended is in the answer.
    ///
    /// # Errors
    /// When there is none of this name, it is paused or runs already, or the store fails.
    pub async fn run_feed(&self, name: &str, caller: &Caller) -> Result<FeedInfo, NodeError> {
        let (kept, _) = self.feed_kept(name).await?;
        if kept.paused {
            return Err(NodeError::request(format!(
                "the feed {name} is paused; `kurultai feed resume {name}` lets it run"
            )));
        }
        if !self.run_once(name, Part::Whole, Some(caller)).await? {
            return Err(NodeError::request(format!(
                "the feed {name} runs already; `kurultai feed status` says how it ends"
            )));
        }
        self.feed(name).await
    }

    /// One run, unless one is under way; on record where somebody asked for it. A failure of the run
    /// is noted and is no error here.
    async fn run_once(
        &self,
        name: &str,
        part: Part,
        by: Option<&Caller>,
    ) -> Result<bool, NodeError> {
        let lane = self.feeds.lane(name);
        let Ok(_turn) = lane.turn.try_lock() else {
            return Ok(false);
        };
        if !self.feeds.is_current(name, &lane) {
            return Ok(false);
        }
        // Read under the turn: who pauses or removes writes under it, too.
        let Ok((kept, state)) = self.feed_kept(name).await else {
            return Ok(true);
        };
        if kept.paused && part == Part::Whole {
            return Ok(true);
        }
        if let Some(caller) = by {
            self.audit(vec![AuditRecord {
                what: "feed".into(),
                who: caller.recorded(""),
                why: format!("feed {name} is run now"),
                ..self.record()
            }])
            .await?;
        }
        let quarantine = self.feed_quarantine(name).await?;
        let mut run = Run::new(self, &kept.spec, state, quarantine);
        let limit = Duration::from_secs(RUN_SECS_MAX);
        let ended = tokio::select! {
            biased;
            () = lane.held() => None,
            ended = tokio::time::timeout(limit, run.part(part)) => Some(ended.unwrap_or_else(|_| {
                Err(Failure::of(format!(
                    "the run was not finished in {RUN_SECS_MAX} s; the next one goes on where it stopped"
                )))
            })),
        };
        match ended {
            // How taking back went is remembered by itself.
            Some(ended) if part == Part::Recall => {
                if let Err(failure) = ended {
                    tracing::warn!(
                        feed = name,
                        why = failure.why,
                        "something withdrawn is still outside"
                    );
                }
                run.checkpoint().await?;
            }
            Some(ended) => self.note_end(run, ended).await?,
            // Neither succeeded nor failed, but what it did counts.
            None => run.checkpoint().await?,
        }
        Ok(true)
    }

    async fn note_end(
        &self,
        mut run: Run<'_>,
        ended: Result<(), Failure>,
    ) -> Result<(), NodeError> {
        let (now, roll) = (self.clock().micros(), roll()?);
        let every = run.spec.every_secs;
        let name = &run.spec.name;
        match &ended {
            Ok(()) => {
                let accepted = run.intake.accepted + run.state.accepted;
                tracing::debug!(feed = name, accepted, "a run of the feed succeeded");
                run.keep_validators();
                run.state.succeeded(now, every, roll);
                if run.again_soon {
                    let soon = now.saturating_add((SETTLED_SECS + 1) * 1_000_000);
                    run.state.not_before = run.state.not_before.min(soon);
                }
            }
            Err(failure) => {
                tracing::warn!(feed = name, why = failure.why, "a run of the feed failed");
                run.state.failed(now, every, failure, roll);
            }
        }
        run.checkpoint().await?;
        self.feeds.changed.notify_one();
        Ok(())
    }

    /// Notes a failure of a run that cannot say so itself.
    async fn note_failure(&self, name: &str, failure: &Failure) -> Result<(), NodeError> {
        let lane = self.feeds.lane(name);
        // Whoever has the turn by now notes how that ends.
        let Ok(_turn) = lane.turn.try_lock() else {
            return Ok(());
        };
        let Ok((kept, mut state)) = self.feed_kept(name).await else {
            return Ok(());
        };
        state.failed(
            self.clock().micros(),
            kept.spec.every_secs,
            failure,
            roll()?,
        );
        let value = Some(json_bytes(&state)?);
        self.put_feed(format!("{STATE}{name}"), value).await
    }
}

impl Run<'_> {
    async fn part(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Whole => self.go().await,
            Part::Recall => self.only_recall().await,
        }
    }
}

/// Any number, to spread feeds over time.
pub(super) fn roll() -> Result<u16, NodeError> {
    Ok(u16::from_be_bytes(random::<2>()?))
}
