//! The journal: every change this node ever accepted, in order, as bytes.
//!
//! The index is derived from it and can be rebuilt; so a change is durable once its frames are
//! here. A segment is a run of frames: `u32 header length, u32 data length, 16 bytes of SHA-256
//! over both, header (JSON), data`. A frame that is cut short or whose digest differs ends its
//! segment: it was being written when the power went, and nobody was told that it was accepted.
//! Every start opens a new segment, so a torn end is never written over.
//!
//! The journal knows frames, not their effects; those are in [`crate::plan`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::blobs::Blobs;
use crate::error::StoreError;
use crate::limits::{FRAME_DATA_BYTES_MAX, FRAME_HEADER_BYTES_MAX};
use crate::types::{LogName, Seq};

/// The folder of the segments.
const FOLDER: &str = "journal";
/// Bytes before a frame's header.
const PREFIX: usize = 4 + 4 + 16;

/// What one frame says; its data follows in the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "lowercase")]
pub(crate) enum Header {
    /// Objects taken into the national collection. Data: their body bundle.
    Objects {
        first: Seq,
        count: usize,
        label: String,
        /// They go to the outgoing forms instead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forms: bool,
    },
    /// An object that is held already enters the national collection, too.
    Adopted {
        seq: Seq,
        object: Seq,
        id: String,
        label: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forms: bool,
    },
    /// Objects that leave the national collection: the id and the hash of each.
    Removed { objects: Vec<(String, String)> },
    /// Entries appended to an own log. Data: the entry bundle. `objects` has the position of each
    /// entry's object.
    Appended {
        log: Name,
        from: u64,
        count: usize,
        first: Seq,
        checkpoint: String,
        objects: Vec<Option<Seq>>,
    },
    /// Records appended to an own log that carries no objects. Data: the entry bundle.
    Audited {
        log: Name,
        from: u64,
        count: usize,
        first: Seq,
        checkpoint: String,
    },
    /// Entries of a partner's log. Data: the entry bundle, then the body bundle.
    Received {
        log: Name,
        from: u64,
        count: usize,
        first: Seq,
        checkpoint: String,
        checkpoint_size: u64,
        entries_bytes: usize,
        skip: usize,
        /// Which entries' objects were refused for a conflict.
        conflicts: Vec<usize>,
    },
    /// Cosignatures of a checkpoint.
    Cosigned {
        log: Name,
        size: u64,
        lines: Vec<(String, String)>,
    },
    /// A log is refused from here on. Data: the evidence.
    Refused { log: Name, at: Seq, reason: String },
    /// An own log's checkpoint, signed anew.
    Resigned {
        log: Name,
        size: u64,
        checkpoint: String,
    },
    /// The copy of a partner's log begins anew. Data: the evidence.
    Restarted {
        log: Name,
        from: u64,
        at: Seq,
        reason: String,
    },
    /// Something kept as evidence that stops nothing. Data: the content.
    Kept {
        log: Option<Name>,
        at: Seq,
        reason: String,
    },
    /// A setting; without `value`, its removal. Data: the value.
    Setting { key: String, removed: bool },
}

/// A log's name as the journal writes it: accord, channel, origin.
pub(crate) type Name = (String, String, String);

impl LogName {
    pub(crate) fn to_parts(&self) -> Name {
        (
            self.accord.clone(),
            self.channel.clone(),
            self.origin.clone(),
        )
    }

    pub(crate) fn from_parts(parts: &Name) -> LogName {
        LogName::new(&parts.0, &parts.1, &parts.2)
    }
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The segment's number; the first is 1.
    pub(crate) segment: u64,
    /// Bytes from its beginning.
    pub(crate) offset: u64,
}

/// The key of a segment.
pub(crate) fn segment_key(segment: u64) -> String {
    format!("{FOLDER}/{segment:08}.seg")
}

/// Frames gathered for one append, and where they will be.
#[derive(Debug)]
pub(crate) struct Frames {
    start: Position,
    bytes: Vec<u8>,
}

impl Frames {
    /// Begins at `start`, where the journal ends.
    pub(crate) fn new(start: Position) -> Frames {
        Frames {
            start,
            bytes: Vec::new(),
        }
    }

