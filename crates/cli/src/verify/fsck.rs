//! The check of one log: everything is computed again from the entries, and nothing is believed
//! but the keys.
//!
//! The order is the argument. The checkpoint's signatures say whose statement (size, root) is. The
//! tree is built twice, from the entry bundles and from the lowest hash tiles; where the two
//! disagree, the one that gives the signed root is right and the other file is named. The upper
//! tiles are compared with the tree byte for byte. Each body must hash to its entry, be in
//! canonical form and have the id, type and version that the entry states; a withdrawn body must
//! be gone.

mod bodies;

use std::collections::{BTreeMap, HashMap};

use log::note::Note;
use log::tile::{Kind, TILE_WIDTH, TilePath};
use log::{Checkpoint, Entry, Hash, Tree, merkle};
use node::audit::RecordOrder;

use super::report::{LogReport, Signed};
use super::ring::{Known, Ring};
use super::source::{CHECKPOINT, Source};
use crate::exit::Failure;

/// The accord name under which a node keeps its own audit log; its entries are JSON records.
const LOCAL: &str = "local";

/// What the second half needs to know of an entry.
struct Seen {
    hash: [u8; 32],
    brings_body: bool,
    here: bool,
}

/// Checks one log.
pub(crate) async fn check(source: &mut impl Source, ring: &Ring) -> Result<LogReport, Failure> {
    let mut fsck = Fsck {
        report: LogReport {
            place: source.place(),
            ..LogReport::default()
        },
        ..Fsck::default()
    };
    let Some(note) = fsck.read(source, CHECKPOINT).await? else {
        fsck.report.find(
            CHECKPOINT,
            "is missing: nothing says what this log should be",
        );
        return Ok(fsck.report);
    };
    let Some((checkpoint, known)) = fsck.checkpoint(&note, ring) else {
        return Ok(fsck.report);
    };
    fsck.audit = checkpoint.origin().split('/').nth(1) == Some(LOCAL);
    let size = checkpoint.size();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        fsck.bundle(source, index, size).await?;
    }
    fsck.judge(&checkpoint);
    fsck.upper_tiles(source, size).await?;
    fsck.bodies(size, known.as_ref().is_some_and(|known| known.own));
    for stray in source.strays(size).into_iter().take(20) {
        fsck.report.notes.push(format!(
            "{stray} is no part of the log at this checkpoint and was not looked at"
        ));
    }
    Ok(fsck.report)
}

#[derive(Default)]
struct Fsck {
    report: LogReport,
    audit: bool,
    /// Form and order of the records of an audit log.
    order: RecordOrder,
    /// The tree over the entries (where they cannot be read: over the hash tiles).
    by_entries: Tree,
    /// The tree over the lowest hash tiles (where they cannot be read: over the entries).
    by_tiles: Tree,
    /// Full tiles above the lowest level, by tree.
    upper_by_entries: BTreeMap<TilePath, Vec<u8>>,
    upper_by_tiles: BTreeMap<TilePath, Vec<u8>>,
    /// Bundles in which the two disagree, with the first such entry and both files.
    disputes: Vec<(u64, String, String)>,
    seen: Vec<Seen>,
    /// The last entry that took this object away.
    gone: HashMap<[u8; 32], u64>,
    /// Bundles whose bodies are here, each with the file's name.
    bundles: BTreeMap<u64, String>,
}

impl Fsck {
    async fn read(
        &mut self,
        source: &mut impl Source,
        name: &str,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let bytes = source.read(name).await?;
        self.report.bytes += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(bytes)
    }

