//! Feeds: what comes in from outside servers and files, and what goes out to them.
//!
//! A core of values says what to do: `walk` how an outside collection is read to its end, `state`
//! how a feed does and when it goes on, `mapping` and `table` what rows mean, `push::refusal` what may
//! leave. Thin tasks around them speak: `fetch` HTTP, `remote` TAXII, `pull` and `files` inbound,
//! `push` and `recall` outbound, `intake` to the store. `lanes` and `tasks` decide what runs when.
//!
//! A feed is three settings of this node: `feed/<name>` (what people decided), `feed-state/<name>`
//! (how far it came) and `feed-refused/<name>` (its quarantine); for what pushes also
//! `feed-pushed/<name>/<id>`. All survive a restart; none ever leaves.
//!
//! INVARIANT (I2, I6): what a feed brings is the nation's own intake; it overwrites nothing, brings
//! nothing back that was withdrawn, and releases nothing. What a feed takes out is in a channel.

mod address;
mod fetch;
mod files;
mod intake;
mod lanes;
pub(crate) mod limits;
mod mapping;
pub(crate) mod open;
mod own;
mod pull;
mod push;
mod recall;
mod remote;
mod run;
mod spec;
mod state;
mod table;
mod tasks;
mod walk;

use std::collections::HashMap;

use model::{Id, Timestamp};
use policy::Duty;
use serde::{Deserialize, Serialize};
use store::{Command, StoreError};

pub(crate) use lanes::Feeds;
pub(crate) use own::{entries, shown};
pub(crate) use push::{check as pushable, refusal};
pub(crate) use tasks::follow;

use crate::admin::types::{
    Alarm, AuditRecord, FeedHealth, FeedInfo, FeedQuarantine, FeedSource, FeedSpec,
};
use crate::audit::with_objects;
use crate::auth::{Caller, Scope};
use crate::error::NodeError;
use crate::node::Node;
use limits::{FEEDS_MAX, PUSH_ENTRIES, SAID_BYTES_MAX};
use state::{Failure, FeedState, Micros};

const FEED: &str = "feed/";
const STATE: &str = "feed-state/";
const REFUSED: &str = "feed-refused/";
const PUSHED: &str = "feed-pushed/";

/// What people decided about a feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    spec: FeedSpec,
    added: Micros,
    paused: bool,
    /// Whether a releaser opened it, where it pushes.
    opened: bool,
}

impl Failure {
    /// A failure of our own finding.
    fn of(why: impl Into<String>) -> Failure {
        Failure {
            why: why.into(),
            retry_after: None,
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Failure {
        Failure::of(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::of(error.to_string())
    }
}

/// A text from outside as one short line without control characters.
fn said(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        // Marks that turn the direction of a line can make it read otherwise than it is.
        let c = match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => continue,
            c if c.is_control() || c.is_whitespace() => ' ',
            c => c,
        };
        if c == ' ' && line.ends_with(' ') {
            continue;
        }
        if line.len() + c.len_utf8() + '…'.len_utf8() > SAID_BYTES_MAX {
            line.push('…');
            break;
        }
        line.push(c);
    }
    line.trim().to_owned()
}

fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(value).map_err(|error| {
        NodeError::Store(StoreError::Entry {
            problem: error.to_string(),
        })
    })
}

/// The setting that remembers which versions of an object a feed pushed.
fn pushed_key(feed: &str, id: &Id) -> String {
    format!("{PUSHED}{feed}/{id}")
}

fn time(at: Micros) -> String {
    Timestamp::from_unix_micros(at).to_string()
}

fn info(kept: &Kept, state: &FeedState, now: Micros) -> FeedInfo {
    let every = kept.spec.every_secs;
    let (health, mut why) = state.health(every, now);
    if kept.spec.source.pushes() && !kept.opened && health == FeedHealth::Paused {
        why = "it waits for a releaser: `kurultai feed resume` by one opens it".into();
    }
    let push = state.cursor.push.clone().unwrap_or_default();
    FeedInfo {
        spec: kept.spec.clone(),
        health,
        why,
        added: time(kept.added),
        last_run: state.last_run.map(time),
        last_success: state.last_success.map(time),
        success_age_secs: state.success_age_secs(now),
        failures: state.failures,
        last_error: state.last_error.clone(),
        next_run: (!kept.paused).then(|| time(state.not_before.max(now))),
        accepted: state.accepted,
        known: state.known,
        refused: state.refused,
        warnings: state.warnings.clone(),
        unrecalled: push.unrecalled,
        unrecalled_total: push.unrecalled_total,
    }
}

impl Node {
    /// Every feed and how it does, by name.
    ///
    /// # Errors
    /// What the store said.
    pub async fn feeds(&self) -> Result<Vec<FeedInfo>, NodeError> {
        let now = self.clock().micros();
        let all = self.feeds_kept().await?;
        Ok(all
            .iter()
            .map(|(kept, state)| info(kept, state, now))
            .collect())
    }

