//! The reader's view of a tree: tiles that have been authenticated, and nothing else.
//!
//! There is no way to hold an unauthenticated tile: [`Tiles::verify`] is the only constructor. It
//! rebuilds the root from the partial tiles of the right edge and, top down, the root of every
//! full tile from the tile's own hashes, and compares that with the hash in its parent. Thus every
//! hash that a [`Tiles`] gives out, in a proof or by itself, is committed to by the root. A tile
//! and an entry that were forged together fail at the parent; a tile whose parent is not given is
//! refused, not trusted.
//!
//! What must be fetched for a question is answered by the `needed…` functions; fetching is left
//! to the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::Hash;
use crate::entries::{self, BundleError};
use crate::limits::{TILE_LEVELS_MAX, TREE_SIZE_MAX};
use crate::merkle::{empty_root, leaf_hash, node_hash, root_of, split_of};
use crate::tile::{HEIGHT, Kind, TILE_WIDTH, TilePath, row_len};

/// A node of the tree: level above the leaves (0 is a leaf) and index within that level.
type Node = (u8, u64);

/// Hash tiles of one tree, every byte of them authenticated to its root.
#[derive(Clone, Debug)]
pub struct Tiles {
    size: u64,
    root: Hash,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl Tiles {
    /// Tiles to be fetched to learn these `nodes` (tree level, index) of a tree of `size` leaves
    /// and to authenticate them: those that hold the nodes, all above them, and the right edge.
    /// Nodes that the tree does not have need nothing.
    pub fn needed(size: u64, nodes: &[(u8, u64)]) -> BTreeSet<TilePath> {
        let mut paths: BTreeSet<TilePath> = edge(size).collect();
        for &(level, index) in nodes.iter().filter(|node| is_complete(size, **node)) {
            let (mut tile_level, mut tile_index, _) = place(level, index);
            while let Some(path) = TilePath::at(Kind::Hashes(tile_level), tile_index, size) {
                // A partial tile is part of the right edge; what is above one held is held too.
                if !paths.insert(path) || !path.is_full() {
                    break;
                }
                tile_level += 1;
                tile_index /= TILE_WIDTH;
            }
        }
        paths
    }

    /// Tiles needed by [`Tiles::root_at`].
    pub fn needed_for_root_at(size: u64, old: u64) -> BTreeSet<TilePath> {
        let mut nodes = Vec::new();
        if old <= size {
            cover(0, old, &mut nodes);
        }
        Tiles::needed(size, &nodes)
    }

    /// Tiles needed by [`Tiles::inclusion_proof`], and by [`Tiles::node`] for the leaf itself.
    pub fn needed_for_inclusion(size: u64, index: u64) -> BTreeSet<TilePath> {
        let mut nodes = vec![(0, index)];
        for (start, end) in inclusion_ranges(size, index).unwrap_or_default() {
            cover(start, end, &mut nodes);
        }
        Tiles::needed(size, &nodes)
    }

    /// Tiles needed by [`Tiles::consistency_proof`] and [`Tiles::root_at`].
    pub fn needed_for_consistency(size: u64, old: u64) -> BTreeSet<TilePath> {
        let mut nodes = Vec::new();
        for (start, end) in consistency_ranges(size, old).unwrap_or_default() {
            cover(start, end, &mut nodes);
        }
        let mut paths = Tiles::needed(size, &nodes);
        paths.extend(Tiles::needed_for_root_at(size, old));
        paths
    }

    /// Takes the tiles of the tree of `size` leaves with `root`, if every byte of every one of
    /// them is authenticated by that root.
    ///
    /// A tile that the tree keeps partial must be given under its partial path, with exactly the
    /// width it has at `size`.
    ///
    /// # Errors
    /// [`TileError`] names the first tile that is missing, does not belong, or is not the one that
    /// the root commits to.
    pub fn verify(
        size: u64,
        root: Hash,
        tiles: BTreeMap<TilePath, Vec<u8>>,
    ) -> Result<Tiles, TileError> {
        if size > TREE_SIZE_MAX {
            return Err(TileError::TooLarge { size });
        }
        let mut read: BTreeMap<(u8, u64), Vec<Hash>> = BTreeMap::new();
        for (path, bytes) in &tiles {
            let Kind::Hashes(level) = path.kind else {
                return Err(TileError::Foreign { path: *path, size });
            };
            if TilePath::at(path.kind, path.index, size) != Some(*path) {
                return Err(TileError::Foreign { path: *path, size });
            }
            let hashes = hashes(bytes)
                .filter(|hashes| hashes.len() == usize::from(path.width))
                .ok_or(TileError::Length {
                    path: *path,
                    bytes: bytes.len(),
                })?;
            read.insert((level, path.index), hashes);
        }
        // The right edge: all partial tiles together are the tree, from the largest subtrees
        // (highest level) to the smallest.
        let mut rebuilt: Option<Hash> = None;
        for path in edge(size) {
            let Kind::Hashes(level) = path.kind else {
                continue;
            };
            let hashes = read
                .get(&(level, path.index))
                .ok_or(TileError::Missing { path })?;
            rebuilt = Some(match rebuilt {
                None => root_of(hashes),
                // Lower tiles are the right part of the tree.
                Some(right) => join(hashes, right),
            });
        }
        if rebuilt.unwrap_or_else(empty_root) != root {
            return Err(TileError::RootDiffers { size });
        }
        // Full tiles, top down: a parent is authenticated before its children are compared with it.
        for (&(level, index), hashes) in read.iter().rev() {
            if hashes.len() as u64 != TILE_WIDTH {
                continue;
            }
            let path = TilePath {
                kind: Kind::Hashes(level),
                index,
                width: TILE_WIDTH as u16,
            };
            let (parent, position) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
            let expected = match read.get(&(level + 1, parent)) {
                Some(parent) => parent.get(position),
                None => {
                    let parent = TilePath::at(Kind::Hashes(level + 1), parent, size);
                    return Err(TileError::Missing {
                        path: parent.unwrap_or(path),
                    });
                }
            };
            if expected != Some(&root_of(hashes)) {
                return Err(TileError::Forged { path });
            }
        }
        Ok(Tiles {
            size,
            root,
            tiles: read,
        })
    }

    /// Number of leaves of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root that authenticates these tiles.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The hash of a complete subtree: `level` above the leaves, `index` within that level. `None`
    /// when the tree has no such node or the tile that holds it was not given.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        if !is_complete(self.size, (level, index)) {
            return None;
        }
        let (tile_level, tile_index, position) = place(level, index);
        let hashes = self.tiles.get(&(tile_level, tile_index))?;
        Some(root_of(
            hashes.get(position..position + (1usize << (level % HEIGHT)))?,
        ))
    }

    /// The root that this tree had when it had `old` leaves.
    pub fn root_at(&self, old: u64) -> Option<Hash> {
        if old > self.size {
            return None;
        }
        self.range(0, old)
    }

    /// The inclusion proof of leaf `index` in this tree (RFC 6962 section 2.1.1).
    pub fn inclusion_proof(&self, index: u64) -> Option<Vec<Hash>> {
        self.ranges(inclusion_ranges(self.size, index)?)
    }

    /// The proof that this tree continues its own state of `old` leaves (RFC 6962 section 2.1.2).
    /// `None` for an `old` of 0, where there is nothing to prove.
    pub fn consistency_proof(&self, old: u64) -> Option<Vec<Hash>> {
        self.ranges(consistency_ranges(self.size, old)?)
    }

    /// Reads an entry bundle and authenticates every entry of it. Needs, as given by
    /// [`Tiles::needed`], node (8, index of the bundle) for a full bundle, or the leaves of a
    /// partial one.
    ///
    /// # Errors
    /// [`TileError`] when the path is not a bundle of this tree, the bundle is malformed, a tile
    /// that is needed was not given, or an entry is not the one that the root commits to.
    pub fn entry_bundle<'a>(
        &self,
        path: &TilePath,
        bundle: &'a [u8],
    ) -> Result<Vec<&'a [u8]>, TileError> {
        let path = *path;
        if path.kind != Kind::Entries
            || TilePath::at(Kind::Entries, path.index, self.size) != Some(path)
        {
            return Err(TileError::Foreign {
                path,
                size: self.size,
            });
        }
        let entries = entries::decode(bundle, path.width)
            .map_err(|error| TileError::Bundle { path, error })?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let genuine = if path.is_full() {
            let known = self
                .node(HEIGHT, path.index)
                .ok_or_else(|| self.missing(1, path.index))?;
            known == root_of(&leaves)
        } else {
            let known = self
                .tiles
                .get(&(0, path.index))
                .ok_or_else(|| self.missing(0, path.first_leaf()))?;
            *known == leaves
        };
        if genuine {
            Ok(entries)
        } else {
            Err(TileError::Forged { path })
        }
    }

    /// The error for the tile that holds place `place` of row `level`.
    fn missing(&self, level: u8, place: u64) -> TileError {
        let kind = Kind::Hashes(level);
        let fallback = TilePath {
            kind,
            index: place / TILE_WIDTH,
            width: TILE_WIDTH as u16,
        };
        let path = TilePath::at(kind, place / TILE_WIDTH, self.size).unwrap_or(fallback);
        TileError::Missing { path }
    }

    fn ranges(&self, ranges: Vec<(u64, u64)>) -> Option<Vec<Hash>> {
        ranges
            .into_iter()
            .map(|(start, end)| self.range(start, end))
            .collect()
    }

    /// Root of the subtree of leaves `[start, end)`, from its complete subtrees.
    fn range(&self, start: u64, end: u64) -> Option<Hash> {
        let mut nodes = Vec::new();
        cover(start, end, &mut nodes);
        let mut root = None;
        for (level, index) in nodes.into_iter().rev() {
            let left = self.node(level, index)?;
            root = Some(match root {
                None => left,
                Some(right) => node_hash(&left, &right),
            });
        }
        Some(root.unwrap_or_else(empty_root))
    }
}

