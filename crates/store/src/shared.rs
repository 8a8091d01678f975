//! What readers and the writer share: the back ends, the caches and who is watching.
//!
//! All reads of bytes go through here. Bodies are found by the positions in records, which only the
//! index gives out. A record that was read earlier still leads to its bytes after everything has
//! ceased to show it: whoever serves or releases bytes asks for the record anew, so that bytes that
//! no collection shows are not served (I6).

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use bytes::Bytes;
use log::tile::{Kind, TILE_WIDTH, TilePath};

use crate::blobs::Blobs;
use crate::error::StoreError;
use crate::index::{Index, Location};
use crate::journal;
use crate::labels::Labels;
use crate::limits::BUNDLE_OBJECTS_MAX;
use crate::logstate::log_key;
use crate::types::{Event, Health, LogName, Seq};

/// One watcher.
type Watcher = Box<dyn Fn(&Event) + Send + Sync>;
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) blobs: Box<dyn Blobs>,
    pub(crate) index: Box<dyn Index>,
    pub(crate) cache: Mutex<BundleCache>,
    pub(crate) labels: Labels,
    watchers: RwLock<Vec<Watcher>>,
    health: Mutex<Health>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        blobs: Box<dyn Blobs>,
        index: Box<dyn Index>,
        cache_bytes: usize,
    ) -> Shared {
        Shared {
            dir,
            blobs,
            index,
            cache: Mutex::new(BundleCache {
                bytes_max: cache_bytes,
                ..BundleCache::default()
            }),
            labels: Labels::new(),
            watchers: RwLock::new(Vec::new()),
            health: Mutex::new(Health {
                writable: true,
                reason: None,
            }),
        }
    }

    pub(crate) fn watch(&self, watcher: Watcher) {
        self.watchers
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push(watcher);
    }

    pub(crate) fn tell(&self, events: &[Event]) {
        let watchers = self
            .watchers
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for event in events {
            watchers.iter().for_each(|watcher| watcher(event));
        }
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    pub(crate) fn set_health(&self, outcome: Result<(), &StoreError>) {
        *lock(&self.health) = match outcome {
            Ok(()) => Health {
                writable: true,
                reason: None,
            },
            Err(error) => Health {
                writable: false,
                reason: Some(error.to_string()),
            },
        };
    }

    /// A tile or entry bundle of a log that is held to `size`, cut to the width asked for.
    pub(crate) fn tile_of(
        &self,
        log: &LogName,
        path: &TilePath,
        size: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        // What is stored is the tile as of the head; every narrower width is its beginning.
        let Some(stored) = TilePath::at(path.kind, path.index, size) else {
            return Ok(None);
        };
        if path.width > stored.width {
            return Ok(None);
        }
        let Some(mut bytes) = self.blobs.get(&log_key(log, &stored))? else {
            return Ok(None);
        };
        if path.width == stored.width {
            return Ok(Some(bytes));
        }
        let damaged = |problem: String| StoreError::corrupt(log_key(log, &stored), problem);
        let length = match path.kind {
            Kind::Entries => log::entries::decode(&bytes, stored.width)
                .map_err(|error| damaged(error.to_string()))?
                .iter()
                .take(path.width as usize)
                .map(|entry| 2 + entry.len())
                .sum(),
            Kind::Hashes(_) | Kind::Objects => path.width as usize * 32,
        };
        if bytes.len() < length {
            return Err(damaged("it is too short".into()));
        }
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    /// The compressed bodies of an own log's entry bundle, the first `skip` left empty.
    pub(crate) fn objects_of(
        &self,
        log: &LogName,
        index: u64,
        width: u16,
        skip: usize,
        size: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(whole) = TilePath::at(Kind::Objects, index, size) else {
            return Ok(None);
        };
        if width > whole.width {
            return Ok(None);
        }
        let from = index * TILE_WIDTH;
        if whole.is_full() {
            let Some(stored) = self.blobs.get(&log_key(log, &whole))? else {
                return Ok(None);
            };
            let gone = self.index.blanked(log, from, from + TILE_WIDTH)?;
            if u64::from(width) == TILE_WIDTH && skip == 0 && gone.is_empty() {
                return Ok(Some(stored));
            }
            let damaged = |error: log::bodies::BodiesError| {
                StoreError::corrupt(log_key(log, &whole), error.to_string())
            };
            let kept = log::bodies::blank(&stored, &|i| gone.contains(&(from + i as u64)))
                .map_err(damaged)?;
            return Ok(Some(
                log::bodies::take(&kept, skip, width as usize).map_err(damaged)?,
            ));
        }
        let mut objects = self
            .index
            .entry_objects(log, from, from + u64::from(width))?;
        // Once the bundle is finished the index no longer says where its objects are. If that
        // happened since `size` was read, these would look withdrawn, and a partner that takes
        // them for withdrawn never asks again.
        let now = self.index.heads(Some(log))?.pop();
        if let Some((_, head)) = now.filter(|(_, head)| head.size >= from + TILE_WIDTH) {
            return self.objects_of(log, index, width, skip, head.size);
        }
        objects
            .iter_mut()
            .take(skip)
            .for_each(|object| *object = None);
        Ok(Some(self.body_bundle(&objects)?))
    }

    /// A compressed body bundle of these objects; `None` gives an empty body.
    pub(crate) fn body_bundle(&self, objects: &[Option<Seq>]) -> Result<Vec<u8>, StoreError> {
        let wanted: Vec<Seq> = objects.iter().flatten().copied().collect();
        let mut bodies = self.bodies(&wanted)?.into_iter();
        let bodies: Vec<Bytes> = objects
            .iter()
            .map(|object| object.and_then(|_| bodies.next()).unwrap_or_default())
            .collect();
        let slices: Vec<&[u8]> = bodies.iter().map(|body| &body[..]).collect();
        Ok(log::bodies::encode(&slices))
    }

    /// The canonical bytes of objects, in order.
    pub(crate) fn bodies(&self, objects: &[Seq]) -> Result<Vec<Bytes>, StoreError> {
        let mut out = Vec::with_capacity(objects.len());
        let mut last: Option<((u64, u64), Arc<Bundle>)> = None;
        for (location, seq) in self.index.locate(objects)?.into_iter().zip(objects) {
            let bundle = match &last {
                Some((at, bundle)) if *at == location.at => bundle.clone(),
                _ => self.bundle(&location)?,
            };
            let body = bundle.body(location.body).filter(|body| !body.is_empty());
            let place = || {
                format!(
                    "{} at {}",
                    journal::segment_key(location.at.0),
                    location.at.1
                )
            };
            out.push(body.ok_or_else(|| {
                StoreError::corrupt(place(), format!("it lacks the object at position {seq}"))
            })?);
            last = Some((location.at, bundle));
        }
        Ok(out)
    }

    fn bundle(&self, location: &Location) -> Result<Arc<Bundle>, StoreError> {
        if let Some(bundle) = lock(&self.cache).get(location.at) {
            return Ok(bundle);
        }
        let key = journal::segment_key(location.at.0);
        let compressed = self.blobs.range(&key, location.at.1, location.length)?;
        let damaged =
            |problem: String| StoreError::corrupt(format!("{key} at {}", location.at.1), problem);
        let bundle = Arc::new(Bundle::decode(&compressed, location.bodies).map_err(damaged)?);
        lock(&self.cache).put(location.at, bundle.clone());
        Ok(bundle)
    }
}

/// A decompressed body bundle.
pub(crate) struct Bundle {
    bytes: Bytes,
    /// Start and length of each body.
    places: Vec<(usize, usize)>,
}

impl Bundle {
    /// `compressed` is ours, or was checked body by body when it was received; so it is
    /// decompressed in one go.
    fn decode(compressed: &[u8], count: usize) -> Result<Bundle, String> {
        let bytes_max = BUNDLE_OBJECTS_MAX * (model::OBJECT_BYTES_MAX + 4);
        let size = zstd::zstd_safe::get_frame_content_size(compressed)
            .ok()
            .flatten()
            .unwrap_or(0);
        let bytes = if size > 0 && size <= bytes_max as u64 {
            zstd::bulk::decompress(compressed, size as usize)
        } else {
            let mut bytes = Vec::new();
            zstd::stream::Decoder::new(compressed)
                .and_then(|decoder| decoder.take(bytes_max as u64).read_to_end(&mut bytes))
                .map(|_| bytes)
        }
        .map_err(|error| error.to_string())?;
        let mut places = Vec::with_capacity(count);
        let mut at = 0;
        while let Some(prefix) = bytes.get(at..at + 4) {
            let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize;
            places.push((at + 4, length));
            at += 4 + length;
        }
        if at != bytes.len() || places.len() < count {
            return Err(format!(
                "it has {} whole bodies instead of {count}",
                places.len()
            ));
        }
        Ok(Bundle {
            bytes: bytes.into(),
            places,
        })
    }

    fn body(&self, i: usize) -> Option<Bytes> {
        let (start, length) = *self.places.get(i)?;
        Some(self.bytes.slice(start..start + length))
    }
}

/// The bundles last read, up to a number of bytes; the oldest goes first.
#[derive(Default)]
pub(crate) struct BundleCache {
    bytes_max: usize,
    bytes: usize,
    held: HashMap<(u64, u64), Arc<Bundle>>,
    order: VecDeque<(u64, u64)>,
}

impl BundleCache {
    fn get(&self, at: (u64, u64)) -> Option<Arc<Bundle>> {
        self.held.get(&at).cloned()
    }

    fn put(&mut self, at: (u64, u64), bundle: Arc<Bundle>) {
        let size = bundle.bytes.len();
        if size > self.bytes_max || self.held.insert(at, bundle).is_some() {
            return;
        }
        self.bytes += size;
        self.order.push_back(at);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(gone) = self.held.remove(&oldest) {
                self.bytes -= gone.bytes.len();
            }
        }
    }
}
