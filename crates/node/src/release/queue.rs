//! Channels that hide sources (I7): what is released waits for the end of a window, and everything
//! of a window leaves at once, in random order and under one rounded time. What it takes the place
//! of is withdrawn with it: to withdraw that at once would tell which of the window is its revision.
//!
//! A waiting object is a setting (`queue/<channel>/<hash>`, `queue/<channel>/back-<hash>` for one
//! that is to be withdrawn), so it survives a crash; it goes when its entry is durable, and an
//! entry that is there already is not written twice. What an accord no longer allows when the
//! window ends stays here, with an audit record, and then what it was to take the place of stays
//! with the members.

use std::collections::HashMap;

use log::{Action, Entry};
use model::{Hash, Id, Label, Timestamp};
use policy::{Subject, releasable, round_down};
use serde::{Deserialize, Serialize};
use store::{Change, LogName, Record, Seq};

use crate::accords::Channel;
use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::keys::random;
use crate::limits::RELEASE_BATCH_OBJECTS;
use crate::node::Node;

use super::Setting;
use super::auto::Done;
use super::carry::{policy_words, to_json};
use super::forms::Leaving;
use super::journey::Judge;

const PREFIX: &str = "queue/";

/// What stands before the hash of what is to be withdrawn.
const BACK: &str = "back-";

/// One object that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Where its bytes are.
    pub(super) object: Seq,
    /// Its id.
    pub(super) id: String,
    /// Its version.
    pub(super) modified: Option<String>,
    /// Its type.
    pub(super) kind: String,
    /// The label that leaves with it.
    pub(super) label: String,
    /// When its window ends, in microseconds since 1970.
    pub(super) due: i64,
    /// The accord and the national policy under which it was decided.
    #[serde(default)]
    pub(super) policy: String,
    /// Whether it is shown and waits to be withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) back: bool,
    /// The settings of what takes the place of something that waits to be withdrawn: unless those
    /// leave, it stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) instead: Vec<String>,
}

impl Waiting {
    /// Something that is to leave.
    pub(super) fn to_leave(
        judge: &Judge,
        label: &str,
        leaving: &Leaving,
        due: Timestamp,
    ) -> Waiting {
        Waiting {
            object: leaving.object,
            id: leaving.id.to_string(),
            modified: leaving.version.map(|version| version.to_string()),
            kind: leaving.id.type_name().to_owned(),
            label: label.to_owned(),
            due: i64::try_from(due.unix_nanos() / 1_000).unwrap_or(i64::MAX),
            policy: policy_words(&judge.channel, &judge.policy),
            back: false,
            instead: Vec::new(),
        }
    }

    /// Something that is shown and is to be withdrawn when what waits under `instead` leaves, with
    /// its setting.
    pub(super) fn to_go(
        judge: &Judge,
        record: &Record,
        due: Timestamp,
        instead: Vec<String>,
    ) -> (String, Waiting) {
        let leaving = Leaving {
            object: record.object,
            id: record.id.clone(),
            version: record.version,
            hash: record.hash,
        };
        let waiting = Waiting {
            back: true,
            instead,
            ..Waiting::to_leave(judge, &record.assigned, &leaving, due)
        };
        (back_key(&judge.name, &record.hash), waiting)
    }
}

/// Waiting objects as the store takes them.
pub(super) fn settings(waiting: Vec<(String, Waiting)>) -> Result<Vec<Setting>, NodeError> {
    let settings = waiting.into_iter();
    settings
        .map(|(key, waiting)| Ok((key, Some(to_json(&waiting)?))))
        .collect()
}

/// The setting of a waiting object.
pub(crate) fn key(channel: &str, hash: &Hash) -> String {
    format!("{PREFIX}{channel}/{hash}")
}

/// The setting of a shown object that is to be withdrawn.
pub(super) fn back_key(channel: &str, hash: &Hash) -> String {
    format!("{PREFIX}{channel}/{BACK}{hash}")
}

/// The settings of all that wait for a channel.
pub(super) fn keys_of(channel: &str) -> String {
    format!("{PREFIX}{channel}/")
}

