//! A courier file as the source of one log under one checkpoint.
//!
//! Before the state machine asks for anything, the entries that the files have are authenticated
//! under the checkpoint once, for two reasons: of several files that offer the same bundle, the good
//! one is found; and what the log takes back is known.
//!
//! INVARIANT (I4, I6): a body that an entry brings is answered as empty only if an authenticated
//! entry of the same log takes it back. Everything else that a file lacks is missing, and the pull
//! ends there: whoever carried the file cannot make an object disappear by leaving it out.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use log::manifest::{Bundle, LogPart, NODE_BYTES_MAX, read_chapter};
use log::merkle::leaf_hash;
use log::tile::TILE_WIDTH;
use log::{Checkpoint, Cid, Entry, Hash, Kind, TilePath, Tiles, bodies};

use super::Shelf;
use super::limits::GONE_MAX;
use crate::error::PullError;
use crate::limits::{BODIES_UNPACKED_MAX, CHECKPOINT_BYTES_MAX, ENTRIES_BYTES_MAX, TILE_BYTES_MAX};
use crate::machine::View;
use crate::source::{FetchError, Source};

/// One log as files have it, up to one checkpoint.
pub struct LogFile(Arc<Inner>);

struct Inner {
    shelf: Arc<Shelf>,
    checkpoint: Checkpoint,
    note: Bytes,
    tiles: BTreeMap<TilePath, Vec<u8>>,
    /// The authenticated entry bundles, by number.
    bundles: BTreeMap<u64, Cid>,
    /// Hashes of objects that the log takes back.
    gone: HashSet<[u8; 32]>,
    lines: Mutex<String>,
}

impl LogFile {
    /// The checkpoints that the files have of the log of `view`, smallest first, each once.
    pub(super) fn checkpoints(shelf: &Shelf, view: &View) -> Vec<Result<LogFile, PullError>> {
        let mut found: Vec<LogFile> = Vec::new();
        let mut wrong = None;
        for part in of_log(shelf, view) {
            let Some(note) = shelf.block(&part.checkpoint, CHECKPOINT_BYTES_MAX) else {
                continue;
            };
            match Checkpoint::open(&note, view.keys()) {
                Ok((checkpoint, _)) => {
                    let known = found.iter().any(|file| file.0.checkpoint == checkpoint);
                    if !known && found.len() < super::limits::CHECKPOINTS_MAX {
                        found.push(LogFile::bare(checkpoint, note));
                    }
                }
                Err(error) => wrong = Some(view.explain(error, &note)),
            }
        }
        found.sort_by_key(LogFile::size);
        let found = found.into_iter().map(Ok);
        found.chain(wrong.map(Err)).collect()
    }

    fn bare(checkpoint: Checkpoint, note: Vec<u8>) -> LogFile {
        LogFile(Arc::new(Inner {
            shelf: Arc::default(),
            checkpoint,
            note: note.into(),
            tiles: BTreeMap::new(),
            bundles: BTreeMap::new(),
            gone: HashSet::new(),
            lines: Mutex::default(),
        }))
    }

    /// Finds and authenticates what the files have under the checkpoint. Reads files.
    pub(super) fn filled(self, shelf: &Arc<Shelf>, view: &View) -> LogFile {
        let Inner {
            checkpoint, note, ..
        } = &*self.0;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        let mut inner = Inner {
            shelf: Arc::clone(shelf),
            checkpoint: checkpoint.clone(),
            note: note.clone(),
            tiles: BTreeMap::new(),
            bundles: BTreeMap::new(),
            gone: HashSet::new(),
            lines: Mutex::default(),
        };
        let parts: Vec<&LogPart> = of_log(shelf, view).collect();
        let verified = parts.iter().find_map(|part| {
            let tiles = tiles(shelf, part, size)?;
            let verified = Tiles::verify(size, root, tiles.clone()).ok()?;
            Some((tiles, verified))
        });
        if let Some((tiles, verified)) = verified {
            inner.tiles = tiles;
            for part in parts {
                inner.take(part, &verified);
            }
        }
        LogFile(Arc::new(inner))
    }

    /// Entries that the checkpoint is over.
    pub fn size(&self) -> u64 {
        self.0.checkpoint.size()
    }

