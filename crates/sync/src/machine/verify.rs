//! Verifying one bundle: entries against the tree, bodies against their entries, objects against
//! the accord. Runs on threads for such work and touches neither network nor store.
//!
//! Three outcomes for a body, and the difference matters. Its bytes are not those that the entry
//! names: the peer does not serve its own log, nothing of the bundle is kept. They are, but are no
//! canonical object, or the accord does not allow it: the origin released it wrongly, the log goes
//! on without it. It is empty where an object belongs: taken back later in the log, or missing.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use log::tile::TILE_WIDTH;
use log::{BodiesError, Entry, TilePath, Tiles, bodies};
use model::{Object, Timestamp};
use policy::InForce;

use super::{Clock, Spent, View, between};
use crate::error::PullError;
use crate::limits::BODIES_UNPACKED_MAX;

/// Entries of one bundle, authenticated, from place `next` to the bundle's end. Those before it
/// are held already or have become pieces.
pub(super) struct Entries {
    bundle: u64,
    next: usize,
    raw: Vec<Vec<u8>>,
    read: Vec<Entry>,
    /// What reading them cost; reported with the first piece.
    bytes: u64,
    spent: Duration,
}

/// A run of new entries within one bundle, with their bodies.
pub(super) struct Piece {
    /// Position in the log of the first entry.
    pub(super) from: u64,
    /// The place of the first entry in its bundle; as many bodies of `packed` precede the first.
    pub(super) skip: usize,
    pub(super) raw: Vec<Vec<u8>>,
    pub(super) entries: Vec<Entry>,
    /// The bodies as they came.
    pub(super) packed: Bytes,
    pub(super) found: Found,
    pub(super) entry_bytes: u64,
    pub(super) spent: Spent,
}

/// What the bodies of a piece hold.
#[derive(Default)]
pub(super) struct Found {
    /// What may be shown of each entry.
    pub(super) objects: Vec<Option<Object>>,
    /// Whether there are bodies that are not in `objects`.
    pub(super) excess: bool,
    /// Entries whose object is not to be shown, and why.
    pub(super) refused: Vec<(u64, String)>,
    /// Positions of entries that should have a body and have none.
    pub(super) missing: Vec<u64>,
    pub(super) unpacked_bytes: usize,
}

impl Entries {
    /// Authenticates a bundle's entries and reads the new ones.
    pub(super) fn verify(
        tiles: &Tiles,
        path: TilePath,
        bytes: Bytes,
        skip: usize,
        clock: &Clock,
    ) -> Result<Entries, PullError> {
        let start = clock();
        let first = path.index * TILE_WIDTH;
        let genuine = tiles.entry_bundle(&path, &bytes)?;
        let mut raw = Vec::with_capacity(genuine.len() - skip);
        let mut read = Vec::with_capacity(genuine.len() - skip);
        for (place, entry) in genuine.into_iter().enumerate().skip(skip) {
            let index = first + place as u64;
            read.push(Entry::decode(entry).map_err(|error| PullError::Entry { index, error })?);
            raw.push(entry.to_vec());
        }
        Ok(Entries {
            bundle: path.index,
            next: skip,
            raw,
            read,
            bytes: bytes.len() as u64,
            spent: between(start, clock()),
        })
    }

    /// The bundle's number.
    pub(super) fn bundle(&self) -> u64 {
        self.bundle
    }

    /// Their places within the bundle.
    pub(super) fn places(&self) -> Range<usize> {
        self.next..self.next + self.raw.len()
    }
}

/// Why bodies were not taken.
enum Stop {
    TooLarge,
    Malformed(BodiesError),
    Wrong(PullError),
}

impl From<BodiesError> for Stop {
    fn from(error: BodiesError) -> Stop {
        Stop::Malformed(error)
    }
}

