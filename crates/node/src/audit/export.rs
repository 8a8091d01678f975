//! Records for an inspector, each with its proof (form: `log::export`).
//!
//! An export is of the log at one size: the first page writes the `export` record, asks partners
//! to witness the log as it is then, and names that size; the pages after it read on from there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use log::{ExportHead, ExportLine, Proved, Tiles, Witnessed};
use store::StoreError;

use super::search::{Filter, query_words, upward};
use super::seek::{own_keys, root_at, tiles, witnesses};
use super::witness::stated;
use crate::admin::types::{AuditExportPage, AuditQuery, AuditRecord};
use crate::error::NodeError;
use crate::limits::{AUDIT_EXPORT_PAGE_MAX, WITNESS_EXPORT_SECS_MAX};
use crate::node::Node;

impl Node {
    /// One page of an export; the first (without `size`) is accounted for under `who`.
    ///
    /// # Errors
    /// When the query is wrong, the log is empty or damaged, or what the store said.
    pub async fn audit_export(
        self: &Arc<Node>,
        query: &AuditQuery,
        who: &str,
    ) -> Result<AuditExportPage, NodeError> {
        let filter = Filter::of(query)?;
        if query.newest || query.before.is_some() {
            return Err(NodeError::request("an export is oldest first"));
        }
        let (head, size) = match query.size {
            Some(size) => (None, size),
            None => {
                let (head, size) = self.export_head(query, who).await?;
                (Some(head.to_line()), size)
            }
        };
        let (log, from) = (self.audit_log(), query.from.unwrap_or(0));
        let page = self.read(move |store| {
            let damaged = || StoreError::Corrupt {
                place: log.to_string(),
                problem: "its tiles do not lead to its root; run `kurultai audit verify`".into(),
            };
            if store.head(&log)?.is_none_or(|head| head.size < size) {
                return Err(damaged());
            }
            let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
            let next = upward(store, &log, size, from, &filter, |index, raw, _| {
                found.push((index, raw));
                found.len() < AUDIT_EXPORT_PAGE_MAX
            })?;
            let mut lines = Vec::with_capacity(found.len());
            if !found.is_empty() {
                let root = root_at(store, &log, size)?.ok_or_else(damaged)?;
                let paths: BTreeSet<_> = found
                    .iter()
                    .flat_map(|(index, _)| Tiles::needed_for_inclusion(size, *index))
                    .collect();
                let tiles = tiles(store, &log, size, root, paths)?.ok_or_else(damaged)?;
                for (index, raw) in &found {
                    let proof = tiles.inclusion_proof(*index).ok_or_else(damaged)?;
                    let proved = Proved {
                        index: *index,
                        proof,
                        record: raw,
                    };
                    lines.push(ExportLine::Record(proved).to_string());
                }
            }
            Ok(AuditExportPage {
                head: None,
                size,
                lines,
                next,
            })
        });
        let page = page.await?;
        Ok(AuditExportPage { head, ..page })
    }

    async fn export_head(
        self: &Arc<Node>,
        query: &AuditQuery,
        who: &str,
    ) -> Result<(ExportHead, u64), NodeError> {
        self.audit(vec![AuditRecord {
            what: "export".into(),
            who: who.to_owned(),
            why: query_words(query),
            ..self.record()
        }])
        .await?;
        let patience = Duration::from_secs(WITNESS_EXPORT_SECS_MAX);
        let round = self.witness_round(patience).await?;
        let round = round.ok_or_else(|| NodeError::Unknown {
            what: "audit record".into(),
        })?;
        let size = round.size;
        let keys = own_keys(self)?;
        let mut witnessed = Vec::new();
        for (_, note) in self.kept_witnessed().await? {
            let older = stated(&note)?;
            // What is longer than the log is no beginning of it: without a proof the reader finds
            // it contradicted, as it is.
            let proof = if older.size() > 0 && older.size() < size {
                let (log, old) = (self.audit_log(), older.size());
                self.read(move |store| {
                    let Some(root) = root_at(store, &log, size)? else {
                        return Ok(None);
                    };
                    let paths = Tiles::needed_for_consistency(size, old);
                    let tiles = tiles(store, &log, size, root, paths)?;
                    Ok(tiles.and_then(|tiles| tiles.consistency_proof(old)))
                })
                .await?
                .unwrap_or_default()
            } else {
                Vec::new()
            };
            witnessed.push(Witnessed { note, proof });
        }
        let head = ExportHead {
            keys,
            witnesses: witnesses(self)
                .into_iter()
                .map(|member| member.witness)
                .collect(),
            checkpoint: round.note,
            witnessed,
            query: query_words(query),
        };
        Ok((head, size))
    }
}
