//! What a feed brings goes into the national collection here, or into the feed's quarantine.
//!
//! The objects are the nation's own intake, under the feed's label at least. Three things are never
//! done on a feed's word: other content under a version that is held is not stored, an object that
//! was withdrawn is not brought back (I6), and nothing that is held is overwritten. Each such object
//! is quarantined with the reason, and a person can still take it in by hand. What is taken in is
//! accounted for with its ids, so that each object's feed can be found in the audit log (I10).

use model::{Hash, Label, Object, Refusal};
use store::{Command, Outcome, Reply, Standing};

use super::limits::QUARANTINE_MAX;
use super::said;
use crate::admin::types::{AuditRecord, FeedQuarantine, FeedRefusal};
use crate::audit::with_objects;
use crate::error::NodeError;
use crate::limits::ADD_BATCH_OBJECTS;
use crate::node::{Node, unexpected};

/// Takes in what one run brings.
pub(super) struct Intake<'a> {
    node: &'a Node,
    feed: &'a str,
    label: Label,
    pub(super) quarantine: FeedQuarantine,
    pub(super) quarantine_changed: bool,
    pub(super) accepted: u64,
    pub(super) known: u64,
    pub(super) refused: u64,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        node: &'a Node,
        feed: &'a str,
        label: Label,
        quarantine: FeedQuarantine,
    ) -> Intake<'a> {
        Intake {
            node,
            feed,
            label,
            quarantine,
            quarantine_changed: false,
            accepted: 0,
            known: 0,
            refused: 0,
        }
    }

    /// The node.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// The feed's name.
    pub(super) fn feed(&self) -> &'a str {
        self.feed
    }

    /// Takes objects in, each with the place where it was found.
    ///
    /// # Errors
    /// What the store said; then what was not counted was not taken in, and comes again.
    pub(super) async fn take(&mut self, found: Vec<(String, Object)>) -> Result<(), NodeError> {
        let mut rest = found.into_iter().peekable();
        while rest.peek().is_some() {
            let (places, batch): (Vec<String>, Vec<Object>) =
                rest.by_ref().take(ADD_BATCH_OBJECTS).unzip();
            self.batch(&places, batch).await?;
        }
        Ok(())
    }

    async fn batch(&mut self, places: &[String], batch: Vec<Object>) -> Result<(), NodeError> {
        let validation = self.node.config().intake_validation;
        let (judged, batch, warnings) = self
            .node
            .read(move |store| {
                let mut warnings = 0;
                let judged = store.standing(&batch)?.into_iter().zip(&batch);
                let judged: Vec<_> = judged
                    .map(|(standing, object)| match standing {
                        // What is held was judged when it came.
                        Standing::Known => (standing, None),
                        _ => match validation.check(object) {
                            Ok(found) => {
                                warnings += found;
                                (standing, None)
                            }
                            Err(error) => (standing, Some(error.to_string())),
                        },
                    })
                    .collect();
                Ok((judged, batch, warnings))
            })
            .await?;
        self.node.metrics().warned(warnings);
        let mut fresh = Vec::new();
        let mut fresh_places = Vec::new();
        for ((object, (standing, invalid)), place) in batch.into_iter().zip(judged).zip(places) {
            let reason = match standing {
                Standing::New | Standing::Elsewhere if invalid.is_some() => {
                    invalid.unwrap_or_default()
                }
                Standing::New | Standing::Elsewhere => {
                    fresh.push(object);
                    fresh_places.push((place, standing == Standing::Elsewhere));
                    continue;
                }
                Standing::Known => {
                    self.known += 1;
                    continue;
                }
                stopped => why_not(&stopped),
            };
            self.refuse_object(place, &object, reason);
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let facts: Vec<(String, Hash)> = fresh
            .iter()
            .map(|object| (object.id().to_string(), object.hash()))
            .collect();
        let outcomes = self
            .node
            .add_at_least(fresh, self.label.clone(), self.feed)
            .await?;
        for ((outcome, (id, hash)), (place, elsewhere)) in
            outcomes.into_iter().zip(facts).zip(fresh_places)
        {
            match outcome {
                Outcome::Added(_) => self.accepted += 1,
                // A partner had brought it; now it is the nation's as well.
                Outcome::Duplicate(_) if elsewhere => self.accepted += 1,
                Outcome::Duplicate(_) => self.known += 1,
                Outcome::Conflict { held } => {
                    self.refuse(place, Some(id), &hash, other_content(&held));
                }
                // Withdrawn or removed since it was looked at.
                Outcome::Stopped(standing) => {
                    self.refuse(place, Some(id), &hash, why_not(&standing));
                }
            }
        }
        Ok(())
    }

    fn refuse_object(&mut self, place: &str, object: &Object, reason: String) {
        self.refuse(place, Some(object.id().to_string()), &object.hash(), reason);
    }

    /// Quarantines what could not be read as an object. `bytes` tell it apart from others.
    pub(super) fn refuse_bytes(&mut self, place: &str, bytes: &[u8], refusal: &Refusal) {
        let place = match refusal.pointer.as_str() {
            "" => place.to_owned(),
            pointer => format!("{place}, at {}", said(pointer)),
        };
        #[derive(serde::Deserialize)]
        struct Named {
            id: String,
        }
        let id = serde_json::from_slice::<Named>(bytes)
            .ok()
            .map(|named| said(&named.id));
        self.refuse(&place, id, &Hash::of(bytes), refusal.reason.to_string());
    }

    /// Quarantines something once; when the same comes again it is counted only.
    pub(super) fn refuse(&mut self, place: &str, id: Option<String>, hash: &Hash, reason: String) {
        let digest = hash.to_string()[..32].to_owned();
        // As it is kept, or what comes again would never be known.
        let reason = said(&reason);
        let held = &mut self.quarantine.refusals;
        if held
            .iter()
            .any(|one| one.digest == digest && one.reason == reason)
        {
            return;
        }
        self.refused += 1;
        self.quarantine_changed = true;
        held.push(FeedRefusal {
            at: self.node.now().to_string(),
            id,
            place: said(place),
            reason,
            digest,
        });
        if held.len() > QUARANTINE_MAX {
            held.remove(0);
            self.quarantine.dropped += 1;
        }
    }
}

