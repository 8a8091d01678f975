//! Opening a store: the lock, the journal's end, and what a crash left unfinished.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use crate::Options;
use crate::blobs::LocalBlobs;
use crate::error::StoreError;
use crate::index::{Row, SqliteIndex};
use crate::journal::{self, Frame, Header, Position};
use crate::limits::REPLAY_FRAMES_MAX;
use crate::logstate::log_folder;
use crate::shared::Shared;
use crate::work::Work;
use crate::writer::Writer;

/// Takes the data folder for this process alone. The lock is the operating system's, so that it
/// ends with the process however that ends.
pub(crate) fn lock_folder(dir: &Path) -> Result<File, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::io(format!("opening the data folder {}", dir.display()), &error)
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked {
            dir: dir.to_path_buf(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Opens the back ends and brings the index up to the journal's end.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<Writer, StoreError> {
    let index = SqliteIndex::open(&dir.join("index.sqlite"))?;
    let blobs = match &options.blobs {
        Some(wrap) => wrap(Box::new(LocalBlobs::new(dir))),
        None => Box::new(LocalBlobs::new(dir)),
    };
    let shared = Arc::new(Shared::new(
        dir.to_path_buf(),
        blobs,
        Box::new(index),
        options.cache_bytes,
    ));
    let (applied, last) = shared.index.applied()?;
    not_ahead(&shared, applied)?;
    let mut writer = Writer {
        shared,
        clock: options.clock.clone(),
        logs: HashMap::new(),
        end: applied,
        last,
    };
    roll_forward(&mut writer, applied)?;
    rewrite_checkpoints(&writer.shared)?;
    let newest = journal::segments(&*writer.shared.blobs)?
        .last()
        .copied()
        .unwrap_or(0);
    // A fresh segment, so that a torn end is never written over.
    writer.end = Position {
        segment: newest + 1,
        offset: 0,
    };
    Ok(writer)
}

/// An index that knows of frames which the journal lacks shows objects that have no bytes. A
/// database can come back so if the disk failed in the middle of a commit that was then undone.
fn not_ahead(shared: &Shared, applied: Position) -> Result<(), StoreError> {
    let Some(last) = applied.offset.checked_sub(1) else {
        return Ok(());
    };
    let key = journal::segment_key(applied.segment);
    match shared.blobs.range(&key, last, 1) {
        Err(StoreError::Corrupt { .. }) => Err(StoreError::Index {
            cause: format!("it is ahead of {key}"),
        }),
        read => read.map(drop),
    }
}

/// Puts right the copies of checkpoints among the logs' files that a crash left behind the index.
///
/// A copy is written when the index has the checkpoint, so it is never ahead of a whole journal.
/// If it is, the journal has lost entries that partners have seen; to append other ones in their
/// place would be to sign two histories (I3).
fn rewrite_checkpoints(shared: &Shared) -> Result<(), StoreError> {
    let mut stale = Vec::new();
    for (name, head) in shared.index.heads(None)? {
        let key = format!("{}/checkpoint", log_folder(&name));
        let copy = shared.blobs.get(&key)?;
        let published = copy.as_deref().and_then(size_of).unwrap_or_default();
        if head.own && published > head.size {
            return Err(StoreError::corrupt(
                "the journal",
                format!(
                    "the log {name} was published with {published} entries and only {} are left",
                    head.size
                ),
            ));
        }
        let wanted = head.checkpoint.into_bytes();
        if head.size > 0 && copy.as_ref() != Some(&wanted) {
            stale.push((key, wanted));
        }
    }
    shared.blobs.put_all(&stale)
}

/// The size that a checkpoint states in its second line.
fn size_of(checkpoint: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(checkpoint).ok()?;
    text.lines().nth(1)?.parse().ok()
}

/// Applies every frame that the journal has beyond what the index knows.
fn roll_forward(writer: &mut Writer, applied: Position) -> Result<(), StoreError> {
    let shared = writer.shared.clone();
    for segment in journal::segments(&*shared.blobs)? {
        if segment < applied.segment {
            continue;
        }
        let from = if segment == applied.segment {
            applied
        } else {
            Position { segment, offset: 0 }
        };
        let mut waiting: Vec<Frame> = Vec::new();
        journal::replay(&*shared.blobs, from, |frame| {
            // An own log's finished body bundle is read through the index, so what it refers to
            // must be applied first; so must what a log brought that begins anew.
            if matches!(
                frame.header,
                Header::Appended { .. } | Header::Restarted { .. }
            ) || waiting.len() >= REPLAY_FRAMES_MAX
            {
                apply(writer, &mut waiting)?;
            }
            waiting.push(frame);
            Ok(())
        })?;
        apply(writer, &mut waiting)?;
    }
    Ok(())
}

fn apply(writer: &mut Writer, frames: &mut Vec<Frame>) -> Result<(), StoreError> {
    let Some(end) = frames.last().map(|frame| frame.next) else {
        return Ok(());
    };
    let shared = writer.shared.clone();
    let mut work = Work::new(&shared, writer.last);
    for frame in frames.drain(..) {
        work.replay(&frame, &writer.logs)?;
    }
    let mut stale = Vec::new();
    let files = work.files(&mut stale)?;
    work.plan.rows.push(Row::Applied {
        at: end,
        last: work.last,
    });
    shared.blobs.put_all(&files)?;
    shared.index.apply(&work.plan.rows)?;
    // The copies of checkpoints are compared with the end of all this, so they stay until then.
    let leftovers = writer.settle(work, end, stale).without_notes();
    writer.tidy(leftovers);
    Ok(())
}

/// Removes the index, so that the next [`open`] derives it anew from the journal.
pub(crate) fn discard_index(dir: &Path) -> Result<(), StoreError> {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(format!("removing {name}"), &error));
            }
            _ => {}
        }
    }
    Ok(())
}
