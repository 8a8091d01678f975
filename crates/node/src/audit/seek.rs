//! Asking partners to witness this node's audit log.
//!
//! Only its checkpoints leave: a size and a hash. Every partner with whom an accord is in force is
//! asked after changes, at most once in `limits.witness_secs`, and at shutdown. What a partner
//! cosigned last is kept, so that a log that was shortened or changed here is noticed even when
//! nobody can be reached; and a partner that remembers another history can show it, under this
//! node's own signature. That, and nothing that a partner merely says, raises `audit-rewritten`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use log::{
    AddCheckpoint, Checkpoint, Evidence, Hash, LogKeys, Note, SignatureLine, TilePath, Tiles,
    cosign,
};
use model::Timestamp;
use policy::Member;
use store::{Command, LogName, Store, StoreError};
use sync::FetchError;
use sync::https::Peer;
use tokio::task::JoinSet;

use super::witness::keep_evidence;
use super::{audit_keys, lock};
use crate::admin::types::{AuditRecord, WitnessInfo};
use crate::error::NodeError;
use crate::limits::{
    ADD_CHECKPOINT_BYTES_MAX, WITNESS_FIRST_SECS, WITNESS_LAST_SECS_MAX, WITNESS_SECS_MAX,
};
use crate::node::{Node, stopped};

/// Settings with what each partner cosigned last: `witnessed/<code>`, a note.
const SETTING: &str = "witnessed/";

/// What came of one round.
pub(super) struct Round {
    /// The checkpoint that partners were asked about, with the cosignatures that came.
    pub(super) note: String,
    /// Its size.
    pub(super) size: u64,
}

/// Asks after changes until shutdown.
pub(crate) async fn keep_witnessed(node: Arc<Node>) {
    let mut shutdown = node.shutdown();
    let period = Duration::from_secs(node.config().limits.witness_secs);
    let mut pause = period.min(Duration::from_secs(WITNESS_FIRST_SECS));
    let mut asked = None;
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = period;
        let log = node.audit_log();
        let head = node.read(move |store| store.head(&log)).await;
        let size = head.ok().flatten().map(|head| head.size);
        if size == asked && lock(&node.ledger().failures).is_empty() {
            continue;
        }
        match node
            .witness_round(Duration::from_secs(WITNESS_SECS_MAX))
            .await
        {
            Ok(_) => asked = size,
            Err(error) => tracing::warn!(%error, "no partner could be asked to witness"),
        }
    }
}

impl Node {
    /// Asks once more at the end, for as long as an orderly stop allows.
    pub(crate) async fn last_witness_round(self: &Arc<Node>) {
        let patience = Duration::from_secs(WITNESS_LAST_SECS_MAX);
        match tokio::time::timeout(patience, self.witness_round(patience)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the last records are not witnessed yet"),
            Err(_) => tracing::debug!("the last records are not witnessed yet"),
        }
    }

    /// Asks every partner to witness the newest checkpoint, each for at most `patience`. Absent
    /// while the log is empty.
    pub(super) async fn witness_round(
        self: &Arc<Node>,
        patience: Duration,
    ) -> Result<Option<Round>, NodeError> {
        let _one_at_a_time = self.ledger().seeking.lock().await;
        let log = self.audit_log();
        let of = log.clone();
        let Some(head) = self
            .read(move |store| store.head(&of))
            .await?
            .filter(|head| !head.checkpoint.is_empty())
        else {
            return Ok(None);
        };
        let mut tasks = JoinSet::new();
        for member in witnesses(self) {
            let (node, note) = (Arc::clone(self), head.checkpoint.clone());
            let size = head.size;
            tasks.spawn(async move {
                let asking = ask(&node, &member, size, &note);
                let asked = tokio::time::timeout(patience, asking).await;
                (member, asked.unwrap_or(Err(Failure::Slow)))
            });
        }
        let mut round = Note::parse(head.checkpoint.as_bytes()).map_err(broken)?;
        let mut failures = BTreeMap::new();
        let mut lines = Vec::new();
        for (member, asked) in tasks.join_all().await {
            match asked {
                Ok(line) => {
                    let mut kept = Note::parse(head.checkpoint.as_bytes()).map_err(broken)?;
                    kept.add(line.clone()).map_err(broken)?;
                    self.execute(Command::Put {
                        key: format!("{SETTING}{}", member.code),
                        value: Some(kept.to_string().into_bytes()),
                    })
                    .await?;
                    lines.push((line.name().to_owned(), line.to_string()));
                    round.add(line).map_err(broken)?;
                }
                Err(failure) => {
                    tracing::debug!(peer = member.code, %failure, "no cosignature of the audit log");
                    if let Failure::Rewritten { why, evidence } = &failure {
                        rewritten(self, &member.code, why, evidence).await?;
                    }
                    failures.insert(member.code, failure.to_string());
                }
            }
        }
        *lock(&self.ledger().failures) = failures;
        if !lines.is_empty() {
            let size = head.size;
            self.execute(Command::Cosigned { log, size, lines }).await?;
        }
        Ok(Some(Round {
            note: round.to_string(),
            size: head.size,
        }))
    }

