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
use crate::release::{channels_with_forms, waiting_key};
use crate::taxii::{Kept, NotRemoved, Stays};

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
        let me = self.config().code.clone();
        let (records, kept) = self
            .read(move |store| {
                let kept = kept(store, &me, channels, &records)?;
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
                StoreError::Logged { id, log } => {
                    let kept = Kept::logged(id, &log, &self.config().code);
                    Err(NotRemoved::Kept(kept))
                }
                error => Err(NotRemoved::Store(error)),
            },
        }
    }
}

/// Which of these records must stay, and why. `channels` are those in force; others may have forms
/// of theirs, too, or show what left before.
fn kept(
    store: &Store,
    me: &str,
    mut channels: BTreeSet<String>,
    records: &[Record],
) -> Result<Option<Kept>, StoreError> {
    let own = store.heads()?.into_iter().filter(|(_, head)| head.own);
    channels.extend(own.map(|(log, _)| format!("{}/{}", log.accord, log.channel)));
    // Before the first window of a channel has ended it has no log yet. What waits for a window
    // waits in a form.
    channels.extend(channels_with_forms(store)?);
    for record in records {
        let id = &record.id;
        if let Some(log) = store.logged(id, &record.hash)? {
            return Ok(Some(Kept::logged(id.to_string(), &log, me)));
        }
        for channel in &channels {
            let why = if link(store, channel, id)?.is_some() {
                Stays::Form
            } else if store.get(&waiting_key(channel, &record.hash))?.is_some() {
                Stays::Waits
            } else {
                continue;
            };
            return Ok(Some(Kept {
                id: id.to_string(),
                channel: channel.clone(),
                why,
            }));
        }
    }
    Ok(None)
}
