//! RFC 6962 Merkle trees: hashing, and checking inclusion and consistency proofs.
//!
//! Everything here is a function of its arguments. Proofs are *made* by [`crate::Tiles`], which
//! holds authenticated hashes; they are *checked* here, from nothing but what a verifier has.
//!
//! Invariant: a check succeeds only if every hash of the proof was used and the rebuilt roots are
//! the given ones; a proof that is too long, too short or for another shape of tree is refused.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Hash;

/// Hash of one leaf: SHA-256 of a zero byte and the entry (RFC 6962 section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0]);
    sha.update(entry);
    Hash(sha.finalize().into())
}

/// Hash of an inner node: SHA-256 of a one byte and both children (RFC 6962 section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [1; 65];
    block[1..33].copy_from_slice(&left.0);
    block[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(block).into())
}

/// Root of the tree without leaves: SHA-256 of the empty string (RFC 6962 section 2.1).
pub fn empty_root() -> Hash {
    Hash::of(b"")
}

/// Root of the tree over `hashes`, which are leaf hashes, or roots of complete subtrees of one
/// height. Costs one hash each.
pub fn root_of(hashes: &[Hash]) -> Hash {
    let mut peaks = Vec::with_capacity(16);
    for (index, hash) in hashes.iter().enumerate() {
        push_peak(&mut peaks, index as u64, *hash);
    }
    fold_peaks(&peaks)
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves with `root` (RFC 9162 section
/// 2.1.3.2).
///
/// # Errors
/// [`ProofError`] says whether the question makes no sense, the proof has the wrong length, or
/// the root is another one.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondSize { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A right-edge node has no sibling until the level where it becomes a right child.
            let skipped = node.trailing_zeros();
            node >>= skipped;
            last >>= skipped;
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers)
    }
}

/// Checks that the tree of `new` leaves with `new_root` continues the one of `old` leaves with
/// `old_root` (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// As [`verify_inclusion`]. An `old` of 0 is refused: every tree continues the empty one, so there
/// is nothing to prove, and a caller that asks has lost track of what it holds.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 {
        return Err(ProofError::NothingToProve);
    }
    verify_subtree_consistency(0, old, new, proof, old_root, new_root)
}

/// Checks that `leaf` is at `index` in the subtree `[start, end)` with `root`, as the subtree
/// cosignatures of tlog-cosignature use it.
///
/// # Errors
/// As [`verify_inclusion`], and [`ProofError::NotASubtree`].
pub fn verify_subtree_inclusion(
    index: u64,
    start: u64,
    end: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    let Some(inner) = index.checked_sub(start) else {
        return Err(ProofError::IndexBeyondSize { index, size: end });
    };
    verify_inclusion(inner, end - start, leaf, proof, root)
}

/// Checks that the subtree `[start, end)` with `subtree_root` is part of the tree of `size` leaves
/// with `root`. The empty subtree is part of every tree, by an empty proof.
///
/// # Errors
/// As [`verify_inclusion`], and [`ProofError::NotASubtree`].
pub fn verify_subtree_consistency(
    start: u64,
    end: u64,
    size: u64,
    proof: &[Hash],
    subtree_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    if end > size {
        return Err(ProofError::IndexBeyondSize { index: end, size });
    }
    if start == end {
        return match (proof, *subtree_root == empty_root()) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofError::RootDiffers),
            _ => Err(ProofError::TooLong),
        };
    }
    let mut rest = proof.iter();
    let (rebuilt_subtree, rebuilt) = rebuild(start, end, size, Some(subtree_root), &mut rest)?;
    if rest.next().is_some() {
        return Err(ProofError::TooLong);
    }
    if rebuilt_subtree == *subtree_root && rebuilt == *root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers)
    }
}

/// Whether `[start, end)` is a range of leaves that has a node of its own in every tree that
/// contains it, or (for the last one) would have: `start` is a multiple of the next power of two.
fn is_subtree(start: u64, end: u64) -> bool {
    match end.checked_sub(start) {
        None => false,
        Some(width) => width
            .checked_next_power_of_two()
            .map_or(start == 0, |unit| start.is_multiple_of(unit)),
    }
}

/// Walks down to the subtree and back up, taking one hash of the proof at each step up. Returns
/// the root of the part of the subtree in this tree, and of this tree. `known` is the subtree's
/// root as long as the walk has not split it.
fn rebuild(
    start: u64,
    end: u64,
    size: u64,
    known: Option<&Hash>,
    proof: &mut std::slice::Iter<'_, Hash>,
) -> Result<(Hash, Hash), ProofError> {
    if start == 0 && end == size {
        let hash = match known {
            Some(root) => *root,
            None => *proof.next().ok_or(ProofError::TooShort)?,
        };
        return Ok((hash, hash));
    }
    let split = split_of(size);
    if end <= split {
        let (subtree, left) = rebuild(start, end, split, known, proof)?;
        let right = proof.next().ok_or(ProofError::TooShort)?;
        Ok((subtree, node_hash(&left, right)))
    } else if split <= start {
        let (subtree, right) = rebuild(start - split, end - split, size - split, known, proof)?;
        let left = proof.next().ok_or(ProofError::TooShort)?;
        Ok((subtree, node_hash(left, &right)))
    } else {
        // Only a subtree from leaf 0 can lie on both sides; its left half is the whole left half.
        let (subtree, right) = rebuild(0, end - split, size - split, None, proof)?;
        let left = proof.next().ok_or(ProofError::TooShort)?;
        Ok((node_hash(left, &subtree), node_hash(left, &right)))
    }
}

/// Leaves in the left half of a tree of `size` >= 2: the largest power of two below `size`.
pub(crate) fn split_of(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Adds leaf number `index` to the roots of complete subtrees (large to small) and merges those
/// that became equal in height.
pub(crate) fn push_peak(peaks: &mut Vec<Hash>, index: u64, leaf: Hash) {
    let mut hash = leaf;
    for _ in 0..index.trailing_ones() {
        let Some(left) = peaks.pop() else { break };
        hash = node_hash(&left, &hash);
    }
    peaks.push(hash);
}

/// Root of a tree from the roots of its complete subtrees, large to small.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Hash {
    let Some((last, rest)) = peaks.split_last() else {
        return empty_root();
    };
    rest.iter()
        .rev()
        .fold(*last, |right, left| node_hash(left, &right))
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The index, or the older size, is not inside the tree.
    IndexBeyondSize {
        /// The index or older size asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// `[start, end)` is not the range of a subtree.
    NotASubtree {
        /// First leaf of the range.
        start: u64,
        /// Leaf after the last of the range.
        end: u64,
    },
    /// Consistency with the empty tree was asked for.
    NothingToProve,
    /// The proof ends before the root is reached.
    TooShort,
    /// The proof goes on after the root was reached.
    TooLong,
    /// The proof leads to another root.
    RootDiffers,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexBeyondSize { index, size } => {
                write!(f, "position {index} is not inside a tree of {size} entries")
            }
            Self::NotASubtree { start, end } => {
                write!(
                    f,
                    "entries {start} to {end} are not a subtree: check the range"
                )
            }
            Self::NothingToProve => {
                f.write_str("every log continues the empty one: ask for a size of at least 1")
            }
            Self::TooShort => f.write_str("the proof has too few hashes for this tree"),
            Self::TooLong => f.write_str("the proof has too many hashes for this tree"),
            Self::RootDiffers => {
                f.write_str("the proof leads to another root hash than the signed one")
            }
        }
    }
}

impl std::error::Error for ProofError {}