    /// One feed and how it does.
    ///
    /// # Errors
    /// When there is none of this name, or the store fails.
    pub async fn feed(&self, name: &str) -> Result<FeedInfo, NodeError> {
        let (kept, state) = self.feed_kept(name).await?;
        Ok(info(&kept, &state, self.clock().micros()))
    }

    /// Adds a feed. It runs at once, unless it pushes: then a releaser has to open it.
    ///
    /// # Errors
    /// When it cannot be what it is to be, or the store fails; the error names the place.
    pub async fn add_feed(
        &self,
        mut spec: FeedSpec,
        caller: &Caller,
    ) -> Result<FeedInfo, NodeError> {
        let who = caller.recorded(&std::mem::take(&mut spec.who));
        spec::check(self, &spec)?;
        let _deciding = self.feeds.deciding.lock().await;
        let all = self.feeds_kept().await?;
        if all.iter().any(|(kept, _)| kept.spec.name == spec.name) {
            return Err(NodeError::request(format!(
                "there is a feed {:?} already; remove it first or take another name",
                spec.name
            )));
        }
        if all.len() >= FEEDS_MAX {
            return Err(NodeError::request(format!(
                "there are {FEEDS_MAX} feeds, and no more can be; remove one"
            )));
        }
        let pushes = spec.source.pushes();
        let kept = Kept {
            added: self.clock().micros(),
            paused: pushes,
            opened: false,
            spec,
        };
        let why = format!(
            "{} added, every {} s",
            about(&kept.spec),
            kept.spec.every_secs
        );
        self.decide(&kept, who, why).await?;
        self.feed(&kept.spec.name).await
    }

    /// Ends a feed and forgets how far it came. What it brought stays. Where something that it pushed
    /// is outside, nobody would take that back any more: it is refused unless `force` says that this
    /// is meant, and then on record with the ids (I6, I10).
    ///
    /// # Errors
    /// When there is none of this name, something is outside, or the store fails.
    pub async fn remove_feed(
        &self,
        name: &str,
        force: bool,
        caller: &Caller,
    ) -> Result<(), NodeError> {
        let _deciding = self.feeds.deciding.lock().await;
        self.feed_kept(name).await?;
        let lane = self.feeds.lane(name);
        let held = lane.hold();
        // A run that was under way has ended when this is had, and none begins.
        let turn = lane.turn.lock().await;
        let (kept, mut state) = self.feed_kept(name).await?;
        let prefix = format!("{PUSHED}{name}/");
        let pushed = self.read(move |store| store.scan(&prefix)).await?;
        let mut outside: Vec<String> = pushed
            .iter()
            .filter_map(|(key, _)| Some(key.rsplit_once('/')?.1.to_owned()))
            .collect();
        let lost = std::mem::take(&mut state.push().unrecalled);
        outside.extend(lost.into_iter().filter_map(|one| one.id));
        if !outside.is_empty() && !force {
            drop((turn, held));
            self.feeds.changed.notify_one();
            return Err(NodeError::request(format!(
                "{} objects that the feed {name} pushed are still outside, and without it nobody takes them back; withdraw them and run it, or remove it with --force, which is on record",
                outside.len()
            )));
        }
        let why = match outside.len() {
            0 => format!("{} removed", about(&kept.spec)),
            many => format!(
                "{} removed by force; {many} objects stay outside and are not taken back",
                about(&kept.spec)
            ),
        };
        let record = AuditRecord {
            what: "feed".into(),
            who: caller.recorded(""),
            why,
            ..self.record()
        };
        let records = match outside.is_empty() {
            true => vec![record],
            false => with_objects(&record, &outside),
        };
        self.audit(records).await?;
        let settings = [FEED, STATE, REFUSED].map(|kind| (format!("{kind}{name}"), None));
        self.put_all(settings.to_vec()).await?;
        // What a loss of power leaves of these asks for more to be taken back, never for less.
        for part in pushed.chunks(PUSH_ENTRIES as usize) {
            let keys = part.iter().map(|(key, _)| (key.clone(), None));
            self.put_all(keys.collect()).await?;
        }
        self.feeds.forget(name);
        drop((turn, held));
        self.feeds.changed.notify_one();
        Ok(())
    }

    /// Stops a feed from running, or lets it run again. A run that is under way has ended when the
    /// pause is answered. What pushes is let run by a releaser only; while it is paused it still
    /// takes back what is withdrawn.
    ///
    /// # Errors
    /// When there is none of this name, the caller may not, or the store fails.
    pub async fn pause_feed(
        &self,
        name: &str,
        pause: bool,
        caller: &Caller,
    ) -> Result<FeedInfo, NodeError> {
        let _deciding = self.feeds.deciding.lock().await;
        let (mut kept, _) = self.feed_kept(name).await?;
        let duty = match kept.spec.source.pushes() && !pause {
            true => Duty::Releaser,
            false => Duty::Operator,
        };
        if !caller.has(duty) {
            return Err(NodeError::Denied {
                why: match duty {
                    Duty::Releaser => format!(
                        "what leaves the node is for a releaser to open; ask one to resume the feed {name}"
                    ),
                    _ => "this takes the duty operator".into(),
                },
            });
        }
        // A token for the one kind of work opens nothing of the other.
        let scope = match duty {
            Duty::Releaser => Scope::Release,
            _ => Scope::Admin,
        };
        caller
            .require_scope(scope)
            .map_err(|denied| NodeError::Denied { why: denied.why })?;
        let lane = self.feeds.lane(name);
        let held = pause.then(|| lane.hold());
        let turn = match pause {
            true => Some(lane.turn.lock().await),
            false => None,
        };
        kept.paused = pause;
        kept.opened |= !pause;
        let word = if pause { "paused" } else { "resumed" };
        let why = format!("{} {word}", about(&kept.spec));
        let decided = self.decide(&kept, caller.recorded(""), why).await;
        drop((turn, held));
        self.feeds.changed.notify_one();
        decided?;
        self.feed(name).await
    }

