//! Taking a log from files: the one state machine, once for each checkpoint that they have.

use std::ops::RangeInclusive;
use std::sync::Arc;

use store::{LogName, Store};

use super::{LogFile, Shelf};
use crate::error::PullError;
use crate::machine::{Clock, Progress, View, pull_into};
use crate::source::FetchError;

/// What became of one log.
#[derive(Debug)]
pub struct Imported {
    /// The log.
    pub log: LogName,
    /// Entries held before.
    pub from: u64,
    /// Entries held after.
    pub to: u64,
    /// What was taken, of the checkpoint that got furthest.
    pub progress: Progress,
    /// How it ended.
    pub outcome: Outcome,
}

/// How the import of a log ended.
#[derive(Debug)]
pub enum Outcome {
    /// Everything up to the files' newest checkpoint is held.
    Whole,
    /// The files' newest checkpoint is older than the one that is held; it contradicts nothing.
    Older {
        /// Entries that it is over.
        size: u64,
    },
    /// These entries must be brought before more can be taken.
    Missing {
        /// From and to, both included, counted from 0.
        entries: RangeInclusive<u64>,
        /// Entries that the checkpoint is over.
        size: u64,
    },
    /// It was not taken, or no further.
    Failed(PullError),
}

/// Takes what the files have of the log of `view`. What was verified is stored, however it ends.
pub async fn import(shelf: &Arc<Shelf>, store: &Store, view: &View, clock: &Clock) -> Imported {
    let mut done = Imported {
        log: view.log().clone(),
        from: 0,
        to: 0,
        progress: Progress::default(),
        outcome: Outcome::Whole,
    };
    let found = {
        let (shelf, view) = (Arc::clone(shelf), view.clone());
        crate::machine::blocking(move || LogFile::checkpoints(&shelf, &view)).await
    };
    let found = match found {
        Ok(found) if found.is_empty() => {
            done.outcome = Outcome::Failed(PullError::Fetch {
                path: "checkpoint".to_owned(),
                error: FetchError::NotFound,
            });
            return done;
        }
        Ok(found) => found,
        Err(error) => {
            done.outcome = Outcome::Failed(error);
            return done;
        }
    };
    let mut first = true;
    for file in found {
        let (progress, outcome) = match file {
            Ok(file) => one(shelf, store, view, clock, file).await,
            // A checkpoint that is not the origin's beside one that is takes nothing away from it.
            Err(_) if !first => continue,
            Err(error) => (Progress::default(), Outcome::Failed(error)),
        };
        if first {
            done.from = progress.from;
        }
        done.to = done.to.max(progress.to);
        let refused = matches!(
            outcome,
            Outcome::Failed(PullError::Contradiction { .. } | PullError::Refused { .. })
        );
        if first || progress.to > progress.from {
            done.progress = progress;
        }
        done.outcome = outcome;
        first = false;
        if refused {
            break;
        }
    }
    done
}

async fn one(
    shelf: &Arc<Shelf>,
    store: &Store,
    view: &View,
    clock: &Clock,
    file: LogFile,
) -> (Progress, Outcome) {
    let mut progress = Progress::default();
    let filled = {
        let (shelf, view) = (Arc::clone(shelf), view.clone());
        crate::machine::blocking(move || file.filled(&shelf, &view)).await
    };
    let file = match filled {
        Ok(file) => file,
        Err(error) => return (progress, Outcome::Failed(error)),
    };
    let size = file.size();
    let outcome = match pull_into(&file, store, view, clock, &mut progress).await {
        Ok(()) => Outcome::Whole,
        Err(PullError::Older { offered, .. }) => Outcome::Older { size: offered },
        Err(PullError::Fetch {
            error: FetchError::NotFound,
            ..
        }) => match file.missing(progress.to) {
            Some(entries) => Outcome::Missing { entries, size },
            None => Outcome::Whole,
        },
        Err(error) => Outcome::Failed(error),
    };
    (progress, outcome)
}
