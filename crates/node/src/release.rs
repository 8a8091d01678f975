//! The way out: what enters a channel, and what is taken back.
//!
//! Each selected object goes through the same steps in the same order; `journey` is that order,
//! on one screen: select → label → hard rule (I1) → national policy → approvals → redaction →
//! non-attribution → leak check → audit → log. Nothing else in the program appends to a channel
//! log than what `carry` is given from there, and `queue` for channels that hide sources.
//!
//! An object is of little use to a partner without its markings and its author, so the marking
//! definitions and the identity that a permitted object refers to come along as *companions*, each
//! through the very same rules; where one is refused, the object goes without it and the report
//! says so. All other references are the person's choice.
//!
//! INVARIANT: a decision is in the audit log before its effect is in the channel log (I10).

mod approved;
pub(crate) mod auto;
pub(crate) mod carry;
mod companions;
mod delegate;
pub(crate) mod effective;
pub(crate) mod forms;
pub(crate) mod journey;
mod known;
pub(crate) mod pace;
mod queue;
mod select;
mod withdraw;

use std::collections::HashSet;
use std::sync::Arc;

use log::{Action, Entry};
use model::{Id, Timestamp, member_identity_id};
use policy::authority::{Circumstances, Person};
use store::{Change, Collection, Command, LogName, Record, Reply, Signer, StoreError};

use crate::accords::Channel;
use crate::admin::types::{
    AuditRecord, ObjectResult, ReleaseOutcome, ReleaseReport, ReleaseRequest,
};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::keys::random;
use crate::limits::ADMIN_ITEMS_MAX;
use crate::node::{Node, unexpected};

pub(crate) use auto::automate;
use journey::{Asker, Journey, Judge};
pub(crate) use known::channels_with_forms;
pub(crate) use queue::key as waiting_key;
use select::Named;

/// The name under which the node itself releases.
pub const AUTOMATION: &str = "automation";

/// A setting of the store with its value; without one it is removed.
pub(crate) type Setting = (String, Option<Vec<u8>>);

/// One request to release, as its batches share it.
pub(crate) struct Asked {
    /// Who asks.
    pub(crate) asker: Asker,
    /// Who asks, as the audit log says it.
    pub(crate) who: String,
    /// Every name of who asks; nobody of these approves.
    pub(crate) authors: Vec<String>,
    /// What was named one by one.
    pub(crate) named: Arc<Named>,
    /// How many objects it is about.
    pub(crate) objects: u64,
    /// Whether this node publishes for another member.
    pub(crate) delegated: bool,
    /// The channel that brought the objects then.
    pub(crate) inbox: Option<String>,
}

impl Asked {
    /// A person's request.
    pub(crate) fn by(caller: &Caller, said: &str) -> Asked {
        let mut authors = vec![caller.name.clone()];
        if !caller.proven() && !said.trim().is_empty() {
            authors.push(said.trim().to_owned());
        }
        Asked {
            asker: Asker::Person(person(caller)),
            who: caller.recorded(said.trim()),
            authors,
            named: Arc::default(),
            objects: 1,
            delegated: false,
            inbox: None,
        }
    }
}

/// A caller as the policy sees them.
pub(crate) fn person(caller: &Caller) -> Person {
    Person {
        name: caller.name.clone(),
        duties: caller.duties.clone(),
        clearance: caller.clearance,
        // Whoever can open the socket is the operator. That proves no person, so it never
        // approves; see `approvals`.
        proven: true,
    }
}

impl Node {
    /// Releases what the operator selected, at this node's own socket.
    ///
    /// # Errors
    /// As [`Node::release_as`].
    pub async fn release(&self, request: &ReleaseRequest) -> Result<ReleaseReport, NodeError> {
        self.release_as(&Caller::socket(), request).await
    }

