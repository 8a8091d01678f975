//! An entry and the hashes above it, forged so that they fit each other, must be refused on every
//! path by which something is read from a log, at sizes where the tile layout has its edges.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use kurultai_log::merkle::{leaf_hash, root_of};
use kurultai_log::{Hash, Kind, TileError, TilePath, Tiles, entries};
use support::{Log, entry};

const SIZES: [u64; 5] = [255, 256, 257, 70_000, 200_123];

type Fetched = BTreeMap<TilePath, Vec<u8>>;

/// Puts a forged leaf into the tiles and carries the lie `levels` tile levels up, as an attacker
/// who controls the server would. Returns the tiles that were changed.
fn forge(log: &Log, index: u64, levels: u8) -> Fetched {
    let size = log.tree.size();
    let mut changed = Fetched::new();
    let (mut row, mut hash) = (index, leaf_hash(b"forged"));
    for level in 0..levels {
        let Some(path) = TilePath::at(Kind::Hashes(level), row / 256, size) else {
            break;
        };
        let mut tile = log.tiles[&path].clone();
        let at = (row % 256) as usize * 32;
        tile[at..at + 32].copy_from_slice(&hash.0);
        let hashes: Vec<Hash> = tile
            .chunks_exact(32)
            .map(|hash| Hash(hash.try_into().unwrap()))
            .collect();
        changed.insert(path, tile);
        if !path.is_full() {
            break;
        }
        (row, hash) = (row / 256, root_of(&hashes));
    }
    changed
}

fn with(mut tiles: Fetched, forged: &Fetched) -> Fetched {
    for (path, tile) in forged {
        if tiles.contains_key(path) {
            tiles.insert(*path, tile.clone());
        }
    }
    tiles
}

fn targets(size: u64) -> BTreeSet<u64> {
    let edges = [
        0,
        1,
        127,
        254,
        255,
        256,
        65_535,
        65_536,
        size / 2,
        size - 2,
        size - 1,
    ];
    edges.into_iter().filter(|index| *index < size).collect()
}

#[test]
fn a_consistent_forgery_is_refused_on_every_read_path() {
    for size in SIZES {
        let log = Log::of(size);
        let root = log.tree.root();
        for index in targets(size) {
            // The questions whose answers would contain the forged leaf or a hash over it.
            let bundle = index / 256;
            let questions: [(&str, BTreeSet<TilePath>); 6] = [
                ("node", Tiles::needed(size, &[(0, index)])),
                ("inclusion", Tiles::needed_for_inclusion(size, index)),
                (
                    "sibling's inclusion",
                    Tiles::needed_for_inclusion(size, index ^ 1),
                ),
                ("root_at", Tiles::needed_for_root_at(size, index + 1)),
                (
                    "consistency",
                    Tiles::needed_for_consistency(size, index + 1),
                ),
                ("bundle", Tiles::needed(size, &[(8, bundle), (0, index)])),
            ];
            for (question, needed) in questions {
                let genuine = log.fetch(needed);
                Tiles::verify(size, root, genuine.clone()).expect(question);
                for levels in 1..=3 {
                    let forged = forge(&log, index, levels);
                    let given = with(genuine.clone(), &forged);
                    if given == genuine {
                        continue; // this question does not read a tile over the forged leaf
                    }
                    let refused = Tiles::verify(size, root, given).expect_err(question);
                    assert!(
                        matches!(
                            refused,
                            TileError::Forged { .. } | TileError::RootDiffers { .. }
                        ),
                        "size {size}, entry {index}, {levels} levels, {question}: {refused}"
                    );
                }
            }
            // Forged tiles without what is above them are not trusted either, alone or beside
            // tiles that are genuine.
            let forged = forge(&log, index, 1);
            assert!(Tiles::verify(size, root, forged.clone()).is_err());
            let mut beside = log.fetch(Tiles::needed(size, &[]));
            beside.extend(forged);
            assert!(Tiles::verify(size, root, beside).is_err());
        }
    }
}

