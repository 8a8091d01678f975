//! The one writer: takes commands, commits them in groups, answers.
//!
//! A thread of its own owns the journal's end and the right edge of every log. It takes what has
//! queued up, up to a bound, works out what each command means, writes all of it in one go and
//! only then answers each. So the cost of durability is shared by whoever is waiting, and two
//! commands can never disagree about where a log ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use log::tile::TILE_WIDTH;

use crate::error::StoreError;
use crate::index::Row;
use crate::journal::{self, Frames, Position};
use crate::limits::{GROUP_BYTES_MAX, GROUP_OBJECTS_MAX, SEGMENT_BYTES_MAX};
use crate::logstate::{LogState, log_folder, log_key};
use crate::shared::Shared;
use crate::types::{Command, LogName, Reply, Seq};
use crate::work::Work;

/// Called once with the answer.
pub(crate) type Done = Box<dyn FnOnce(Result<Reply, StoreError>) + Send>;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Fn() -> Seq + Send + Sync>,
    pub(crate) logs: HashMap<LogName, LogState>,
    /// Where the next frame goes.
    pub(crate) end: Position,
    /// The last position given out.
    pub(crate) last: Seq,
}

/// What remains to be done after a commit, for the sake of the files alone.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Checkpoints, for whoever reads the files.
    notes: Vec<(String, Vec<u8>)>,
    /// Unfinished tiles and bundles of sizes that are past.
    stale: Vec<String>,
    /// Stored body bundles that hold a withdrawn body.
    blanked: Vec<(LogName, u64)>,
}

impl Leftovers {
    /// The same, with the copies of checkpoints left as they are.
    pub(crate) fn without_notes(self) -> Leftovers {
        Leftovers {
            notes: Vec::new(),
            ..self
        }
    }
}

