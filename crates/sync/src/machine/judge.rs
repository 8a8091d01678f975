//! Whether a checkpoint continues what is held, and what to do when it does not.
//!
//! A signed checkpoint that does not continue an earlier one of the same log is proof against its
//! origin, not against the network: nobody else can sign it. So it ends the log for this node
//! (I3): both notes are kept with the proof, and nothing more is taken.
//!
//! A checkpoint smaller than the one held was signed by the origin in the past, or it has lost
//! entries and started again. The origin serves it itself, over a connection that proves its key,
//! so this too is refused; if our copy of the log shows another root at that size, with full proof.
//! What did not come from the origin itself (a courier file) is refused only with that proof: a true
//! earlier state in an old file is evidence of nothing but the file's age.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use log::{Checkpoint, Evidence, EvidenceError, Hash, Note, TilePath, Tiles};
use store::{Command, Head, Store, StoreError};

use super::fetch::{self, Window};
use super::{Progress, Target, View, blocking};
use crate::error::PullError;
use crate::source::Source;

/// The state of the log in the store.
pub(super) struct Held {
    size: u64,
    root: Hash,
    /// The newest checkpoint that was accepted; it may be ahead of `size`.
    signed: Option<(String, Checkpoint)>,
}

impl Held {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn of(head: Option<Head>, view: &View) -> Result<Held, PullError> {
        let Some(head) = head else {
            return Ok(Held {
                size: 0,
                root: log::merkle::empty_root(),
                signed: None,
            });
        };
        if head.own {
            return Err(PullError::Own {
                log: view.log.clone(),
            });
        }
        if let Some(reason) = head.refused {
            return Err(PullError::Refused {
                log: view.log.clone(),
                reason,
            });
        }
        let signed = match head.checkpoint.as_str() {
            "" => None,
            // Not opened with today's keys: the accord may have changed them since. It was
            // verified before it was stored.
            note => {
                let text = Note::parse(note.as_bytes()).map_err(log::CheckpointError::from)?;
                let checkpoint = Checkpoint::parse_text(text.text())?;
                Some((note.to_owned(), checkpoint))
            }
        };
        Ok(Held {
            size: head.size,
            root: head.root,
            signed,
        })
    }
}

/// Reads what the store holds of the log.
pub(super) async fn held(store: &Store, view: &View) -> Result<Held, PullError> {
    let store_of = store;
    let (store, log) = (store.clone(), view.log.clone());
    let head = blocking(move || store.head(&log)).await??;
    match &head {
        Some(head) if !head.own => within_stand(store_of, view, head).await?,
        _ => {}
    }
    Held::of(head, view)
}

/// Throws away a copy that a revoked key has vouched for beyond the history that its member stands
/// by, before anything is asked of anybody: it must not wait for the member to be reached.
async fn within_stand(store: &Store, view: &View, head: &Head) -> Result<(), PullError> {
    let Some((why, stand)) = view.revoked(&head.checkpoint) else {
        return Ok(());
    };
    let most = head.size.max(head.checkpoint_size);
    let (size, root) = stand.unwrap_or((0, log::merkle::empty_root()));
    let found = if head.refused.is_some() {
        format!("it was refused for what {why} signed")
    } else if most > size {
        format!("{why} signed {most} entries of it, of which its origin stands by {size}")
    } else if head.size == size && head.root != root {
        format!("{why} signed other entries of it than its origin stands by")
    } else {
        return Ok(());
    };
    Err(restart(store, view, head.size, found, head.checkpoint.clone()).await)
}

/// Begins the copy of a log anew, which only its origin's root key can bring about.
async fn restart(
    store: &Store,
    view: &View,
    from: u64,
    reason: String,
    evidence: String,
) -> PullError {
    tracing::error!(log = %view.log, %reason, "a log begins anew");
    let command = Command::Restart {
        log: view.log.clone(),
        from,
        reason: reason.clone(),
        evidence,
    };
    match super::keep::submit(store, command).await {
        Ok(_) => PullError::Restarted {
            log: view.log.clone(),
            reason,
        },
        Err(error) => error,
    }
}

/// Compares sizes and roots, as far as that needs nothing from the peer.
pub(super) async fn against_held(
    store: &Store,
    view: &View,
    held: &Held,
    target: &Target,
    live: bool,
) -> Result<(), PullError> {
    let Some((note, signed)) = &held.signed else {
        return Ok(());
    };
    let (old, new) = (signed.size(), target.checkpoint.size());
    if new == old && target.checkpoint.root() != signed.root() {
        let reason = format!("it signed two different states of {new} entries");
        let proof = Evidence::same_size(&view.keys, note.as_bytes(), target.signed.as_bytes());
        return Err(refuse(store, view, reason, note, target, proof.ok(), held.size).await);
    }
    if new < old {
        let reason = format!("it showed {old} entries before and shows {new} now");
        let proof = rewritten(store, view, held, target).await?;
        if !live && proof.is_none() {
            return Err(PullError::Older {
                log: view.log.clone(),
                held: old,
                offered: new,
            });
        }
        return Err(refuse(store, view, reason, note, target, proof, held.size).await);
    }
    Ok(())
}

