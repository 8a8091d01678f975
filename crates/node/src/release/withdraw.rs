//! Taking back: every version of an object that this member shows in a channel.
//!
//! The partners learn which entries are withdrawn and stop serving them (I6); the person's reason
//! stays in this member's audit log.

use std::collections::BTreeSet;

use log::Action;
use model::Id;
use store::Record;

use crate::admin::types::{AuditRecord, WithdrawReport, WithdrawRequest};
use crate::audit::with_objects;
use crate::error::NodeError;
use crate::limits::{RELEASE_BATCH_OBJECTS, SELECTION_ITEMS_MAX};
use crate::node::Node;

use super::{named, withdrawn_key};

impl Node {
    /// Withdraws objects from a channel.
    ///
    /// # Errors
    /// When the channel is not in force here, an id is malformed, no reason is given, or the store
    /// fails.
    pub async fn withdraw(&self, request: &WithdrawRequest) -> Result<WithdrawReport, NodeError> {
        let channel = self.channel_or_say(&request.channel)?;
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
        let own = channel.log(&self.config().code);
        let of = own.clone();
        let (shown, unknown) = self
            .read(move |store| {
                let (mut shown, mut unknown): (Vec<Record>, Vec<String>) = (Vec::new(), Vec::new());
                for id in &ids {
                    // Also what a partner released first: this member's entry and its body are in
                    // its own log all the same.
                    let mut versions = store.brought(&of, std::slice::from_ref(id))?;
                    if versions.is_empty() {
                        unknown.push(id.to_string());
                    }
                    shown.append(&mut versions);
                }
                Ok((shown, unknown))
            })
            .await?;
        let mut withdrawn = 0;
        if !shown.is_empty() {
            let mut listed: Vec<String> =
                shown.iter().map(|record| record.id.to_string()).collect();
            listed.dedup();
            let record = AuditRecord {
                what: "withdraw".into(),
                who: named(&request.who),
                channel: channel.full_name(),
                why: request.reason.trim().to_owned(),
                policy: channel.policy(),
                ..self.record()
            };
            self.audit(with_objects(&record, &listed)).await?;
            // Before the withdrawal, so that no crash lets a later bulk release bring it back.
            let keys: BTreeSet<String> = shown
                .iter()
                .map(|record| withdrawn_key(&channel, &record.id))
                .collect();
            self.remember(keys.into_iter().collect(), Some(Vec::new()))
                .await?;
            let signer = self.channel_signer(&channel)?;
            for batch in shown.chunks(RELEASE_BATCH_OBJECTS) {
                let changes = batch
                    .iter()
                    .map(|record| self.change(Action::Withdraw, record, &record.assigned, None))
                    .collect::<Result<Vec<_>, _>>()?;
                let count = changes.len();
                withdrawn += count - self.append(&own, changes, &signer).await?.min(count);
            }
            self.metrics().withdrawn(withdrawn);
        }
        let size = self
            .read(move |store| Ok(store.head(&own)?.map_or(0, |head| head.size)))
            .await?;
        Ok(WithdrawReport {
            channel: request.channel.clone(),
            withdrawn,
            unknown,
            size,
        })
    }
}
