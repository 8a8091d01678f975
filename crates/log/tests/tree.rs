//! The tree against RFC 6962 done naively, and against another implementation (ct-merkle).

mod support;

use std::collections::{BTreeMap, BTreeSet};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use kurultai_log::merkle::{self, leaf_hash, verify_consistency, verify_inclusion};
use kurultai_log::{Hash, Kind, LoadError, ProofError, TilePath, Tiles, Tree};
use proptest::prelude::*;
use sha2::Sha256;
use support::{Log, Random, entry, leaves, naive_root};

/// Sizes around every edge that the tile layout has below 70,000.
const EDGES: [u64; 15] = [
    0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 65_279, 65_535, 65_536, 65_537, 65_792,
];

fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn agrees_with_ct_merkle_in_roots_and_all_proofs() {
    let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut log = Log::default();
    for size in 1..=530u64 {
        other.push(entry(size - 1));
        log.append(size - 1..size);
        let root = log.tree.root();
        assert_eq!(
            root.0.as_slice(),
            other.root().as_bytes().as_slice(),
            "size {size}"
        );
        // Every question at the interesting sizes, a few at the others.
        let step = if [1, 2, 3, 7, 8, 255, 256, 257, 530].contains(&size) {
            1
        } else {
            97
        };
        let tiles = Tiles::verify(size, root, log.current()).unwrap();
        for index in (0..size).step_by(step) {
            let proof = tiles.inclusion_proof(index).unwrap();
            let theirs = other.prove_inclusion(index as usize);
            assert_eq!(
                concat(&proof),
                theirs.as_bytes(),
                "inclusion of {index} in {size}"
            );
            let leaf = leaf_hash(&entry(index));
            assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()));
        }
        for old in (1..size).step_by(step) {
            let proof = tiles.consistency_proof(old).unwrap();
            let theirs = other.prove_consistency((size - old) as usize);
            assert_eq!(
                concat(&proof),
                theirs.as_bytes(),
                "consistency of {old} with {size}"
            );
            let old_root = tiles.root_at(old).unwrap();
            assert_eq!(
                verify_consistency(old, size, &proof, &old_root, &root),
                Ok(())
            );
        }
    }
}

#[test]
fn a_million_leaves_have_the_naive_root() {
    let leaves = leaves(1 << 20);
    let mut tree = Tree::new();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    assert_eq!(tree.root(), naive_root(&leaves));
    let widths: Vec<_> = tree
        .take_tiles()
        .iter()
        .map(|(path, _)| path.is_full())
        .collect();
    assert_eq!(widths.iter().filter(|full| **full).count(), 4096 + 16);
    assert_eq!(widths.len(), 4096 + 16 + 1);
}

#[test]
fn the_specification_s_example_of_70000() {
    let mut tree = Tree::new();
    leaves(70_000)
        .into_iter()
        .for_each(|leaf| tree.append(leaf));
    let tiles = tree.take_tiles();
    let count = |level, full: bool| {
        let of = |path: &&TilePath| path.kind == Kind::Hashes(level) && path.is_full() == full;
        tiles
            .iter()
            .map(|(path, _)| path)
            .filter(of)
            .map(|path| path.width)
            .collect::<Vec<_>>()
    };
    assert_eq!(count(0, true).len(), 273);
    assert_eq!(count(0, false), [112]);
    assert_eq!(count(1, true).len(), 1);
    assert_eq!(count(1, false), [17]);
    assert_eq!(count(2, true).len(), 0);
    assert_eq!(count(2, false), [1]);
    let path = TilePath::at(Kind::Hashes(0), 273, 70_000).unwrap();
    assert_eq!(path.to_string(), "tile/0/273.p/112");
    // Full tiles are handed out once, partial ones every time.
    let again: Vec<_> = tree
        .take_tiles()
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|path| !path.is_full()));
}

#[test]
fn a_dropped_append_leaves_no_trace() {
    let mut log = Log::of(300);
    let mut attempt = log.tree.clone();
    leaves(1000)
        .into_iter()
        .for_each(|leaf| attempt.append(leaf));
    assert_eq!(attempt.size(), 1300);
    assert_eq!(log.tree.size(), 300);
    log.append(300..1300);
    assert_eq!(log.tree.root(), naive_root(&leaves(1300)));
}

