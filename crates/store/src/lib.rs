//! What a node holds, durably: the journal, the index and the files of its logs.
//!
//! Bytes live in the journal and in the logs' files; meaning lives in the index and can be
//! rebuilt from bytes. One thread writes (`writer`), many read (`shared`). A change is a
//! [`Command`]; its answer means that it survives kill -9 and power loss (I5), and a command that
//! is refused changes nothing. The store checks no policy: what may be released or received was
//! decided by the caller; the store keeps logs append-only (I3) and withdrawn bytes unserved (I6).

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use log::tile::TilePath;
use model::{Hash, Id, Label, Timestamp};

mod anew;
mod blobs;
mod commands;
mod error;
mod index;
mod journal;
mod labels;
pub mod limits;
mod logstate;
mod plan;
mod recover;
mod replay;
mod shared;
mod standing;
mod types;
mod work;
mod writer;

pub use blobs::{Blobs, LocalBlobs};
pub use error::StoreError;
pub use types::{
    Change, ClassCount, Collection, Command, Event, Head, Health, Heard, Kept, LogName, Outcome,
    Page, Query, Receive, ReceivedBundle, Record, Reply, Seq, Signer,
};

pub use labels::Reading;
use shared::{Shared, lock};
pub use standing::Standing;
use writer::Done;

/// Wraps the local blobs, for instance to make them fail.
type WrapBlobs = Arc<dyn Fn(Box<dyn Blobs>) -> Box<dyn Blobs> + Send + Sync>;

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    clock: Arc<dyn Fn() -> Seq + Send + Sync>,
    cache_bytes: usize,
    blobs: Option<WrapBlobs>,
}

impl Options {
    /// Options with the given clock (microseconds since 1970) and otherwise the defaults.
    pub fn new(clock: Arc<dyn Fn() -> Seq + Send + Sync>) -> Options {
        Options {
            clock,
            cache_bytes: limits::CACHE_BYTES_MAX,
            blobs: None,
        }
    }

    /// Keeps at most this many bytes of decompressed bundles for readers.
    pub fn cache_bytes(mut self, bytes: usize) -> Options {
        self.cache_bytes = bytes;
        self
    }

    /// Puts something between the store and its files: a fault, a meter, another place.
    pub fn wrap_blobs(
        mut self,
        wrap: impl Fn(Box<dyn Blobs>) -> Box<dyn Blobs> + Send + Sync + 'static,
    ) -> Options {
        self.blobs = Some(Arc::new(wrap));
        self
    }
}

/// How many objects a collection shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Objects, by their latest version.
    pub objects: u64,
    /// All versions.
    pub versions: u64,
}

/// What a rebuild of the index found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Each collection and its counts.
    pub collections: Vec<(Collection, Count)>,
    /// How many logs.
    pub logs: usize,
}

/// A handle on an open store. Clones share it; dropping the last one finishes what is queued and
/// closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: Mutex<Option<SyncSender<(Command, Done)>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the store is open.
    _lock: std::fs::File,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(lock(&self.queue).take());
        if let Some(writer) = lock(&self.writer).take() {
            // If the last handle is dropped by a callback on the writer itself, it ends by itself.
            if writer.thread().id() != std::thread::current().id() {
                let _ = writer.join();
            }
        }
    }
}

