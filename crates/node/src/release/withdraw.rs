//! Taking back: every version of an object that this member shows in a channel.
//!
//! The partners learn which entries are withdrawn and stop serving them (I6); the person's reason
//! stays in this member's audit log.

use std::collections::{BTreeSet, HashSet};

use log::Action;
use model::{Id, Label};
use policy::authority::{Facts, Originator};
use store::{Collection, LogName, Record, Store, StoreError};

use crate::accords::Channel;
use crate::admin::types::{AuditRecord, WithdrawReport, WithdrawRequest};
use crate::audit::with_objects;
use crate::auth::Caller;
use crate::error::NodeError;
use crate::limits::{RELEASE_BATCH_OBJECTS, SELECTION_ITEMS_MAX};
use crate::node::Node;

use super::forms::{link, originals};
use super::journey::Asker;
use super::{person, queue, withdrawn_key};

impl Node {
    /// Withdraws objects from a channel, at this node's own socket.
    ///
    /// # Errors
    /// As [`Node::withdraw_as`].
    pub async fn withdraw(&self, request: &WithdrawRequest) -> Result<WithdrawReport, NodeError> {
        self.withdraw_as(&Caller::socket(), request).await
    }

    /// Withdraws objects from a channel, by the original's id or by that of the form that left.
    /// What still waits to leave does not leave.
    ///
    /// # Errors
    /// When this member never agreed to the channel, an id is malformed, no reason is given, the policy
    /// does not let this person, or the store fails.
    pub async fn withdraw_as(
        &self,
        caller: &Caller,
        request: &WithdrawRequest,
    ) -> Result<WithdrawReport, NodeError> {
        // Nobody who suspends or leaves a channel can keep this nation from taking back what is its
        // own, so the channel need not be in force.
        let agreed = request.channel.split_once('/').and_then(|(accord, name)| {
            self.accords()
                .agreed_channel(accord, name, &self.config().code)
        });
        let channel = match agreed {
            Some(channel) => channel,
            None => self.channel_or_say(&request.channel)?,
        };
        if request.reason.trim().is_empty() {
            return Err(NodeError::Request {
                why: "a withdrawal needs a reason; it goes to this node's audit log only".into(),
                pointer: Some("/reason".into()),
            });
        }
        if request.ids.is_empty() || request.ids.len() > SELECTION_ITEMS_MAX {
            return Err(NodeError::Request {
                why: format!("name 1 to {SELECTION_ITEMS_MAX} ids"),
                pointer: Some("/ids".into()),
            });
        }
        let mut ids = Vec::with_capacity(request.ids.len());
        for (index, text) in request.ids.iter().enumerate() {
            ids.push(Id::parse(text).map_err(|error| NodeError::Request {
                why: format!("{text:?} is not a STIX id: {error}"),
                pointer: Some(format!("/ids/{index}")),
            })?);
        }
        ids.sort();
        ids.dedup();
        let asker = Asker::Person(person(caller));
        let who = caller.recorded(request.who.trim());
        let taken = self
            .take_back(&channel, &ids, &asker, (&who, request.reason.trim()))
            .await?;
        let own = channel.log(&self.config().code);
        let size = self
            .read(move |store| Ok(store.head(&own)?.map_or(0, |head| head.size)))
            .await?;
        self.feeds.withdrawn();
        Ok(WithdrawReport {
            channel: request.channel.clone(),
            withdrawn: taken.withdrawn,
            unqueued: taken.unqueued,
            unknown: taken.unknown,
            size,
        })
    }

