//! Carrying out what was decided: proposals, the audit record, forms and their links, the log.
//!
//! The order is the safety argument. Accounted for before it happens (I10); a form's bytes and its
//! private link are durable before its entry is, so that after a crash a withdrawal of the original
//! still finds what left; the entry comes last. A crash in between leaves forms that nothing shows
//! and links that lead to nothing released, both harmless, and the next try makes the same ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use log::Action;
use model::{Hash, Id, Label};
use policy::authority::Need;
use store::{Change, Collection, Command, Outcome, Record, Reply, Seq, StoreError};

use crate::accords::Channel;
use crate::admin::types::{AuditRecord, ReleaseOutcome};
use crate::audit::with_objects;
use crate::error::NodeError;
use crate::limits::RELEASE_BATCH_OBJECTS;
use crate::node::{Node, unexpected};
use crate::policies::InForce;

use super::forms::{Leaving, link_key, original_key};
use super::journey::{Journey, Judge};
use super::known::forms_key;
use super::queue::{self, Waiting, window_end};
use super::{Asked, withdrawn_key};

impl Node {
    /// Carries out a batch of decisions; gives them back as they came out. The caller holds the
    /// turn for leaving and [`Node::steady`], since before deciding.
    pub(crate) async fn carry(
        &self,
        judge: &Judge,
        asked: &Asked,
        mut decided: Vec<Journey>,
    ) -> Result<Vec<Journey>, NodeError> {
        let proposed = |one: &Journey| one.outcome == ReleaseOutcome::Proposed;
        if decided.iter().any(proposed) {
            let _turn = self.approvals_turn().lock().await;
            let fresh = self.propose(judge, asked, &mut decided).await?;
            self.account(judge, &decided, &asked.who, &fresh.proposals)
                .await?;
            self.put_all(fresh.settings).await?;
        } else {
            self.account(judge, &decided, &asked.who, &BTreeSet::new())
                .await?;
        }
        let leaves = |one: &&Journey| {
            matches!(
                one.outcome,
                ReleaseOutcome::Released | ReleaseOutcome::Queued
            )
        };
        let leaving: Vec<&Journey> = decided.iter().filter(leaves).collect();
        for batch in leaving.chunks(RELEASE_BATCH_OBJECTS) {
            self.let_leave(judge, &asked.who, batch).await?;
        }
        Ok(decided)
    }

    /// Which policy decides in a channel at present, for the audit log.
    pub(crate) fn policy_words(&self, channel: &Channel) -> String {
        policy_words(channel, &self.policy())
    }

