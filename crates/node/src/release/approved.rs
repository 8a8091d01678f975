//! From the last approval to the log: decided once more, and only the approved bytes leave.
//!
//! INVARIANT: from deciding to the durable entry nothing can change the accord, the policy or the
//! national collection (the guards are held throughout); what comes out of the decision is released
//! only if it is byte for byte what the proposal binds, under the same policy and accord.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::Id;
use policy::authority::Duty;
use store::{Collection, Record};

use crate::admin::types::{AuditRecord, ReleaseOutcome};
use crate::approvals::state::{Proposal, State};
use crate::approvals::{author, item, originals};
use crate::auth::AuthError;
use crate::error::NodeError;
use crate::node::{Node, blocking};

use super::journey::{Asker, Journey, Judge};
use super::select::Named;
use super::{AUTOMATION, Asked, carry};

impl Node {
    /// Releases what everybody needed has agreed to, or voids the proposal. The caller holds the
    /// turn for leaving, [`Node::steady`] and the turn for approvals.
    pub(crate) async fn release_approved(&self, proposal: &mut Proposal) -> Result<(), NodeError> {
        let _still = self.intake().write().await;
        let (judge, asked, decided) = match self.decide_again(proposal).await? {
            Ok(decided) => decided,
            Err(why) => return self.end_void(proposal, &why).await,
        };
        if !self.approvers_still_may(proposal).await? {
            return Ok(());
        }
        let approved = approved_words(proposal);
        let mut leaving = Vec::new();
        for mut one in decided {
            one.companion = false;
            one.proposal = Some(proposal.id.clone());
            let mut why = vec![approved.clone()];
            why.extend(one.why.iter().cloned());
            one.why = Arc::new(why);
            leaving.push(one);
        }
        let none = BTreeSet::new();
        self.account(&judge, &leaving, &asked.who, &none).await?;
        let leaves = |one: &&Journey| one.outcome != ReleaseOutcome::Already;
        let leaving: Vec<&Journey> = leaving.iter().filter(leaves).collect();
        self.let_leave(&judge, &asked.who, &leaving).await?;
        proposal.state = State::Released;
        self.settle(proposal).await
    }

    /// The proposal's objects decided again as things stand; the error says what has changed.
    pub(crate) async fn decide_again(
        &self,
        proposal: &Proposal,
    ) -> Result<Result<(Judge, Asked, Vec<Journey>), String>, NodeError> {
        let bound = &proposal.bound;
        let Some(channel) = self.channel(&bound.channel) else {
            return Ok(Err("the channel is no longer in force".to_owned()));
        };
        if channel.policy() != bound.accord {
            return Ok(Err("another version of the accord is in force".to_owned()));
        }
        if self.policy().version().to_string() != bound.policy {
            return Ok(Err("another national policy is in force".to_owned()));
        }
        let asked = Asked {
            asker: match &bound.as_person {
                Some(person) => Asker::Person(author(person)),
                None => Asker::Automation(
                    self.config()
                        .mode(&channel.accord.accord().name, &channel.name),
                ),
            },
            who: bound.author.clone(),
            authors: bound.authors.iter().cloned().collect(),
            named: Arc::new(Named::of(originals(proposal))),
            objects: bound.objects,
            delegated: bound.delegated,
            inbox: bound.inbox.clone(),
        };
        let mut judge = self.judge(&channel, &asked);
        judge.together = true;
        let from = match bound.delegated {
            true => bound.inbox.as_deref().and_then(collection_of),
            false => Some(Collection::National),
        };
        let Some(from) = from else {
            return Ok(Err("it is not known where the objects came from".to_owned()));
        };
        let items = bound.items.clone();
        let (judge, found) = self
            .read(move |store| {
                let mut records: Vec<Record> = Vec::with_capacity(items.len());
                for item in &items {
                    let latest = match Id::parse(&item.id) {
                        Ok(id) => store.latest(&from, &id)?,
                        Err(_) => None,
                    };
                    match latest {
                        Some(record) if record.hash.to_string() == item.original => {
                            records.push(record);
                        }
                        Some(_) => {
                            let why = format!("{} was edited since", item.id);
                            return Ok((judge, Err(why)));
                        }
                        None => {
                            let why = format!("{} is no longer here", item.id);
                            return Ok((judge, Err(why)));
                        }
                    }
                }
                let decided = judge.decide(store, records, &mut HashSet::new())?;
                Ok((judge, Ok(decided)))
            })
            .await?;
        let decided = match found {
            Ok(decided) => decided,
            Err(why) => return Ok(Err(why)),
        };
        Ok(compare(proposal, &judge, decided).map(|decided| (judge, asked, decided)))
    }