impl Store {
    /// Opens the store in `dir`, making it if there is none, and finishes what a crash left
    /// unfinished.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it open; otherwise what could not be read.
    pub fn open(dir: &Path, options: Options) -> Result<Store, StoreError> {
        let held = recover::lock_folder(dir)?;
        let writer = recover::open(dir, &options)?;
        let shared = writer.shared.clone();
        let (queue, commands) = sync_channel(limits::QUEUE_COMMANDS_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&commands))
            .map_err(|error| StoreError::io("starting the writer", &error))?;
        let (queue, writer) = (Mutex::new(Some(queue)), Mutex::new(Some(thread)));
        Ok(Store(Arc::new(Inner {
            shared,
            queue,
            writer,
            _lock: held,
        })))
    }

    /// Queues a command; `done` is called on the writer's thread with its answer, and must not
    /// block. Waits while the queue is full.
    pub fn submit(
        &self,
        command: Command,
        done: impl FnOnce(Result<Reply, StoreError>) + Send + 'static,
    ) {
        let queue = lock(&self.0.queue).clone();
        let stopped = || StoreError::Stopped {
            cause: "its writer has ended".into(),
        };
        let Some(queue) = queue else {
            return done(Err(stopped()));
        };
        if let Err(refused) = queue.send((command, Box::new(done))) {
            (refused.0.1)(Err(stopped()));
        }
    }

    /// Runs a command and waits for its answer.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn execute(&self, command: Command) -> Result<Reply, StoreError> {
        let (tell, answer) = sync_channel(1);
        self.submit(command, move |reply| {
            let _ = tell.send(reply);
        });
        answer.recv().unwrap_or_else(|_| {
            Err(StoreError::Stopped {
                cause: "its writer has ended".into(),
            })
        })
    }

    /// Calls `watcher` after each commit for what became visible. It must not block.
    pub fn watch(&self, watcher: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.shared.watch(Box::new(watcher));
    }

    /// The state of a log, if anything of it is held.
    ///
    /// # Errors
    /// When the index cannot be read; so for all reads below.
    pub fn head(&self, log: &LogName) -> Result<Option<Head>, StoreError> {
        Ok(self
            .0
            .shared
            .index
            .heads(Some(log))?
            .pop()
            .map(|(_, head)| head))
    }

    /// The state of every log.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn heads(&self) -> Result<Vec<(LogName, Head)>, StoreError> {
        self.0.shared.index.heads(None)
    }

    /// The newest checkpoint of a log with the cosignatures known for it, as a signed note.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn checkpoint(&self, log: &LogName) -> Result<Option<String>, StoreError> {
        let Some(head) = self.head(log)?.filter(|head| !head.checkpoint.is_empty()) else {
            return Ok(None);
        };
        let mut note = head.checkpoint;
        for (_, line) in &head.cosignatures {
            note.push_str(line);
            if !line.ends_with('\n') {
                note.push('\n');
            }
        }
        Ok(Some(note))
    }

    /// A hash tile or entry bundle of a log, at any width up to what is held.
    ///
    /// # Errors
    /// As [`Store::head`], and [`StoreError::Corrupt`] for a damaged file.
    pub fn tile(&self, log: &LogName, path: &TilePath) -> Result<Option<Vec<u8>>, StoreError> {
        let mut size = None;
        loop {
            let Some(head) = self.head(log)? else {
                return Ok(None);
            };
            let tile = self.0.shared.tile_of(log, path, head.size)?;
            // An unfinished tile's file goes when the log grows: then a wider one has taken its
            // place since the head was read.
            if tile.is_some() || size == Some(head.size) {
                return Ok(tile);
            }
            size = Some(head.size);
        }
    }

    /// The compressed bodies of an own log's entry bundle; the first `skip` are left empty, as are
    /// those that have been withdrawn.
    ///
    /// # Errors
    /// As [`Store::tile`].
    pub fn objects(
        &self,
        log: &LogName,
        index: u64,
        width: u16,
        skip: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(head) = self.head(log)?.filter(|head| head.own) else {
            return Ok(None);
        };
        self.0
            .shared
            .objects_of(log, index, width, skip.min(width.into()), head.size)
    }

    /// One page of a collection, in order of position.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn page(&self, collection: &Collection, query: &Query) -> Result<Page, StoreError> {
        self.0.shared.page(collection, query)
    }

    /// The canonical bytes of records, in order.
    ///
    /// # Errors
    /// As [`Store::tile`].
    pub fn bodies(&self, records: &[Record]) -> Result<Vec<Bytes>, StoreError> {
        let objects: Vec<Seq> = records.iter().map(|record| record.object).collect();
        self.0.shared.bodies(&objects)
    }

    /// All versions of an object that a collection shows, oldest first.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn versions(&self, collection: &Collection, id: &Id) -> Result<Vec<Record>, StoreError> {
        let query = Query {
            ids: vec![id.clone()],
            all_versions: true,
            limit: limits::PAGE_RECORDS_MAX,
            ..Query::default()
        };
        let mut records = self.page(collection, &query)?.records;
        records.sort_by_key(|record| (record.version, record.seq));
        Ok(records)
    }

    /// Whether a collection still shows each of these records of it.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn still_shown(
        &self,
        collection: &Collection,
        records: &[Record],
    ) -> Result<Vec<bool>, StoreError> {
        let at: Vec<Seq> = records.iter().map(|record| record.seq).collect();
        self.0.shared.index.shown_at(collection, &at)
    }

    /// What a log has brought of these objects and not taken back, in order of position: also what
    /// its collection does not show because another log brought the same bytes first.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn brought(&self, log: &LogName, ids: &[Id]) -> Result<Vec<Record>, StoreError> {
        self.0.shared.index.brought(log, ids)
    }

    /// What partners' logs ever brought of those of these objects that the nation has, too: what
    /// was taken back since counts as well. What the nation does not have is passed over.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn heard(&self, ids: &[Id]) -> Result<Vec<Heard>, StoreError> {
        self.0.shared.index.heard(ids)
    }

    /// What partners' logs ever brought of an object, in any channel, whether the nation has it or
    /// not; also what was taken back since.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn told(&self, id: &Id) -> Result<Vec<Record>, StoreError> {
        self.0.shared.index.told(id)
    }

    /// A log, own or a partner's, that ever brought exactly this object into a channel.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn logged(&self, id: &Id, hash: &Hash) -> Result<Option<LogName>, StoreError> {
        plan::Plan::new(&*self.0.shared.index).logged(&index::Key::of(id), hash)
    }

    /// The objects of which [`Store::heard`] may have something to say, `limit` at a time, in an
    /// order of the store's own; go on `after` the last one.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn met(&self, after: Option<&Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.0.shared.index.met(after, limit)
    }

    /// How many of a collection's objects, by their latest version, share a label class, a type
    /// and whether they are about a person, in order of each class's first object. One pass over all of them.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn classes(&self, collection: &Collection) -> Result<Vec<ClassCount>, StoreError> {
        self.0.shared.index.classes(collection)
    }

    /// The latest version of an object that a collection shows.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn latest(&self, collection: &Collection, id: &Id) -> Result<Option<Record>, StoreError> {
        let query = Query {
            ids: vec![id.clone()],
            limit: 1,
            ..Query::default()
        };
        Ok(self.page(collection, &query)?.records.pop())
    }

    /// The label that applies to a record: the assigned one and the object's own markings.
    ///
    /// # Errors
    /// As [`Store::tile`].
    pub fn label(&self, record: &Record) -> Result<Arc<Label>, StoreError> {
        self.0.shared.label(record)
    }

    /// As [`Store::label`], if marking definitions were read in this way.
    ///
    /// # Errors
    /// As [`Store::label`].
    pub fn label_read(&self, record: &Record, reading: &Reading) -> Result<Arc<Label>, StoreError> {
        self.0.shared.label_read(record, reading)
    }

    /// From now on marking definitions are read in this way; without it, as `model` reads them.
    pub fn read_markings(&self, reading: Arc<Reading>) {
        self.0.shared.read_markings(reading);
    }

    /// A number that grows whenever something that is shown may be shown no longer, otherwise, or
    /// to others: a withdrawal, a newer version, another marking definition. While it stands,
    /// collections only grow at their end, so a page that another one follows stays as it is. It
    /// has grown before the command that made it grow is answered.
    pub fn reshaped(&self) -> u64 {
        self.0.shared.reshaped()
    }

    /// How many objects a collection shows.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn count(&self, collection: &Collection) -> Result<Count, StoreError> {
        let all = self.counts()?;
        Ok(all
            .into_iter()
            .find(|(known, _)| known == collection)
            .map(|(_, count)| count)
            .unwrap_or_default())
    }

    /// Every collection that has ever shown something, and the national one, with their counts.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn counts(&self) -> Result<Vec<(Collection, Count)>, StoreError> {
        let counted = |(collection, objects, versions)| (collection, Count { objects, versions });
        Ok(self
            .0
            .shared
            .index
            .collections()?
            .into_iter()
            .map(counted)
            .collect())
    }

    /// A setting's value.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .0
            .shared
            .index
            .settings(key, true)?
            .pop()
            .map(|(_, value)| value))
    }

    /// The settings whose keys begin with `prefix`, in order of key.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.shared.index.settings(prefix, false)
    }

    /// What is kept as evidence: refused logs and conflicting objects, oldest first.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn evidence(&self) -> Result<Vec<Kept>, StoreError> {
        self.0.shared.index.kept()
    }

    /// Whether the store accepts at present.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// The bytes that the data folder takes on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        bytes_below(&self.0.shared.dir)
    }

    /// The folder that this store is in.
    pub fn dir(&self) -> &Path {
        &self.0.shared.dir
    }

    /// The time at which a position was given out.
    pub fn time_of(seq: Seq) -> Timestamp {
        Timestamp::from_unix_micros(seq)
    }
}

/// Derives the index of the store in `dir` anew from its journal.
///
/// # Errors
/// As [`Store::open`]. The old index is gone by then; running this again starts over.
pub fn rebuild(dir: &Path, options: Options) -> Result<Rebuilt, StoreError> {
    {
        let _held = recover::lock_folder(dir)?;
        recover::discard_index(dir)?;
    }
    let store = Store::open(dir, options)?;
    Ok(Rebuilt {
        collections: store.counts()?,
        logs: store.heads()?.len(),
    })
}

fn bytes_below(dir: &Path) -> u64 {
    let mut total = 0;
    let mut folders: Vec<PathBuf> = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => total += meta.len(),
                Err(_) => {}
            }
        }
    }
    total
}