    /// Takes everything back that a channel shows of these objects, or that waits for it.
    pub(super) async fn take_back(
        &self,
        channel: &Channel,
        ids: &[Id],
        asker: &Asker,
        (who, reason): (&str, &str),
    ) -> Result<Taken, NodeError> {
        let _alone = self.leaving.lock().await;
        let _steady = self.steady().await;
        let name = channel.full_name();
        let own = channel.log(&self.config().code);
        let (of, wanted, channel_name) = (own.clone(), ids.to_vec(), name.clone());
        let found = self
            .read(move |store| {
                let mut wanted = originals(store, &channel_name, wanted)?;
                wanted.sort();
                wanted.dedup();
                let found = wanted.into_iter();
                found
                    .map(|id| find(store, &channel_name, &of, id))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let waits = self.waits(&name).await?;
        let mut taken = Taken::default();
        let (mut shown, mut queued, mut marked) = (Vec::new(), Vec::new(), BTreeSet::new());
        // The originals too, so that whoever looks one up finds what became of it.
        let mut originals = Vec::new();
        let mut named = Vec::new();
        for one in found {
            self.may_withdraw(&name, &one, asker, who).await?;
            named.push(one.ids[0].clone());
            let queued_here = one.ids.iter().any(|id| waits.contains(id.as_str()));
            if one.shown.is_empty() && !queued_here {
                taken.unknown.push(one.ids[0].to_string());
                continue;
            }
            if queued_here {
                queued.extend(one.ids.iter().cloned());
            }
            originals.push(one.ids[0].to_string());
            marked.extend(one.ids.iter().map(|id| withdrawn_key(channel, id)));
            shown.extend(one.shown);
        }
        self.void_proposals_of(&name, &named, "its object was withdrawn")
            .await?;
        if marked.is_empty() {
            return Ok(taken);
        }
        let listed: BTreeSet<String> = shown
            .iter()
            .map(|record| record.id.to_string())
            .chain(queued.iter().map(ToString::to_string))
            .chain(originals)
            .collect();
        let record = AuditRecord {
            what: "withdraw".into(),
            who: who.to_owned(),
            channel: name.clone(),
            why: reason.to_owned(),
            policy: self.policy_words(channel),
            ..self.record()
        };
        let listed: Vec<String> = listed.into_iter().collect();
        self.audit(with_objects(&record, &listed)).await?;
        // Before the withdrawal, so that no crash lets a later bulk release bring it back.
        self.remember(marked.into_iter().collect(), Some(Vec::new()))
            .await?;
        taken.unqueued = self.unqueue(&name, &queued).await?;
        let signer = self.channel_signer(channel)?;
        for batch in shown.chunks(RELEASE_BATCH_OBJECTS) {
            let changes = batch
                .iter()
                .map(|record| {
                    self.change(channel, Action::Withdraw, record, &record.assigned, None)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let count = changes.len();
            taken.withdrawn += count - self.append(&own, changes, &signer).await?.min(count);
        }
        self.metrics().withdrawn(taken.withdrawn);
        Ok(taken)
    }

    /// Whether the policy lets somebody take an object back; a no is accounted for.
    async fn may_withdraw(
        &self,
        channel: &str,
        one: &Found,
        asker: &Asker,
        who: &str,
    ) -> Result<(), NodeError> {
        let facts = Facts {
            label: &one.label,
            kind: one.ids[0].type_name(),
            about_person: one.about_person,
            originator: Originator::Own,
        };
        let circumstances = self.circumstances(1, false);
        let allowed = self.policy().authority().allows(
            policy::authority::Action::Withdraw,
            &asker.principal(),
            Some(&facts),
            &circumstances,
        );
        let Err(reasons) = allowed else {
            return Ok(());
        };
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let why = reasons.join("; ");
        self.audit(vec![AuditRecord {
            what: "refuse".into(),
            who: who.to_owned(),
            channel: channel.to_owned(),
            objects: vec![one.ids[0].to_string()],
            count: 1,
            why: format!("withdrawal: {why}"),
            ..self.record()
        }])
        .await?;
        Err(NodeError::Denied {
            why: format!("{} may not be withdrawn by {who}: {why}", one.ids[0]),
        })
    }

    /// The ids of what waits for a channel's window.
    async fn waits(&self, channel: &str) -> Result<HashSet<String>, NodeError> {
        let prefix = queue::keys_of(channel);
        let waiting = self.read(move |store| store.scan(&prefix)).await?;
        let waiting = waiting.iter().filter_map(|(_, value)| queue::id_of(value));
        Ok(waiting.collect())
    }
}

/// What came of a withdrawal.
#[derive(Default)]
pub(super) struct Taken {
    /// Entries withdrawn.
    pub(super) withdrawn: usize,
    /// Objects that no longer wait to leave.
    pub(super) unqueued: usize,
    /// Ids of which nothing was there.
    pub(super) unknown: Vec<String>,
}

/// What a channel shows of one original.
struct Found {
    /// Its id and those of its forms.
    ids: Vec<Id>,
    /// What this member's log shows of it.
    shown: Vec<Record>,
    label: Label,
    about_person: bool,
}

fn find(store: &Store, channel: &str, own: &LogName, id: Id) -> Result<Found, StoreError> {
    let mut ids = vec![id.clone()];
    if let Some(link) = link(store, channel, &id)? {
        ids.extend(link.ids());
    }
    // Also what a partner released first: this member's entry and its body are in its own log all
    // the same.
    let shown = store.brought(own, &ids)?;
    // What the nation does not have a partner put into an inbox.
    let record = match store.latest(&Collection::National, &id)? {
        Some(record) => Some(record),
        None => store.told(&id)?.pop(),
    };
    let record = record.as_ref().or(shown.first());
    let (label, about_person) = match record {
        Some(record) => (Label::clone(&*store.label(record)?), record.about_person),
        None => (
            Label::new(model::Tlp::Clear, model::Releasable::Everyone),
            false,
        ),
    };
    Ok(Found {
        ids,
        shown,
        label,
        about_person,
    })
}
