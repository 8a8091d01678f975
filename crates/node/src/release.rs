//! The way out: what enters a channel, and what is taken back.
//!
//! For each selected object, in this order: its effective label, the hard rule
//! (`policy::releasable`, I1), this member's release mode (`policy::decide`), the audit record,
//! the log. Nothing else in the program appends to a channel log.
//!
//! An object is of little use to a partner without its markings and its author, so the marking
//! definitions and the identity that a permitted object refers to come along as *companions*, each
//! through the very same rules; where one is refused, the object goes without it and the report
//! says so. All other references are the person's choice.
//!
//! INVARIANT: a decision is in the audit log before its effect is in the channel log (I10).

mod auto;
mod companions;
mod select;
mod withdraw;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use log::{Action, Entry};
use model::{Hash, Id, Label, Timestamp};
use policy::{Attribution, Decision, ReleaseMode, Subject, Trigger, decide, releasable};
use store::{Change, Command, LogName, Record, Reply, Signer, Store, StoreError};

use crate::accords::Channel;
use crate::admin::types::{
    AuditRecord, ObjectResult, ReleaseOutcome, ReleaseReport, ReleaseRequest,
};
use crate::audit::with_objects;
use crate::error::NodeError;
use crate::keys::random;
use crate::limits::{ADMIN_ITEMS_MAX, RELEASE_BATCH_OBJECTS};
use crate::node::{Node, unexpected};

pub(crate) use auto::automate;
use select::Named;

/// The name under which the node itself releases.
pub const AUTOMATION: &str = "automation";

/// One object with what was decided about it.
struct Decided {
    record: Record,
    label: Arc<str>,
    outcome: ReleaseOutcome,
    why: Arc<Vec<String>>,
    companion: bool,
}

