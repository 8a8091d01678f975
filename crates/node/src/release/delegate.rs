//! Publishing for others: what members release into an inbox that names this member as delegate,
//! this node releases as its own into the channel that the accord names.
//!
//! It goes the whole way: this nation's own policy decides (with `delegated` among its
//! circumstances), the object is scrubbed like an own one, waits for the same window and leaves
//! among the rest, so that nobody outside can tell it from this member's own (I7). Withdrawals in
//! the inbox are followed as soon as they are seen.

use std::collections::HashSet;

use model::Id;
use policy::{Kinds, ReleaseMode};
use store::{Query, StoreError};

use crate::accords::Channel;
use crate::admin::types::ReleaseReport;
use crate::error::NodeError;
use crate::limits::RELEASE_BATCH_OBJECTS;
use crate::node::Node;

use super::auto::Done;
use super::forms::Link;
use super::{AUTOMATION, Asked};

/// The settings of what automation may not take back, with the policy that said so.
const REFUSED: &str = "kept/";

impl Node {
    /// Whether this member publishes what arrives in a channel for others.
    pub(super) fn is_inbox(&self, accord: &str, channel: &str) -> bool {
        self.accords()
            .channel(accord, channel, &self.config().code)
            .is_some_and(|channel| channel.publishes_into(&self.config().code).is_some())
    }

    /// Publishes what arrived in inboxes, and takes back what was taken back there. Answers with
    /// the number of objects that leave.
    ///
    /// # Errors
    /// What the store said; the next run takes up what is left.
    pub(super) async fn publish_for_others(&self) -> Result<usize, NodeError> {
        let mut done = Done::default();
        for inbox in self.accords().channels(&self.config().code) {
            let Some(into) = inbox.publishes_into(&self.config().code) else {
                continue;
            };
            // Without the other channel there is nobody to publish to; what arrives waits.
            let Some(into) = self.channel(&into) else {
                continue;
            };
            let name = inbox.full_name();
            let followed = self.follow_withdrawals(&inbox, &into).await;
            done.count_in(&name, followed.map(|()| 0));
            done.count_in(&name, self.publish_inbox(&inbox, &into).await);
        }
        done.all()
    }

    async fn publish_inbox(&self, inbox: &Channel, into: &Channel) -> Result<usize, NodeError> {
        let key = format!("delegate/{}", inbox.full_name());
        let collection = inbox.log(&self.config().code).collection();
        let mut after = self.publish_cursor(&key).await?;
        let mut published = 0;
        loop {
            let query = Query {
                after: Some(after),
                all_versions: true,
                limit: RELEASE_BATCH_OBJECTS,
                ..Query::default()
            };
            let from = collection.clone();
            let page = self.read(move |store| store.page(&from, &query)).await?;
            let Some(last) = page.records.last().map(|record| record.seq) else {
                return Ok(published);
            };
            let mut records = page.records;
            // What this member put there itself it releases itself. Authors and markings came along
            // for this member to read; to publish them would be to say who speaks.
            records.retain(|record| {
                let log = record.log.as_ref();
                log.is_some_and(|log| log.origin != self.config().code)
                    && !matches!(record.id.type_name(), "identity" | "marking-definition")
            });
            if !records.is_empty() {
                // The accord and this member's signature under it are the bounds.
                let mode = ReleaseMode::Auto {
                    kinds: Kinds::Any,
                    ceiling: model::Tlp::Red,
                };
                let mut asked = Asked::automatic(mode, records.len());
                asked.delegated = true;
                asked.inbox = Some(inbox.full_name());
                let mut report = ReleaseReport::default();
                self.release_batch(into, records, &asked, &mut HashSet::new(), &mut report)
                    .await?;
                published += report.released + report.queued;
            }
            self.keep_at(key.clone(), last).await?;
            after = last;
            if !page.more {
                return Ok(published);
            }
        }
    }

    /// How far an inbox has been published. It begins with what is there: it was put there to be
    /// published.
    async fn publish_cursor(&self, key: &str) -> Result<store::Seq, StoreError> {
        let key = key.to_owned();
        let held = self.read(move |store| store.get(&key)).await?;
        let held = held.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Ok(held.unwrap_or(0))
    }

    /// Takes back what is no longer in the inbox that brought it. What the policy does not let the
    /// automation take back stays, with an audit record, until another policy is in force: then it
    /// is tried again.
    async fn follow_withdrawals(&self, inbox: &Channel, into: &Channel) -> Result<(), NodeError> {
        let (name, from) = (into.full_name(), inbox.full_name());
        let collection = inbox.log(&self.config().code).collection();
        let gone = self
            .read(move |store| {
                let prefix = format!("form/{name}/");
                let mut gone = Vec::new();
                for (key, value) in store.scan(&prefix)? {
                    let link: Option<Link> = serde_json::from_slice(&value).ok();
                    let Some(link) = link.filter(|link| link.inbox.as_ref() == Some(&from)) else {
                        continue;
                    };
                    let Ok(id) = Id::parse(&key[prefix.len()..]) else {
                        continue;
                    };
                    let versions = store.versions(&collection, &id)?;
                    let hash = |record: &store::Record| record.hash.to_string() == link.original;
                    let marked = format!("withdrawn/{name}/{id}");
                    if !versions.iter().any(hash) && store.get(&marked)?.is_none() {
                        gone.push(id);
                    }
                }
                Ok(gone)
            })
            .await?;
        if gone.is_empty() {
            return Ok(());
        }
        let asker = Asked::automatic(ReleaseMode::Manual, gone.len()).asker;
        let reason = "its owner took it back";
        for id in gone {
            let refused = format!("{REFUSED}{}/{id}", into.full_name());
            let held = refused.clone();
            let held = self.read(move |store| store.get(&held)).await?;
            let policy = self.policy_words(into).into_bytes();
            if held.as_ref() == Some(&policy) {
                continue;
            }
            let ids = std::slice::from_ref(&id);
            match self
                .take_back(into, ids, &asker, (AUTOMATION, reason))
                .await
            {
                Ok(_) if held.is_some() => self.remember(vec![refused], None).await?,
                Ok(_) => {}
                Err(NodeError::Denied { why }) => {
                    tracing::warn!(channel = %into.full_name(), %why,
                        "what its owner took back stays; withdraw it by hand");
                    self.remember(vec![refused], Some(policy)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