/// Verifies the bodies of the first `entries`, up to place `end`, and makes a piece of both.
/// `packed` ends with the body before `end` and, if the source heeded what was asked, holds none
/// that belongs before the first of `entries`. `None`: they are too many bytes to be unpacked; then,
/// as after an error, `entries` are as before.
pub(super) fn piece(
    entries: &mut Entries,
    end: usize,
    packed: Bytes,
    view: &View,
    clock: &Clock,
) -> Result<Option<Piece>, PullError> {
    let start = clock();
    let skip = entries.next;
    let mut reader = Reader {
        view,
        channel: view.channel(),
        from: entries.bundle * TILE_WIDTH + skip as u64,
        entries: &entries.read[..end - skip],
        found: Found::default(),
    };
    let mut checking = Duration::ZERO;
    let visited = bodies::for_each(&packed, end, |place, body| {
        let start = clock();
        reader.found.unpacked_bytes += body.len() + 4;
        if reader.found.unpacked_bytes > BODIES_UNPACKED_MAX {
            return Err(Stop::TooLarge);
        }
        if place < skip {
            reader.found.excess |= !body.is_empty();
        } else {
            reader.take(body, start).map_err(Stop::Wrong)?;
        }
        checking += between(start, clock());
        Ok(())
    });
    let (from, found) = (reader.from, reader.found);
    match visited {
        Ok(()) => {}
        Err(Stop::TooLarge) => return Ok(None),
        Err(Stop::Wrong(error)) => return Err(error),
        Err(Stop::Malformed(error)) => {
            let (kind, index) = (log::Kind::Objects, entries.bundle);
            let path = TilePath {
                kind,
                index,
                width: end as u16,
            }
            .to_string();
            return Err(PullError::Bodies { path, error });
        }
    }
    entries.next = end;
    Ok(Some(Piece {
        from,
        skip,
        raw: entries.raw.drain(..end - skip).collect(),
        entries: entries.read.drain(..end - skip).collect(),
        packed,
        found,
        entry_bytes: std::mem::take(&mut entries.bytes),
        spent: Spent {
            decompress: between(start, clock()).saturating_sub(checking),
            check: checking + std::mem::take(&mut entries.spent),
            ..Spent::default()
        },
    }))
}

/// Compares bodies with their entries, one after the other.
struct Reader<'a> {
    view: &'a View,
    channel: InForce<'a>,
    /// Position in the log of the first entry.
    from: u64,
    entries: &'a [Entry],
    found: Found,
}

impl Reader<'_> {
    /// Judges the next body.
    fn take(&mut self, body: &[u8], now: Timestamp) -> Result<(), PullError> {
        let place = self.found.objects.len();
        let entry = &self.entries[place];
        let index = self.from + place as u64;
        if body.is_empty() {
            self.found.objects.push(None);
            if entry.action.brings_body() {
                self.found.missing.push(index);
            }
            return Ok(());
        }
        if !entry.action.brings_body() {
            return Err(PullError::Body { index });
        }
        let reason = match Object::parse(body) {
            // Parsing hashes the canonical form; that is the body itself when they are equal.
            Ok(object) if object.bytes() == body => {
                if object.hash().0 != entry.hash {
                    return Err(PullError::Body { index });
                }
                let origin = &self.view.log.origin;
                match policy::admissible(entry, Some(&object), origin, &self.channel, now) {
                    Ok(()) => {
                        self.found.objects.push(Some(object));
                        return Ok(());
                    }
                    Err(withheld) => withheld.to_string(),
                }
            }
            unusual => {
                if model::Hash::of(body).0 != entry.hash {
                    return Err(PullError::Body { index });
                }
                match unusual {
                    Ok(_) => "its bytes are not in the canonical form".to_owned(),
                    Err(refusal) => format!("it is no object that we accept: {refusal}"),
                }
            }
        };
        self.found.refuse(index, reason);
        self.found.objects.push(None);
        Ok(())
    }
}

impl Found {
    /// Notes that the object of the entry at `index` is not to be shown.
    pub(super) fn refuse(&mut self, index: u64, reason: String) {
        self.excess = true;
        self.refused.push((index, reason));
    }
}
