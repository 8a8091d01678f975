//! What runs when: one loop that starts runs when they are due and notes how each ended.
//!
//! A run that panics fails its feed and nothing else. Should the loop itself end, the node does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id as TaskId, JoinSet};
use tokio::time::Instant;

use super::limits::{BACKOFF_SECS_MIN, RETRY_AFTER_SECS_MAX, RUN_SECS_MAX, RUNS_MAX, SETTLED_SECS};
use super::run::Run;
use super::state::Failure;
use super::{STATE, json_bytes};
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
                for name in names.values() {
                    node.feeds.lane(name).stop.send_modify(|turn| *turn += 1);
                }
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
        let name = kept.spec.name;
        let runs_already = names.values().any(|running| *running == name);
        if kept.paused || runs_already || resting.contains_key(&name) {
            continue;
        }
        // Further ahead than anything sets it: the clock was set back since.
        let most = (2 * kept.spec.every_secs).max(2 * RETRY_AFTER_SECS_MAX);
        let ahead = u64::try_from(state.not_before.saturating_sub(now)).unwrap_or(0);
        if state.not_before > now && ahead <= most.saturating_mul(1_000_000) {
            let left = u64::try_from(state.not_before - now).unwrap_or(0);
            wait = wait.min(left.max(1_000));
            continue;
        }
        if runs.len() >= RUNS_MAX {
            continue;
        }
        let (node, feed) = (Arc::clone(node), name.clone());
        let task = runs.spawn(async move {
            match node.run_once(&feed, None).await {
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

impl Node {
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
        if !self.run_once(name, Some(caller)).await? {
            return Err(NodeError::request(format!(
                "the feed {name} runs already; `kurultai feed status` says how it ends"
            )));
        }
        self.feed(name).await
    }

    /// One run, unless one is under way; on record where somebody asked for it. A failure of the run
    /// is noted and is no error here.
    async fn run_once(&self, name: &str, by: Option<&Caller>) -> Result<bool, NodeError> {
        let lane = self.feeds.lane(name);
        let Ok(_turn) = lane.turn.try_lock() else {
            return Ok(false);
        };
        let mut stop = lane.stop.subscribe();
        // Read after that: who pauses or removes writes first and stops then.
        let Ok((kept, state)) = self.feed_kept(name).await else {
            return Ok(true);
        };
        if kept.paused {
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
            _ = stop.changed() => None,
            ended = tokio::time::timeout(limit, run.go()) => Some(ended.unwrap_or_else(|_| {
                Err(Failure::of(format!(
                    "the run was not finished in {RUN_SECS_MAX} s; the next one goes on where it stopped"
                )))
            })),
        };
        match ended {
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

fn roll() -> Result<u16, NodeError> {
    Ok(u16::from_be_bytes(random::<2>()?))
}