/// Hashes of a tile; `None` when the length is not a whole number of hashes.
pub(crate) fn hashes(tile: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, []) = tile.as_chunks::<{ Hash::BYTES }>() else {
        return None;
    };
    Some(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// A tile of these hashes.
pub(crate) fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The partial tiles of a tree, lowest level first: its right edge.
fn edge(size: u64) -> impl Iterator<Item = TilePath> {
    (0..TILE_LEVELS_MAX).filter_map(move |level| {
        TilePath::at(Kind::Hashes(level), row_len(level, size) / TILE_WIDTH, size)
    })
}

/// The root of a tree whose left part is the complete subtrees under `tile` and whose rest, to
/// the right and smaller, has the root `right`.
fn join(tile: &[Hash], right: Hash) -> Hash {
    let mut rest = tile;
    let mut peaks = Vec::new();
    while !rest.is_empty() {
        let (peak, smaller) = rest.split_at(1 << rest.len().ilog2());
        peaks.push(root_of(peak));
        rest = smaller;
    }
    peaks
        .iter()
        .rev()
        .fold(right, |right, left| node_hash(left, &right))
}

/// Whether a tree of `size` leaves has this node.
fn is_complete(size: u64, (level, index): Node) -> bool {
    level < u64::BITS as u8 && (u128::from(index) + 1) << level <= u128::from(size)
}

/// Where a node is: tile level, tile index, and position of its first hash in that tile. Only for
/// nodes that the tree has.
fn place(level: u8, index: u64) -> (u8, u64, usize) {
    let first = index << (level % HEIGHT);
    (
        level / HEIGHT,
        first / TILE_WIDTH,
        (first % TILE_WIDTH) as usize,
    )
}

/// Adds the complete subtrees that make up leaves `[start, end)`, left to right. `start` is a
/// multiple of the largest of them, as in every range that a proof names.
fn cover(mut start: u64, end: u64, nodes: &mut Vec<Node>) {
    while start < end {
        let level = (end - start).ilog2() as u8;
        nodes.push((level, start >> level));
        start += 1 << level;
    }
}

/// The subtrees whose roots are the inclusion proof, in its order.
fn inclusion_ranges(size: u64, index: u64) -> Option<Vec<(u64, u64)>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while end - start > 1 {
        let middle = start + split_of(end - start);
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    Some(ranges)
}

/// The subtrees whose roots are the consistency proof, in its order.
fn consistency_ranges(size: u64, old: u64) -> Option<Vec<(u64, u64)>> {
    if old == 0 || old > size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while end != old {
        let middle = start + split_of(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    // A verifier knows the old root already, unless the old tree ends inside this one.
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    Some(ranges)
}

/// Why tiles were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TileError {
    /// LIMIT: the size is above `TREE_SIZE_MAX`.
    TooLarge {
        /// The size asked for.
        size: u64,
    },
    /// A tile that is needed to authenticate the others, or to answer, was not given.
    Missing {
        /// The tile to fetch.
        path: TilePath,
    },
    /// The tree of this size has no such tile, or has it at another width.
    Foreign {
        /// The tile that was given.
        path: TilePath,
        /// Size of the tree.
        size: u64,
    },
    /// A tile's bytes are not the hashes that its path promises.
    Length {
        /// The tile.
        path: TilePath,
        /// Bytes it has.
        bytes: usize,
    },
    /// The right edge leads to another root than the signed one.
    RootDiffers {
        /// Size of the tree.
        size: u64,
    },
    /// A tile or bundle is not the one that the tile above it commits to.
    Forged {
        /// The tile or bundle.
        path: TilePath,
    },
    /// An entry bundle is malformed.
    Bundle {
        /// The bundle.
        path: TilePath,
        /// What is wrong with it.
        error: BundleError,
    },
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(f, "a log has at most 2^63 entries, not {size}"),
            Self::Missing { path } => write!(f, "{path} is needed and missing: fetch it"),
            Self::Foreign { path, size } => {
                write!(f, "{path} is not a tile of a log with {size} entries")
            }
            Self::Length { path, bytes } => write!(
                f,
                "{path} must have {} bytes and has {bytes}",
                usize::from(path.width) * Hash::BYTES
            ),
            Self::RootDiffers { size } => write!(
                f,
                "the tiles of a log with {size} entries lead to another root hash than the signed one"
            ),
            Self::Forged { path } => {
                write!(
                    f,
                    "{path} is not what the log's root hash commits to: refuse it"
                )
            }
            Self::Bundle { path, error } => write!(f, "{path}: {error}"),
        }
    }
}

impl std::error::Error for TileError {}