impl Node {
    /// Releases what a person selected into a channel, or explains what would happen.
    ///
    /// # Errors
    /// When the channel is not in force here, the selection is malformed, or the store fails; what
    /// was released until then stays released and is in the audit log.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<ReleaseReport, NodeError> {
        let channel = self.channel_or_say(&request.channel)?;
        let selection = select::parse(&request.selection)?;
        let trigger = Trigger::Person(named(&request.who));
        let mut report = ReleaseReport {
            channel: request.channel.clone(),
            explain: request.explain,
            ..ReleaseReport::default()
        };
        let named = Arc::new(selection.named());
        let mut cursor = select::Cursor::new(selection);
        let mut companions_seen = HashSet::new();
        loop {
            let mut state = cursor;
            let (next, batch) = self
                .read(move |store| {
                    let batch = state.next(store)?;
                    Ok((state, batch))
                })
                .await?;
            cursor = next;
            let Some(batch) = batch else { break };
            self.release_batch(
                &channel,
                batch,
                &named,
                &trigger,
                &mut companions_seen,
                &mut report,
            )
            .await?;
        }
        for unknown in cursor.unknown() {
            report.unknown += 1;
            push(
                &mut report,
                ObjectResult {
                    id: unknown,
                    version: None,
                    label: None,
                    outcome: ReleaseOutcome::Unknown,
                    why: vec!["this node does not hold it; add it first".to_owned()],
                    companion: false,
                },
            );
        }
        report.results.sort_by_key(|result| result.outcome);
        let own = channel.log(&self.config().code);
        report.size = self
            .read(move |store| Ok(store.head(&own)?.map_or(0, |head| head.size)))
            .await?;
        Ok(report)
    }

    /// Decides about one batch of national records and appends what is permitted.
    async fn release_batch(
        &self,
        channel: &Channel,
        batch: Vec<Record>,
        named: &Arc<Named>,
        trigger: &Trigger,
        companions_seen: &mut HashSet<Id>,
        report: &mut ReleaseReport,
    ) -> Result<(), NodeError> {
        // What is decided under one version of an accord must not enter the log under another.
        let _steady = self.steady().await;
        let channel = &self.channel_or_say(&channel.full_name())?;
        let judge = Judge {
            channel: channel.clone(),
            own: channel.log(&self.config().code),
            mode: self
                .config()
                .mode(&channel.accord.accord().name, &channel.name),
            trigger: trigger.clone(),
            named: Arc::clone(named),
            now: self.now(),
        };
        let seen = std::mem::take(companions_seen);
        let (decided, seen) = self
            .read(move |store| {
                let mut seen = seen;
                let decided = judge.decide(store, batch, &mut seen)?;
                Ok((decided, seen))
            })
            .await?;
        *companions_seen = seen;
        let who = match trigger {
            Trigger::Person(name) => name.clone(),
            Trigger::Automation => AUTOMATION.to_owned(),
        };
        let mut permitted = Vec::new();
        for one in decided {
            match one.outcome {
                ReleaseOutcome::Refused => report.refused += 1,
                ReleaseOutcome::Waiting => report.waiting += 1,
                ReleaseOutcome::Already => report.already += 1,
                ReleaseOutcome::Unknown => report.unknown += 1,
                ReleaseOutcome::Released => {
                    report.released += 1;
                    report.companions += usize::from(one.companion);
                }
            }
            // Automation has nobody to read a list.
            if *trigger != Trigger::Automation {
                push(
                    report,
                    ObjectResult {
                        id: one.record.id.to_string(),
                        version: one.record.version.map(|version| version.to_string()),
                        label: Some(one.label.to_string()),
                        outcome: one.outcome,
                        why: one.why.to_vec(),
                        companion: one.companion,
                    },
                );
            }
            permitted.push(one);
        }
        if report.explain {
            return Ok(());
        }
        self.account(channel, &permitted, &who).await?;
        permitted.retain(|one| one.outcome == ReleaseOutcome::Released);
        let own = channel.log(&self.config().code);
        let signer = self.channel_signer(channel)?;
        while !permitted.is_empty() {
            let rest = permitted.split_off(permitted.len().min(RELEASE_BATCH_OBJECTS));
            let changes = permitted
                .iter()
                .map(|one| {
                    self.change(
                        Action::Release,
                        &one.record,
                        &one.label,
                        Some(one.record.object),
                    )
                })
                .collect::<Result<Vec<_>, _>>()?;
            let count = changes.len();
            let already = self.append(&own, changes, &signer).await?;
            self.forget_withdrawals(channel, named, &permitted).await?;
            self.metrics()
                .released("released", count - already.min(count));
            permitted = rest;
        }
        Ok(())
    }

    /// Writes what was decided to the audit log, one record for each reason.
    async fn account(
        &self,
        channel: &Channel,
        decided: &[Decided],
        who: &str,
    ) -> Result<(), NodeError> {
        let mut groups: Vec<(ReleaseOutcome, Arc<Vec<String>>, Vec<String>)> = Vec::new();
        for one in decided {
            let same = groups
                .iter_mut()
                .find(|(outcome, why, _)| *outcome == one.outcome && *why == one.why);
            match same {
                Some((_, _, ids)) => ids.push(one.record.id.to_string()),
                None => groups.push((
                    one.outcome,
                    Arc::clone(&one.why),
                    vec![one.record.id.to_string()],
                )),
            }
        }
        let mut records = Vec::new();
        for (outcome, why, ids) in groups {
            let what = match outcome {
                ReleaseOutcome::Released => "release",
                ReleaseOutcome::Refused => "refuse",
                ReleaseOutcome::Waiting => "wait",
                ReleaseOutcome::Already | ReleaseOutcome::Unknown => continue,
            };
            if outcome != ReleaseOutcome::Released {
                self.metrics().released(what, ids.len());
            }
            let record = AuditRecord {
                what: what.to_owned(),
                who: who.to_owned(),
                channel: channel.full_name(),
                count: ids.len() as u64,
                why: why.join("; "),
                policy: channel.policy(),
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

    /// One change of the own log: what goes out about a record.
    fn change(
        &self,
        action: Action,
        record: &Record,
        label: &str,
        object: Option<store::Seq>,
    ) -> Result<Change, NodeError> {
        Ok(Change {
            entry: Entry {
                action,
                hash: record.hash.0,
                id: record.id.to_string(),
                modified: record.version.map(|version| version.to_string()),
                kind: record.id.type_name().to_owned(),
                label: label.to_owned(),
                attribution: self.config().code.clone(),
                salt: random()?,
                time: self.now().to_string(),
            },
            object,
        })
    }

    /// What was named and released again is withdrawn no longer.
    async fn forget_withdrawals(
        &self,
        channel: &Channel,
        named: &Named,
        released: &[Decided],
    ) -> Result<(), NodeError> {
        // Anything else that is marked was left waiting.
        let keys: Vec<String> = released
            .iter()
            .filter(|one| named.has(&one.record))
            .map(|one| withdrawn_key(channel, &one.record.id))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let marked = self
            .read(move |store| {
                let mut marked = keys;
                let mut failed = Ok(());
                marked.retain(|key| match store.get(key) {
                    Ok(value) => value.is_some(),
                    Err(error) => {
                        failed = Err(error);
                        false
                    }
                });
                failed.map(|()| marked)
            })
            .await?;
        self.remember(marked, None).await
    }

    /// Sets or removes settings, all in as few commits as the store makes of it.
    async fn remember(&self, keys: Vec<String>, value: Option<Vec<u8>>) -> Result<(), NodeError> {
        let puts = keys.into_iter().map(|key| {
            let value = value.clone();
            self.execute(Command::Put { key, value })
        });
        futures_util::future::try_join_all(puts).await?;
        Ok(())
    }

    /// Appends to the own log; answers with the number of changes that changed nothing.
    async fn append(
        &self,
        own: &LogName,
        changes: Vec<Change>,
        signer: &Signer,
    ) -> Result<usize, NodeError> {
        let command = Command::Append {
            log: own.clone(),
            changes,
            signer: Arc::clone(signer),
        };
        match self.execute(command).await? {
            Reply::Logged { already, .. } => Ok(already),
            reply => Err(unexpected(&reply).into()),
        }
    }

    fn channel_signer(&self, channel: &Channel) -> Result<Signer, NodeError> {
        self.keys()
            .signer(&channel.accord.log_origin(self.me(), &channel.name))
    }

    /// The channel, or why it is not there.
    pub(crate) fn channel_or_say(&self, full_name: &str) -> Result<Channel, NodeError> {
        if let Some(channel) = self.channel(full_name) {
            return Ok(channel);
        }
        let Some((accord, name)) = full_name.split_once('/') else {
            return Err(NodeError::request(format!(
                "{full_name:?} is not a channel; write <accord>/<channel>"
            )));
        };
        let accords = self.accords();
        let standing = accords
            .get(accord)
            .and_then(|signed| Some((signed, signed.accord().channel(name)?)));
        Err(match standing {
            None => NodeError::Unknown {
                what: format!("channel {full_name}"),
            },
            Some((signed, channel)) if !channel.members.contains(&self.config().code) => {
                NodeError::accord(format!(
                    "the accord {} does not name this member ({}) for channel {name}",
                    signed.accord().name,
                    self.config().code
                ))
            }
            Some((signed, _)) => NodeError::accord(format!(
                "channel {full_name} is not in force for this member: the accord is ratified by {}; \
                 it takes this member and one more of the channel",
                match signed.ratified() {
                    none if none.is_empty() => "nobody".to_owned(),
                    some => crate::node::joined(some.iter()),
                }
            )),
        })
    }
}

/// The setting that remembers that an object was withdrawn from a channel.
fn withdrawn_key(channel: &Channel, id: &Id) -> String {
    format!("withdrawn/{}/{id}", channel.full_name())
}

/// Who asks, for the account; a request without a name is the operator's.
fn named(who: &str) -> String {
    if who.trim().is_empty() {
        "operator".to_owned()
    } else {
        who.trim().to_owned()
    }
}

/// Lists a result. A full list drops successes first: what failed is what the person must see.
fn push(report: &mut ReleaseReport, result: ObjectResult) {
    let fine = |outcome| matches!(outcome, ReleaseOutcome::Released | ReleaseOutcome::Already);
    if report.results.len() < ADMIN_ITEMS_MAX {
        report.results.push(result);
        return;
    }
    report.results_omitted += 1;
    if !fine(result.outcome)
        && let Some(place) = report
            .results
            .iter()
            .rposition(|listed| fine(listed.outcome))
    {
        report.results[place] = result;
    }
}

/// What decides about the objects of one batch.
struct Judge {
    channel: Channel,
    own: LogName,
    mode: ReleaseMode,
    trigger: Trigger,
    named: Arc<Named>,
    /// When the batch is decided.
    now: Timestamp,
}

/// A label class and a kind: all objects of one are decided alike.
type Class = (Arc<str>, Arc<str>, String);
type Verdict = (ReleaseOutcome, Arc<str>, Arc<Vec<String>>);

impl Judge {
    fn decide(
        &self,
        store: &Store,
        batch: Vec<Record>,
        seen: &mut HashSet<Id>,
    ) -> Result<Vec<Decided>, StoreError> {
        let mut memo = HashMap::new();
        let shown = self.shown(store, &batch)?;
        let mut decided = Vec::with_capacity(batch.len());
        for record in batch {
            decided.push(self.one(store, record, false, &shown, &mut memo)?);
        }
        let permitted: Vec<Record> = decided
            .iter()
            .filter(|one| one.outcome == ReleaseOutcome::Released)
            .map(|one| one.record.clone())
            .collect();
        let present: HashSet<&Id> = decided.iter().map(|one| &one.record.id).collect();
        let companions = companions::of(store, &permitted, &present, seen)?;
        let shown = self.shown(store, &companions)?;
        let mut all = Vec::with_capacity(companions.len() + decided.len());
        for record in companions {
            all.push(self.one(store, record, true, &shown, &mut memo)?);
        }
        all.append(&mut decided);
        // In this order a partner that has an object has its markings and its author already.
        all.sort_by_key(|one| match one.record.id.type_name() {
            "marking-definition" => 0,
            "identity" => 1,
            _ => 2,
        });
        Ok(all)
    }

    fn one(
        &self,
        store: &Store,
        record: Record,
        companion: bool,
        shown: &HashSet<Hash>,
        memo: &mut HashMap<Class, Verdict>,
    ) -> Result<Decided, StoreError> {
        let class = (
            Arc::clone(&record.assigned),
            Arc::clone(&record.marks),
            record.id.type_name().to_owned(),
        );
        let (mut outcome, label, mut why) = match memo.get(&class) {
            Some(verdict) => verdict.clone(),
            None => {
                let label = store.label(&record)?;
                let verdict = self.verdict(&label, &class.2);
                memo.insert(class, verdict.clone());
                verdict
            }
        };
        if outcome == ReleaseOutcome::Released && shown.contains(&record.hash) {
            outcome = ReleaseOutcome::Already;
            why = Arc::new(vec!["the channel shows this version already".to_owned()]);
        }
        // Whoever took an object back had a reason; it returns only when somebody names it.
        if outcome == ReleaseOutcome::Released
            && !self.named.has(&record)
            && store
                .get(&withdrawn_key(&self.channel, &record.id))?
                .is_some()
        {
            outcome = ReleaseOutcome::Waiting;
            why = Arc::new(vec![
                "it was withdrawn from this channel earlier; name it by its id to release it again"
                    .to_owned(),
            ]);
        }
        Ok(Decided {
            record,
            label,
            outcome,
            why,
            companion,
        })
    }

    fn verdict(&self, label: &Label, kind: &str) -> Verdict {
        let text: Arc<str> = label.to_string().into();
        let subject = Subject {
            label,
            kind,
            now: self.now,
        };
        let Some(in_force) = self.channel.in_force() else {
            let why = vec!["the channel is no longer in force".to_owned()];
            return (ReleaseOutcome::Refused, text, Arc::new(why));
        };
        if in_force.channel.attribution == Attribution::Member {
            // Hiding the source (I7) takes redaction, which this version does not have; without
            // it nothing may enter such a channel.
            let why = "the channel hides the source of what it carries, and this version cannot redact yet; \
                       choose a channel with attribution \"origin\"";
            return (
                ReleaseOutcome::Refused,
                text,
                Arc::new(vec![why.to_owned()]),
            );
        }
        let hard = releasable(&subject, &in_force);
        let (outcome, why) = match decide(hard, &self.mode, &subject, &self.trigger) {
            Decision::Permit { rule } => (ReleaseOutcome::Released, vec![rule]),
            Decision::Wait { rule } => (ReleaseOutcome::Waiting, vec![rule]),
            Decision::Refuse { reasons } => (
                ReleaseOutcome::Refused,
                reasons.iter().map(ToString::to_string).collect(),
            ),
        };
        (outcome, text, Arc::new(why))
    }

    /// Which versions of these objects this member's log has released and not taken back.
    fn shown(&self, store: &Store, batch: &[Record]) -> Result<HashSet<Hash>, StoreError> {
        let ids: Vec<Id> = batch.iter().map(|record| record.id.clone()).collect();
        let own = store.brought(&self.own, &ids)?;
        Ok(own.into_iter().map(|record| record.hash).collect())
    }
}