    /// What each partner has witnessed, as it is kept here.
    pub(crate) async fn witness_infos(&self) -> Result<Vec<WitnessInfo>, NodeError> {
        let kept = self.kept_witnessed().await?;
        let failures = lock(&self.ledger().failures).clone();
        let mut infos: Vec<WitnessInfo> = Vec::new();
        for member in witnesses(self) {
            if infos.iter().any(|info| info.code == member.code) {
                continue;
            }
            let (size, at) = kept
                .get(&member.code)
                .and_then(|note| statement(note, &member))
                .unzip();
            infos.push(WitnessInfo {
                size,
                at,
                asked: false,
                error: failures.get(&member.code).cloned(),
                code: member.code,
            });
        }
        Ok(infos)
    }

    /// The note that each partner cosigned last, by its code; also of partners of past accords.
    pub(super) async fn kept_witnessed(&self) -> Result<BTreeMap<String, String>, NodeError> {
        let kept = self.read(|store| store.scan(SETTING)).await?;
        Ok(kept
            .into_iter()
            .filter_map(|(key, note)| {
                let code = key.strip_prefix(SETTING)?.to_owned();
                Some((code, String::from_utf8_lossy(&note).into_owned()))
            })
            .collect())
    }
}

/// Size and time of what a member cosigned.
pub(super) fn statement(note: &str, member: &Member) -> Option<(u64, String)> {
    let note = Note::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse_text(note.text()).ok()?;
    let line = note.lines_of(&member.witness).next()?;
    let secs = cosign::verify(note.text(), line, &member.witness).ok()?;
    let micros = i64::try_from(secs).ok()?.checked_mul(1_000_000)?;
    Some((
        checkpoint.size(),
        Timestamp::from_unix_micros(micros).to_string(),
    ))
}

/// Every other member with whom an accord is in force, as each accord names it.
pub(super) fn witnesses(node: &Node) -> Vec<Member> {
    let own = &node.config().code;
    let mut found: Vec<Member> = Vec::new();
    for signed in node.accords().all() {
        let ratified = signed.ratified();
        if !ratified.contains(own) {
            continue;
        }
        for member in &signed.accord().members {
            let known = found.iter().any(|held| {
                (&held.code, &held.url, held.tls) == (&member.code, &member.url, member.tls)
            });
            if member.code != *own && ratified.contains(&member.code) && !known {
                found.push(member.clone());
            }
        }
    }
    found
}

/// Why a partner's cosignature was not had.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer in time.
    Slow,
    /// The partner could not be asked.
    Fetch(FetchError),
    /// It answered with a status that helps no further.
    Status(u16),
    /// Its answer has no cosignature of its own that verifies.
    NoCosignature,
    /// It remembers a checkpoint that this node never signed, or so it says.
    NotOurs,
    /// It remembers another history under this node's own signature.
    Rewritten {
        /// What, in a sentence.
        why: String,
        /// The proof.
        evidence: String,
    },
    /// Our own fault.
    Own(NodeError),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slow => f.write_str("it did not answer in time"),
            Self::Fetch(FetchError::NotFound) | Self::Status(404) => f.write_str(
                "it does not witness this log; check that it has installed the same accord",
            ),
            Self::Fetch(error) => write!(f, "{error}"),
            Self::Status(403) => f.write_str(
                "it does not take this node's signature; compare the keys in both copies of the accord",
            ),
            Self::Status(status) => write!(f, "it answered with HTTP status {status}"),
            Self::NoCosignature => f.write_str("its answer holds no valid cosignature of its own"),
            Self::NotOurs => f.write_str(
                "it refuses, and what it shows as witnessed before is not signed by this node",
            ),
            Self::Rewritten { why, .. } => f.write_str(why),
            Self::Own(error) => write!(f, "{error}"),
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        Failure::Fetch(error)
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Failure {
        Failure::Own(error)
    }
}

