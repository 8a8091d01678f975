//! What an approver looks at: the exact outgoing bytes, and how they differ from the original.

use std::sync::Arc;

use model::{Id, Object};
use store::Collection;

use super::state::{Proposal, State};
use crate::admin::types::{OutgoingInfo, ProposalInfo, ProposalItem, ProposalView};
use crate::error::NodeError;
use crate::node::Node;
use crate::release::journey::Journey;

impl ProposalInfo {
    /// A proposal at a glance, as it stands at `now`.
    pub(crate) fn of(proposal: &Proposal, now: model::Timestamp) -> ProposalInfo {
        let lapsed = proposal.state == State::Open && proposal.lapsed(now);
        ProposalInfo {
            id: proposal.id.clone(),
            digest: proposal.digest(),
            channel: proposal.bound.channel.clone(),
            author: proposal.bound.author.clone(),
            created: proposal.bound.created.to_string(),
            expires: proposal.bound.expires.to_string(),
            state: match lapsed {
                true => State::Expired.word().to_owned(),
                false => proposal.state.word().to_owned(),
            },
            why: match &proposal.state {
                State::Declined { who, why } => format!("{who}: {why}"),
                State::Void { why } => why.clone(),
                _ => String::new(),
            },
            needs: proposal.needs(),
            missing: proposal.missing(),
            approvals: proposal
                .approvals
                .iter()
                .map(|given| given.who.clone())
                .collect(),
            objects: proposal.bound.items.len(),
            policy: format!(
                "{}; national {}",
                proposal.bound.accord, proposal.bound.policy
            ),
        }
    }
}

impl Node {
    /// Everything about a proposal, with the bytes that would leave. They are made again from what
    /// is held and shown only if they are the very ones that the proposal binds.
    ///
    /// # Errors
    /// When there is no such proposal, or the store fails.
    pub async fn show_proposal(&self, id: &str) -> Result<ProposalView, NodeError> {
        let _steady = self.steady().await;
        let proposal = self.proposal(id).await?;
        let mut view = ProposalView {
            info: ProposalInfo::of(&proposal, self.now()),
            items: Vec::new(),
            changed: None,
        };
        if proposal.state != State::Open {
            view.items = bare(&proposal);
            return Ok(view);
        }
        match self.decide_again(&proposal).await? {
            Err(why) => {
                view.changed = Some(why);
                view.items = bare(&proposal);
            }
            Ok((_, _, decided)) => {
                let decided = Arc::new(decided);
                let for_reading = Arc::clone(&decided);
                let originals = self
                    .read(move |store| {
                        let records: Vec<_> =
                            for_reading.iter().map(|one| one.record.clone()).collect();
                        store.bodies(&records)
                    })
                    .await?;
                for (one, original) in decided.iter().zip(originals) {
                    view.items.push(shown(one, &original)?);
                }
            }
        }
        Ok(view)
    }
}

/// The items without bytes, where those no longer are what was proposed.
fn bare(proposal: &Proposal) -> Vec<ProposalItem> {
    let items = proposal.bound.items.iter();
    items
        .map(|item| ProposalItem {
            id: item.id.clone(),
            original: item.original.clone(),
            label: item.label.clone(),
            companion: item.companion,
            ..ProposalItem::default()
        })
        .collect()
}

fn shown(one: &Journey, original: &[u8]) -> Result<ProposalItem, NodeError> {
    let damaged = |problem: String| {
        NodeError::Store(store::StoreError::Corrupt {
            place: one.record.id.to_string(),
            problem,
        })
    };
    let before = Object::parse(original).map_err(|refusal| damaged(refusal.to_string()))?;
    let forms: Vec<&Object> = match one.form.objects.is_empty() {
        true => vec![&before],
        false => one.form.objects.iter().collect(),
    };
    let mut outgoing = Vec::with_capacity(forms.len());
    for form in forms {
        let text =
            String::from_utf8(form.bytes().to_vec()).map_err(|error| damaged(error.to_string()))?;
        outgoing.push(OutgoingInfo {
            id: form.id().to_string(),
            hash: form.hash().to_string(),
            bytes: text,
            diff: policy::diff(&before, form)
                .into_iter()
                .map(|line| crate::admin::types::DiffInfo {
                    pointer: line.pointer,
                    before: line.before,
                    after: line.after,
                })
                .collect(),
        });
    }
    let line = |pointer: &str, what: &str| match pointer {
        "" => what.to_owned(),
        pointer => format!("{pointer}: {what}"),
    };
    Ok(ProposalItem {
        id: one.record.id.to_string(),
        original: one.record.hash.to_string(),
        label: one.label.to_string(),
        companion: one.companion,
        why: one.why.to_vec(),
        rules: one.rules.to_vec(),
        redacted: one
            .form
            .changes
            .iter()
            .map(|done| line(&done.pointer, &done.what))
            .collect(),
        findings: one
            .form
            .findings
            .iter()
            .map(|found| line(&found.pointer, &found.words))
            .collect(),
        outgoing,
    })
}

/// Where a person without the clearance stops: the highest level that the proposal shows.
pub(crate) async fn level(node: &Node, proposal: &Proposal) -> Result<model::Tlp, NodeError> {
    let mut level = model::Tlp::Clear;
    let mut ids = Vec::new();
    for item in &proposal.bound.items {
        // What cannot be read is for nobody.
        let label = model::Label::parse(&item.label);
        level = level.max(label.map_or(model::Tlp::Red, |label| label.tlp));
        match Id::parse(&item.id) {
            Ok(id) => ids.push(id),
            Err(_) => level = model::Tlp::Red,
        }
    }
    let level = node.read(move |store| {
        let mut level = level;
        for id in ids {
            // As the nation has it, and as every partner that told of it labelled it.
            let mut held: Vec<_> = store
                .latest(&Collection::National, &id)?
                .into_iter()
                .collect();
            held.extend(store.told(&id)?);
            if held.is_empty() {
                level = model::Tlp::Red;
            }
            for record in held {
                level = level.max(store.label(&record)?.tlp);
            }
        }
        Ok(level)
    });
    Ok(level.await?)
}
