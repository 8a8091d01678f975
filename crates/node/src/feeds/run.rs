//! One run of one feed: what it needs, what it remembers, how it ends.

use model::Label;
use store::Command;
use tokio::sync::SemaphorePermit;

use super::intake::Intake;
use super::push::Way;
use super::state::{Failure, FeedState};
use super::{REFUSED, STATE, json_bytes};
use crate::admin::types::{FeedQuarantine, FeedSource, FeedSpec};
use crate::error::NodeError;
use crate::node::Node;

/// One run of one feed.
pub(super) struct Run<'a> {
    pub(super) node: &'a Node,
    pub(super) spec: &'a FeedSpec,
    pub(super) state: FeedState,
    pub(super) intake: Intake<'a>,
    /// What the server calls the body that is being read: for the cursor, once it is taken in.
    pub(super) validators: Option<(Option<String>, Option<String>)>,
    /// Whether something was left for a moment.
    pub(super) again_soon: bool,
    /// Whether the server took anything in this run.
    pub(super) works: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        node: &'a Node,
        spec: &'a FeedSpec,
        state: FeedState,
        quarantine: FeedQuarantine,
    ) -> Run<'a> {
        let label = spec
            .label
            .as_deref()
            .and_then(|text| Label::parse(text).ok());
        let label = label.map_or_else(|| node.intake_label(), |label| node.with_own_code(label));
        Run {
            node,
            spec,
            state,
            intake: Intake::new(node, &spec.name, label, quarantine),
            validators: None,
            again_soon: false,
            works: false,
        }
    }

    /// Does what the feed is for.
    ///
    /// # Errors
    /// What failed and what to do.
    pub(super) async fn go(&mut self) -> Result<(), Failure> {
        match &self.spec.source {
            FeedSource::Taxii {
                url,
                collection,
                latest_only,
                access,
            } => {
                let collection = collection.as_deref();
                self.pull_taxii(url, collection, !latest_only, access).await
            }
            FeedSource::File { path } => self.pull_files(path).await,
            FeedSource::HttpJson { url, access } => self.pull_json(url, access).await,
            FeedSource::Csv {
                url,
                path,
                mapping,
                access,
            } => match (url, path) {
                (Some(url), _) => self.pull_csv(url, mapping, access).await,
                (None, Some(path)) => self.pull_table(path, mapping).await,
                (None, None) => Err(Failure::of(
                    "the feed has neither URL nor path; add it anew",
                )),
            },
            FeedSource::TaxiiPush { .. } => match Way::of(&self.spec.source) {
                Some(way) => self.push(&way).await,
                None => Ok(()),
            },
        }
    }

    /// Does only what a feed that pushes owes while it is paused, or before it is due.
    ///
    /// # Errors
    /// What keeps something withdrawn outside.
    pub(super) async fn only_recall(&mut self) -> Result<(), Failure> {
        match Way::of(&self.spec.source) {
            Some(way) => self.recall(&way).await,
            None => Ok(()),
        }
    }

    /// A turn for those that hold a whole file in memory.
    ///
    /// # Errors
    /// Only when the node ends.
    pub(super) async fn whole_file(&self) -> Result<SemaphorePermit<'a>, Failure> {
        self.node
            .feeds
            .whole
            .acquire()
            .await
            .map_err(|_| Failure::of("the node is ending"))
    }

    /// Makes what was reached durable.
    ///
    /// # Errors
    /// What the store said.
    pub(super) async fn checkpoint(&mut self) -> Result<(), NodeError> {
        self.state.accepted += std::mem::take(&mut self.intake.accepted);
        self.state.known += std::mem::take(&mut self.intake.known);
        self.state.refused += std::mem::take(&mut self.intake.refused);
        let name = &self.spec.name;
        if self.intake.quarantine_changed {
            let key = format!("{REFUSED}{name}");
            let value = Some(json_bytes(&self.intake.quarantine)?);
            self.node.execute(Command::Put { key, value }).await?;
            // Not before: a run that is stopped just here writes it once more.
            self.intake.quarantine_changed = false;
        }
        let key = format!("{STATE}{name}");
        let value = Some(json_bytes(&self.state)?);
        self.node.execute(Command::Put { key, value }).await?;
        Ok(())
    }

    /// The body that was read is taken in: what the server calls it is what is held.
    pub(super) fn keep_validators(&mut self) {
        if let Some((etag, last_modified)) = self.validators.take() {
            self.state.cursor.etag = etag;
            self.state.cursor.last_modified = last_modified;
        }
    }
}
