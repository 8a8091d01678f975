//! What is in a courier file: the dag-cbor nodes that lead from its root to every block.
//!
//! [`Root`] → [`LogPart`] for each log → [`chapter`]s of at most [`CHAPTER_BUNDLES_MAX`] bundles →
//! [`Bundle`] → the entry bundle and each body, as raw blocks. One content has one encoding, so the
//! root's name is the same whoever writes the file.
//!
//! INVARIANT: a node proves nothing. It only says where to look; a reader believes the signatures,
//! hashes and proofs of the log material that it finds there.

use std::fmt;

use crate::cbor::{Fault, Reader, Writer};
use crate::cid::Cid;
use crate::tile::{Kind, TILE_WIDTH, TilePath};

/// The word that says what a courier file is.
pub const FORMAT: &str = "kurultai-courier/v1";

/// The word that says what a publication is.
pub const PUBLICATION: &str = "kurultai-publication/v1";

/// LIMIT: bytes of one node; all of those below fit.
pub const NODE_BYTES_MAX: usize = 1 << 20;

/// LIMIT: logs in one file, and receipts.
pub const LOGS_MAX: usize = 1024;

/// LIMIT: members that a file is for.
pub const RECIPIENTS_MAX: usize = 256;

/// LIMIT: bundles of one chapter.
pub const CHAPTER_BUNDLES_MAX: usize = 1024;

/// LIMIT: chapters of one log: a thousand million entries.
pub const CHAPTERS_MAX: usize = 4096;

/// LIMIT: hash tiles of one log that are in a file. The tiles above the leaves of 268 million
/// entries fit.
pub const TILES_MAX: usize = 4096;

/// LIMIT: bytes of any text in a node: names, codes, paths.
pub const TEXT_BYTES_MAX: usize = 256;

/// LIMIT: objects of one publication.
pub const PUBLISHED_MAX: usize = 16_384;

/// The root of a courier file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Code of the member that wrote it.
    pub from: String,
    /// Codes of the members that it is for, sorted.
    pub to: Vec<String>,
    /// Which part this is, from 1, of a file that was split. How many there are is not known when the
    /// first one is written; what is missing is seen from the entries.
    pub part: u64,
    /// One [`LogPart`] for each log.
    pub logs: Vec<Cid>,
    /// Signed notes: checkpoints of recipients' logs with cosignatures of `from`.
    pub receipts: Vec<Cid>,
}

/// What a file has of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// The accord's name.
    pub accord: String,
    /// The channel's name.
    pub channel: String,
    /// Code of the member whose log it is.
    pub origin: String,
    /// The SHA-256 of the accord's text, as the writer holds it.
    pub digest: [u8; 32],
    /// Entries that the checkpoint is over.
    pub size: u64,
    /// The first entry in the file.
    pub first: u64,
    /// The entry after the last one in the file.
    pub until: u64,
    /// The checkpoint note with its cosignatures.
    pub checkpoint: Cid,
    /// The tree's hash tiles above the leaves, and the one at its right edge that is not full.
    pub tiles: Vec<(TilePath, Cid)>,
    /// The chapters, in order.
    pub chapters: Vec<Cid>,
}

/// One entry of a chapter: the bundle's place and the block of its [`Bundle`].
pub type Place = (TilePath, Cid);

/// A bundle of entries with the objects that they brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The entry bundle.
    pub entries: Cid,
    /// A body for each entry, if it has one. Empty for a bundle that is there only to show what its
    /// entries took back.
    pub bodies: Vec<Option<Cid>>,
}

/// Objects for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Domain of the member that publishes.
    pub from: String,
    /// The objects, as raw blocks of canonical bytes.
    pub objects: Vec<Cid>,
}