fn broken(error: impl std::fmt::Display) -> NodeError {
    NodeError::Store(StoreError::Corrupt {
        place: "the audit log's checkpoint".into(),
        problem: error.to_string(),
    })
}

pub(super) fn peer(node: &Node, member: &Member) -> Result<Peer, NodeError> {
    Peer::new(node.keys().tls(), &member.url, member.tls).map_err(|error| NodeError::Config {
        place: "the node's TLS key".into(),
        why: error.to_string(),
    })
}

/// This node's own keys for the audit log.
pub(super) fn own_keys(node: &Node) -> Result<LogKeys, NodeError> {
    audit_keys(node.me()).ok_or_else(|| broken("the node's domain makes no key name"))
}

/// Asks one partner to cosign the checkpoint of `size`.
async fn ask(
    node: &Arc<Node>,
    member: &Member,
    size: u64,
    note: &str,
) -> Result<SignatureLine, Failure> {
    let peer = peer(node, member)?;
    let kept = node.kept_witnessed().await?;
    let mut old = kept
        .get(&member.code)
        .and_then(|note| super::witness::stated(note).ok())
        .map_or(0, |checkpoint| checkpoint.size().min(size));
    let mut looked = false;
    loop {
        let proof = proof(node, old, size).await?;
        let body = AddCheckpoint {
            old,
            proof,
            note: note.to_owned(),
        };
        let (status, answer) = peer
            .call(
                "/add-checkpoint",
                body.to_string(),
                ADD_CHECKPOINT_BYTES_MAX,
            )
            .await?;
        match status {
            200 => return cosignature(note, &answer, member),
            // It remembers another size than we believed, or another history.
            409 | 422 if !looked => {
                looked = true;
                old = remembered(node, &peer, member, size).await?;
            }
            status => return Err(Failure::Status(status)),
        }
    }
}

fn cosignature(note: &str, answer: &[u8], member: &Member) -> Result<SignatureLine, Failure> {
    let note = Note::parse(note.as_bytes()).map_err(|error| Failure::Own(broken(error)))?;
    let text = std::str::from_utf8(answer).map_err(|_| Failure::NoCosignature)?;
    text.lines()
        .filter_map(|line| SignatureLine::parse(line).ok())
        .find(|line| {
            line.is_of(&member.witness)
                && cosign::verify(note.text(), line, &member.witness).is_ok()
        })
        .ok_or(Failure::NoCosignature)
}