#[test]
fn load_rebuilds_what_was_stored() {
    for size in EDGES {
        let log = Log::of(size);
        let mut tree =
            Tree::load(size, |path| log.tiles.get(path).cloned().ok_or("absent")).unwrap();
        assert_eq!(tree, log.tree, "size {size}");
        // A wider state of the same tile does as well: only the first hashes count.
        let mut later = Log::of(size);
        later.append(size..size + 300);
        let wide = Tree::load(size, |path| {
            let tile = later
                .tiles
                .get(&path.full())
                .or_else(|| later.tiles.get(path));
            tile.cloned().ok_or("absent")
        });
        assert_eq!(wide.unwrap(), log.tree, "size {size} from later tiles");
        tree.append(leaf_hash(&entry(size)));
        assert_eq!(tree.root(), naive_root(&leaves(size + 1)));
    }
}

#[test]
fn load_refuses_tiles_that_contradict_each_other() {
    let log = Log::of(70_000);
    let load = |change: &dyn Fn(&TilePath, &mut Vec<u8>)| {
        Tree::load(70_000, |path| {
            let mut tile = log.tiles.get(path).cloned().ok_or("absent")?;
            change(path, &mut tile);
            Ok::<_, &str>(tile)
        })
    };
    let name = |path: &TilePath| path.to_string();
    // The last full tile below the edge differs from what the edge says.
    let forged = load(&|path, tile| {
        if name(path) == "tile/0/272" {
            tile[5] ^= 1;
        }
    });
    assert!(matches!(&forged, Err(LoadError::Inconsistent { path }) if name(path) == "tile/0/272"));
    let forged = load(&|path, tile| {
        if name(path) == "tile/1/001.p/17" {
            *tile.last_mut().unwrap() ^= 1;
        }
    });
    assert!(matches!(&forged, Err(LoadError::Inconsistent { path }) if name(path) == "tile/0/272"));
    let short = load(&|_, tile| tile.truncate(tile.len() - 32));
    assert!(matches!(short, Err(LoadError::Width { .. })));
    let ragged = load(&|_, tile| tile.push(0));
    assert!(matches!(ragged, Err(LoadError::Width { .. })));
    let absent = Tree::load(70_000, |_| Err::<Vec<u8>, _>("no disk"));
    assert!(matches!(
        absent,
        Err(LoadError::Fetch {
            error: "no disk",
            ..
        })
    ));
    let huge = Tree::load(u64::MAX, |_| Err::<Vec<u8>, _>("asked"));
    assert!(matches!(huge, Err(LoadError::TooLarge { .. })));
    // An edge that is wrong in the middle is consistent with its neighbours; the root tells.
    let wrong = load(&|path, tile| {
        if name(path) == "tile/0/273.p/112" {
            tile[0] ^= 1;
        }
    });
    assert_ne!(wrong.unwrap().root(), log.tree.root());
}

#[test]
fn tiles_answer_only_from_what_was_asked_for() {
    let log = Log::of(70_000);
    let root = log.tree.root();
    let needed = Tiles::needed(70_000, &[(0, 3)]);
    let names: Vec<_> = needed.iter().map(TilePath::to_string).collect();
    let edge = ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"];
    let mut expected = vec!["tile/0/000", "tile/1/000"];
    expected.extend(edge);
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>(),
        expected
            .iter()
            .map(|s| s.to_string())
            .collect::<Vec<_>>()
            .iter()
            .collect()
    );
    let tiles = Tiles::verify(70_000, root, log.fetch(needed)).unwrap();
    assert_eq!(tiles.node(0, 3), Some(leaf_hash(&entry(3))));
    assert_eq!(tiles.node(0, 300), None, "its tile was not fetched");
    assert_eq!(
        tiles.node(8, 272),
        Some(naive_root(&leaves(70_000)[272 * 256..273 * 256]))
    );
    assert_eq!(tiles.node(8, 273), None, "not complete");
    assert_eq!(tiles.node(17, 0), None, "larger than the tree");
    for hostile in [
        (0, u64::MAX),
        (63, u64::MAX),
        (64, 0),
        (255, 1),
        (8, u64::MAX / 256),
    ] {
        assert_eq!(tiles.node(hostile.0, hostile.1), None);
        Tiles::needed(70_000, &[hostile]);
    }
    assert_eq!(tiles.inclusion_proof(70_000), None);
    assert_eq!(tiles.consistency_proof(0), None);
    assert_eq!(tiles.consistency_proof(70_001), None);
    assert_eq!(tiles.root_at(70_001), None);
    assert_eq!(tiles.root_at(70_000), Some(root));
    assert_eq!(tiles.root_at(0), Some(merkle::empty_root()));
    // The empty tree has no tiles and one root.
    assert!(Tiles::needed(0, &[(0, 0)]).is_empty());
    assert!(Tiles::verify(0, merkle::empty_root(), BTreeMap::new()).is_ok());
    assert!(Tiles::verify(0, root, BTreeMap::new()).is_err());
}

