//! The writer's view of a tree: it appends, knows the root, and hands out tiles to be stored.
//!
//! Only the right edge is kept: the partial tile of each level and the roots of the complete
//! subtrees ("peaks"), a few tens of kilobytes however large the tree. Appending costs one hash a
//! leaf on average, the root one hash a peak. `clone` is the snapshot that lets a caller try an
//! append and drop it.
//!
//! Invariant: `peaks` holds one root for each set bit of `size`, large to small, and `edge[L]`
//! the last `(size >> 8L) mod 256` hashes of tile level L.

use std::fmt;

use crate::limits::{TILE_LEVELS_MAX, TREE_SIZE_MAX};
use crate::merkle::{fold_peaks, node_hash, root_of};
use crate::tile::{HEIGHT, Kind, TILE_WIDTH, TilePath, row_len};
use crate::{Hash, tiles};

/// A Merkle tree that only grows, seen from its right edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
    edge: [Vec<Hash>; TILE_LEVELS_MAX as usize],
    completed: Vec<(TilePath, Vec<u8>)>,
}

impl Tree {
    /// The empty tree.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Rebuilds the right edge of a tree of `size` leaves from its stored tiles.
    ///
    /// `fetch` is asked for the partial tile of each level at exactly this size, and for the full
    /// tile just left of each edge. It may answer with more hashes than the width asked for (a
    /// later state of the same tile): only the first ones are read.
    ///
    /// The tiles are checked against each other: the last hash of each row must be the root of the
    /// full tile below it. That the whole is the tree meant is for the caller to check: compare
    /// [`Tree::root`] with the root of the checkpoint.
    ///
    /// # Errors
    /// [`LoadError`] names the tile that could not be fetched, is short or does not fit.
    pub fn load<E>(
        size: u64,
        mut fetch: impl FnMut(&TilePath) -> Result<Vec<u8>, E>,
    ) -> Result<Tree, LoadError<E>> {
        if size > TREE_SIZE_MAX {
            return Err(LoadError::TooLarge { size });
        }
        let mut read = |path: &TilePath| {
            let bytes = fetch(path).map_err(|error| LoadError::Fetch { path: *path, error })?;
            let mut hashes = tiles::hashes(&bytes)
                .filter(|hashes| (usize::from(path.width)..=256).contains(&hashes.len()))
                .ok_or(LoadError::Width {
                    path: *path,
                    bytes: bytes.len(),
                })?;
            hashes.truncate(usize::from(path.width));
            Ok(hashes)
        };
        let mut tree = Tree {
            size,
            ..Tree::default()
        };
        for level in 0..TILE_LEVELS_MAX {
            let row = row_len(level, size);
            if let Some(path) = TilePath::at(Kind::Hashes(level), row / TILE_WIDTH, size) {
                tree.edge[usize::from(level)] = read(&path)?;
            }
        }
        // Level by level, the hash that ends the row must be the root of the tile under it.
        let mut lower_last_full: Option<(TilePath, Vec<Hash>)> = None;
        for level in 0..TILE_LEVELS_MAX {
            let last_full = match (row_len(level, size) / TILE_WIDTH).checked_sub(1) {
                Some(index) => {
                    let path = TilePath {
                        kind: Kind::Hashes(level),
                        index,
                        width: 256,
                    };
                    Some((path, read(&path)?))
                }
                None => None,
            };
            if let Some((path, hashes)) = lower_last_full {
                let edge = tree.edge[usize::from(level)].last();
                let recorded = edge.or(last_full.as_ref().and_then(|(_, hashes)| hashes.last()));
                if recorded != Some(&root_of(&hashes)) {
                    return Err(LoadError::Inconsistent { path });
                }
            }
            lower_last_full = last_full;
        }
        for bit in (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1) {
            let edge = &tree.edge[(bit / u32::from(HEIGHT)) as usize];
            let (len, unit) = (edge.len(), 1usize << (bit % u32::from(HEIGHT)));
            // `len` has this bit set; the larger subtrees to the left end where it starts.
            let start = len & !(2 * unit - 1);
            tree.peaks.push(root_of(&edge[start..start + unit]));
        }
        Ok(tree)
    }

    /// Appends a leaf hash.
    ///
    /// # Panics
    /// When the tree has `TREE_SIZE_MAX` leaves, which no log reaches.
    pub fn append(&mut self, leaf: Hash) {
        assert!(
            self.size < TREE_SIZE_MAX,
            "a log never reaches 2^63 entries"
        );
        self.place(0, leaf);
        let mut hash = leaf;
        // One merge for each complete subtree that this leaf finishes; at every eighth height the
        // merged hash is also the entry of the next tile level.
        for height in 1..=self.size.trailing_ones() {
            let left = self
                .peaks
                .pop()
                .expect("one peak for each set bit of the size");
            hash = node_hash(&left, &hash);
            if height % u32::from(HEIGHT) == 0 {
                self.place((height / u32::from(HEIGHT)) as u8, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Tiles to be stored: the full ones completed since the last call, in the order of their
    /// completion, then the partial tile of every level that has one.
    pub fn take_tiles(&mut self) -> Vec<(TilePath, Vec<u8>)> {
        let mut tiles = std::mem::take(&mut self.completed);
        for (level, hashes) in (0..).zip(&self.edge) {
            let index = row_len(level, self.size) / TILE_WIDTH;
            if !hashes.is_empty() {
                let path = TilePath {
                    kind: Kind::Hashes(level),
                    index,
                    width: hashes.len() as u16,
                };
                tiles.push((path, tiles::bytes(hashes)));
            }
        }
        tiles
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root hash (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        fold_peaks(&self.peaks)
    }

    /// Puts a hash at the end of a tile row; a tile that becomes full is set aside for
    /// [`Tree::take_tiles`].
    fn place(&mut self, level: u8, hash: Hash) {
        let edge = &mut self.edge[usize::from(level)];
        edge.push(hash);
        if edge.len() as u64 == TILE_WIDTH {
            let index = row_len(level, self.size) / TILE_WIDTH;
            let path = TilePath {
                kind: Kind::Hashes(level),
                index,
                width: TILE_WIDTH as u16,
            };
            self.completed.push((path, tiles::bytes(edge)));
            edge.clear();
        }
    }
}

/// Why a tree could not be rebuilt from its stored tiles.
#[derive(Debug)]
pub enum LoadError<E> {
    /// LIMIT: the size is above `TREE_SIZE_MAX`.
    TooLarge {
        /// The size asked for.
        size: u64,
    },
    /// A tile could not be fetched.
    Fetch {
        /// The tile.
        path: TilePath,
        /// What the caller's `fetch` answered.
        error: E,
    },
    /// A tile is shorter than its width, longer than a full tile, or not a whole number of hashes.
    Width {
        /// The tile.
        path: TilePath,
        /// Bytes it has.
        bytes: usize,
    },
    /// A tile and the row above it contradict each other.
    Inconsistent {
        /// The lower of the two tiles.
        path: TilePath,
    },
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(f, "a log has at most 2^63 entries, not {size}"),
            Self::Fetch { path, error } => write!(f, "cannot read {path}: {error}"),
            Self::Width { path, bytes } => write!(
                f,
                "stored {path} has {bytes} bytes instead of {}: restore it from a backup",
                usize::from(path.width) * Hash::BYTES
            ),
            Self::Inconsistent { path } => write!(
                f,
                "stored {path} does not fit the tile above it: restore both from a backup"
            ),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for LoadError<E> {}