/// The note that a partner remembers of this node's audit log, if it remembers any.
pub(super) async fn shown(node: &Node, peer: &Peer) -> Result<Option<String>, FetchError> {
    let path = format!("/witnessed/{}", super::audit_origin(&node.config().domain));
    match peer.get(&path, ADD_CHECKPOINT_BYTES_MAX).await {
        Ok(note) => Ok(Some(String::from_utf8_lossy(&note).into_owned())),
        Err(FetchError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The size from which a partner's memory is to be continued. If it shows another history than is
/// held here, under this node's own signature, that is the failure.
async fn remembered(
    node: &Arc<Node>,
    peer: &Peer,
    member: &Member,
    size: u64,
) -> Result<u64, Failure> {
    let Some(claim) = shown(node, peer).await? else {
        return Ok(0);
    };
    let keys = own_keys(node)?;
    let Ok((claimed, _)) = Checkpoint::open(claim.as_bytes(), &keys) else {
        return Err(Failure::NotOurs);
    };
    let log = node.audit_log();
    let name = log.clone();
    let head = node
        .read(move |store| store.head(&name))
        .await
        .map_err(NodeError::from)?
        .ok_or_else(|| broken("it is gone"))?;
    if claimed.size() > head.size {
        return Err(Failure::Rewritten {
            why: format!(
                "{} has witnessed {} records of this node's audit log, and only {} are here: the \
                 log was shortened, or an old copy of the data folder was put back",
                member.code,
                claimed.size(),
                head.size
            ),
            evidence: format!(
                "witnessed by {}:\n{claim}\nheld now:\n{}",
                member.code, head.checkpoint
            ),
        });
    }
    let old = claimed.size();
    let root = node
        .read(move |store| tree(store, &log, head.size, head.root, old))
        .await
        .map_err(NodeError::from)?;
    let (root, proof) = root.ok_or_else(|| broken("its tiles do not lead to its root"))?;
    if root == claimed.root() {
        // Requests that cross may leave the partner ahead of this one's checkpoint.
        return if old <= size {
            Ok(old)
        } else {
            Err(Failure::Status(409))
        };
    }
    let (older, newer) = (claim.as_bytes(), head.checkpoint.as_bytes());
    let made = if old == head.size {
        Evidence::same_size(&keys, older, newer)
    } else {
        Evidence::inconsistent(&keys, older, newer, root, proof)
    };
    Err(Failure::Rewritten {
        why: format!(
            "{} has witnessed another history of the first {old} records of this node's audit log: \
             records were changed or removed here",
            member.code
        ),
        evidence: made.map_or_else(
            |_| {
                format!(
                    "witnessed by {}:\n{claim}\nheld now:\n{}",
                    member.code, head.checkpoint
                )
            },
            |evidence| evidence.to_text(),
        ),
    })
}

async fn rewritten(
    node: &Arc<Node>,
    code: &str,
    why: &str,
    evidence: &str,
) -> Result<(), NodeError> {
    let origin = super::audit_origin(&node.config().domain);
    let record = AuditRecord {
        what: "audit-rewritten".into(),
        who: code.to_owned(),
        channel: origin.clone(),
        why: why.to_owned(),
        ..node.record()
    };
    keep_evidence(node, &origin, code, evidence.to_owned(), record).await
}

/// The consistency proof from `old` to `size` records.
async fn proof(node: &Node, old: u64, size: u64) -> Result<Vec<Hash>, NodeError> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let log = node.audit_log();
    let made = node
        .read(move |store| {
            let root = root_at(store, &log, size)?;
            Ok(match root {
                Some(root) => tree(store, &log, size, root, old)?,
                None => None,
            })
        })
        .await?;
    let (_, proof) = made.ok_or_else(|| broken("its tiles do not lead to its root"))?;
    Ok(proof)
}

/// The root that the log had at `size`, from its stored tiles.
pub(super) fn root_at(store: &Store, log: &LogName, size: u64) -> Result<Option<Hash>, StoreError> {
    let loaded = log::Tree::load(size, |path| match store.tile(log, path) {
        Ok(Some(tile)) => Ok(tile),
        Ok(None) => Err(None),
        Err(error) => Err(Some(error)),
    });
    match loaded {
        Ok(tree) => Ok(Some(tree.root())),
        Err(log::LoadError::Fetch {
            error: Some(error), ..
        }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The root that the log of `size` and `root` had at `old`, and the proof that it continues it.
fn tree(
    store: &Store,
    log: &LogName,
    size: u64,
    root: Hash,
    old: u64,
) -> Result<Option<(Hash, Vec<Hash>)>, StoreError> {
    let paths = Tiles::needed_for_consistency(size, old);
    let Some(tiles) = tiles(store, log, size, root, paths)? else {
        return Ok(None);
    };
    let proof = if old == 0 {
        Some(Vec::new())
    } else {
        tiles.consistency_proof(old)
    };
    Ok(tiles.root_at(old).zip(proof))
}

/// Tiles of the log of `size` and `root`; absent when they are damaged.
pub(super) fn tiles(
    store: &Store,
    log: &LogName,
    size: u64,
    root: Hash,
    paths: impl IntoIterator<Item = TilePath>,
) -> Result<Option<Tiles>, StoreError> {
    let mut read = BTreeMap::new();
    for path in paths {
        match store.tile(log, &path)? {
            Some(tile) => read.insert(path, tile),
            None => return Ok(None),
        };
    }
    Ok(Tiles::verify(size, root, read).ok())
}