    /// What a feed brought and was refused.
    ///
    /// # Errors
    /// When there is none of this name, or the store fails.
    pub async fn feed_quarantine(&self, name: &str) -> Result<FeedQuarantine, NodeError> {
        self.feed_kept(name).await?;
        let key = format!("{REFUSED}{name}");
        let value = self.read(move |store| store.get(&key)).await?;
        Ok(value
            .and_then(|value| serde_json::from_slice(&value).ok())
            .unwrap_or_default())
    }

    /// Alarms for the node's status: feeds that do not work.
    pub(crate) async fn feed_alarms(&self) -> Result<Vec<Alarm>, NodeError> {
        let feeds = self.feeds().await?;
        let sick = feeds.into_iter().filter(|feed| {
            matches!(
                feed.health,
                FeedHealth::Failing | FeedHealth::Stale | FeedHealth::Unrecalled
            )
        });
        Ok(sick
            .map(|feed| Alarm {
                kind: "feed".into(),
                text: format!("{}; look at `kurultai feed status`", feed.why),
                subject: feed.spec.name,
            })
            .collect())
    }

    async fn decide(&self, kept: &Kept, who: String, why: String) -> Result<(), NodeError> {
        self.audit(vec![AuditRecord {
            what: "feed".into(),
            who,
            why,
            ..self.record()
        }])
        .await?;
        let value = json_bytes(kept)?;
        self.put_feed(format!("{FEED}{}", kept.spec.name), Some(value))
            .await?;
        self.feeds.changed.notify_one();
        Ok(())
    }

    async fn put_feed(&self, key: String, value: Option<Vec<u8>>) -> Result<(), NodeError> {
        self.execute(Command::Put { key, value }).await?;
        Ok(())
    }

    /// What is kept of every feed, by name.
    async fn feeds_kept(&self) -> Result<Vec<(Kept, FeedState)>, NodeError> {
        let (kept, states) = self
            .read(|store| Ok((store.scan(FEED)?, store.scan(STATE)?)))
            .await?;
        let states: HashMap<String, Vec<u8>> = states.into_iter().collect();
        Ok(kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Kept>(value).ok())
            .map(|kept| {
                let state = states.get(&format!("{STATE}{}", kept.spec.name));
                let state = joined(&kept, state.map(Vec::as_slice));
                (kept, state)
            })
            .collect())
    }

    async fn feed_kept(&self, name: &str) -> Result<(Kept, FeedState), NodeError> {
        let keys = (format!("{FEED}{name}"), format!("{STATE}{name}"));
        let (kept, state) = self
            .read(move |store| Ok((store.get(&keys.0)?, store.get(&keys.1)?)))
            .await?;
        let kept: Kept = kept
            .and_then(|value| serde_json::from_slice(&value).ok())
            .ok_or_else(|| NodeError::Unknown {
                what: format!("feed {name:?}"),
            })?;
        let state = joined(&kept, state.as_deref());
        Ok((kept, state))
    }
}

/// What is remembered of a feed, with what people decided since.
fn joined(kept: &Kept, state: Option<&[u8]>) -> FeedState {
    let state: Option<FeedState> = state.and_then(|value| serde_json::from_slice(value).ok());
    // What is left of another feed that had this name says nothing about this one.
    let state = state.filter(|state| state.added == kept.added);
    let mut state = state.unwrap_or_else(|| FeedState::new(kept.added, kept.paused));
    state.added = kept.added;
    state.paused = kept.paused;
    state
}

/// A feed in a few words, for the audit log.
fn about(spec: &FeedSpec) -> String {
    let what = match &spec.source {
        FeedSource::Taxii { url, .. } => format!("from {}", said(url)),
        FeedSource::HttpJson { url, .. } => format!("from {}", said(url)),
        FeedSource::File { path } => format!("from {}", said(&path.to_string_lossy())),
        FeedSource::Csv { url, path, .. } => {
            let path = path
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned());
            let from = url.clone().or(path).unwrap_or_default();
            format!("from the table {}", said(&from))
        }
        FeedSource::TaxiiPush {
            url,
            channel,
            stands_for,
            ..
        } => format!(
            "of {} to {}, for {}",
            said(channel),
            said(url),
            stands_for.as_deref().unwrap_or("everybody")
        ),
    };
    format!("feed {} {what}", spec.name)
}
