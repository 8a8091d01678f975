//! The check of the own audit log: everything computed again, and compared with what partners have
//! witnessed.
//!
//! Two questions. Is the log whole: do all tiles follow from the records, the root from the tiles,
//! the signatures from the keys, the times from each other? And is it the log that partners saw:
//! whoever can write the files and holds the keys can make a whole log of any content, but not one
//! that continues what was cosigned. Partners are asked; of those who cannot be reached what is
//! kept here counts, which an intruder could have removed: the report says which it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use log::tile::{TILE_WIDTH, TilePath};
use log::{Checkpoint, Hash, Note, Tree, cosign, merkle};
use model::Timestamp;
use store::{LogName, Store, StoreError};
use tokio::task::JoinSet;

use super::CLOCK;
use super::seek::{own_keys, peer, shown, statement, witnesses};
use crate::admin::types::{AuditCheck, AuditRecord, WitnessInfo};
use crate::error::NodeError;
use crate::limits::{AUDIT_FINDINGS_MAX, WITNESS_SECS_MAX};
use crate::node::Node;

/// Checks the records of an audit log one after the other: form and order of time.
#[derive(Debug, Default)]
pub struct RecordOrder {
    last: Option<Timestamp>,
}

impl RecordOrder {
    /// Checks the next record.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence about it.
    pub fn check(&mut self, bytes: &[u8]) -> Result<AuditRecord, String> {
        if !matches!(model::is_canonical(bytes), Ok(true)) {
            return Err("is not canonical JSON".into());
        }
        let record: AuditRecord = serde_json::from_slice(bytes)
            .map_err(|error| format!("is no audit record ({error})"))?;
        let at = Timestamp::parse(&record.at)
            .map_err(|error| format!("has no readable time ({error})"))?;
        let before = self.last.replace(at);
        match before {
            Some(before) if at < before && record.what != CLOCK => Err(format!(
                "is of {at} and follows one of {before}, and no record says that the clock was set back"
            )),
            _ => Ok(record),
        }
    }
}

/// Somebody's statement about the log: a size and a root under the log's own signature.
struct Claim {
    who: String,
    size: u64,
    root: Hash,
}

impl Node {
    /// Checks the own audit log whole, and asks partners what they have witnessed of it.
    ///
    /// # Errors
    /// What the store said, other than that files are missing or damaged: those are findings.
    pub async fn audit_verify(self: &Arc<Node>) -> Result<AuditCheck, NodeError> {
        let keys = own_keys(self)?;
        let mut check = AuditCheck {
            origin: keys.origin.clone(),
            ..AuditCheck::default()
        };
        let mut claims = Vec::new();
        self.ask_witnesses(&keys, &mut check, &mut claims).await?;
        let log = self.audit_log();
        let partners = witnesses(self);
        let mut check = self
            .read(move |store| {
                whole(store, &log, &keys, &partners, &claims, &mut check)?;
                Ok(check)
            })
            .await?;
        check.holds = check.findings.is_empty();
        Ok(check)
    }

    /// Collects what partners show and what is kept of them.
    async fn ask_witnesses(
        self: &Arc<Node>,
        keys: &log::LogKeys,
        check: &mut AuditCheck,
        claims: &mut Vec<Claim>,
    ) -> Result<(), NodeError> {
        let mut kept = self.kept_witnessed().await?;
        let mut tasks = JoinSet::new();
        for member in witnesses(self) {
            let node = Arc::clone(self);
            tasks.spawn(async move {
                let asking = async {
                    let peer = peer(&node, &member).map_err(|error| error.to_string())?;
                    shown(&node, &peer).await.map_err(|error| error.to_string())
                };
                let patience = Duration::from_secs(WITNESS_SECS_MAX);
                let answer = tokio::time::timeout(patience, asking).await;
                let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".into()));
                (member, answer)
            });
        }
        let mut answers = tasks.join_all().await;
        answers.sort_by(|(a, _), (b, _)| a.code.cmp(&b.code));
        for (member, answer) in answers {
            let mut info = WitnessInfo {
                code: member.code.clone(),
                ..WitnessInfo::default()
            };
            match answer {
                Ok(Some(note)) => {
                    info.asked = true;
                    match claim(&note, keys, &member.code) {
                        Ok(claim) => {
                            info.size = Some(claim.size);
                            info.at = statement(&note, &member).map(|(_, at)| at);
                            claims.push(claim);
                        }
                        Err(_) => {
                            info.error = Some(
                                "what it shows as witnessed is not signed by this node's present keys"
                                    .into(),
                            );
                        }
                    }
                }
                Ok(None) => {
                    info.asked = true;
                    info.error = Some("it has witnessed nothing of this log".into());
                }
                Err(why) => info.error = Some(why),
            }
            if let Some(note) = kept.remove(&member.code) {
                let size = remember(&note, keys, &member.code, check, claims);
                if !info.asked {
                    info.size = size;
                    info.at = statement(&note, &member).map(|(_, at)| at);
                }
            }
            check.witnesses.push(info);
        }
        // Partners of accords that are no longer in force have seen what they have seen.
        for (code, note) in kept {
            let size = remember(&note, keys, &code, check, claims);
            check.witnesses.push(WitnessInfo {
                code,
                size,
                ..WitnessInfo::default()
            });
        }
        if claims.is_empty() {
            check.notes.push(
                "no partner has witnessed this log: what its owner changed in it, nobody would notice"
                    .into(),
            );
        }
        Ok(())
    }
}