impl Root {
    /// The node's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(6);
        writer.text("to");
        writer.array(self.to.len());
        for code in &self.to {
            writer.text(code);
        }
        writer.text("from");
        writer.text(&self.from);
        writer.text("logs");
        links(&mut writer, &self.logs);
        writer.text("part");
        writer.unsigned(self.part);
        writer.text("format");
        writer.text(FORMAT);
        writer.text("receipts");
        links(&mut writer, &self.receipts);
        writer.finish()
    }

    /// Reads a node.
    ///
    /// # Errors
    /// [`ManifestError`] for anything else than [`Root::encode`] writes.
    pub fn decode(node: &[u8]) -> Result<Root, ManifestError> {
        let mut reader = open(node, 6)?;
        key(&mut reader, "to")?;
        let count = counted(reader.array()?, RECIPIENTS_MAX)?;
        let to = (0..count)
            .map(|_| text(&mut reader))
            .collect::<Result<_, _>>()?;
        key(&mut reader, "from")?;
        let from = text(&mut reader)?;
        key(&mut reader, "logs")?;
        let logs = read_links(&mut reader, LOGS_MAX)?;
        key(&mut reader, "part")?;
        let part = reader.unsigned()?;
        key(&mut reader, "format")?;
        if reader.text()? != FORMAT {
            return Err(ManifestError("it is of another format or version"));
        }
        key(&mut reader, "receipts")?;
        let receipts = read_links(&mut reader, LOGS_MAX)?;
        reader.finish()?;
        Ok(Root {
            from,
            to,
            part,
            logs,
            receipts,
        })
    }
}

impl LogPart {
    /// The node's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(10);
        writer.text("size");
        writer.unsigned(self.size);
        writer.text("first");
        writer.unsigned(self.first);
        writer.text("tiles");
        places(&mut writer, &self.tiles);
        writer.text("until");
        writer.unsigned(self.until);
        writer.text("accord");
        writer.text(&self.accord);
        writer.text("digest");
        writer.bytes(&self.digest);
        writer.text("origin");
        writer.text(&self.origin);
        writer.text("channel");
        writer.text(&self.channel);
        writer.text("chapters");
        links(&mut writer, &self.chapters);
        writer.text("checkpoint");
        writer.link(&self.checkpoint);
        writer.finish()
    }

    /// Reads a node.
    ///
    /// # Errors
    /// [`ManifestError`] for anything else than [`LogPart::encode`] writes.
    pub fn decode(node: &[u8]) -> Result<LogPart, ManifestError> {
        let mut reader = open(node, 10)?;
        key(&mut reader, "size")?;
        let size = reader.unsigned()?;
        key(&mut reader, "first")?;
        let first = reader.unsigned()?;
        key(&mut reader, "tiles")?;
        let tiles = read_places(&mut reader, TILES_MAX, |kind| {
            matches!(kind, Kind::Hashes(_))
        })?;
        key(&mut reader, "until")?;
        let until = reader.unsigned()?;
        key(&mut reader, "accord")?;
        let accord = text(&mut reader)?;
        key(&mut reader, "digest")?;
        let digest = reader.bytes()?.try_into();
        let digest = digest.map_err(|_| ManifestError("a digest has not 32 bytes"))?;
        key(&mut reader, "origin")?;
        let origin = text(&mut reader)?;
        key(&mut reader, "channel")?;
        let channel = text(&mut reader)?;
        key(&mut reader, "chapters")?;
        let chapters = read_links(&mut reader, CHAPTERS_MAX)?;
        key(&mut reader, "checkpoint")?;
        let checkpoint = reader.link()?;
        reader.finish()?;
        Ok(LogPart {
            accord,
            channel,
            origin,
            digest,
            size,
            first,
            until,
            checkpoint,
            tiles,
            chapters,
        })
    }
}

/// The bytes of a chapter.
pub fn chapter(bundles: &[Place]) -> Vec<u8> {
    let mut writer = Writer::default();
    places(&mut writer, bundles);
    writer.finish()
}

/// Reads a chapter.
///
/// # Errors
/// [`ManifestError`] for anything else than [`chapter`] writes.
pub fn read_chapter(node: &[u8]) -> Result<Vec<Place>, ManifestError> {
    sized(node)?;
    let mut reader = Reader::new(node);
    let bundles = read_places(&mut reader, CHAPTER_BUNDLES_MAX, |kind| {
        kind == Kind::Entries
    })?;
    reader.finish()?;
    Ok(bundles)
}