/// Fetches the tiles that join the held state with the checkpoint, and those of the first window
/// of entries. If they do not join, the log is refused.
pub(super) async fn consistent<S: Source>(
    source: &S,
    store: &Store,
    view: &View,
    held: &Held,
    target: &Target,
    first: Window,
    progress: &mut Progress,
) -> Result<Arc<Tiles>, PullError> {
    let (size, root) = (target.checkpoint.size(), target.checkpoint.root());
    let mut paths = first.tiles(size);
    let signed = held
        .signed
        .as_ref()
        .filter(|(_, signed)| signed.size() < size);
    if let Some((_, signed)) = signed {
        paths.extend(Tiles::needed_for_consistency(size, signed.size()));
    }
    if held.size == size && signed.is_none() {
        // Nothing is new.
        if held.root != root {
            return Err(PullError::Held {
                log: view.log.clone(),
                size,
            });
        }
        paths = BTreeSet::new();
    } else {
        paths.extend(Tiles::needed_for_root_at(size, held.size));
    }
    if paths.is_empty() {
        let none = Tiles::verify(0, log::merkle::empty_root(), BTreeMap::new())?;
        return Ok(Arc::new(none));
    }
    let (tiles, bytes) = fetch::tiles(source, size, root, paths).await?;
    progress.bytes.proofs += bytes;

    if let Some((note, signed)) = signed.filter(|(_, signed)| signed.size() > 0) {
        let old = signed.size();
        let root_at_old = known(tiles.root_at(old), size)?;
        if root_at_old != signed.root() {
            let proof = known(tiles.consistency_proof(old), size)?;
            let reason = format!("its {size} entries do not continue the {old} it signed before");
            let evidence = Evidence::inconsistent(
                &view.keys,
                note.as_bytes(),
                target.signed.as_bytes(),
                root_at_old,
                proof,
            );
            return Err(refuse(store, view, reason, note, target, evidence.ok(), held.size).await);
        }
    }
    if known(tiles.root_at(held.size), size)? != held.root {
        // The accepted checkpoint is continued, what was stored under it is not: our own fault.
        return Err(PullError::Held {
            log: view.log.clone(),
            size: held.size,
        });
    }
    Ok(tiles)
}

/// What `Tiles` answers once everything it needs was given.
fn known<T>(answer: Option<T>, size: u64) -> Result<T, PullError> {
    answer.ok_or(PullError::Tiles(log::TileError::RootDiffers { size }))
}

/// Full proof that a smaller checkpoint belongs to another history, from the tiles held here.
/// `None` when it is a true earlier state, or our copy does not reach its own checkpoint yet.
async fn rewritten(
    store: &Store,
    view: &View,
    held: &Held,
    target: &Target,
) -> Result<Option<Evidence>, PullError> {
    let old = target.checkpoint.size();
    let (Some((note, signed)), true) = (&held.signed, old > 0) else {
        return Ok(None);
    };
    if signed.size() != held.size {
        return Ok(None);
    }
    let paths = Tiles::needed_for_consistency(held.size, old);
    let (store, log) = (store.clone(), view.log.clone());
    let own = blocking(move || own_tiles(&store, &log, paths)).await??;
    let Some(tiles) = own.and_then(|own| Tiles::verify(held.size, held.root, own).ok()) else {
        return Ok(None);
    };
    let (Some(root), Some(proof)) = (tiles.root_at(old), tiles.consistency_proof(old)) else {
        return Ok(None);
    };
    let (older, newer) = (target.signed.as_bytes(), note.as_bytes());
    match Evidence::inconsistent(&view.keys, older, newer, root, proof) {
        Ok(evidence) => Ok(Some(evidence)),
        Err(EvidenceError::Consistent) => Ok(None),
        Err(error) => {
            tracing::warn!(%error, log = %view.log, "no full proof of the rollback");
            Ok(None)
        }
    }
}

fn own_tiles(
    store: &Store,
    log: &store::LogName,
    paths: BTreeSet<TilePath>,
) -> Result<Option<BTreeMap<TilePath, Vec<u8>>>, StoreError> {
    let mut own = BTreeMap::new();
    for path in paths {
        match store.tile(log, &path)? {
            Some(tile) => own.insert(path, tile),
            None => return Ok(None),
        };
    }
    Ok(Some(own))
}

/// Keeps the evidence and ends the log. Where no `log::Evidence` could be made, both notes are
/// kept as they are: they carry the origin's signatures.
async fn refuse(
    store: &Store,
    view: &View,
    reason: String,
    note: &str,
    target: &Target,
    proof: Option<Evidence>,
    held: u64,
) -> PullError {
    // Two histories, but one of them by a key in other hands: no fault of the origin's.
    if let Some((why, _)) = view.revoked(note) {
        let reason = format!("{why} signed what its origin's log does not continue");
        return restart(store, view, held, reason, note.to_owned()).await;
    }
    let evidence = match proof {
        Some(proof) => proof.to_text(),
        None => format!(
            "{reason}\n\nheld before:\n{note}\noffered now:\n{}",
            target.signed
        ),
    };
    tracing::error!(log = %view.log, %reason, "log refused");
    let command = Command::Refuse {
        log: view.log.clone(),
        reason: reason.clone(),
        evidence: evidence.clone(),
    };
    match super::keep::submit(store, command).await {
        Ok(_) => PullError::Contradiction {
            log: view.log.clone(),
            reason,
            evidence,
        },
        Err(error) => error,
    }
}
