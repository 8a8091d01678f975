//! The blocks of the files that came, found by their names.
//!
//! One pass over each file checks every block against its name and remembers where the good ones
//! are: 16 bytes a block, never the block itself. What is damaged is counted and skipped; after a
//! length that makes no sense, or at the end of a file that was cut off, the rest of that file is
//! lost and what came before it stays good.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use log::manifest::{LogPart, Root};
use log::{Cid, Codec, Hash, car};

use super::limits::{BLOCK_BYTES_MAX, BLOCKS_MAX, FILES_MAX, LOG_PARTS_MAX};

/// Where a courier file is read from: a file, or what decrypts one.
pub trait Medium: Read + Seek + Send {}
impl<T: Read + Seek + Send> Medium for T {}

/// What one file turned out to be.
#[derive(Clone, Debug, Default)]
pub struct FileReport {
    /// Who wrote it and for whom; `None` where that block is damaged.
    pub root: Option<Root>,
    /// Good blocks.
    pub blocks: u64,
    /// Blocks whose bytes are not those that their name says, or whose name is of another kind.
    pub damaged: u64,
    /// The byte after which nothing could be read, if it does not end as it should.
    pub cut: Option<u64>,
}

/// Why a file was not taken at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShelfError {
    /// It does not begin as a courier file does.
    Foreign,
    /// The medium failed.
    Io(io::Error),
    /// More blocks or files than one import can have.
    TooMany,
}

/// Files that were read through, and where their blocks are.
#[derive(Default)]
pub struct Shelf {
    media: Vec<Mutex<Box<dyn Medium>>>,
    /// The first eight bytes of a block's hash, and where it is: file above, offset below. Sorted
    /// once all files are there. Two blocks that begin alike hide one of them, which then counts as
    /// missing; nobody gains by that.
    places: Vec<(u64, u64)>,
    sorted: bool,
    parts: Vec<LogPart>,
    receipts: Vec<Cid>,
}

/// Bits of a place that hold the offset: files up to 256 TB.
const OFFSET_BITS: u32 = 48;

impl Shelf {
    /// Reads a file through and puts it on the shelf.
    ///
    /// # Errors
    /// [`ShelfError`]; then nothing of it is on the shelf.
    pub fn add(&mut self, mut medium: Box<dyn Medium>) -> Result<FileReport, ShelfError> {
        if self.media.len() >= FILES_MAX {
            return Err(ShelfError::TooMany);
        }
        let (held, parts, receipts) = (self.places.len(), self.parts.len(), self.receipts.len());
        let file = self.media.len() as u64;
        match self.read_through(&mut *medium, file) {
            Ok(report) => {
                self.media.push(Mutex::new(medium));
                self.sorted = false;
                Ok(report)
            }
            Err(error) => {
                self.places.truncate(held);
                self.parts.truncate(parts);
                self.receipts.truncate(receipts);
                Err(error)
            }
        }
    }

    fn read_through(
        &mut self,
        medium: &mut dyn Medium,
        file: u64,
    ) -> Result<FileReport, ShelfError> {
        medium.seek(SeekFrom::Start(0)).map_err(ShelfError::Io)?;
        let mut reader = Counted {
            inner: BufReader::with_capacity(1 << 18, medium),
            at: 0,
        };
        let header = reader.length().ok().flatten();
        let header = header.filter(|bytes| *bytes <= car::HEADER_BYTES_MAX as u64);
        let mut block = vec![0; header.ok_or(ShelfError::Foreign)? as usize];
        reader.exact(&mut block).map_err(|_| ShelfError::Foreign)?;
        let root = car::parse_header(&block).ok_or(ShelfError::Foreign)?;
        let mut report = FileReport::default();
        loop {
            let start = reader.at;
            let length = match reader.length() {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(_) => {
                    report.cut = Some(start);
                    break;
                }
            };
            let most = (Cid::BYTES + BLOCK_BYTES_MAX) as u64;
            if length < Cid::BYTES as u64 || length > most {
                report.cut = Some(start);
                break;
            }
            let mut name = [0; Cid::BYTES];
            block.resize(length as usize - Cid::BYTES, 0);
            if reader.exact(&mut name).is_err() || reader.exact(&mut block).is_err() {
                report.cut = Some(start);
                break;
            }
            let good = Cid::from_bytes(&name).filter(|cid| cid.hash == Hash::of(&block));
            let Some(cid) = good else {
                report.damaged += 1;
                continue;
            };
            if self.places.len() >= BLOCKS_MAX || start >> OFFSET_BITS != 0 {
                return Err(ShelfError::TooMany);
            }
            self.places
                .push((prefix(&cid), file << OFFSET_BITS | start));
            report.blocks += 1;
            if cid.codec == Codec::DagCbor {
                self.note(&cid, &block, &root, &mut report);
            }
        }
        Ok(report)
    }