/// The end of the window that a moment is in.
pub(super) fn window_end(now: Timestamp, minutes: u32) -> Timestamp {
    let start = round_down(now, minutes);
    let step = i128::from(minutes.max(1)) * 60_000_000_000;
    Timestamp::from_unix_nanos(start.unix_nanos() + step)
}

/// The id of an object that waits to leave, if its setting can be read.
pub(super) fn id_of(value: &[u8]) -> Option<String> {
    let waiting: Waiting = serde_json::from_slice(value).ok()?;
    (!waiting.back).then_some(waiting.id)
}

impl Node {
    /// Lets leave what waits for a window that has ended. Answers with the number of objects.
    ///
    /// # Errors
    /// What the store said; what has not left waits on.
    pub async fn flush_windows(&self) -> Result<usize, NodeError> {
        // From looking to letting leave, nothing may be withdrawn in between.
        let _alone = self.leaving.lock().await;
        let now = self.clock().micros();
        let waiting = self.read(|store| store.scan(PREFIX)).await?;
        let mut due: HashMap<String, Vec<(String, Waiting)>> = HashMap::new();
        for (key, value) in waiting {
            let Some((channel, _)) = key[PREFIX.len()..].rsplit_once('/') else {
                continue;
            };
            match serde_json::from_slice::<Waiting>(&value) {
                Ok(waiting) if waiting.due <= now => {
                    due.entry(channel.to_owned())
                        .or_default()
                        .push((key.clone(), waiting));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%key, %error, "a waiting release cannot be read"),
            }
        }
        let mut done = Done::default();
        for (channel, waiting) in due {
            let left = self.flush_channel(&channel, waiting).await;
            done.count_in(&channel, left);
        }
        done.all()
    }