    /// Writes what was decided to the audit log: one record for each reason, and one for each
    /// proposal that is about to be made (`fresh`: their names).
    pub(crate) async fn account(
        &self,
        judge: &Judge,
        decided: &[Journey],
        who: &str,
        fresh: &BTreeSet<String>,
    ) -> Result<(), NodeError> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for one in decided {
            match groups.iter_mut().find(|group| group.has(one, fresh)) {
                Some(group) => group.count_in(one),
                None => groups.push(Group::of(one)),
            }
        }
        let mut records = Vec::new();
        for Group {
            outcome,
            proposal,
            why,
            rules,
            ids,
        } in groups
        {
            let made = proposal.is_some_and(|proposal| fresh.contains(proposal));
            let what = match outcome {
                ReleaseOutcome::Released | ReleaseOutcome::Queued => "release",
                ReleaseOutcome::Refused => "refuse",
                ReleaseOutcome::Waiting => "wait",
                ReleaseOutcome::Proposed if made => "propose",
                // Asked for again while the proposal is open.
                ReleaseOutcome::Proposed => "wait",
                ReleaseOutcome::Already | ReleaseOutcome::Unknown => continue,
            };
            if outcome != ReleaseOutcome::Released {
                self.metrics().released(what, ids.len());
            }
            let mut why = why.join("; ");
            if let Some(proposal) = proposal {
                why = match outcome {
                    ReleaseOutcome::Proposed if !made => {
                        format!("waits in proposal {proposal} already: {why}")
                    }
                    _ => format!("proposal {proposal}: {why}"),
                };
            }
            let record = AuditRecord {
                what: what.to_owned(),
                who: who.to_owned(),
                channel: judge.name.clone(),
                count: ids.len() as u64,
                why,
                rules: rules.into_iter().cloned().collect(),
                policy: self.policy_words(&judge.channel),
                ..self.record()
            };
            // What is released is listed, object by object, in the channel log itself.
            if outcome == ReleaseOutcome::Released && ids.len() > crate::limits::AUDIT_IDS_MAX {
                records.push(record);
            } else {
                records.extend(with_objects(&record, &ids));
            }
        }
        self.audit(records).await
    }

    /// Lets a batch of permitted objects leave, or wait for the end of their window.
    pub(crate) async fn let_leave(
        &self,
        judge: &Judge,
        who: &str,
        batch: &[&Journey],
    ) -> Result<(), NodeError> {
        let places = self.keep_forms(judge, batch).await?;
        let (mut gone, superseded) = self.replace(judge, who, batch).await?;
        let mut changes: Vec<Change> = Vec::with_capacity(batch.len());
        let (mut waiting, mut backs, mut stays) = (Vec::new(), Vec::new(), Vec::new());
        let due = judge
            .channel
            .hiding()
            .map(|hide| window_end(self.now(), hide.window_minutes));
        for one in batch {
            let due = due.filter(|_| one.outcome == ReleaseOutcome::Queued);
            let all_leaving = one.leaving(&places)?;
            for id in &one.form.replaces {
                // Also what would only leave in this very batch.
                changes.retain(|change| change.object.is_none() || change.entry.id != id.as_str());
                waiting.retain(|(_, waiting): &(String, Waiting)| waiting.id != id.as_str());
                // One that waits to go does so for the last that takes its place.
                let there = match due {
                    Some(_) => gone.get(id).cloned(),
                    None => gone.remove(id),
                };
                for record in there.into_iter().flatten() {
                    match due {
                        Some(due) => {
                            let instead = all_leaving.iter();
                            let instead = instead.map(|one| queue::key(&judge.name, &one.hash));
                            let instead = instead.collect();
                            backs.push(Waiting::to_go(judge, &record, due, instead));
                        }
                        None => changes.push(self.change(
                            &judge.channel,
                            Action::Withdraw,
                            &record,
                            &record.assigned,
                            None,
                        )?),
                    }
                }
            }
            for leaving in all_leaving {
                if let Some(due) = due {
                    if !one.form.replaces.is_empty() {
                        stays.push(queue::back_key(&judge.name, &leaving.hash));
                    }
                    let key = queue::key(&judge.name, &leaving.hash);
                    waiting.push((key, Waiting::to_leave(judge, &one.label, &leaving, due)));
                    continue;
                }
                let record = Record {
                    object: leaving.object,
                    id: leaving.id,
                    version: leaving.version,
                    hash: leaving.hash,
                    ..one.record.clone()
                };
                changes.push(self.change(
                    &judge.channel,
                    Action::Release,
                    &record,
                    &one.label,
                    Some(record.object),
                )?);
            }
        }
        // At once, so that no crash loses what waited before what takes its place waits, or lets a
        // form leave next to the one that it takes the place of.
        let none = |key| (key, None);
        let mut queued: BTreeMap<String, Option<Vec<u8>>> =
            superseded.into_iter().map(none).collect();
        queued.extend(queue::settings(backs)?);
        queued.extend(stays.into_iter().map(none));
        queued.extend(queue::settings(waiting)?);
        let mut queued: Vec<_> = queued.into_iter().collect();
        queued.sort_by_key(|(_, value)| value.is_none());
        self.put_all(queued).await?;
        let signer = self.channel_signer(&judge.channel)?;
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(RELEASE_BATCH_OBJECTS));
            let released = changes
                .iter()
                .filter(|change| change.object.is_some())
                .count();
            let already = self.append(&judge.own, changes, &signer).await?;
            self.metrics()
                .released("released", released - already.min(released));
            changes = rest;
        }
        self.forget_withdrawals(judge, batch).await
    }

    /// Accounts for what a batch takes the place of. Answers what the channel shows under each of
    /// those ids, and the settings of what waits under them.
    async fn replace(
        &self,
        judge: &Judge,
        who: &str,
        batch: &[&Journey],
    ) -> Result<(HashMap<Id, Vec<Record>>, Vec<String>), NodeError> {
        let replaced = batch.iter().flat_map(|one| &one.form.replaces);
        let ids: BTreeSet<Id> = replaced.cloned().collect();
        let ids: Vec<Id> = ids.into_iter().collect();
        let mut gone: HashMap<Id, Vec<Record>> = HashMap::new();
        if ids.is_empty() {
            return Ok((gone, Vec::new()));
        }
        let record = AuditRecord {
            what: "withdraw".into(),
            who: who.to_owned(),
            channel: judge.name.clone(),
            why: match judge.channel.hides() {
                true => "another form takes its place when the window ends".into(),
                false => "another form takes its place".into(),
            },
            policy: self.policy_words(&judge.channel),
            ..self.record()
        };
        let listed: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.audit(with_objects(&record, &listed)).await?;
        let (superseded, _) = self.queued_under(&judge.name, &ids).await?;
        let own = judge.own.clone();
        for record in self.read(move |store| store.brought(&own, &ids)).await? {
            gone.entry(record.id.clone()).or_default().push(record);
        }
        Ok((gone, superseded))
    }

    /// Makes forms and the links to them durable; answers where each form is.
    async fn keep_forms(
        &self,
        judge: &Judge,
        batch: &[&Journey],
    ) -> Result<HashMap<Hash, Seq>, NodeError> {
        let mut by_label: BTreeMap<&str, Vec<model::Object>> = BTreeMap::new();
        // Of two versions of one original the later one's link has the forms of both.
        let mut links = BTreeMap::new();
        for one in batch {
            if let Some(link) = &one.form.link {
                for id in link.ids() {
                    let original = one.record.id.to_string().into_bytes();
                    links.insert(original_key(&judge.name, &id), Some(original));
                }
                let key = link_key(&judge.name, &one.record.id);
                links.insert(key, Some(to_json(link)?));
                let objects = by_label.entry(&one.label).or_default();
                objects.extend(one.form.objects.iter().cloned());
            }
        }
        let mut places = HashMap::new();
        for (label, objects) in by_label {
            let label = Label::parse(label).map_err(|error| {
                NodeError::request(format!("the label {label:?} cannot be read: {error}"))
            })?;
            let hashes: Vec<Hash> = objects.iter().map(model::Object::hash).collect();
            let command = Command::Add {
                objects,
                label,
                into: Collection::Forms,
            };
            let outcomes = match self.execute(command).await? {
                Reply::Added(outcomes) => outcomes,
                reply => return Err(unexpected(&reply).into()),
            };
            for (hash, outcome) in hashes.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Added(seq) | Outcome::Duplicate(seq) => {
                        places.insert(hash, seq);
                    }
                    Outcome::Stopped(_) => {
                        let problem = format!("the form {hash} was withdrawn");
                        return Err(NodeError::Store(StoreError::Entry { problem }));
                    }
                    Outcome::Conflict { held } => {
                        let problem = format!(
                            "another form ({held}) left under the same id and version as {hash}"
                        );
                        return Err(NodeError::Store(StoreError::Entry { problem }));
                    }
                }
            }
        }
        if !links.is_empty() {
            links.insert(forms_key(&judge.name), Some(Vec::new()));
            self.put_all(links.into_iter().collect()).await?;
        }
        Ok(places)
    }

    /// What was named and released again is withdrawn no longer.
    async fn forget_withdrawals(
        &self,
        judge: &Judge,
        released: &[&Journey],
    ) -> Result<(), NodeError> {
        // Anything else that is marked was left waiting.
        let keys: Vec<String> = released
            .iter()
            .filter(|one| judge.named.has(&one.record))
            .map(|one| withdrawn_key(&judge.channel, &one.record.id))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let marked = self
            .read(move |store| {
                let mut marked = Vec::new();
                for key in keys {
                    if store.get(&key)?.is_some() {
                        marked.push(key);
                    }
                }
                Ok(marked)
            })
            .await?;
        self.remember(marked, None).await
    }
}