fn claim(note: &str, keys: &log::LogKeys, who: &str) -> Result<Claim, log::CheckpointError> {
    let (checkpoint, _) = Checkpoint::open(note.as_bytes(), keys)?;
    Ok(Claim {
        who: who.to_owned(),
        size: checkpoint.size(),
        root: checkpoint.root(),
    })
}

fn remember(
    note: &str,
    keys: &log::LogKeys,
    code: &str,
    check: &mut AuditCheck,
    claims: &mut Vec<Claim>,
) -> Option<u64> {
    match claim(note, keys, code) {
        Ok(claim) => {
            let size = claim.size;
            claims.push(claim);
            Some(size)
        }
        Err(error) => {
            find(
                check,
                format!("what is kept as witnessed by {code} is not this log's: {error}"),
            );
            None
        }
    }
}

fn find(check: &mut AuditCheck, finding: String) {
    if check.findings.len() < AUDIT_FINDINGS_MAX {
        check.findings.push(finding);
    } else {
        check.findings_omitted += 1;
    }
}

/// Computes the whole log again.
fn whole(
    store: &Store,
    log: &LogName,
    keys: &log::LogKeys,
    partners: &[policy::Member],
    claims: &[Claim],
    check: &mut AuditCheck,
) -> Result<(), StoreError> {
    let head = store.head(log)?;
    let note = store.checkpoint(log)?.unwrap_or_default();
    let size = head.as_ref().map_or(0, |head| head.size);
    check.size = size;
    let checkpoint = signatures(&note, size, keys, partners, check);
    let mut tree = Tree::new();
    let mut upper: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
    let mut order = RecordOrder::default();
    let wanted: BTreeSet<u64> = claims.iter().map(|claim| claim.size).collect();
    let mut roots = BTreeMap::from([(0, merkle::empty_root())]);
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let first = index * TILE_WIDTH;
        let records = match super::bundle(store, log, index, size) {
            Ok(records) => records,
            Err(StoreError::Corrupt { place, problem }) => {
                find(check, format!("{place}: {problem}"));
                // Everything after it would differ for want of these records.
                find(
                    check,
                    format!("records {first} and later cannot be joined to the root"),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (number, bytes) in (first..).zip(&records) {
            if let Err(problem) = order.check(bytes) {
                find(check, format!("record {number} {problem}"));
            }
            tree.append(merkle::leaf_hash(bytes));
            if wanted.contains(&tree.size()) {
                roots.insert(tree.size(), tree.root());
            }
        }
        // Full tiles are compared as they are finished; of the others only the last state counts.
        for (path, bytes) in tree.take_tiles() {
            if path.is_full() {
                compare(store, log, &path, &bytes, check)?;
                upper.retain(|held, _| (held.kind, held.index) != (path.kind, path.index));
            } else {
                upper.retain(|held, _| held.kind != path.kind);
                upper.insert(path, bytes);
            }
        }
    }
    for (path, bytes) in &upper {
        compare(store, log, path, bytes, check)?;
    }
    let root = tree.root();
    check.root = root.to_string();
    if tree.size() != size || head.is_some_and(|head| head.root != root) {
        find(
            check,
            "the records do not lead to the root that the index states: records were changed or \
             removed"
                .into(),
        );
    }
    if checkpoint.is_some_and(|checkpoint| checkpoint.root() != root) {
        find(
            check,
            "the records do not lead to the root that was signed: records were changed or removed"
                .into(),
        );
    }
    for claim in claims {
        if claim.size > size {
            find(
                check,
                format!(
                    "{} has witnessed {} records and only {size} are here: the log was shortened, \
                     or an old copy of the data folder was put back",
                    claim.who, claim.size
                ),
            );
        } else if roots.get(&claim.size) != Some(&claim.root) {
            find(
                check,
                format!(
                    "{} has witnessed another history of the first {} records: the log was rewritten",
                    claim.who, claim.size
                ),
            );
        }
    }
    Ok(())
}

/// Checks the newest checkpoint's signatures and cosignatures.
fn signatures(
    note: &str,
    size: u64,
    keys: &log::LogKeys,
    partners: &[policy::Member],
    check: &mut AuditCheck,
) -> Option<Checkpoint> {
    if note.is_empty() {
        if size > 0 {
            find(check, "there is no checkpoint".into());
        }
        return None;
    }
    let note_bytes = note.as_bytes();
    let checkpoint = match Checkpoint::open(note_bytes, keys) {
        Ok((checkpoint, _)) => checkpoint,
        Err(error) => {
            find(
                check,
                format!("the checkpoint is not signed by this node's keys: {error}"),
            );
            return None;
        }
    };
    if checkpoint.size() != size {
        find(
            check,
            format!(
                "the checkpoint is of {} records and {size} are held",
                checkpoint.size()
            ),
        );
    }
    if let Ok(note) = Note::parse(note_bytes) {
        for member in partners {
            for line in note.lines_of(&member.witness) {
                if let Err(error) = cosign::verify(note.text(), line, &member.witness) {
                    find(
                        check,
                        format!("the cosignature of {} does not hold: {error}", member.code),
                    );
                }
            }
        }
    }
    Some(checkpoint)
}

/// A stored tile must be the one that the records make.
fn compare(
    store: &Store,
    log: &LogName,
    path: &TilePath,
    right: &[u8],
    check: &mut AuditCheck,
) -> Result<(), StoreError> {
    match store.tile(log, path) {
        Ok(Some(stored)) if stored == right => Ok(()),
        Ok(Some(_)) => {
            find(check, format!("{path} is not the tile of the records"));
            Ok(())
        }
        Ok(None) => {
            find(check, format!("{path} is missing"));
            Ok(())
        }
        Err(StoreError::Corrupt { place, problem }) => {
            find(check, format!("{place}: {problem}"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}