/// Why an object is not taken in on a feed's word.
fn why_not(standing: &Standing) -> String {
    match standing {
        Standing::Conflict(held) => other_content(held),
        Standing::Withdrawn(log) => format!(
            "{} withdrew this object in {}/{}; if it is right to have it again, take it in by hand with `kurultai add`",
            log.origin, log.accord, log.channel
        ),
        _ => "the nation removed this object; if it is right to have it again, take it in by hand with `kurultai add`".to_owned(),
    }
}

fn other_content(held: &Hash) -> String {
    format!(
        "other content is held under the same id and version ({}); a change takes a newer `modified`",
        &held.to_string()[..16]
    )
}

impl Node {
    /// Takes objects of a feed in, under this label at least, and accounts for each.
    ///
    /// # Errors
    /// What the store said; then nothing counts as taken in.
    async fn add_at_least(
        &self,
        objects: Vec<Object>,
        label: Label,
        feed: &str,
    ) -> Result<Vec<Outcome>, NodeError> {
        self.begin_automation().await?;
        let open = self.intake().read().await;
        let ids: Vec<String> = objects
            .iter()
            .map(|object| object.id().to_string())
            .collect();
        let record = AuditRecord {
            what: "add".into(),
            who: format!("feed {feed}"),
            channel: "national".into(),
            why: format!("under {label} at least"),
            ..self.record()
        };
        let records = with_objects(&record, &ids);
        let add = Command::AddAtLeast { objects, label };
        let reply = self.account_for(records, Some(add)).await?;
        drop(open);
        let Some(Reply::Added(outcomes)) = reply else {
            return Err(unexpected(&reply.unwrap_or(Reply::Done)).into());
        };
        let added = |outcome: &&Outcome| matches!(outcome, Outcome::Added(_));
        self.metrics().added(outcomes.iter().filter(added).count());
        if !self.automation_runs() {
            self.run_automation().await?;
        }
        Ok(outcomes)
    }
}
