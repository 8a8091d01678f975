//! Writing courier files from the store.
//!
//! A file is put together bundle by bundle into a spool (a file without a name in a folder of the
//! caller's choice), because the nodes that lead to the blocks come before them: of a file that is
//! cut off, everything before the cut can be imported. A part that would exceed its limit ends
//! before the bundle that does not fit, and the next one goes on there. Every part stands for
//! itself: checkpoint, the tiles above the leaves, and the entry bundles that take back what the
//! part leaves out.
//!
//! INVARIANT (I6): bodies come from [`Store::objects`], which leaves out what has been withdrawn.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use log::manifest::{Bundle, CHAPTER_BUNDLES_MAX, LogPart, Place, RECIPIENTS_MAX, Root, chapter};
use log::tile::TILE_WIDTH;
use log::{Checkpoint, Cid, Codec, Entry, Kind, Note, TilePath, car};
use store::{LogName, Store, StoreError};

use super::limits::{PACKED_BLOCKS_MAX, PART_BYTES_MIN};

/// What to write.
#[derive(Clone, Debug)]
pub struct Order {
    /// Code of the member that writes.
    pub from: String,
    /// Codes of the members that it is for.
    pub to: Vec<String>,
    /// The own logs, each from an entry on.
    pub logs: Vec<OrderedLog>,
    /// Signed notes that go with the first part.
    pub receipts: Vec<Vec<u8>>,
    /// Bytes that a part may have at most.
    pub part_bytes: Option<u64>,
}

/// One log to write.
#[derive(Clone, Debug)]
pub struct OrderedLog {
    /// The log, which must be this node's own.
    pub log: LogName,
    /// SHA-256 of the accord's text.
    pub digest: [u8; 32],
    /// The first entry to write. The whole bundle that it is in is written.
    pub since: u64,
}

/// What was written of one log, in all parts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The log.
    pub log: LogName,
    /// The first entry.
    pub first: u64,
    /// The entry after the last one, which is the size of the log.
    pub size: u64,
    /// Object bodies.
    pub objects: u64,
}

/// Why no file was written, or not all parts.
#[derive(Debug)]
#[non_exhaustive]
pub enum PackError {
    /// The store did not give it.
    Store(StoreError),
    /// The log's own material does not hold together.
    Damaged {
        /// The log.
        log: LogName,
    },
    /// The spool or the file could not be written.
    Io(io::Error),
    /// A bundle does not fit into a part.
    TooSmall {
        /// What a part must have at least.
        needs: u64,
    },
    /// More logs, members or entries than one file can name.
    TooMuch,
}

/// One part, complete.
pub struct Packed {
    /// Its number, from 1.
    pub part: u64,
    /// The name of its root.
    pub root: Cid,
    front: Vec<u8>,
    spool: File,
    spooled: u64,
}

impl Packed {
    /// Bytes that [`Packed::write_to`] writes.
    pub fn bytes(&self) -> u64 {
        self.front.len() as u64 + self.spooled
    }