    /// Notes what the file says that it has. A [`LogPart`] counts wherever it is, so that a damaged
    /// root costs nothing.
    fn note(&mut self, cid: &Cid, block: &[u8], root: &Cid, report: &mut FileReport) {
        if cid == root
            && let Ok(root) = Root::decode(block)
        {
            let room = LOG_PARTS_MAX.saturating_sub(self.receipts.len());
            self.receipts.extend(root.receipts.iter().take(room));
            report.root = Some(root);
        } else if let Ok(part) = LogPart::decode(block)
            && self.parts.len() < LOG_PARTS_MAX
        {
            self.parts.push(part);
        }
    }

    /// Ends the adding of files.
    pub fn finish(mut self) -> Shelf {
        self.places.sort_unstable();
        self.places.dedup_by_key(|place| place.0);
        self.sorted = true;
        self
    }

    /// What the files say that they have of logs.
    pub fn parts(&self) -> &[LogPart] {
        &self.parts
    }

    /// The receipts that the files name.
    pub fn receipts(&self) -> &[Cid] {
        &self.receipts
    }

    /// The bytes of a block; `None` when no file has it in good order, or it is larger than `limit`.
    pub fn block(&self, cid: &Cid, limit: usize) -> Option<Vec<u8>> {
        debug_assert!(self.sorted, "finish() comes first");
        let found = self
            .places
            .binary_search_by_key(&prefix(cid), |place| place.0);
        let place = self.places[found.ok()?].1;
        let medium = self.media.get((place >> OFFSET_BITS) as usize)?;
        let mut medium = medium.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = place & ((1 << OFFSET_BITS) - 1);
        medium.seek(SeekFrom::Start(offset)).ok()?;
        let mut front = Vec::with_capacity(car::FRAME_BYTES_MAX);
        let most = car::FRAME_BYTES_MAX as u64;
        (&mut *medium).take(most).read_to_end(&mut front).ok()?;
        let (length, taken) = car::read_varint(&front)?;
        let bytes = usize::try_from(length).ok()?.checked_sub(Cid::BYTES)?;
        if bytes > limit.min(BLOCK_BYTES_MAX) {
            return None;
        }
        let rest = front.get(taken + Cid::BYTES..).unwrap_or_default();
        let mut block = rest[..rest.len().min(bytes)].to_vec();
        let more = (bytes - block.len()) as u64;
        (&mut *medium).take(more).read_to_end(&mut block).ok()?;
        // The medium may read differently the second time.
        (block.len() == bytes && Hash::of(&block) == cid.hash).then_some(block)
    }
}

fn prefix(cid: &Cid) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = cid.hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A reader that knows how far it is.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: BufRead> Counted<R> {
    fn exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The next length; `None` at the end.
    fn length(&mut self) -> io::Result<Option<u64>> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(car::VARINT_BYTES_MAX);
        loop {
            let mut byte = [0];
            self.exact(&mut byte)?;
            bytes.push(byte[0]);
            if byte[0] & 0x80 == 0 || bytes.len() == car::VARINT_BYTES_MAX {
                break;
            }
        }
        let (length, _) = car::read_varint(&bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(length))
    }
}

impl fmt::Display for ShelfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShelfError::Foreign => f.write_str(
                "this is no courier file (or its first bytes are damaged); ask for another copy",
            ),
            ShelfError::Io(error) => write!(f, "the file cannot be read ({error})"),
            ShelfError::TooMany => f.write_str(
                "these files hold more than one import takes; import them one after the other",
            ),
        }
    }
}

impl std::error::Error for ShelfError {}