    async fn flush_channel(
        &self,
        name: &str,
        mut waiting: Vec<(String, Waiting)>,
    ) -> Result<usize, NodeError> {
        let _steady = self.steady().await;
        // A channel that is out of force may come back; what waits for it waits on.
        let Some(channel) = self.channel(name) else {
            return Ok(0);
        };
        shuffle(&mut waiting)?;
        let mut keys = Vec::with_capacity(waiting.len());
        let mut changes = Vec::with_capacity(waiting.len());
        let time = channel.rounded(self.now());
        let own = channel.log(&self.config().code);
        let mut shown = self.to_go(&own, &waiting).await?;
        let (mut leaving, mut refused) = (HashMap::new(), HashMap::new());
        for (key, waiting) in waiting.iter().filter(|(_, waiting)| !waiting.back) {
            let hash: Option<Hash> = key.rsplit('/').next().and_then(|hash| hash.parse().ok());
            match (hash, self.still_allowed(&channel, waiting)) {
                (Some(hash), None) => drop(leaving.insert(key.clone(), hash)),
                (_, why) => {
                    let why = why.unwrap_or_else(|| "the waiting release is damaged".to_owned());
                    refused.insert(key.clone(), why);
                }
            }
        }
        for (key, waiting) in waiting {
            if waiting.back {
                let mut instead = waiting.instead.iter();
                if instead.any(|key| refused.contains_key(key)) {
                    let why = "what was to take its place may not leave, so it stays";
                    self.refuse_waiting(&channel, waiting.id, why.to_owned())
                        .await?;
                } else if waiting.instead.iter().all(|key| leaving.contains_key(key))
                    && let Some(record) = shown.remove(&key)
                {
                    let (action, label) = (Action::Withdraw, &record.assigned);
                    changes.push(self.change(&channel, action, &record, label, None)?);
                }
                keys.push(key);
                continue;
            }
            match leaving.get(&key) {
                Some(hash) => changes.push(Change {
                    entry: Entry {
                        action: Action::Release,
                        hash: hash.0,
                        id: waiting.id,
                        modified: waiting.modified,
                        kind: waiting.kind,
                        label: waiting.label,
                        attribution: self.config().code.clone(),
                        salt: random()?,
                        time: time.to_string(),
                    },
                    object: Some(waiting.object),
                }),
                None => {
                    let why = refused.get(&key).cloned().unwrap_or_default();
                    self.refuse_waiting(&channel, waiting.id, why).await?;
                }
            }
            keys.push(key);
        }
        let signer = self.channel_signer(&channel)?;
        let mut left = 0;
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(RELEASE_BATCH_OBJECTS));
            let leaving = |change: &&Change| change.object.is_some();
            let count = changes.iter().filter(leaving).count();
            let already = self.append(&own, changes, &signer).await?;
            left += count - already.min(count);
            changes = rest;
        }
        self.metrics().released("released", left);
        self.remember(keys, None).await?;
        Ok(left)
    }

    /// Accounts for something that waited and does not leave, or does not go.
    async fn refuse_waiting(
        &self,
        channel: &Channel,
        id: String,
        why: String,
    ) -> Result<(), NodeError> {
        let record = AuditRecord {
            what: "refuse".into(),
            who: super::AUTOMATION.into(),
            channel: channel.full_name(),
            objects: vec![id],
            count: 1,
            why,
            policy: channel.policy(),
            ..self.record()
        };
        self.audit(vec![record]).await
    }

    /// What is still shown of what waits to be withdrawn, by its setting.
    async fn to_go(
        &self,
        own: &LogName,
        waiting: &[(String, Waiting)],
    ) -> Result<HashMap<String, Record>, NodeError> {
        let ids: Vec<Id> = waiting
            .iter()
            .filter(|(_, waiting)| waiting.back)
            .filter_map(|(_, waiting)| Id::parse(&waiting.id).ok())
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let name = format!("{}/{}", own.accord, own.channel);
        let own = own.clone();
        let shown = self.read(move |store| store.brought(&own, &ids)).await?;
        let by_key = |record: Record| (back_key(&name, &record.hash), record);
        Ok(shown.into_iter().map(by_key).collect())
    }

    /// Why what was permitted when it began to wait is no longer: another accord version or policy
    /// is in force by now, or the hard rule says no today.
    fn still_allowed(&self, channel: &Channel, waiting: &Waiting) -> Option<String> {
        if waiting.policy != self.policy_words(channel) {
            return Some(
                "the accord or the national policy has changed while it waited; release it again"
                    .to_owned(),
            );
        }
        let Some(in_force) = channel.in_force() else {
            return Some("the channel is no longer in force".to_owned());
        };
        let Ok(label) = Label::parse(&waiting.label) else {
            return Some("its label cannot be read".to_owned());
        };
        let subject = Subject {
            label: &label,
            kind: &waiting.kind,
            now: self.decision_time(),
        };
        let reasons = releasable(&subject, &in_force).err()?;
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        Some(reasons.join("; "))
    }

    /// Takes out of the queue what waits under these ids; answers how many objects were to leave.
    pub(super) async fn unqueue(&self, channel: &str, ids: &[Id]) -> Result<usize, NodeError> {
        let (keys, count) = self.queued_under(channel, ids).await?;
        self.remember(keys, None).await?;
        Ok(count)
    }

    /// The settings of what waits under these ids, and how many of them are to leave.
    pub(super) async fn queued_under(
        &self,
        channel: &str,
        ids: &[Id],
    ) -> Result<(Vec<String>, usize), NodeError> {
        let prefix = keys_of(channel);
        let waiting = self.read(move |store| store.scan(&prefix)).await?;
        let named = |value: &[u8]| {
            serde_json::from_slice::<Waiting>(value)
                .is_ok_and(|waiting| ids.iter().any(|id| id.as_str() == waiting.id))
        };
        let waiting = waiting.into_iter().filter(|(_, value)| named(value));
        let (keys, leaving): (Vec<String>, Vec<bool>) = waiting
            .map(|(key, value)| (key, id_of(&value).is_some()))
            .unzip();
        let count = leaving.into_iter().filter(|leaves| *leaves).count();
        Ok((keys, count))
    }
}

/// A random order, each as likely as any other.
fn shuffle<T>(items: &mut [T]) -> Result<(), NodeError> {
    for last in (1..items.len()).rev() {
        let bound = last as u64 + 1;
        // Numbers past the last whole multiple would favour the first places.
        let limit = u64::MAX - u64::MAX % bound;
        let drawn = loop {
            let drawn = u64::from_le_bytes(random()?);
            if drawn < limit {
                break drawn % bound;
            }
        };
        items.swap(last, drawn as usize);
    }
    Ok(())
}
