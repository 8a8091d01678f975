//! What several test files of this crate share: a naive tree, a tile store, seeded randomness.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet};

use kurultai_log::merkle::{leaf_hash, node_hash};
use kurultai_log::{Checkpoint, Hash, KeyKind, LogKeys, SigningKey, TilePath, Tree};

/// RFC 6962 section 2.1 as it is written, without any of the crate's shortcuts.
pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => Hash::of(b""),
        1 => leaves[0],
        n => {
            let mut k = 1;
            while k * 2 < n {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&entry(index))).collect()
}

/// A log in memory: its tree and every tile that was ever stored.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) tree: Tree,
    pub(crate) tiles: BTreeMap<TilePath, Vec<u8>>,
}

impl Log {
    pub(crate) fn of(count: u64) -> Log {
        let mut log = Log::default();
        log.append(0..count);
        log
    }

    pub(crate) fn append(&mut self, entries: std::ops::Range<u64>) {
        entries.for_each(|index| self.tree.append(leaf_hash(&entry(index))));
        self.tiles.extend(self.tree.take_tiles());
    }

    pub(crate) fn fetch(&self, paths: BTreeSet<TilePath>) -> BTreeMap<TilePath, Vec<u8>> {
        paths
            .into_iter()
            .map(|path| (path, self.tiles[&path].clone()))
            .collect()
    }

    /// The tiles that the tree has now (without partial ones of earlier sizes).
    pub(crate) fn current(&self) -> BTreeMap<TilePath, Vec<u8>> {
        let is_current =
            |path: &TilePath| TilePath::at(path.kind, path.index, self.tree.size()) == Some(*path);
        self.tiles
            .iter()
            .filter(|(path, _)| is_current(path))
            .map(|(p, b)| (*p, b.clone()))
            .collect()
    }
}

/// xorshift64*: seeded, so that a failure names everything needed to repeat it.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One to three small changes: a bit, a byte, a cut, an insertion, a repetition, a swap.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                bytes.push(self.next() as u8);
                continue;
            }
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.next() as u8),
                4 => {
                    bytes.remove(at);
                }
                5 => {
                    let end = (at + 1 + self.below(64)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                6 => {
                    let other = self.below(bytes.len());
                    bytes.swap(at, other);
                }
                _ => bytes[at] = [0, 0xff, b'\n', b' ', b'+', 0x7f][self.below(6)],
            }
        }
        bytes
    }
}

pub(crate) const ORIGIN: &str = "kz.example/steppe/alerts";

pub(crate) fn signing(kind: KeyKind, name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(kind, name, [seed; 32]).unwrap()
}

/// The keys of one log: classical and post-quantum.
pub(crate) fn log_keys() -> (SigningKey, SigningKey, LogKeys) {
    let ed25519 = signing(KeyKind::Ed25519, ORIGIN, 1);
    let pq = signing(KeyKind::MlDsa44, ORIGIN, 2);
    let keys = LogKeys {
        origin: ORIGIN.to_owned(),
        ed25519: ed25519.verifier().clone(),
        pq: Some(pq.verifier().clone()),
    };
    (ed25519, pq, keys)
}

pub(crate) fn signed(size: u64, root: Hash) -> String {
    let (ed25519, pq, _) = log_keys();
    Checkpoint::new(ORIGIN, size, root)
        .unwrap()
        .sign(&[&ed25519, &pq])
        .unwrap()
}