impl Bundle {
    /// The node's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(2);
        writer.text("bodies");
        writer.array(self.bodies.len());
        for body in &self.bodies {
            match body {
                Some(cid) => writer.link(cid),
                None => writer.null(),
            }
        }
        writer.text("entries");
        writer.link(&self.entries);
        writer.finish()
    }

    /// Reads a node.
    ///
    /// # Errors
    /// [`ManifestError`] for anything else than [`Bundle::encode`] writes.
    pub fn decode(node: &[u8]) -> Result<Bundle, ManifestError> {
        let mut reader = open(node, 2)?;
        key(&mut reader, "bodies")?;
        let count = counted(reader.array()?, TILE_WIDTH as usize)?;
        let bodies = (0..count).map(|_| reader.link_or_null());
        let bodies = bodies.collect::<Result<_, _>>()?;
        key(&mut reader, "entries")?;
        let entries = reader.link()?;
        reader.finish()?;
        Ok(Bundle { entries, bodies })
    }
}

impl Publication {
    /// The node's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(3);
        writer.text("from");
        writer.text(&self.from);
        writer.text("format");
        writer.text(PUBLICATION);
        writer.text("objects");
        links(&mut writer, &self.objects);
        writer.finish()
    }

    /// Reads a node.
    ///
    /// # Errors
    /// [`ManifestError`] for anything else than [`Publication::encode`] writes.
    pub fn decode(node: &[u8]) -> Result<Publication, ManifestError> {
        let mut reader = open(node, 3)?;
        key(&mut reader, "from")?;
        let from = text(&mut reader)?;
        key(&mut reader, "format")?;
        if reader.text()? != PUBLICATION {
            return Err(ManifestError("it is of another format or version"));
        }
        key(&mut reader, "objects")?;
        let objects = read_links(&mut reader, PUBLISHED_MAX)?;
        reader.finish()?;
        Ok(Publication { from, objects })
    }
}

fn links(writer: &mut Writer, links: &[Cid]) {
    writer.array(links.len());
    for cid in links {
        writer.link(cid);
    }
}

fn places(writer: &mut Writer, places: &[Place]) {
    writer.array(places.len());
    for (path, cid) in places {
        writer.array(2);
        writer.text(&path.to_string());
        writer.link(cid);
    }
}

fn sized(node: &[u8]) -> Result<(), ManifestError> {
    if node.len() > NODE_BYTES_MAX {
        return Err(ManifestError("it has more than a mebibyte"));
    }
    Ok(())
}

fn open(node: &[u8], pairs: u64) -> Result<Reader<'_>, ManifestError> {
    sized(node)?;
    let mut reader = Reader::new(node);
    if reader.map()? != pairs {
        return Err(ManifestError("it has another number of fields"));
    }
    Ok(reader)
}

fn key(reader: &mut Reader<'_>, name: &str) -> Result<(), ManifestError> {
    if reader.text()? != name {
        return Err(ManifestError("it has another field than belongs there"));
    }
    Ok(())
}

fn text(reader: &mut Reader<'_>) -> Result<String, ManifestError> {
    let text = reader.text()?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(ManifestError("a text in it is too long"));
    }
    Ok(text.to_owned())
}

fn counted(count: u64, max: usize) -> Result<usize, ManifestError> {
    let count = usize::try_from(count).ok().filter(|count| *count <= max);
    count.ok_or(ManifestError("a list in it is too long"))
}

fn read_links(reader: &mut Reader<'_>, max: usize) -> Result<Vec<Cid>, ManifestError> {
    let count = counted(reader.array()?, max)?;
    let links = (0..count).map(|_| reader.link());
    Ok(links.collect::<Result<_, _>>()?)
}

fn read_places(
    reader: &mut Reader<'_>,
    max: usize,
    belongs: impl Fn(Kind) -> bool,
) -> Result<Vec<Place>, ManifestError> {
    let count = counted(reader.array()?, max)?;
    let mut places = Vec::new();
    for _ in 0..count {
        if reader.array()? != 2 {
            return Err(ManifestError("a place in it is no pair"));
        }
        let path = TilePath::parse(reader.text()?).ok();
        let path = path.filter(|path| belongs(path.kind));
        let path = path.ok_or(ManifestError("a path in it is none of this list"))?;
        places.push((path, reader.link()?));
    }
    Ok(places)
}

/// Why a block is no node of a courier file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestError(&'static str);

impl From<Fault> for ManifestError {
    fn from(fault: Fault) -> ManifestError {
        ManifestError(fault.reason())
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no part of a courier file: {}", self.0)
    }
}

impl std::error::Error for ManifestError {}
