//! The node's own account (I10): who did what, when, why, under which policy.
//!
//! The audit log is a tile log like any other, named `local/audit` and never served to partners;
//! each entry is one [`AuditRecord`] as canonical JSON. A decision is written down *before* it is
//! carried out, so that nothing can happen unaccounted; what then happened is in the channel log.
//!
//! Partners' reads are too many for one record each: they are counted by partner and log and
//! written as one record when the partner has cosigned what it read, and every ten minutes
//! otherwise (`partner-read`, with the number of requests).

use log::tile::{Kind, TILE_WIDTH, TilePath};
use store::{Command, LogName, Reply, StoreError};

use crate::admin::types::{AuditLine, AuditPage, AuditRecord};
use crate::error::NodeError;
use crate::limits::{
    AUDIT_IDS_MAX, AUDIT_PAGE_MAX, AUDIT_RECORD_BYTES_MAX, AUDIT_RULE_BYTES_MAX, AUDIT_RULES_MAX,
    AUDIT_TEXT_BYTES_MAX,
};
use crate::node::{Node, unexpected};

/// The accord name that `policy` keeps free for the node's own logs.
pub const AUDIT_ACCORD: &str = "local";
const AUDIT_CHANNEL: &str = "audit";

impl Node {
    /// Writes records to the audit log, durably and in order.
    ///
    /// # Errors
    /// What the store said; then the act that was to be accounted for must not happen.
    pub async fn audit(&self, records: Vec<AuditRecord>) -> Result<(), NodeError> {
        if records.is_empty() {
            return Ok(());
        }
        let records = records
            .into_iter()
            .map(encode)
            .collect::<Result<Vec<_>, _>>()?;
        let signer = self.keys().signer(&format!(
            "{}/{AUDIT_ACCORD}/{AUDIT_CHANNEL}",
            self.config().domain
        ))?;
        let log = self.audit_log();
        match self
            .execute(Command::Audit {
                records,
                log,
                signer,
            })
            .await?
        {
            Reply::Logged { .. } => Ok(()),
            reply => Err(unexpected(&reply).into()),
        }
    }

    /// A record with the present time, for the rest to be filled in.
    pub fn record(&self) -> AuditRecord {
        AuditRecord {
            at: self.now().to_string(),
            ..AuditRecord::default()
        }
    }

    /// The audit log's name in the store.
    pub fn audit_log(&self) -> LogName {
        LogName::new(AUDIT_ACCORD, AUDIT_CHANNEL, &self.config().code)
    }

    /// Reads the audit log from `from` on.
    ///
    /// # Errors
    /// What the store said.
    pub async fn audit_page(&self, from: u64, limit: u64) -> Result<AuditPage, NodeError> {
        let name = self.audit_log();
        let page = self.read(move |store| {
            let Some(head) = store.head(&name)? else {
                return Ok(AuditPage::default());
            };
            let mut page = AuditPage {
                size: head.size,
                checkpoint: head.checkpoint,
                records: Vec::new(),
            };
            let end = head
                .size
                .min(from.saturating_add(limit.min(AUDIT_PAGE_MAX)));
            let mut index = from;
            while index < end {
                let Some(path) = TilePath::at(Kind::Entries, index / TILE_WIDTH, head.size) else {
                    break;
                };
                let damaged = |problem: String| StoreError::Corrupt {
                    place: format!("{name}, {path}"),
                    problem,
                };
                let bytes = store
                    .tile(&name, &path)?
                    .ok_or_else(|| damaged("it is missing".into()))?;
                let entries = log::entries::decode(&bytes, path.width)
                    .map_err(|error| damaged(error.to_string()))?;
                for entry in entries.iter().skip((index % TILE_WIDTH) as usize) {
                    if index == end {
                        break;
                    }
                    let record = serde_json::from_slice(entry)
                        .map_err(|error| damaged(error.to_string()))?;
                    page.records.push(AuditLine { index, record });
                    index += 1;
                }
            }
            Ok(page)
        });
        Ok(page.await?)
    }
}

/// Splits ids over as many copies of `record` as the entry size needs; one record without ids if
/// there are none. Every copy says how many objects are concerned in all.
pub(crate) fn with_objects(record: &AuditRecord, ids: &[String]) -> Vec<AuditRecord> {
    if ids.is_empty() {
        return vec![record.clone()];
    }
    ids.chunks(AUDIT_IDS_MAX)
        .map(|chunk| AuditRecord {
            objects: chunk.to_vec(),
            count: ids.len() as u64,
            ..record.clone()
        })
        .collect()
}

fn encode(mut record: AuditRecord) -> Result<Vec<u8>, NodeError> {
    for text in [
        &mut record.why,
        &mut record.who,
        &mut record.channel,
        &mut record.policy,
        &mut record.purpose,
    ] {
        shorten(text, AUDIT_TEXT_BYTES_MAX / 2);
    }
    record.rules.truncate(AUDIT_RULES_MAX);
    for rule in &mut record.rules {
        shorten(rule, AUDIT_RULE_BYTES_MAX);
    }
    let problem = |problem: String| NodeError::Store(StoreError::Entry { problem });
    let json = serde_json::to_vec(&record).map_err(|error| problem(error.to_string()))?;
    let mut bytes =
        model::canonicalise(&json).map_err(|refusal| problem(refusal.reason.to_string()))?;
    if bytes.len() > AUDIT_RECORD_BYTES_MAX {
        // Escapes can double a text and ids may be long: give up the list before the account.
        record.objects.clear();
        record.rules.truncate(AUDIT_RULES_MAX / 4);
        shorten(&mut record.purpose, AUDIT_TEXT_BYTES_MAX / 8);
        shorten(&mut record.why, AUDIT_TEXT_BYTES_MAX / 8);
        shorten(&mut record.who, AUDIT_TEXT_BYTES_MAX / 8);
        let json = serde_json::to_vec(&record).map_err(|error| problem(error.to_string()))?;
        bytes =
            model::canonicalise(&json).map_err(|refusal| problem(refusal.reason.to_string()))?;
    }
    Ok(bytes)
}

fn shorten(text: &mut String, max: usize) {
    if text.len() > max {
        let mut end = max - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}