    /// Whether the people who agreed still have the duty for it, by their own right or by what a
    /// session of theirs proves. Who has lost it no longer counts, and that is accounted for.
    async fn approvers_still_may(&self, proposal: &mut Proposal) -> Result<bool, NodeError> {
        let auth = Arc::clone(self.auth());
        let (users, added) = blocking(move || Ok::<_, AuthError>((auth.users()?, auth.added()?)))
            .await
            .map_err(|error| NodeError::request(error.to_string()))?;
        let mut duties: HashMap<String, BTreeSet<Duty>> = users
            .into_iter()
            .filter(|user| user.locked.is_none())
            .map(|user| (user.name, user.duties.into_iter().collect()))
            .collect();
        for (name, added) in added {
            if let Some(held) = duties.get_mut(&name) {
                held.extend(added);
            }
        }
        // Who is no longer approver but still analyst has lost the duty by which they agreed: of
        // the duties that this proposal asks for, all that the approval was given by must be held.
        let asked: BTreeSet<Duty> = proposal.bound.needs.iter().map(|need| need.duty).collect();
        let gave = proposal.approvals.clone();
        let complete = proposal.keep_approvals(|given| {
            duties.get(&given.who).is_some_and(|held| {
                let mut by = given.duties.intersection(&asked).peekable();
                by.peek().is_some() && by.all(|duty| held.contains(duty))
            })
        });
        if !complete {
            let lost = gave.iter();
            let lost: Vec<&str> = lost
                .filter(|given| !proposal.approvals.contains(given))
                .map(|given| given.who.as_str())
                .collect();
            let why = format!(
                "proposal {}: the approval by {} no longer counts, because the duty that it was given \
                 by is gone (one that single sign-on adds lasts as long as the session); it still \
                 needs {}",
                proposal.id,
                lost.join(" and "),
                proposal.missing()
            );
            tracing::warn!(%why, "an approval no longer counts");
            self.audit(vec![AuditRecord {
                what: "refuse".into(),
                who: AUTOMATION.into(),
                channel: proposal.bound.channel.clone(),
                count: proposal.bound.items.len() as u64,
                why,
                ..self.record()
            }])
            .await?;
            self.keep_proposal(proposal).await?;
        }
        Ok(complete)
    }
}

/// The journeys of a proposal's items, if each is still what was approved.
fn compare(
    proposal: &Proposal,
    judge: &Judge,
    decided: Vec<Journey>,
) -> Result<Vec<Journey>, String> {
    let mut by_id: HashMap<String, Journey> = decided
        .into_iter()
        .map(|one| (one.record.id.to_string(), one))
        .collect();
    let mut same = Vec::with_capacity(proposal.bound.items.len());
    for expected in &proposal.bound.items {
        let Some(mut one) = by_id.remove(&expected.id) else {
            return Err(format!("{} is not decided about any more", expected.id));
        };
        match one.outcome {
            // A crash may have come between its entry and the proposal's end.
            ReleaseOutcome::Already => {}
            ReleaseOutcome::Proposed => {
                let needs = carry::sorted(&one.needs);
                let met = |need: &policy::authority::Need| {
                    let held = proposal.bound.needs.iter();
                    held.clone()
                        .any(|held| held.duty == need.duty && held.count >= need.count)
                };
                if !needs.iter().all(met) {
                    return Err(format!("{} needs other approvals now", expected.id));
                }
                one.outcome = match judge.channel.hides() {
                    true => ReleaseOutcome::Queued,
                    false => ReleaseOutcome::Released,
                };
            }
            ReleaseOutcome::Released | ReleaseOutcome::Queued => {}
            _ => {
                let why = one.why.join("; ");
                return Err(format!("{} may not be released now: {why}", expected.id));
            }
        }
        let found = item(&one);
        if found.original != expected.original
            || found.label != expected.label
            || one.outcome != ReleaseOutcome::Already && found.outgoing != expected.outgoing
        {
            return Err(format!(
                "what would leave for {} is no longer what was approved",
                expected.id
            ));
        }
        same.push(one);
    }
    Ok(same)
}

fn approved_words(proposal: &Proposal) -> String {
    let names: Vec<&str> = proposal
        .approvals
        .iter()
        .map(|given| given.who.as_str())
        .collect();
    format!("approved by {}", names.join(" and "))
}

/// The collection of `<accord>/<channel>`.
pub(super) fn collection_of(name: &str) -> Option<Collection> {
    let (accord, channel) = name.split_once('/')?;
    Some(Collection::Channel {
        accord: accord.to_owned(),
        channel: channel.to_owned(),
    })
}