impl Writer {
    /// Works until every sender is gone.
    pub(crate) fn run(mut self, queue: &Receiver<(Command, Done)>) {
        while let Ok(first) = queue.recv() {
            let (mut objects, mut bytes) = weight(&first.0);
            let mut group = vec![first];
            while objects < GROUP_OBJECTS_MAX && bytes < GROUP_BYTES_MAX {
                match queue.try_recv() {
                    Ok(next) => {
                        let (more_objects, more_bytes) = weight(&next.0);
                        objects += more_objects;
                        bytes += more_bytes;
                        group.push(next);
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<(Command, Done)>) {
        let shared = self.shared.clone();
        let mut work = Work::new(&shared, self.last);
        let mut frames = Frames::new(self.end);
        let mut answers = Vec::with_capacity(group.len());
        let mut broken = None;
        for (command, done) in group {
            let answer = match &broken {
                None => self.prepare(&mut work, &mut frames, command),
                Some(error) => Err(StoreError::clone(error)),
            };
            if let (true, Err(error)) = (work.halfway, &answer) {
                broken = Some(error.clone());
            }
            answers.push((answer, done));
        }
        let written = match broken {
            // A log that has grown by half of what a frame says, or a frame without its rows,
            // would be a contradiction that no restart heals.
            Some(error) => Err(error),
            None if frames.bytes().is_empty() => Ok(Leftovers::default()),
            None => self.write(work, &frames),
        };
        if let Err(error) = &written {
            tracing::error!(%error, "nothing of this group was accepted");
        }
        let (outcome, leftovers) = match written {
            Ok(leftovers) => (Ok(()), leftovers),
            Err(error) => (Err(error), Leftovers::default()),
        };
        shared.set_health(outcome.as_ref().copied());
        for (answer, done) in answers {
            done(outcome.clone().and(answer));
        }
        // Nobody waits for this.
        self.tidy(leftovers);
    }

    /// Makes a group durable, then visible.
    ///
    /// The order is the argument (I3, I5). A crash
    /// - during 1 leaves a torn frame, which recovery ignores: nothing was acknowledged;
    /// - after 1 leaves whole frames that hold the bodies, the entries and the signed checkpoint,
    ///   from which recovery does 2 and 3 again: the same bytes to the same files, the same rows;
    /// - after 2 leaves files beyond the head, which no reader asks for before the head says so;
    /// - after 3 loses only answers, the best-effort copy of the checkpoint and the removal of
    ///   files that nobody reads any more.
    ///
    /// A checkpoint is shown to nobody before 3, so no partner can hold one that recovery does not
    /// also arrive at. If 2 or 3 fails while the process lives on (a full disk), the journal is cut
    /// back and the group is as if it had never been.
    pub(crate) fn write(
        &mut self,
        mut work: Work<'_>,
        frames: &Frames,
    ) -> Result<Leftovers, StoreError> {
        let shared = self.shared.clone();
        let mut stale = Vec::new();
        let files = work.files(&mut stale)?;
        work.plan.rows.push(Row::Applied {
            at: frames.end(),
            last: work.last,
        });

        let segment = journal::segment_key(frames.start().segment);
        shared
            .blobs
            .append(&segment, frames.start().offset, frames.bytes())?; // 1: bodies, entries
        let rest = shared
            .blobs
            .put_all(&files)
            .and_then(|()| shared.index.apply(&work.plan.rows)); // 2: tiles, 3: heads and rows
        if let Err(error) = rest {
            shared.blobs.truncate(&segment, frames.start().offset)?;
            return Err(error);
        }
        Ok(self.settle(work, frames.end(), stale))
    }

    /// After the commit: what others may see now. Gives what nobody needs any more.
    pub(crate) fn settle(
        &mut self,
        work: Work<'_>,
        end: Position,
        stale: Vec<String>,
    ) -> Leftovers {
        self.shared.labels.committed(&work.plan.rows);
        self.last = work.last;
        self.end = end;
        if self.end.offset >= SEGMENT_BYTES_MAX {
            self.end = Position {
                segment: self.end.segment + 1,
                offset: 0,
            };
        }
        let mut notes = Vec::new();
        for (name, (before, state)) in work.logs {
            if state.tree.size() != before || work.resigned.contains(&name) {
                let key = format!("{}/checkpoint", log_folder(&name));
                notes.push((key, state.checkpoint.clone().into_bytes()));
            }
            self.logs.insert(name, state);
        }
        self.shared.tell(&work.events);
        Leftovers {
            notes,
            stale,
            blanked: work.blanked,
        }
    }

    /// Best effort, as the comment on [`Writer::write`] says: the index has the checkpoint, and
    /// names the bodies that are not served.
    pub(crate) fn tidy(&self, leftovers: Leftovers) {
        let blobs = &self.shared.blobs;
        self.erase(&leftovers.blanked);
        let done = blobs
            .put_all(&leftovers.notes)
            .and_then(|()| blobs.delete(&leftovers.stale));
        if let Err(error) = done {
            tracing::warn!(%error, "left-over files of logs");
        }
    }

    /// Takes withdrawn bodies out of stored body bundles. Until that is done, and if it fails,
    /// readers leave them out because the index names them.
    fn erase(&self, blanked: &[(LogName, u64)]) {
        for (name, index) in blanked {
            let path = log::tile::TilePath {
                kind: log::tile::Kind::Objects,
                index: *index,
                width: TILE_WIDTH as u16,
            };
            let key = log_key(name, &path);
            let rewritten = self.shared.blobs.get(&key).and_then(|bundle| {
                let Some(bundle) = bundle else { return Ok(()) };
                let from = index * TILE_WIDTH;
                let gone = self.shared.index.blanked(name, from, from + TILE_WIDTH)?;
                let kept = log::bodies::blank(&bundle, &|i| gone.contains(&(from + i as u64)))
                    .map_err(|error| StoreError::corrupt(key.clone(), error.to_string()))?;
                self.shared.blobs.put_all(&[(key.clone(), kept)])
            });
            if let Err(error) = rewritten {
                tracing::warn!(%error, "a withdrawn body is still on disk");
            }
        }
    }
}

/// How many objects and bytes a command brings.
fn weight(command: &Command) -> (usize, usize) {
    match command {
        Command::Add { objects, .. } | Command::AddAtLeast { objects, .. } => (
            objects.len(),
            objects.iter().map(|object| object.bytes().len()).sum(),
        ),
        Command::Remove { objects } => (objects.len(), objects.len() * 128),
        Command::Append { changes, .. } => (changes.len(), changes.len() * 256),
        Command::Receive(receive) => {
            let count = receive.bundles.iter().map(|bundle| bundle.raw.len()).sum();
            (
                count,
                receive
                    .bundles
                    .iter()
                    .map(|bundle| bundle.bodies.len())
                    .sum(),
            )
        }
        _ => (1, 0),
    }
}