    /// Releases what a person selected into a channel, or explains what would happen.
    ///
    /// # Errors
    /// When the channel is not in force here, the selection is malformed, or the store fails; what
    /// was released until then stays released and is in the audit log.
    pub async fn release_as(
        &self,
        caller: &Caller,
        request: &ReleaseRequest,
    ) -> Result<ReleaseReport, NodeError> {
        let mut asked = Asked::by(caller, &request.who);
        let channel = match self.channel_or_say(&request.channel) {
            Ok(channel) => channel,
            Err(error) => {
                self.audit(vec![AuditRecord {
                    what: "refuse".into(),
                    who: asked.who,
                    channel: request.channel.clone(),
                    count: 1,
                    why: error.to_string(),
                    ..self.record()
                }])
                .await?;
                return Err(error);
            }
        };
        let selection = select::parse(&request.selection)?;
        let name = channel.full_name();
        let selection = self
            .read(move |store| selection.standing_for(|ids| forms::originals(store, &name, ids)))
            .await?;
        asked.named = Arc::new(selection.named());
        let selected = self.count_selected(&request.selection).await?;
        let mut ticket = None;
        asked.objects = selected;
        if !request.explain {
            let now = self.clock().micros();
            let (lately, mine) = self.pace().asks(&caller.name, selected, now);
            asked.objects = lately;
            ticket = Some(mine);
        }
        let mut report = ReleaseReport {
            channel: request.channel.clone(),
            explain: request.explain,
            ..ReleaseReport::default()
        };
        let mut cursor = select::Cursor::new(selection);
        let mut seen = HashSet::new();
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
            self.release_batch(&channel, batch, &asked, &mut seen, &mut report)
                .await?;
        }
        for unknown in cursor.unknown() {
            report.unknown += 1;
            push(
                &mut report,
                ObjectResult {
                    id: unknown,
                    outcome: ReleaseOutcome::Unknown,
                    why: vec!["this node does not hold it; add it first".to_owned()],
                    ..ObjectResult::default()
                },
            );
        }
        if let Some(ticket) = ticket {
            let gone = report.released + report.queued + report.proposed;
            self.pace().done(&caller.name, ticket, gone as u64);
        }
        report.results.sort_by_key(|result| result.outcome);
        let own = channel.log(&self.config().code);
        report.size = self
            .read(move |store| Ok(store.head(&own)?.map_or(0, |head| head.size)))
            .await?;
        Ok(report)
    }

    /// How many objects a selection is about, for rules about bulk.
    async fn count_selected(
        &self,
        selection: &crate::admin::types::Selection,
    ) -> Result<u64, NodeError> {
        let named = (selection.ids.len() + selection.hashes.len()) as u64;
        if !selection.all && selection.kinds.is_empty() {
            return Ok(named);
        }
        let (all, kinds) = (selection.all, selection.kinds.clone());
        let counted = self.read(move |store| {
            if all {
                return Ok(store.count(&Collection::National)?.objects);
            }
            let classes = store.classes(&Collection::National)?;
            let counted = classes
                .iter()
                .filter(|class| {
                    kinds
                        .iter()
                        .any(|kind| kind == class.example.id.type_name())
                })
                .map(|class| class.objects);
            Ok(counted.sum())
        });
        Ok(named + counted.await?)
    }

    /// Decides about one batch of records and carries out what is permitted.
    pub(crate) async fn release_batch(
        &self,
        channel: &Channel,
        batch: Vec<Record>,
        asked: &Asked,
        seen: &mut HashSet<Id>,
        report: &mut ReleaseReport,
    ) -> Result<(), NodeError> {
        // From deciding to the durable entry nothing is withdrawn, and nothing else decides on what
        // it finds there. A batch at a time, so that a withdrawal waits for no more than one.
        let _alone = match report.explain {
            true => None,
            false => Some(self.leaving.lock().await),
        };
        // What is decided under one accord and policy must not enter the log under another.
        let _steady = self.steady().await;
        let channel = &self.channel_or_say(&channel.full_name())?;
        let judge = self.judge(channel, asked);
        let mut known = std::mem::take(seen);
        let (judge, decided, known, removed) = self
            .read(move |store| {
                let (batch, removed) = still_national(store, batch)?;
                let decided = judge.decide(store, batch, &mut known)?;
                Ok((judge, decided, known, removed))
            })
            .await?;
        *seen = known;
        for record in removed {
            report.unknown += 1;
            let gone = ObjectResult {
                id: record.id.to_string(),
                version: record.version.map(|version| version.to_string()),
                outcome: ReleaseOutcome::Unknown,
                why: vec!["it was just taken out of the national collection".to_owned()],
                ..ObjectResult::default()
            };
            push(report, gone);
        }
        let decided = if report.explain {
            decided
        } else {
            self.carry(&judge, asked, decided).await?
        };
        for one in &decided {
            self.count(report, one);
            // Automation has nobody to read a list.
            if matches!(judge.asker, Asker::Person(_)) {
                push(report, result(one, report.explain));
            }
        }
        Ok(())
    }

    /// What decides about a request's objects in a channel, as accord and policy stand.
    pub(crate) fn judge(&self, channel: &Channel, asked: &Asked) -> Judge {
        Judge {
            name: channel.full_name(),
            own: channel.log(&self.config().code),
            policy: self.policy(),
            asker: asked.asker.clone(),
            named: Arc::clone(&asked.named),
            circumstances: self.circumstances(asked.objects, asked.delegated),
            key: *self.forms_key(),
            member: member_identity_id(&self.config().domain),
            channel: channel.clone(),
            together: false,
        }
    }

    /// The time for decisions, which does not run backwards.
    pub(crate) fn decision_time(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.pace().time(self.clock().micros()))
    }

    /// What is not of the object, now.
    pub(crate) fn circumstances(&self, objects: u64, delegated: bool) -> Circumstances {
        Circumstances {
            now: self.decision_time(),
            utc_offset_minutes: self.config().policy.utc_offset_minutes,
            objects,
            delegated,
        }
    }

    fn count(&self, report: &mut ReleaseReport, one: &Journey) {
        match one.outcome {
            ReleaseOutcome::Refused => report.refused += 1,
            ReleaseOutcome::Waiting => report.waiting += 1,
            ReleaseOutcome::Already => report.already += 1,
            ReleaseOutcome::Unknown => report.unknown += 1,
            ReleaseOutcome::Proposed => {
                report.proposed += 1;
                if let Some(proposal) = &one.proposal
                    && !report.proposals.contains(proposal)
                {
                    report.proposals.push(proposal.clone());
                }
            }
            ReleaseOutcome::Queued => report.queued += 1,
            ReleaseOutcome::Released => {
                report.released += 1;
                report.companions += usize::from(one.companion);
            }
        }
    }

    /// One change of the own log: what goes out about an object.
    pub(crate) fn change(
        &self,
        channel: &Channel,
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
                time: channel.rounded(self.now()).to_string(),
            },
            object,
        })
    }

    /// Sets settings to one value or removes them, all in one commit.
    pub(crate) async fn remember(
        &self,
        keys: Vec<String>,
        value: Option<Vec<u8>>,
    ) -> Result<(), NodeError> {
        let puts = keys.into_iter().map(|key| (key, value.clone()));
        self.put_all(puts.collect()).await
    }

    /// Sets or removes settings, all in one commit.
    pub(crate) async fn put_all(&self, settings: Vec<Setting>) -> Result<(), NodeError> {
        if !settings.is_empty() {
            self.execute(Command::PutAll { settings }).await?;
        }
        Ok(())
    }

    /// Appends to the own log; answers with the number of changes that changed nothing.
    pub(crate) async fn append(
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

    pub(crate) fn channel_signer(&self, channel: &Channel) -> Result<Signer, NodeError> {
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

/// Divides a batch into what the nation still has and what was removed since the batch was read: a
/// removal takes the turn for leaving, so under it this answer holds. What a partner's log brought
/// was never the nation's.
fn still_national(
    store: &store::Store,
    batch: Vec<Record>,
) -> Result<(Vec<Record>, Vec<Record>), StoreError> {
    let shown = store.still_shown(&Collection::National, &batch)?;
    let mut shown = shown.into_iter();
    Ok(batch
        .into_iter()
        .partition(|record| shown.next().unwrap_or(false) || record.log.is_some()))
}

/// The setting that remembers that an object was withdrawn from a channel.
fn withdrawn_key(channel: &Channel, id: &Id) -> String {
    format!("withdrawn/{}/{id}", channel.full_name())
}

/// Lists a result. A full list drops successes first: what failed is what the person must see.
fn push(report: &mut ReleaseReport, result: ObjectResult) {
    let fine = |outcome| {
        use ReleaseOutcome::{Already, Queued, Released};
        matches!(outcome, Released | Queued | Already)
    };
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

/// One object's journey for a person. With `explain` all of it: what is redacted, what the leak
/// check found, who must approve.
fn result(one: &Journey, explain: bool) -> ObjectResult {
    let mut result = ObjectResult {
        id: one.record.id.to_string(),
        version: one.record.version.map(|version| version.to_string()),
        label: Some(one.label.to_string()),
        outcome: one.outcome,
        why: one.why.to_vec(),
        companion: one.companion,
        proposal: one.proposal.clone(),
        originator: one.originator.as_deref().map(str::to_owned),
        ..ObjectResult::default()
    };
    if explain {
        result.rules = one.rules.to_vec();
        result.approvals = one.needs.iter().map(ToString::to_string).collect();
        let line = |pointer: &str, what: &str| match pointer {
            "" => what.to_owned(),
            pointer => format!("{pointer}: {what}"),
        };
        let changes = one.form.changes.iter();
        result.redacted = changes
            .map(|done| line(&done.pointer, &done.what))
            .collect();
        let findings = one.form.findings.iter();
        result.findings = findings.map(|one| line(&one.pointer, &one.words)).collect();
        let forms = one.form.objects.iter();
        result.outgoing = forms.map(|form| form.id().to_string()).collect();
    }
    result
}
