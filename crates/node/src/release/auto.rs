//! Automatic release: for each channel in `auto` mode, what is added is released as the operator's
//! bounds allow.
//!
//! How far a channel's automation has come is a setting, so a restart goes on where it stood and
//! nothing is decided twice. A channel that comes into `auto` mode begins with what is added from
//! then on: switching automation on never releases the past.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use policy::ReleaseMode;
use store::{Collection, Command, Event, Query, Seq, StoreError};
use tokio::sync::broadcast::error::RecvError;

use crate::accords::Channel;
use crate::admin::types::ReleaseReport;
use crate::error::NodeError;
use crate::limits::{RELEASE_BATCH_OBJECTS, RETRY_SECS_MAX, RETRY_SECS_MIN, TEND_SECS};
use crate::node::{Node, stopped};

use super::journey::Asker;
use super::{AUTOMATION, Asked};

impl Asked {
    /// The node's own request, within the operator's bounds.
    pub(super) fn automatic(mode: ReleaseMode, objects: usize) -> Asked {
        Asked {
            asker: Asker::Automation(mode),
            who: AUTOMATION.to_owned(),
            authors: vec![AUTOMATION.to_owned()],
            named: Arc::default(),
            objects: objects as u64,
            delegated: false,
            inbox: None,
        }
    }
}

impl Node {
    /// The channels in force whose release is automatic.
    pub(crate) fn automatic(&self) -> Vec<Channel> {
        let mut channels = self.accords().channels(&self.config().code);
        channels.retain(|channel| {
            self.config()
                .mode(&channel.accord.accord().name, &channel.name)
                != ReleaseMode::Manual
        });
        channels
    }

    /// Releases what was added since the last time, in every automatic channel. Answers with the
    /// number of objects that were released.
    ///
    /// # Errors
    /// The first of what went wrong: nothing keeps the rest from its turn, and the next run takes up
    /// what is left.
    pub async fn run_automation(&self) -> Result<usize, NodeError> {
        let mut done = Done::default();
        for channel in self.automatic() {
            let ran = self.run_channel(&channel).await;
            done.count_in(&channel.full_name(), ran);
        }
        done.count_in("inboxes", self.publish_for_others().await);
        done.count_in("windows", self.flush_windows().await);
        done.all()
    }

    async fn run_channel(&self, channel: &Channel) -> Result<usize, NodeError> {
        let accord = channel.accord.accord().name.clone();
        let mode = self.config().mode(&accord, &channel.name);
        let mut after = self.automation_cursor(channel).await?;
        let mut released = 0;
        loop {
            let query = Query {
                after: Some(after),
                all_versions: true,
                limit: RELEASE_BATCH_OBJECTS,
                ..Query::default()
            };
            let page = self
                .read(move |store| store.page(&Collection::National, &query))
                .await?;
            let Some(last) = page.records.last().map(|record| record.seq) else {
                return Ok(released);
            };
            let more = page.more;
            let mut report = ReleaseReport::default();
            let asked = Asked::automatic(mode.clone(), page.records.len());
            let mut seen = HashSet::new();
            self.release_batch(channel, page.records, &asked, &mut seen, &mut report)
                .await?;
            released += report.released + report.queued;
            self.keep_cursor(channel, last).await?;
            after = last;
            if !more {
                return Ok(released);
            }
        }
    }

    /// How far a channel's automation has come; begins it now if it has not begun.
    pub(crate) async fn automation_cursor(&self, channel: &Channel) -> Result<Seq, StoreError> {
        self.cursor(cursor_key(channel)).await
    }

    /// The position that a setting remembers; begins it now if it has not begun.
    pub(super) async fn cursor(&self, key: String) -> Result<Seq, StoreError> {
        let kept = key.clone();
        let setting = self.read(move |store| store.get(&key)).await?;
        match setting.and_then(|value| std::str::from_utf8(&value).ok()?.parse::<Seq>().ok()) {
            Some(after) => Ok(after),
            None => {
                let from = self.clock().micros();
                self.keep_at(kept, from).await?;
                Ok(from)
            }
        }
    }

    async fn keep_cursor(&self, channel: &Channel, at: Seq) -> Result<(), StoreError> {
        self.keep_at(cursor_key(channel), at).await
    }

    pub(super) async fn keep_at(&self, key: String, at: Seq) -> Result<(), StoreError> {
        let command = Command::Put {
            key,
            value: Some(at.to_string().into_bytes()),
        };
        self.execute(command).await.map(drop)
    }
}

/// What several turns came to, one not keeping another from its own.
#[derive(Default)]
pub(crate) struct Done {
    released: usize,
    failed: Option<NodeError>,
}

impl Done {
    /// Counts in how the turn of something ended.
    pub(crate) fn count_in(&mut self, whose: &str, ended: Result<usize, NodeError>) {
        match ended {
            Ok(released) => self.released += released,
            Err(error) => {
                tracing::error!(%whose, %error, "this part of the automation failed");
                self.failed.get_or_insert(error);
            }
        }
    }

    /// All that was released, or the first that went wrong.
    pub(crate) fn all(self) -> Result<usize, NodeError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.released),
        }
    }
}

fn cursor_key(channel: &Channel) -> String {
    format!("auto/{}", channel.full_name())
}

/// Runs the automation whenever objects are added or the accords change, until shutdown.
pub(crate) async fn automate(node: Arc<Node>) {
    let mut events = node.events();
    let mut accords = node.accords_changed();
    let mut shutdown = node.shutdown();
    let mut pause = None;
    node.set_automation_runs(true);
    let mut tend = tokio::time::interval(Duration::from_secs(TEND_SECS));
    loop {
        if let Err(error) = node.tend_proposals().await {
            tracing::error!(%error, "proposals could not be tended to and will be later");
        }
        match node.run_automation().await {
            Ok(_) => pause = None,
            Err(error) => {
                tracing::error!(%error, "automatic release failed and will be tried again");
                let next = pause.map_or(RETRY_SECS_MIN, |secs: u64| (secs * 2).min(RETRY_SECS_MAX));
                pause = Some(next);
            }
        }
        let retry = async {
            match pause {
                Some(secs) => tokio::time::sleep(std::time::Duration::from_secs(secs)).await,
                None => std::future::pending().await,
            }
        };
        let added = async {
            loop {
                match events.recv().await {
                    Ok(Event::Changed(Collection::National)) | Err(RecvError::Lagged(_)) => {
                        return true;
                    }
                    Ok(Event::Changed(Collection::Channel { accord, channel }))
                        if node.is_inbox(&accord, &channel) =>
                    {
                        return true;
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::select! {
            () = stopped(&mut shutdown) => return,
            go_on = added => if !go_on { return },
            _ = accords.changed() => {}
            // Windows end and proposals lapse without any event.
            _ = tend.tick() => {}
            () = retry => {}
        }
    }
}