    /// Checks the signatures. Without a statement to hold the log against there is nothing more to
    /// do, and the answer is `None`.
    fn checkpoint(&mut self, bytes: &[u8], ring: &Ring) -> Option<(Checkpoint, Option<Known>)> {
        let note = match Note::parse(bytes) {
            Ok(note) => note,
            Err(error) => {
                self.report
                    .find(CHECKPOINT, format!("is no signed note: {error}"));
                return None;
            }
        };
        let checkpoint = match Checkpoint::parse_text(note.text()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                self.report
                    .find(CHECKPOINT, format!("states no size and root: {error}"));
                return None;
            }
        };
        self.report.origin = checkpoint.origin().to_owned();
        self.report.size = checkpoint.size();
        self.report.root = checkpoint.root().to_string();
        let known = ring.log(checkpoint.origin());
        match &known {
            None => self.report.find(
                CHECKPOINT,
                format!(
                    "no key for {} is known; name the accord with --accord, or its key with --key",
                    checkpoint.origin()
                ),
            ),
            Some(known) => {
                self.report.member = known.member.clone();
                self.signatures(&note, bytes, known);
            }
        }
        Some((checkpoint, known))
    }

    fn signatures(&mut self, note: &Note, bytes: &[u8], known: &Known) {
        match Checkpoint::open(bytes, &known.keys) {
            Ok(_) => {
                self.report.signed_by.push(Signed {
                    name: describe(&known.keys.ed25519),
                    time: None,
                });
                if let Some(key) = &known.keys.pq {
                    self.report.signed_by.push(Signed {
                        name: describe(key),
                        time: None,
                    });
                }
            }
            Err(error) => self.report.find(
                CHECKPOINT,
                format!("the origin's signature does not hold: {error}"),
            ),
        }
        for key in &known.witnesses {
            for line in note.lines_of(key) {
                match log::cosign::verify(note.text(), line, key) {
                    Ok(time) => self.report.cosigned_by.push(Signed {
                        name: key.name().to_owned(),
                        time: Some(time),
                    }),
                    Err(error) => {
                        self.report.find(
                            CHECKPOINT,
                            format!("the cosignature of {} does not hold: {error}", key.name()),
                        );
                    }
                }
            }
        }
        let own = [Some(&known.keys.ed25519), known.keys.pq.as_ref()];
        let strangers = note.signatures().iter().filter(|line| {
            !own.iter().flatten().any(|key| line.is_of(key))
                && !known.witnesses.iter().any(|key| line.is_of(key))
        });
        for line in strangers {
            self.report.notes.push(format!(
                "a signature in the name of {} by no key of the accord proves nothing",
                line.name()
            ));
        }
    }

    /// Reads the entries, lowest hashes and bodies of bundle `index` in every width that is there.
    async fn bundle(
        &mut self,
        source: &mut impl Source,
        index: u64,
        size: u64,
    ) -> Result<(), Failure> {
        let wanted = (size - index * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let entries = self.entries(source, index, size, wanted).await?;
        let hashes = self.hashes(source, index, size, wanted).await?;
        let leaves: Option<Vec<Hash>> = entries.as_ref().map(|entries| {
            entries
                .1
                .iter()
                .map(|entry| merkle::leaf_hash(entry))
                .collect()
        });
        let (leaves, tile) = match (leaves, hashes) {
            (Some(leaves), Some((file, tile))) => {
                if let Some(at) = (0..usize::from(wanted)).find(|at| leaves[*at] != tile[*at]) {
                    let name = entries
                        .as_ref()
                        .map(|entries| entries.0.clone())
                        .unwrap_or_default();
                    self.disputes
                        .push((index * TILE_WIDTH + at as u64, name, file));
                }
                (leaves, tile)
            }
            (Some(leaves), None) => (leaves.clone(), leaves),
            (None, Some((_, tile))) => (tile.clone(), tile),
            // Both are named as missing or broken already; zeros keep the places of the others.
            (None, None) => (
                vec![Hash([0; 32]); usize::from(wanted)],
                vec![Hash([0; 32]); usize::from(wanted)],
            ),
        };
        for (leaf, hash) in leaves.iter().zip(&tile).take(usize::from(wanted)) {
            self.by_entries.append(*leaf);
            self.by_tiles.append(*hash);
        }
        keep_upper(&mut self.by_entries, &mut self.upper_by_entries);
        keep_upper(&mut self.by_tiles, &mut self.upper_by_tiles);
        let decoded = self.decode(entries, index, wanted);
        if !self.audit {
            self.objects(source, index, size, wanted, &decoded).await?;
        }
        Ok(())
    }

    /// The entries of a bundle, from the narrowest file that has them all. Every other file of the
    /// bundle must say the same as far as it goes.
    async fn entries(
        &mut self,
        source: &mut impl Source,
        index: u64,
        size: u64,
        wanted: u16,
    ) -> Result<Option<(String, Vec<Vec<u8>>)>, Failure> {
        let mut best: Option<(String, Vec<Vec<u8>>)> = None;
        let mut widths = source.widths(Kind::Entries, index, size);
        widths.sort_by_key(|width| (*width < wanted, *width));
        for width in widths {
            let name = TilePath {
                kind: Kind::Entries,
                index,
                width,
            }
            .to_string();
            let Some(bytes) = self.read(source, &name).await? else {
                continue;
            };
            let entries: Vec<Vec<u8>> = match log::entries::decode(&bytes, width) {
                Ok(entries) => entries.into_iter().map(<[u8]>::to_vec).collect(),
                Err(error) => {
                    self.report
                        .find(name, format!("is no entry bundle: {error}"));
                    continue;
                }
            };
            match &best {
                None if width >= wanted => best = Some((name, entries)),
                None => self.report.find(
                    name,
                    "is older than the checkpoint and no newer one is readable",
                ),
                Some((other, held)) => {
                    if let Some(at) = held.iter().zip(&entries).position(|(a, b)| a != b) {
                        let entry = index * TILE_WIDTH + at as u64;
                        self.report.find(
                            name,
                            format!("says something else about entry {entry} than {other}"),
                        );
                    }
                }
            }
        }
        if best.is_none() {
            let name = TilePath {
                kind: Kind::Entries,
                index,
                width: wanted,
            }
            .to_string();
            self.report.find(
                name,
                "is missing or unreadable: its entries cannot be checked",
            );
        }
        Ok(best)
    }

    /// The lowest hashes of a bundle, likewise.
    async fn hashes(
        &mut self,
        source: &mut impl Source,
        index: u64,
        size: u64,
        wanted: u16,
    ) -> Result<Option<(String, Vec<Hash>)>, Failure> {
        let mut best: Option<(String, Vec<Hash>)> = None;
        let mut widths = source.widths(Kind::Hashes(0), index, size);
        widths.sort_by_key(|width| (*width < wanted, *width));
        for width in widths {
            let name = TilePath {
                kind: Kind::Hashes(0),
                index,
                width,
            }
            .to_string();
            let Some(bytes) = self.read(source, &name).await? else {
                continue;
            };
            if bytes.len() != usize::from(width) * Hash::BYTES {
                self.report.find(
                    name,
                    format!(
                        "has {} bytes instead of {}",
                        bytes.len(),
                        usize::from(width) * Hash::BYTES
                    ),
                );
                continue;
            }
            let hashes: Vec<Hash> = bytes
                .chunks_exact(Hash::BYTES)
                .filter_map(|hash| hash.try_into().ok().map(Hash))
                .collect();
            match &best {
                None if width >= wanted => best = Some((name, hashes)),
                None => self.report.find(
                    name,
                    "is older than the checkpoint and no newer one is readable",
                ),
                Some((other, held)) => {
                    if held.iter().zip(&hashes).any(|(a, b)| a != b) {
                        self.report
                            .find(name, format!("says something else than {other}"));
                    }
                }
            }
        }
        if best.is_none() {
            let name = TilePath {
                kind: Kind::Hashes(0),
                index,
                width: wanted,
            }
            .to_string();
            self.report.find(name, "is missing or unreadable");
        }
        Ok(best)
    }

    /// Decodes the entries and counts what they say.
    fn decode(
        &mut self,
        entries: Option<(String, Vec<Vec<u8>>)>,
        index: u64,
        wanted: u16,
    ) -> Vec<Option<Entry>> {
        let Some((name, entries)) = entries else {
            self.seen.extend((0..wanted).map(|_| Seen {
                hash: [0; 32],
                brings_body: false,
                here: false,
            }));
            return Vec::new();
        };
        let mut decoded = Vec::with_capacity(usize::from(wanted));
        for (at, bytes) in entries.iter().enumerate().take(usize::from(wanted)) {
            let number = index * TILE_WIDTH + at as u64;
            let entry = if self.audit {
                if let Err(problem) = self.order.check(bytes) {
                    self.report
                        .find(&name, format!("record {number} {problem}"));
                }
                None
            } else {
                match Entry::decode(bytes) {
                    Ok(entry) => Some(entry),
                    Err(error) => {
                        self.report
                            .find(&name, format!("entry {number} is malformed: {error}"));
                        None
                    }
                }
            };
            if let Some(entry) = &entry {
                if entry.action.brings_body() {
                    self.report.releases += 1;
                } else {
                    self.report.withdrawals += 1;
                    self.gone.insert(entry.hash, number);
                }
            }
            self.seen.push(Seen {
                hash: entry.as_ref().map_or([0; 32], |entry| entry.hash),
                brings_body: entry
                    .as_ref()
                    .is_some_and(|entry| entry.action.brings_body()),
                here: false,
            });
            decoded.push(entry);
        }
        decoded
    }

    /// Says which of two disagreeing files is wrong: the one that does not lead to the signed root.
    fn judge(&mut self, checkpoint: &Checkpoint) {
        let root = checkpoint.root();
        let (entries, tiles) = (self.by_entries.root() == root, self.by_tiles.root() == root);
        for (entry, by_entries, by_tiles) in std::mem::take(&mut self.disputes) {
            match (entries, tiles) {
                (true, _) => self.report.find(by_tiles, format!("the hash of entry {entry} is not that of the entry")),
                (false, true) => self.report.find(by_entries, format!("entry {entry} is not the one that was logged")),
                (false, false) => self.report.find(
                    by_entries,
                    format!("disagrees with {by_tiles} about entry {entry}, and neither leads to the signed root"),
                ),
            }
        }
        if !entries && !tiles {
            self.report.find(
                CHECKPOINT,
                "its root is not the root of the entries that are here",
            );
        }
    }

    /// Compares the tiles above the lowest level with those of the tree.
    async fn upper_tiles(&mut self, source: &mut impl Source, size: u64) -> Result<(), Failure> {
        let by_entries = self.by_entries.root().to_string() == self.report.root;
        let (tree, upper) = if by_entries {
            (&mut self.by_entries, &mut self.upper_by_entries)
        } else {
            (&mut self.by_tiles, &mut self.upper_by_tiles)
        };
        let mut expected = std::mem::take(upper);
        expected.extend(
            tree.take_tiles()
                .into_iter()
                .filter(|(path, _)| path.kind != Kind::Hashes(0)),
        );
        for (path, right) in expected {
            let widths = source.widths(path.kind, path.index, size);
            if widths.iter().all(|width| *width < path.width) {
                self.report.find(path.to_string(), "is missing");
            }
            for width in widths {
                let name = TilePath { width, ..path }.to_string();
                let Some(bytes) = self.read(source, &name).await? else {
                    continue;
                };
                let shared = bytes.len().min(right.len());
                if bytes.len() != usize::from(width) * Hash::BYTES
                    || bytes[..shared] != right[..shared]
                {
                    self.report.find(name, "is not the tile of the entries");
                }
            }
        }
        Ok(())
    }
}

fn describe(key: &log::note::VerifierKey) -> String {
    if key.kind().is_post_quantum() {
        format!("{} (post-quantum)", key.name())
    } else {
        key.name().to_owned()
    }
}

/// Keeps the full tiles above the lowest level. The lowest ones are compared as they are read, and
/// partial ones are asked for at the end.
fn keep_upper(tree: &mut Tree, upper: &mut BTreeMap<TilePath, Vec<u8>>) {
    let full = tree
        .take_tiles()
        .into_iter()
        .filter(|(path, _)| path.is_full() && path.kind != Kind::Hashes(0));
    upper.extend(full);
}
