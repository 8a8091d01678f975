//! Taking objects out of the national collection again, before anybody was given them.
//!
//! A removal and a release exclude each other: what is being decided about stays until that is
//! done. What a log holds is not removed, since a member must be able to show for ever what it
//! once shared; it is withdrawn from the channel instead.

use std::collections::BTreeSet;

use store::{Command, Record, Reply, Store, StoreError};

use crate::admin::types::AuditRecord;
use crate::audit::with_objects;
use crate::error::NodeError;
use crate::node::{Node, unexpected};
use crate::release::forms::link;
use crate::release::waiting_key;
use crate::taxii::NotRemoved;

impl Node {
    /// Removes records of the national collection, all of them or none. `who` is the name for the
    /// audit log, which also hears of a refusal.
    ///
    /// # Errors
    /// Why one of them must stay, or what the store said.
    pub async fn remove(&self, records: Vec<Record>, who: &str) -> Result<(), NotRemoved> {
        let _alone = self.leaving.lock().await;
        let _steady = self.changing().await;
        let channels: BTreeSet<String> = self
            .accords()
            .channels(&self.config().code)
            .iter()
            .map(|channel| channel.full_name())
            .collect();
        let (records, kept) = self
            .read(move |store| {
                let kept = kept(store, channels, &records)?;
                Ok((records, kept))
            })
            .await
            .map_err(NotRemoved::Store)?;
        let (what, why) = match &kept {
            Some(why) => ("refuse", format!("removal: {why}")),
            None => ("remove", String::new()),
        };
        let record = AuditRecord {
            what: what.into(),
            who: who.to_owned(),
            channel: "national".into(),
            count: records.len() as u64,
            why,
            ..self.record()
        };
        let mut ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
        ids.dedup();
        let accounts = with_objects(&record, &ids);
        let failed = |error: NodeError| NotRemoved::Store(error.into_store());
        if let Some(why) = kept {
            self.audit(accounts).await.map_err(failed)?;
            return Err(NotRemoved::Kept(why));
        }
        let objects = records
            .into_iter()
            .map(|record| (record.id, record.hash))
            .collect();
        let remove = Command::Remove { objects };
        match self.account_for(accounts, Some(remove)).await {
            Ok(Some(Reply::Removed(_))) => Ok(()),
            Ok(reply) => Err(NotRemoved::Store(unexpected(&reply.unwrap_or(Reply::Done)))),
            // Received between looking and doing.
            Err(error) => match error.into_store() {
                error @ StoreError::Logged { .. } => Err(NotRemoved::Kept(error.to_string())),
                error => Err(NotRemoved::Store(error)),
            },
        }
    }
}

/// Why one of these records must stay.
fn kept(
    store: &Store,
    mut channels: BTreeSet<String>,
    records: &[Record],
) -> Result<Option<String>, StoreError> {
    let own = store.heads()?.into_iter().filter(|(_, head)| head.own);
    channels.extend(own.map(|(log, _)| format!("{}/{}", log.accord, log.channel)));
    for record in records {
        let id = &record.id;
        if let Some(log) = store.logged(id, &record.hash)? {
            let logged = StoreError::Logged {
                id: id.to_string(),
                log,
            };
            return Ok(Some(logged.to_string()));
        }
        for channel in &channels {
            if link(store, channel, id)?.is_some() {
                return Ok(Some(format!(
                    "{id} left for the channel {channel} in a form of its own: withdraw it from there instead."
                )));
            }
            if store.get(&waiting_key(channel, &record.hash))?.is_some() {
                return Ok(Some(format!(
                    "{id} waits to leave for the channel {channel}: withdraw it from there first."
                )));
            }
        }
    }
    Ok(None)
}