    /// Adds a frame whose data is the given parts, one after the other; gives the place of each
    /// part's first byte.
    pub(crate) fn push(
        &mut self,
        header: &Header,
        data: &[&[u8]],
    ) -> Result<Vec<Position>, StoreError> {
        let head = serde_json::to_vec(header)
            .map_err(|error| StoreError::corrupt("a journal frame", error.to_string()))?;
        let length: usize = data.iter().map(|part| part.len()).sum();
        if head.len() > FRAME_HEADER_BYTES_MAX as usize || length > FRAME_DATA_BYTES_MAX as usize {
            return Err(StoreError::Entry {
                problem: "it does not fit into one journal frame".into(),
            });
        }
        let mut digest = Sha256::new();
        digest.update(&head);
        for part in data {
            digest.update(part);
        }
        // Both lengths are below the limits above, which fit into 32 bits.
        self.bytes
            .extend_from_slice(&(head.len() as u32).to_be_bytes());
        self.bytes.extend_from_slice(&(length as u32).to_be_bytes());
        self.bytes.extend_from_slice(&digest.finalize()[..16]);
        self.bytes.extend_from_slice(&head);
        let mut places = Vec::with_capacity(data.len());
        for part in data {
            places.push(self.end());
            self.bytes.extend_from_slice(part);
        }
        Ok(places)
    }

    /// Where the next byte will be.
    pub(crate) fn end(&self) -> Position {
        Position {
            segment: self.start.segment,
            offset: self.start.offset + self.bytes.len() as u64,
        }
    }

    /// Where the first frame is.
    pub(crate) fn start(&self) -> Position {
        self.start
    }

    /// The frames' bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// One frame as read back.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) data: Vec<u8>,
    /// Where `data` begins.
    pub(crate) data_at: Position,
    /// Where the next frame begins.
    pub(crate) next: Position,
}

/// The numbers of the segments that exist, ascending.
pub(crate) fn segments(blobs: &dyn Blobs) -> Result<Vec<u64>, StoreError> {
    let number = |key: &String| {
        key.strip_prefix("journal/")?
            .strip_suffix(".seg")?
            .parse()
            .ok()
    };
    Ok(blobs.list(FOLDER)?.iter().filter_map(number).collect())
}

/// Reads the whole frames from `from` to the end of its segment, in order. Gives where the last
/// whole frame ends.
pub(crate) fn replay(
    blobs: &dyn Blobs,
    from: Position,
    mut each: impl FnMut(Frame) -> Result<(), StoreError>,
) -> Result<Position, StoreError> {
    let key = segment_key(from.segment);
    let mut at = from;
    loop {
        let Some(prefix) = there(blobs.range(&key, at.offset, PREFIX))? else {
            return Ok(at);
        };
        let word =
            |i: usize| u32::from_be_bytes([prefix[i], prefix[i + 1], prefix[i + 2], prefix[i + 3]]);
        let (head_bytes, data_bytes) = (word(0), word(4));
        if head_bytes > FRAME_HEADER_BYTES_MAX || data_bytes > FRAME_DATA_BYTES_MAX {
            return Ok(at);
        }
        let whole = head_bytes as usize + data_bytes as usize;
        let Some(mut head) = there(blobs.range(&key, at.offset + PREFIX as u64, whole))? else {
            return Ok(at);
        };
        if Sha256::digest(&head)[..16] != prefix[8..24] {
            return Ok(at);
        }
        let data = head.split_off(head_bytes as usize);
        let header = serde_json::from_slice(&head).map_err(|error| {
            StoreError::corrupt(format!("{key} at {}", at.offset), error.to_string())
        })?;
        let data_at = Position {
            segment: at.segment,
            offset: at.offset + PREFIX as u64 + u64::from(head_bytes),
        };
        let next = Position {
            segment: at.segment,
            offset: data_at.offset + u64::from(data_bytes),
        };
        each(Frame {
            header,
            data,
            data_at,
            next,
        })?;
        at = next;
    }
}

/// Bytes of a segment, or `None` where it ends. A disk that cannot be read at the moment is not the
/// end of a segment: what follows was accepted, and a rebuild that left it out would forget it.
fn there(read: Result<Vec<u8>, StoreError>) -> Result<Option<Vec<u8>>, StoreError> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
