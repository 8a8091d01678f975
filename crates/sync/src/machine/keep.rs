//! Keeping: verified pieces, in the order of the log, into the store.
//!
//! While the store commits one chunk the next ones are put together and queued, so that it never
//! waits for us and may commit several at once. Each says where it starts: if one is not taken,
//! those behind it cannot be either. When fetching ends early, what was verified until then is still
//! stored: on a bad link every attempt gets further.
//!
//! INVARIANT: a body bundle that reaches the store holds no byte of an object that is not shown.
//! If nothing was withheld it is the origin's own bytes; else it is packed anew without them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use model::Timestamp;
use store::{Command, Receive, ReceivedBundle, Reply, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::markings::Markings;
use super::verify::Piece;
use super::{Clock, Progress, Target, View, between, blocking};
use crate::error::PullError;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_PIECES_MAX, COMMITS_MAX, MISSING_MAX};

/// Takes pieces until there are no more, or the store takes none.
pub(super) async fn chunks(
    store: &Store,
    view: &View,
    clock: &Clock,
    target: &Target,
    held: u64,
    mut pieces: mpsc::Receiver<Piece>,
    progress: &mut Progress,
) -> Result<(), PullError> {
    let mut markings = Markings::new(store, view, clock);
    let mut missing = Missing::default();
    let mut size = held;
    let mut busy: VecDeque<Commit> = VecDeque::new();
    let mut finished = None;
    loop {
        let mut chunk = Chunk::default();
        while !chunk.is_full()
            && let Some(piece) = pieces.recv().await
        {
            let (next, piece) = markings.judge(piece).await?;
            markings = next;
            missing.look_at(&piece);
            chunk.add(piece, progress).await?;
        }
        let last = chunk.bundles.is_empty();
        let may_stay = if last { 0 } else { COMMITS_MAX - 1 };
        while busy.len() > may_stay
            && let Some(commit) = busy.pop_front()
        {
            finished = Some(commit.finish(finished, progress).await?);
        }
        if last {
            break;
        }
        let receive = Receive {
            log: view.log.clone(),
            from: size,
            bundles: chunk.bundles,
            checkpoint: target.signed.clone(),
            checkpoint_size: target.checkpoint.size(),
            checkpoint_root: target.checkpoint.root(),
        };
        size += chunk.entries;
        busy.push_back(Commit::start(store, receive, clock).await?);
    }
    progress.missing = missing.left();
    Ok(())
}

/// Hands a command to the store and waits until it is durable.
pub(super) async fn submit(store: &Store, command: Command) -> Result<Reply, PullError> {
    let answer = send(store, command, || ()).await?;
    let (reply, ()) = answer.await.map_err(|_| PullError::Stopping)?;
    Ok(reply?)
}

type Answer<T> = oneshot::Receiver<(Result<Reply, StoreError>, T)>;

/// Queues a command; `note` is taken down the moment it is done. The store's queue is bounded and
/// waits when full, so this is no work for the reactor.
async fn send<T: Send + 'static>(
    store: &Store,
    command: Command,
    note: impl FnOnce() -> T + Send + 'static,
) -> Result<Answer<T>, PullError> {
    let (sender, answer) = oneshot::channel();
    let store = store.clone();
    blocking(move || {
        store.submit(command, move |reply| {
            // Nobody waits any more when the pull was dropped; what is stored stays stored.
            let _ = sender.send((reply, note()));
        });
    })
    .await?;
    Ok(answer)
}

/// A chunk that the store is committing.
struct Commit {
    answer: Answer<Timestamp>,
    start: Timestamp,
}

impl Commit {
    async fn start(store: &Store, receive: Receive, clock: &Clock) -> Result<Commit, PullError> {
        let start = clock();
        let clock = Arc::clone(clock);
        let answer = send(store, Command::Receive(receive), move || clock()).await?;
        Ok(Commit { answer, start })
    }

    async fn finish(
        self,
        last: Option<Timestamp>,
        progress: &mut Progress,
    ) -> Result<Timestamp, PullError> {
        let (reply, end) = self.answer.await.map_err(|_| PullError::Stopping)?;
        // Time that it spent queued behind the one before is counted there.
        let start = last.map_or(self.start, |last| last.max(self.start));
        progress.spent.store += between(start, end);
        if let Reply::Received {
            size,
            shown,
            conflicts,
        } = reply?
        {
            progress.to = size;
            progress.shown += shown;
            progress.conflicts += conflicts;
        }
        Ok(end)
    }
}

/// What goes to the store in one commit.
#[derive(Default)]
struct Chunk {
    bundles: Vec<ReceivedBundle>,
    entries: u64,
    bytes: usize,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.bundles.len() >= CHUNK_PIECES_MAX || self.bytes >= CHUNK_BYTES_MAX
    }

    async fn add(&mut self, piece: Piece, progress: &mut Progress) -> Result<(), PullError> {
        progress.bytes.entries += piece.entry_bytes;
        progress.bytes.bodies += piece.packed.len() as u64;
        progress.bytes.unpacked += piece.found.unpacked_bytes as u64;
        progress.spent.add(&piece.spent);
        for (index, reason) in piece.found.refused {
            progress.refuse(index, reason);
        }
        self.entries += piece.raw.len() as u64;
        self.bytes += piece.found.unpacked_bytes;
        let (bodies, objects) = if piece.found.excess {
            repack(piece.packed, piece.skip, piece.found.objects).await?
        } else {
            (Vec::from(piece.packed), piece.found.objects)
        };
        self.bundles.push(ReceivedBundle {
            raw: piece.raw,
            entries: piece.entries,
            objects,
            bodies,
            skip: piece.skip,
        });
        Ok(())
    }
}

type Objects = Vec<Option<model::Object>>;

/// The bundle with only the bodies of `objects`, which begin at place `skip`.
async fn repack(
    packed: bytes::Bytes,
    skip: usize,
    objects: Objects,
) -> Result<(Vec<u8>, Objects), PullError> {
    blocking(move || {
        let withheld = |place: usize| {
            let object = place.checked_sub(skip).and_then(|place| objects.get(place));
            !matches!(object, Some(Some(_)))
        };
        match log::bodies::blank(&packed, &withheld) {
            Ok(bodies) => Ok((bodies, objects)),
            Err(error) => Err(PullError::Bodies {
                path: "objects".to_owned(),
                error,
            }),
        }
    })
    .await?
}

/// Entries whose object did not come, until an entry that takes the object back explains it.
#[derive(Default)]
struct Missing(HashMap<[u8; 32], u64>);

impl Missing {
    fn look_at(&mut self, piece: &Piece) {
        for index in &piece.found.missing {
            if self.0.len() < MISSING_MAX {
                let entry = &piece.entries[(index - piece.from) as usize];
                self.0.insert(entry.hash, *index);
            }
        }
        for entry in piece
            .entries
            .iter()
            .filter(|entry| !entry.action.brings_body())
        {
            self.0.remove(&entry.hash);
        }
    }

    fn left(self) -> Vec<u64> {
        let mut left: Vec<u64> = self.0.into_values().collect();
        left.sort_unstable();
        left
    }
}