#[test]
fn a_forged_entry_in_a_bundle_is_refused() {
    for size in SIZES {
        let log = Log::of(size);
        for index in targets(size) {
            let path = TilePath::at(Kind::Entries, index / 256, size).unwrap();
            let range = path.first_leaf()..path.first_leaf() + u64::from(path.width);
            let genuine: Vec<Vec<u8>> = range.clone().map(entry).collect();
            let needed = Tiles::needed(size, &[(8, path.index)]);
            let tiles = Tiles::verify(size, log.tree.root(), log.fetch(needed)).unwrap();
            let encode = |entries: &[Vec<u8>]| {
                entries::encode(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            let bundle = encode(&genuine);
            assert_eq!(tiles.entry_bundle(&path, &bundle).unwrap(), genuine);

            let mut forged = genuine.clone();
            forged[(index - range.start) as usize] = b"forged".to_vec();
            let bundle = encode(&forged);
            let refused = tiles.entry_bundle(&path, &bundle).unwrap_err();
            assert_eq!(
                refused,
                TileError::Forged { path },
                "size {size}, entry {index}"
            );

            // Two entries that changed places, one missing, one too many.
            if genuine.len() > 1 {
                let mut swapped = genuine.clone();
                swapped.swap(0, 1);
                assert!(tiles.entry_bundle(&path, &encode(&swapped)).is_err());
            }
            assert!(tiles.entry_bundle(&path, &encode(&genuine[1..])).is_err());
            assert!(
                tiles
                    .entry_bundle(&path, &[encode(&genuine), vec![0, 0]].concat())
                    .is_err()
            );
            // A width that the log does not have at this size.
            let narrow = TilePath {
                width: path.width - 1,
                ..path
            };
            let bundle = encode(&genuine[..genuine.len() - 1]);
            assert_eq!(
                tiles.entry_bundle(&narrow, &bundle),
                Err(TileError::Foreign { path: narrow, size })
            );
        }
    }
}

#[test]
fn a_bundle_is_not_read_against_tiles_that_were_not_given() {
    let log = Log::of(70_000);
    let edge = log.fetch(Tiles::needed(70_000, &[]));
    let tiles = Tiles::verify(70_000, log.tree.root(), edge).unwrap();
    let path = TilePath::at(Kind::Entries, 0, 70_000).unwrap();
    let entries: Vec<Vec<u8>> = (0..256).map(entry).collect();
    let bundle = entries::encode(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let missing = tiles.entry_bundle(&path, &bundle).unwrap_err();
    assert_eq!(
        missing,
        TileError::Missing {
            path: "tile/1/000".parse().unwrap()
        }
    );
}

#[test]
fn missing_and_foreign_tiles_are_named() {
    let log = Log::of(70_000);
    let root = log.tree.root();
    let genuine = log.fetch(Tiles::needed(70_000, &[(0, 0)]));
    for path in genuine.keys() {
        let mut given = genuine.clone();
        given.remove(path);
        match Tiles::verify(70_000, root, given) {
            Err(TileError::Missing { path: named }) => assert_eq!(named, *path),
            // Without the tile of the leaf itself nothing is left that would need it.
            Ok(tiles) => {
                assert_eq!(path.to_string(), "tile/0/000");
                assert_eq!(tiles.node(0, 0), None);
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    for foreign in [
        "tile/0/273",       // full, while this log has it partial
        "tile/0/273.p/111", // narrower than it is
        "tile/0/000.p/5",   // partial, while this log has it full
        "tile/0/274.p/1",   // beyond the end
        "tile/3/000.p/1",   // above the top
        "tile/entries/000", // not hashes
        "objects/000",
    ] {
        let path: TilePath = foreign.parse().unwrap();
        let mut given = genuine.clone();
        given.insert(path, vec![0; 32 * usize::from(path.width)]);
        let refused = Tiles::verify(70_000, root, given).unwrap_err();
        assert_eq!(refused, TileError::Foreign { path, size: 70_000 });
    }
    for change in [-32i64, -1, 1, 32] {
        let path: TilePath = "tile/1/000".parse().unwrap();
        let mut given = genuine.clone();
        given
            .get_mut(&path)
            .unwrap()
            .resize((8192 + change) as usize, 0);
        let refused = Tiles::verify(70_000, root, given).unwrap_err();
        assert_eq!(
            refused,
            TileError::Length {
                path,
                bytes: (8192 + change) as usize
            }
        );
    }
}

#[test]
fn every_bit_of_every_tile_is_authenticated() {
    let log = Log::of(257 * 256 + 3);
    let root = log.tree.root();
    let size = log.tree.size();
    let genuine = log.fetch(Tiles::needed(size, &[(0, 0), (0, 65_536)]));
    for path in genuine.keys() {
        for byte in (0..genuine[path].len()).step_by(31) {
            let mut given = genuine.clone();
            given.get_mut(path).unwrap()[byte] ^= 1 << (byte % 8);
            assert!(
                Tiles::verify(size, root, given).is_err(),
                "{path} byte {byte}"
            );
        }
    }
}