impl Journey {
    /// The objects that leave for it and where they are held.
    fn leaving(&self, places: &HashMap<Hash, Seq>) -> Result<Vec<Leaving>, NodeError> {
        if self.form.link.is_none() {
            return Ok(vec![Leaving {
                object: self.record.object,
                id: self.record.id.clone(),
                version: self.record.version,
                hash: self.record.hash,
            }]);
        }
        let mut leaving = Vec::with_capacity(self.form.objects.len());
        for object in &self.form.objects {
            let hash = object.hash();
            let Some(seq) = places.get(&hash) else {
                let problem = format!("the form {hash} was not kept");
                return Err(NodeError::Store(StoreError::Entry { problem }));
            };
            leaving.push(Leaving {
                object: *seq,
                id: object.id().clone(),
                version: object.version(),
                hash,
            });
        }
        Ok(leaving)
    }

    /// The hashes of everything that leaves for it, in hex.
    pub(crate) fn outgoing(&self) -> Vec<String> {
        if self.form.link.is_none() {
            return vec![self.record.hash.to_string()];
        }
        let objects = self.form.objects.iter();
        objects.map(|object| object.hash().to_string()).collect()
    }
}

/// Accord version and national policy, as the audit log and what waits name them.
pub(super) fn policy_words(channel: &Channel, policy: &InForce) -> String {
    format!("{}; national {}", channel.policy(), policy.version())
}

/// What has one reason, for one audit record.
struct Group<'a> {
    outcome: ReleaseOutcome,
    proposal: Option<&'a str>,
    why: Vec<&'a str>,
    rules: Vec<&'a String>,
    ids: Vec<String>,
}

impl<'a> Group<'a> {
    fn of(one: &'a Journey) -> Group<'a> {
        let mut group = Group {
            outcome: one.outcome,
            proposal: one.proposal.as_deref(),
            why: Vec::new(),
            rules: Vec::new(),
            ids: Vec::new(),
        };
        group.count_in(one);
        group
    }

    fn has(&self, one: &Journey, fresh: &BTreeSet<String>) -> bool {
        self.outcome == one.outcome
            && self.proposal == one.proposal.as_deref()
            && (self.proposal.is_some_and(|name| fresh.contains(name))
                || self.why == *one.why && self.rules.iter().copied().eq(one.rules.iter()))
    }

    fn count_in(&mut self, one: &'a Journey) {
        for why in one.why.iter().map(String::as_str) {
            if !self.why.contains(&why) {
                self.why.push(why);
            }
        }
        for rule in one.rules.iter() {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        self.ids.push(one.record.id.to_string());
    }
}

/// A setting's value.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(value).map_err(|error| {
        NodeError::Store(StoreError::Entry {
            problem: error.to_string(),
        })
    })
}

/// Needs in an order that makes equal ones equal.
pub(crate) fn sorted(needs: &Arc<Vec<Need>>) -> Vec<Need> {
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs
}