    /// Cosignature lines that the pull made; the way back takes them to the origin.
    pub fn lines(&self) -> String {
        let lines = self.0.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The entries that must be brought before more can be taken, when so many are `held`.
    pub fn missing(&self, held: u64) -> Option<RangeInclusive<u64>> {
        if held >= self.size() {
            return None;
        }
        let bundle = held / TILE_WIDTH;
        let next = self.0.bundles.range(bundle + 1..).next();
        let until = match next {
            // What is there of the bundle was not enough, so it must come again.
            _ if self.0.bundles.contains_key(&bundle) => (bundle + 1) * TILE_WIDTH,
            Some((next, _)) => next * TILE_WIDTH,
            None => self.size(),
        };
        Some(held..=until.min(self.size()) - 1)
    }
}

impl Inner {
    /// Takes the bundles of one file that are genuine.
    fn take(&mut self, part: &LogPart, tiles: &Tiles) {
        for chapter in &part.chapters {
            let node = self.shelf.block(chapter, NODE_BYTES_MAX);
            let places = node.and_then(|node| read_chapter(&node).ok());
            for (path, cid) in places.unwrap_or_default() {
                if self.bundles.contains_key(&path.index) {
                    continue;
                }
                let node = self.shelf.block(&cid, NODE_BYTES_MAX);
                let Some(node) = node.and_then(|node| Bundle::decode(&node).ok()) else {
                    continue;
                };
                let Some(raw) = self.shelf.block(&node.entries, ENTRIES_BYTES_MAX) else {
                    continue;
                };
                let Ok(genuine) = tiles.entry_bundle(&path, &raw) else {
                    continue;
                };
                for entry in genuine
                    .into_iter()
                    .filter_map(|raw| Entry::decode(raw).ok())
                {
                    if !entry.action.brings_body() && self.gone.len() < GONE_MAX {
                        self.gone.insert(entry.hash);
                    }
                }
                self.bundles.insert(path.index, node.entries);
            }
        }
    }

    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
        if path == "checkpoint" {
            return within(self.note.to_vec(), limit);
        }
        let (path, skip) = match path.split_once("?skip=") {
            Some((path, skip)) => (path, skip.parse().map_err(|_| FetchError::NotFound)?),
            None => (path, 0),
        };
        let path = TilePath::parse(path).map_err(|_| FetchError::NotFound)?;
        match path.kind {
            Kind::Entries => within(self.entries(path)?, limit),
            Kind::Objects => within(self.objects(path, skip)?, limit),
            Kind::Hashes(level) => match self.tiles.get(&path) {
                Some(tile) => within(tile.clone(), limit),
                // Tiles of leaves are made from the entries: the machine compares them with the root.
                None if level == 0 => within(self.leaves(path)?, limit),
                None => Err(FetchError::NotFound),
            },
        }
    }

    fn entries(&self, path: TilePath) -> Result<Vec<u8>, FetchError> {
        let whole = TilePath::at(Kind::Entries, path.index, self.checkpoint.size());
        if whole.is_none_or(|whole| whole.width != path.width) {
            return Err(FetchError::NotFound);
        }
        let cid = self.bundles.get(&path.index).ok_or(FetchError::NotFound)?;
        let block = self.shelf.block(cid, ENTRIES_BYTES_MAX);
        block.ok_or(FetchError::NotFound)
    }

    /// The entries of the bundle in which this tile or these bodies are.
    fn whole(&self, path: TilePath) -> Result<(Vec<u8>, u16), FetchError> {
        let whole = TilePath::at(Kind::Entries, path.index, self.checkpoint.size())
            .filter(|whole| whole.width >= path.width)
            .ok_or(FetchError::NotFound)?;
        Ok((self.entries(whole)?, whole.width))
    }

    fn leaves(&self, path: TilePath) -> Result<Vec<u8>, FetchError> {
        let (raw, width) = self.whole(path)?;
        let entries = log::entries::decode(&raw, width).map_err(|_| FetchError::NotFound)?;
        let leaves = entries.iter().take(path.width.into());
        Ok(leaves.flat_map(|entry| leaf_hash(entry).0).collect())
    }

    fn objects(&self, path: TilePath, skip: usize) -> Result<Vec<u8>, FetchError> {
        let (raw, width) = self.whole(path)?;
        let entries = log::entries::decode(&raw, width).map_err(|_| FetchError::NotFound)?;
        let mut found: Vec<Vec<u8>> = Vec::with_capacity(path.width.into());
        let mut bytes = 0;
        for (place, raw) in entries.iter().take(path.width.into()).enumerate() {
            let entry = Entry::decode(raw).map_err(|_| FetchError::NotFound)?;
            let body = if place < skip || !entry.action.brings_body() {
                Vec::new()
            } else {
                let cid = Cid::raw(entry.hash);
                match self.shelf.block(&cid, model::OBJECT_BYTES_MAX) {
                    Some(body) => body,
                    None if self.gone.contains(&entry.hash) => Vec::new(),
                    None => return Err(FetchError::NotFound),
                }
            };
            bytes += body.len() + 4;
            if bytes > BODIES_UNPACKED_MAX {
                let limit = BODIES_UNPACKED_MAX;
                return Err(FetchError::TooLarge { limit });
            }
            found.push(body);
        }
        let slices: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
        Ok(bodies::encode(&slices))
    }
}

fn within(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, FetchError> {
    if bytes.len() > limit {
        return Err(FetchError::TooLarge { limit });
    }
    Ok(bytes)
}

fn of_log<'a>(shelf: &'a Shelf, view: &'a View) -> impl Iterator<Item = &'a LogPart> {
    let log = view.log();
    let parts = shelf.parts().iter();
    parts.filter(move |part| {
        (&part.accord, &part.channel, &part.origin) == (&log.accord, &log.channel, &log.origin)
    })
}

/// The tiles that one file has for a tree of `size`, if it has all that it names.
fn tiles(shelf: &Shelf, part: &LogPart, size: u64) -> Option<BTreeMap<TilePath, Vec<u8>>> {
    if part.size != size {
        return None;
    }
    let tile = |(path, cid): &(TilePath, Cid)| Some((*path, shelf.block(cid, TILE_BYTES_MAX)?));
    part.tiles.iter().map(tile).collect()
}

impl Source for LogFile {
    fn live(&self) -> bool {
        false
    }

    async fn fetch(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        let (inner, path) = (Arc::clone(&self.0), path.to_owned());
        let read = tokio::task::spawn_blocking(move || inner.read(&path, limit));
        match read.await {
            Ok(read) => read.map(Bytes::from),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(FetchError::Broken {
                why: error.to_string(),
            }),
        }
    }

    async fn cosign(&self, lines: String) -> Result<(), FetchError> {
        let mut held = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_str(&lines);
        Ok(())
    }
}

const _: () = assert!(Hash::BYTES * TILE_WIDTH as usize == TILE_BYTES_MAX);