    /// Writes the part.
    ///
    /// # Errors
    /// What the spool or `out` said.
    pub fn write_to(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.front)?;
        self.spool.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut (&mut self.spool).take(self.spooled), out)?;
        if copied != self.spooled {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Writes what `order` names, part by part. `spool` is the folder for the spool.
///
/// # Errors
/// [`PackError`]; parts that were given to `each` before are whole.
pub fn pack(
    store: &Store,
    order: &Order,
    spool: &Path,
    mut each: impl FnMut(&mut Packed) -> io::Result<()>,
) -> Result<Vec<Summary>, PackError> {
    if order.to.len() > RECIPIENTS_MAX || order.logs.len() > log::manifest::LOGS_MAX {
        return Err(PackError::TooMuch);
    }
    if order.part_bytes.is_some_and(|bytes| bytes < PART_BYTES_MIN) {
        let needs = PART_BYTES_MIN;
        return Err(PackError::TooSmall { needs });
    }
    let mut summaries = Vec::new();
    let mut part = Part::new(order, spool, 1)?;
    for ordered in &order.logs {
        let Some(log) = OwnLog::open(store, ordered)? else {
            continue;
        };
        let mut summary = Summary {
            log: ordered.log.clone(),
            first: log.first,
            size: log.size,
            objects: 0,
        };
        let mut gone: Option<HashMap<[u8; 32], u64>> = None;
        part.begin(&log, log.first);
        for index in log.first / TILE_WIDTH..log.size.div_ceil(TILE_WIDTH) {
            let unit = log.unit(store, index, &mut gone)?;
            if !part.fits(&unit) {
                if !part.is_empty() {
                    let number = part.number + 1;
                    each(&mut part.finish(order)?).map_err(PackError::Io)?;
                    part = Part::new(order, spool, number)?;
                    part.begin(&log, index * TILE_WIDTH);
                }
                if let Err(needs) = part.check(&unit) {
                    return Err(PackError::TooSmall { needs });
                }
            }
            summary.objects += unit.bodies.iter().flatten().count() as u64;
            part.add(store, &log, index, unit)?;
        }
        summaries.push(summary);
    }
    each(&mut part.finish(order)?).map_err(PackError::Io)?;
    Ok(summaries)
}

/// An own log as it is when its turn comes; what is appended meanwhile goes with the next courier.
struct OwnLog {
    name: LogName,
    digest: [u8; 32],
    note: Vec<u8>,
    size: u64,
    first: u64,
    tiles: Vec<(TilePath, Vec<u8>)>,
}

/// A bundle with everything that the file needs of it.
struct Unit {
    entries: Vec<u8>,
    path: TilePath,
    bodies: Vec<Option<Vec<u8>>>,
    /// Bundles whose entries take back what this one has no body for.
    explained: BTreeSet<u64>,
}

impl OwnLog {
    fn open(store: &Store, ordered: &OrderedLog) -> Result<Option<OwnLog>, PackError> {
        let name = ordered.log.clone();
        let Some(note) = store.checkpoint(&name)? else {
            return Ok(None);
        };
        let damaged = || PackError::Damaged { log: name.clone() };
        let text = Note::parse(note.as_bytes()).map_err(|_| damaged())?;
        let checkpoint = Checkpoint::parse_text(text.text()).map_err(|_| damaged())?;
        let size = checkpoint.size();
        if size == 0 {
            return Ok(None);
        }
        let mut paths = BTreeSet::new();
        // What is above the leaves, whole: 32 bytes for every 256 entries.
        for level in 1..=u8::MAX {
            let row: Vec<_> = (0..)
                .map_while(|index| TilePath::at(Kind::Hashes(level), index, size))
                .collect();
            if row.is_empty() {
                break;
            }
            paths.extend(row);
        }
        if let Some(edge) = TilePath::at(Kind::Hashes(0), size / TILE_WIDTH, size) {
            paths.insert(edge);
        }
        if paths.len() > log::manifest::TILES_MAX {
            return Err(PackError::TooMuch);
        }
        let mut tiles = Vec::with_capacity(paths.len());
        for path in paths {
            tiles.push((path, store.tile(&name, &path)?.ok_or_else(damaged)?));
        }
        Ok(Some(OwnLog {
            digest: ordered.digest,
            note: note.into_bytes(),
            size,
            first: (ordered.since.min(size) / TILE_WIDTH) * TILE_WIDTH,
            tiles,
            name,
        }))
    }

    fn damaged(&self) -> PackError {
        PackError::Damaged {
            log: self.name.clone(),
        }
    }

    fn entries(&self, store: &Store, index: u64) -> Result<(TilePath, Vec<u8>), PackError> {
        let path = TilePath::at(Kind::Entries, index, self.size).ok_or_else(|| self.damaged())?;
        let raw = store.tile(&self.name, &path)?;
        Ok((path, raw.ok_or_else(|| self.damaged())?))
    }

    fn read(&self, raw: &[u8], width: u16) -> Result<Vec<Entry>, PackError> {
        let entries = log::entries::decode(raw, width).map_err(|_| self.damaged())?;
        let read = entries.into_iter().map(Entry::decode);
        read.collect::<Result<_, _>>().map_err(|_| self.damaged())
    }

    fn unit(
        &self,
        store: &Store,
        index: u64,
        gone: &mut Option<HashMap<[u8; 32], u64>>,
    ) -> Result<Unit, PackError> {
        let (path, entries) = self.entries(store, index)?;
        let packed = store.objects(&self.name, index, path.width, 0)?;
        let packed = packed.ok_or_else(|| self.damaged())?;
        let mut bodies = Vec::with_capacity(path.width.into());
        log::bodies::for_each(&packed, path.width.into(), |_, body| {
            bodies.push((!body.is_empty()).then(|| body.to_vec()));
            Ok::<_, log::BodiesError>(())
        })
        .map_err(|_| self.damaged())?;
        let mut explained = BTreeSet::new();
        for (entry, body) in self.read(&entries, path.width)?.iter().zip(&bodies) {
            if body.is_none() && entry.action.brings_body() {
                let gone = match gone {
                    Some(gone) => gone,
                    None => gone.insert(self.takes_back(store)?),
                };
                explained.extend(gone.get(&entry.hash).filter(|other| **other != index));
            }
        }
        Ok(Unit {
            entries,
            path,
            bodies,
            explained,
        })
    }

    /// For everything that the log takes back, the bundle that says so last.
    fn takes_back(&self, store: &Store) -> Result<HashMap<[u8; 32], u64>, PackError> {
        let mut gone = HashMap::new();
        for index in 0..self.size.div_ceil(TILE_WIDTH) {
            let (path, raw) = self.entries(store, index)?;
            for entry in self.read(&raw, path.width)? {
                if !entry.action.brings_body() {
                    gone.insert(entry.hash, index);
                }
            }
        }
        Ok(gone)
    }
}

/// Bytes that a place in a list of nodes takes at most.
const PLACE_BYTES: u64 = 96;
/// Bytes that a log takes beside its lists: names, numbers, digest, frames.
const LOG_BYTES: u64 = 2048;
/// Bytes that the file takes beside logs, members and receipts.
const FILE_BYTES: u64 = 1024;

impl Unit {
    fn bytes(&self) -> u64 {
        let bodies: u64 = self
            .bodies
            .iter()
            .map(|body| {
                48 + body
                    .as_ref()
                    .map_or(0, |body| car::framed_bytes(body.len()))
            })
            .sum();
        let explained = self.explained.len() as u64 * (PLACE_BYTES + 512);
        2 * PLACE_BYTES + car::framed_bytes(self.entries.len()) + bodies + explained + 64
    }
}

/// A part that is being put together.
struct Part {
    number: u64,
    limit: u64,
    spool: BufWriter<File>,
    spooled: u64,
    blocks: usize,
    /// Bytes that the nodes before the spool take at most.
    ahead: u64,
    logs: Vec<PartLog>,
    units: usize,
}

struct PartLog {
    node: LogPart,
    note: Vec<u8>,
    tiles: Vec<Vec<u8>>,
    bundles: Vec<Place>,
    explained: BTreeSet<u64>,
}

impl Part {
    fn new(order: &Order, spool: &Path, number: u64) -> Result<Part, PackError> {
        let spool = tempfile::tempfile_in(spool).map_err(PackError::Io)?;
        let receipts: u64 = order
            .receipts
            .iter()
            .map(|one| 64 + car::framed_bytes(one.len()))
            .sum();
        Ok(Part {
            number,
            limit: order.part_bytes.unwrap_or(u64::MAX),
            spool: BufWriter::with_capacity(1 << 18, spool),
            spooled: 0,
            blocks: 0,
            ahead: FILE_BYTES + 24 * order.to.len() as u64 + receipts,
            logs: Vec::new(),
            units: 0,
        })
    }

    fn is_empty(&self) -> bool {
        self.units == 0
    }

    fn begin(&mut self, log: &OwnLog, first: u64) {
        let tiles: u64 = log
            .tiles
            .iter()
            .map(|(_, tile)| car::framed_bytes(tile.len()))
            .sum();
        self.ahead += LOG_BYTES + car::framed_bytes(log.note.len()) + tiles;
        self.ahead += PLACE_BYTES * log.tiles.len() as u64;
        self.logs.push(PartLog {
            node: LogPart {
                accord: log.name.accord.clone(),
                channel: log.name.channel.clone(),
                origin: log.name.origin.clone(),
                digest: log.digest,
                size: log.size,
                first,
                until: first,
                checkpoint: Cid::of(Codec::Raw, &log.note),
                tiles: Vec::new(),
                chapters: Vec::new(),
            },
            note: log.note.clone(),
            tiles: log.tiles.iter().map(|(_, tile)| tile.clone()).collect(),
            bundles: Vec::new(),
            explained: BTreeSet::new(),
        });
        if let Some(part) = self.logs.last_mut() {
            let cid = |(path, tile): &(TilePath, Vec<u8>)| (*path, Cid::of(Codec::Raw, tile));
            part.node.tiles = log.tiles.iter().map(cid).collect();
        }
    }

    /// What the part would need to take the unit.
    fn check(&self, unit: &Unit) -> Result<(), u64> {
        // Explaining bundles have entries of at most a few hundred bytes as a rule, but may have more.
        let explained = unit.explained.len() as u64 * car::framed_bytes(256 * 1024);
        let needs = self.ahead + self.spooled + unit.bytes() + explained;
        if needs > self.limit {
            Err(needs)
        } else {
            Ok(())
        }
    }

    fn fits(&self, unit: &Unit) -> bool {
        let blocks = self.blocks + unit.bodies.len() + 4 * (1 + unit.explained.len());
        blocks <= PACKED_BLOCKS_MAX && self.check(unit).is_ok()
    }

    fn add(
        &mut self,
        store: &Store,
        log: &OwnLog,
        index: u64,
        unit: Unit,
    ) -> Result<(), PackError> {
        self.units += 1;
        let bodies = unit.bodies.iter();
        let cids = bodies.map(|body| body.as_ref().map(|body| Cid::of(Codec::Raw, body)));
        let node = Bundle {
            entries: Cid::of(Codec::Raw, &unit.entries),
            bodies: cids.collect(),
        };
        let cid = self.block(Codec::DagCbor, &node.encode())?;
        self.block(Codec::Raw, &unit.entries)?;
        for body in unit.bodies.iter().flatten() {
            self.block(Codec::Raw, body)?;
        }
        self.place(unit.path, cid);
        if let Some(part) = self.logs.last_mut() {
            part.node.until = (index * TILE_WIDTH + u64::from(unit.path.width)).min(log.size);
        }
        for other in unit.explained {
            let new = |part: &mut PartLog| part.explained.insert(other);
            if !self.logs.last_mut().is_some_and(new) {
                continue;
            }
            let (path, raw) = log.entries(store, other)?;
            let entries = self.block(Codec::Raw, &raw)?;
            let bodies = Vec::new();
            let cid = self.block(Codec::DagCbor, &Bundle { entries, bodies }.encode())?;
            self.place(path, cid);
        }
        Ok(())
    }

    fn place(&mut self, path: TilePath, cid: Cid) {
        self.ahead += PLACE_BYTES;
        if let Some(part) = self.logs.last_mut() {
            part.bundles.push((path, cid));
        }
    }

    fn block(&mut self, codec: Codec, block: &[u8]) -> Result<Cid, PackError> {
        let cid = Cid::of(codec, block);
        let write = |out: &mut BufWriter<File>| {
            out.write_all(&car::frame(&cid, block.len()))?;
            out.write_all(block)
        };
        write(&mut self.spool).map_err(PackError::Io)?;
        self.spooled += car::framed_bytes(block.len());
        self.blocks += 1;
        Ok(cid)
    }

    fn finish(self, order: &Order) -> Result<Packed, PackError> {
        let mut front = Vec::new();
        let mut put = |codec: Codec, block: &[u8]| {
            let cid = Cid::of(codec, block);
            front.extend_from_slice(&car::frame(&cid, block.len()));
            front.extend_from_slice(block);
            cid
        };
        let mut logs = Vec::new();
        for mut log in self.logs {
            log.bundles.sort_unstable();
            log.bundles.dedup_by_key(|(path, _)| *path);
            let chapters = log.bundles.chunks(CHAPTER_BUNDLES_MAX);
            log.node.chapters = chapters
                .map(|bundles| put(Codec::DagCbor, &chapter(bundles)))
                .collect();
            if log.node.chapters.len() > log::manifest::CHAPTERS_MAX {
                return Err(PackError::TooMuch);
            }
            logs.push(put(Codec::DagCbor, &log.node.encode()));
            put(Codec::Raw, &log.note);
            for tile in &log.tiles {
                put(Codec::Raw, tile);
            }
        }
        let receipts = if self.number == 1 {
            order
                .receipts
                .iter()
                .map(|note| put(Codec::Raw, note))
                .collect()
        } else {
            Vec::new()
        };
        let root = Root {
            from: order.from.clone(),
            to: order.to.clone(),
            part: self.number,
            logs,
            receipts,
        }
        .encode();
        let cid = Cid::of(Codec::DagCbor, &root);
        let mut all = car::header(&cid);
        all.extend_from_slice(&car::frame(&cid, root.len()));
        all.extend_from_slice(&root);
        all.extend_from_slice(&front);
        let spool = self.spool.into_inner();
        let packed = Packed {
            part: self.number,
            root: cid,
            front: all,
            spool: spool.map_err(|error| PackError::Io(error.into_error()))?,
            spooled: self.spooled,
        };
        if packed.bytes() > self.limit {
            let needs = packed.bytes();
            return Err(PackError::TooSmall { needs });
        }
        Ok(packed)
    }
}

impl From<StoreError> for PackError {
    fn from(error: StoreError) -> PackError {
        PackError::Store(error)
    }
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::Store(error) => write!(f, "{error}"),
            PackError::Damaged { log } => write!(
                f,
                "the own log {log} does not hold together; run `kurultai verify` on the data folder"
            ),
            PackError::Io(error) => write!(f, "the file cannot be written ({error})"),
            PackError::TooSmall { needs } => write!(
                f,
                "a part must have room for a whole bundle of 256 entries: give --split at least {} KiB",
                needs.div_ceil(1024)
            ),
            PackError::TooMuch => f.write_str(
                "this is more than one file can name; export fewer channels at once or newer \
                 entries only",
            ),
        }
    }
}

impl std::error::Error for PackError {}
