//! Carrying out what was decided: proposals, the audit record, forms and their links, the log.
//!
//! The order is the safety argument. Accounted for before it happens (I10); a form's bytes and its
//! private link are durable before its entry is, so that after a crash a withdrawal of the original
//! still finds what left; the entry comes last. A crash in between leaves forms that nothing shows
//! and links that lead to nothing released, both harmless, and the next try makes the same ones.

use std::collections::{BTreeMap, HashMap};
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

use super::forms::{Leaving, forms_key, link_key};
use super::journey::{Journey, Judge};
use super::queue::{self, Waiting, window_end};
use super::{Asked, withdrawn_key};

impl Node {
    /// Carries out a batch of decisions; gives them back as they came out.
    pub(crate) async fn carry(
        &self,
        judge: &Judge,
        asked: &Asked,
        mut decided: Vec<Journey>,
    ) -> Result<Vec<Journey>, NodeError> {
        self.propose(judge, asked, &mut decided).await?;
        self.account(judge, &decided, &asked.who).await?;
        let leaves = |one: &&Journey| {
            matches!(
                one.outcome,
                ReleaseOutcome::Released | ReleaseOutcome::Queued
            )
        };
        let leaving: Vec<&Journey> = decided.iter().filter(leaves).collect();
        for batch in leaving.chunks(RELEASE_BATCH_OBJECTS) {
            self.let_leave(judge, batch).await?;
        }
        Ok(decided)
    }

    /// Which policy decides in a channel at present, for the audit log.
    pub(crate) fn policy_words(&self, channel: &Channel) -> String {
        policy_words(channel, &self.policy())
    }

    /// Writes what was decided to the audit log, one record for each reason.
    pub(crate) async fn account(
        &self,
        judge: &Judge,
        decided: &[Journey],
        who: &str,
    ) -> Result<(), NodeError> {
        type Why<'a> = (ReleaseOutcome, &'a [String], &'a [String], Option<&'a str>);
        let mut groups: Vec<(Why<'_>, Vec<String>)> = Vec::new();
        for one in decided {
            let why: Why<'_> = (one.outcome, &one.why, &one.rules, one.proposal.as_deref());
            let id = one.record.id.to_string();
            match groups.iter_mut().find(|(known, _)| *known == why) {
                Some((_, ids)) => ids.push(id),
                None => groups.push((why, vec![id])),
            }
        }
        let mut records = Vec::new();
        for ((outcome, why, rules, proposal), ids) in groups {
            let what = match outcome {
                ReleaseOutcome::Released | ReleaseOutcome::Queued => "release",
                ReleaseOutcome::Refused => "refuse",
                ReleaseOutcome::Waiting => "wait",
                ReleaseOutcome::Proposed => "propose",
                ReleaseOutcome::Already | ReleaseOutcome::Unknown => continue,
            };
            if outcome != ReleaseOutcome::Released {
                self.metrics().released(what, ids.len());
            }
            let mut why = why.join("; ");
            if let Some(proposal) = proposal {
                why = format!("proposal {proposal}: {why}");
            }
            let record = AuditRecord {
                what: what.to_owned(),
                who: who.to_owned(),
                channel: judge.name.clone(),
                count: ids.len() as u64,
                why,
                rules: rules.to_vec(),
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
        batch: &[&Journey],
    ) -> Result<(), NodeError> {
        let places = self.keep_forms(judge, batch).await?;
        let mut changes = Vec::with_capacity(batch.len());
        let mut waiting = Vec::new();
        let hidden = judge.channel.hiding();
        for one in batch {
            for gone in &one.form.replaces {
                changes.extend(self.taking_back(judge, gone).await?);
            }
            if let (ReleaseOutcome::Queued, Some(hide)) = (one.outcome, hidden) {
                let due = window_end(self.now(), hide.window_minutes);
                for leaving in one.leaving(&places)? {
                    waiting.push(wait_for(judge, one, &leaving, due)?);
                }
            } else {
                for leaving in one.leaving(&places)? {
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
        }
        self.put_all(waiting).await?;
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

    /// Makes forms and the links to them durable; answers where each form is.
    async fn keep_forms(
        &self,
        judge: &Judge,
        batch: &[&Journey],
    ) -> Result<HashMap<Hash, Seq>, NodeError> {
        let mut by_label: BTreeMap<&str, Vec<model::Object>> = BTreeMap::new();
        let mut links = Vec::new();
        for one in batch {
            if let Some(link) = &one.form.link {
                let key = link_key(&judge.name, &one.record.id);
                links.push((key, Some(to_json(link)?)));
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
            links.push((forms_key(&judge.name), Some(Vec::new())));
            self.put_all(links).await?;
        }
        Ok(places)
    }

    /// The withdrawals of everything that the channel shows under an id.
    async fn taking_back(&self, judge: &Judge, id: &Id) -> Result<Vec<Change>, NodeError> {
        let (own, ids) = (judge.own.clone(), vec![id.clone()]);
        let shown = self.read(move |store| store.brought(&own, &ids)).await?;
        shown
            .iter()
            .map(|record| {
                let label = &record.assigned;
                self.change(&judge.channel, Action::Withdraw, record, label, None)
            })
            .collect()
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
fn policy_words(channel: &Channel, policy: &InForce) -> String {
    format!("{}; national {}", channel.policy(), policy.version())
}

/// The setting of an object that waits for its window.
fn wait_for(
    judge: &Judge,
    one: &Journey,
    leaving: &Leaving,
    due: model::Timestamp,
) -> Result<(String, Option<Vec<u8>>), NodeError> {
    let waiting = Waiting {
        object: leaving.object,
        id: leaving.id.to_string(),
        modified: leaving.version.map(|version| version.to_string()),
        kind: leaving.id.type_name().to_owned(),
        label: one.label.to_string(),
        due: i64::try_from(due.unix_nanos() / 1_000).unwrap_or(i64::MAX),
        policy: policy_words(&judge.channel, &judge.policy),
    };
    let key = queue::key(&judge.name, &leaving.hash);
    Ok((key, Some(to_json(&waiting)?)))
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