#[test]
fn subtrees_are_checked_as_subtrees() {
    use kurultai_log::merkle::{verify_subtree_consistency, verify_subtree_inclusion};
    let leaves = leaves(13);
    let root = naive_root(&leaves);
    // Leaves 8 to 13 hang together at the right edge; the proof is the left half.
    let (part, left) = (naive_root(&leaves[8..13]), naive_root(&leaves[..8]));
    assert_eq!(
        verify_subtree_consistency(8, 13, 13, &[left], &part, &root),
        Ok(())
    );
    assert!(verify_subtree_consistency(8, 13, 13, &[part], &left, &root).is_err());
    // A genuine root and path, of leaves that no tree has under one node.
    let (a, b) = (leaves[1], leaves[2]);
    let pair = merkle::node_hash(&a, &b);
    let refused = Err(ProofError::NotASubtree { start: 1, end: 3 });
    assert_eq!(verify_subtree_inclusion(1, 1, 3, &a, &[b], &pair), refused);
    assert_eq!(
        verify_subtree_consistency(1, 3, 13, &[], &pair, &root),
        refused
    );
    assert_eq!(
        verify_subtree_inclusion(
            3,
            2,
            4,
            &leaves[3],
            &[b],
            &merkle::node_hash(&b, &leaves[3])
        ),
        Ok(())
    );
}

fn sizes_to_a_million() -> impl Strategy<Value = u64> {
    // Evenly over magnitudes, so that small trees and edges are met as well as large ones.
    (0u32..=20, any::<u64>()).prop_map(|(bits, random)| random % ((1 << bits) + 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_to_a_million(size in sizes_to_a_million(), seed in 1u64..) {
        let mut random = Random(seed);
        let mut log = Log::default();
        let (a, b) = (random.next() % (size + 1), random.next() % (size + 1));
        let (first, second) = (a.min(b), a.max(b));
        log.append(0..first);
        log.append(first..second);
        log.append(second..size);
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        prop_assert_eq!(log.tree.root(), root);
        let loaded = Tree::load(size, |path| log.tiles.get(path).cloned().ok_or("absent"));
        prop_assert_eq!(&loaded.unwrap(), &log.tree);

        // Each question is answered from exactly the tiles that it says it needs.
        for old in [first, second, size] {
            let old_root = naive_root(&leaves[..old as usize]);
            let needed = Tiles::needed_for_root_at(size, old);
            let tiles = Tiles::verify(size, root, log.fetch(needed)).unwrap();
            prop_assert_eq!(tiles.root_at(old), Some(old_root));
            let needed = Tiles::needed_for_consistency(size, old);
            let tiles = Tiles::verify(size, root, log.fetch(needed)).unwrap();
            if old > 0 {
                let proof = tiles.consistency_proof(old).unwrap();
                prop_assert_eq!(verify_consistency(old, size, &proof, &old_root, &root), Ok(()));
                let mut other = old_root;
                other.0[7] ^= 1;
                prop_assert!(verify_consistency(old, size, &proof, &other, &root).is_err());
            }
        }
        for index in [first, second, size / 2].into_iter().filter(|index| *index < size) {
            let needed = Tiles::needed_for_inclusion(size, index);
            let tiles = Tiles::verify(size, root, log.fetch(needed)).unwrap();
            let leaf = tiles.node(0, index).unwrap();
            prop_assert_eq!(leaf, leaves[index as usize]);
            let proof = tiles.inclusion_proof(index).unwrap();
            prop_assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()));
        }
    }
}
