//! Logs that lie, resource by resource: a typed error, and nothing kept that is not true.

mod common;

use common::{Handmade, LABEL, Receiver, Serve as _, Wire, entry, indicator, sign};
use kurultai_sync as sync;
use log::tile::{Kind, TilePath};
use log::{Action, TileError, merkle};
use sync::{FetchError, PullError};

/// The ways in which bytes can be wrong without any skill.
fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flipped = |at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut longer = bytes.to_vec();
    longer.push(0);
    vec![
        flipped(0),
        flipped(bytes.len() / 2),
        flipped(bytes.len() - 1),
        bytes[..bytes.len() - 1].to_vec(),
        longer,
        Vec::new(),
        vec![0xff; bytes.len()],
    ]
}

/// Whether an error blames the resource that was damaged.
fn blames(error: &PullError, path: &str) -> bool {
    match error {
        PullError::Checkpoint(_) => path == "checkpoint",
        PullError::Tiles(TileError::RootDiffers { .. } | TileError::Length { .. }) => {
            path.starts_with("tile/")
        }
        PullError::Tiles(
            TileError::Forged { path: blamed } | TileError::Bundle { path: blamed, .. },
        ) => blamed.to_string() == path,
        PullError::Bodies { path: blamed, .. } => path.starts_with(blamed.as_str()),
        PullError::Body { .. } => path.starts_with("objects/"),
        PullError::Fetch {
            path: blamed,
            error: FetchError::TooLarge { .. },
        } => blamed == path,
        _ => false,
    }
}

/// Every resource that an honest pull of 600 entries reads, from nothing and from 300 entries held,
/// damaged in every way, one at a time.
#[tokio::test]
async fn every_resource_is_checked() {
    let log = Handmade::of(600);
    for held in [0, 300] {
        let mut start = log.clone();
        start.entries.truncate(held);
        start.bodies.truncate(held);
        let honest = Wire::honest(log.clone());
        let first = Receiver::new();
        if held > 0 {
            first.pulled(start.clone()).await;
        }
        first.pull(&honest).await.expect("pulled");
        let paths = honest.requests.into_inner().expect("unpoisoned");
        assert!(
            paths.len() >= 7,
            "checkpoint, three tiles and bundles of both kinds: {paths:?}"
        );
        for path in paths {
            let receiver = Receiver::new();
            if held > 0 {
                receiver.pulled(start.clone()).await;
            }
            let good = log.serve(&path).expect("honest bytes");
            for bad in damaged(&good) {
                if bad.is_empty() && good.is_empty() {
                    continue;
                }
                let wire = Wire::replaced(log.clone(), &path, bad);
                match receiver.pull(&wire).await {
                    Err(error) => assert!(blames(&error, &path), "{path}: {error}"),
                    // A flipped bit in a zstd header may mean nothing at all.
                    Ok(_) => assert!(path.starts_with("objects/"), "{path} was not checked"),
                }
                let state = receiver.assert_prefix_of(&log);
                assert_eq!(state.evidence, 0, "nobody signed anything wrong");
                let bundle = TilePath::parse(path.split('?').next().unwrap_or_default());
                if let Ok(TilePath {
                    kind: Kind::Hashes(_),
                    ..
                })
                | Err(_) = bundle
                {
                    assert_eq!(state.size, held as u64, "without its proof nothing is kept");
                }
                assert!(
                    wire.cosigned.into_inner().expect("unpoisoned").is_empty() || state.size == 600
                );
            }
            receiver.pulled(log.clone()).await;
            assert_eq!(
                receiver.assert_prefix_of(&log).shown.len(),
                600,
                "and recovers"
            );
        }
    }
}

/// An entry, the hash tile above it and its body forged so that they fit each other.
#[tokio::test]
async fn consistent_forgeries_are_refused() {
    for (size, at) in [
        (5, 2),
        (255, 254),
        (256, 0),
        (257, 10),
        (257, 256),
        (600, 300),
        (600, 599),
    ] {
        let honest = Handmade::of(size);
        let mut forged = honest.clone();
        let other = indicator(1_000_000);
        forged.entries[at] = entry(&other, Action::Release, LABEL)
            .encode()
            .expect("an entry");
        forged.bodies[at] = other.bytes().to_vec();
        let checkpoint = honest.checkpoint(size).into_bytes();
        let wire = Wire::replaced(forged.clone(), "checkpoint", checkpoint);
        let receiver = Receiver::new();
        let error = receiver.pull(&wire).await.expect_err("forged");
        assert!(matches!(error, PullError::Tiles(_)), "{size}/{at}: {error}");
        assert_eq!(receiver.state().size, 0);

        // The same with honest tiles, except for the one right above the entry.
        let honest_too = honest.clone();
        let level0 = format!("tile/0/{:03}", at / 256);
        let wire = Wire::tampered(forged, move |path, bytes| {
            let forged = path.starts_with("objects/")
                || path.starts_with("tile/entries/")
                || path.starts_with(&level0);
            Ok(if forged {
                bytes
            } else {
                honest_too.serve(path).expect("honest bytes")
            })
        });
        let error = receiver.pull(&wire).await.expect_err("forged");
        assert!(matches!(error, PullError::Tiles(_)), "{size}/{at}: {error}");
        receiver.assert_prefix_of(&honest);
    }
}

/// Bodies that are well packed but not the ones that the entries name.
#[tokio::test]
async fn other_bodies_are_refused() {
    let log = Handmade::of(300);
    let other = indicator(77_777).into_bytes();
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("JSON");
    type Change = Box<dyn Fn(&mut Vec<Vec<u8>>) + Send + Sync>;
    let changes: Vec<(&str, Change)> = vec![
        (
            "another object",
            Box::new(move |bodies| bodies[9] = other.to_vec()),
        ),
        ("two swapped", Box::new(|bodies| bodies.swap(9, 10))),
        (
            "one letter",
            Box::new(move |bodies| {
                bodies[9] = text(&bodies[9]).replace("number", "lumber").into_bytes();
            }),
        ),
        (
            "the same object in other bytes",
            Box::new(move |bodies| {
                bodies[9] = String::from_utf8_lossy(&bodies[9])
                    .replacen('{', "{ ", 1)
                    .into_bytes();
            }),
        ),
        ("no JSON", Box::new(|bodies| bodies[9] = b"hello".to_vec())),
    ];
    for (what, change) in changes {
        let receiver = Receiver::new();
        let wire = Wire::tampered(log.clone(), move |path, bytes| {
            if path != "objects/000" {
                return Ok(bytes);
            }
            let mut bodies = log::bodies::decode(&bytes, 256).expect("honest bodies");
            change(&mut bodies);
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            Ok(log::bodies::encode(&bodies))
        });
        let error = receiver.pull(&wire).await.expect_err(what);
        let index = if let PullError::Body { index } = error {
            index
        } else {
            panic!("{what}: {error}")
        };
        assert_eq!(index, 9, "{what}");
        assert_eq!(receiver.state().size, 0, "{what}");
    }
}

/// A body where the log has a withdrawal.
#[tokio::test]
async fn a_withdrawn_object_is_not_taken_from_its_withdrawal() {
    let mut log = Handmade::of(3);
    log.push(
        &entry(&indicator(1), Action::Withdraw, LABEL),
        indicator(1).bytes(),
    );
    let receiver = Receiver::new();
    let error = receiver
        .pull(&Wire::honest(log))
        .await
        .expect_err("a body too many");
    assert!(matches!(error, PullError::Body { index: 3 }), "{error}");
    assert_eq!(receiver.state().size, 0);
}

/// A signed entry that is none: the pull stops before it, every time, and says where.
#[tokio::test]
async fn an_entry_in_another_encoding_stops_the_pull() {
    let mut log = Handmade::of(300);
    log.entries[280].push(0);
    let receiver = Receiver::new();
    for _ in 0..2 {
        let error = receiver
            .pull(&Wire::honest(log.clone()))
            .await
            .expect_err("no entry");
        assert!(
            matches!(error, PullError::Entry { index: 280, .. }),
            "{error}"
        );
        let state = receiver.state();
        assert_eq!((state.size, state.refused), (256, None));
    }
}

/// The right resource under a checkpoint with a bad, missing or foreign signature.
#[tokio::test]
async fn checkpoints_must_carry_both_signatures_of_the_origin() {
    let log = Handmade::of(10);
    let note = log.checkpoint(10);
    let lines: Vec<&str> = note.lines().collect();
    let without = |line: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != line);
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>()
    };
    let other_channel = sign("pair", 10, log.root(10));
    let other_key = {
        let keys = common::accord().log_keys("KZ", "alerts").expect("in force");
        let key = common::key("UZ", policy::Role::Log)
            .renamed(&keys.origin)
            .expect("a name");
        let pq = common::key("UZ", policy::Role::LogPq)
            .renamed(&keys.origin)
            .expect("a name");
        let checkpoint = log::Checkpoint::new(&keys.origin, 10, log.root(10)).expect("good");
        checkpoint.sign(&[&key, &pq]).expect("signed")
    };
    for bad in [
        without(4),
        without(5),
        other_channel,
        other_key,
        String::new(),
    ] {
        let receiver = Receiver::new();
        let wire = Wire::replaced(log.clone(), "checkpoint", bad.clone().into_bytes());
        let error = receiver.pull(&wire).await.expect_err("not signed");
        assert!(matches!(error, PullError::Checkpoint(_)), "{bad}: {error}");
        assert_eq!(
            wire.requests.into_inner().expect("unpoisoned"),
            ["checkpoint"]
        );
        assert_eq!(receiver.state().size, 0);
    }
}

/// A signed root that the log does not lead to.
#[tokio::test]
async fn a_root_without_a_log() {
    let log = Handmade::of(300);
    for (size, root) in [
        (300, log.root(299)),
        (299, log.root(300)),
        (300, merkle::empty_root()),
        (u64::MAX >> 1, log.root(300)),
    ] {
        let receiver = Receiver::new();
        let note = sign("alerts", size, root).into_bytes();
        let wire = Wire::replaced(log.clone(), "checkpoint", note);
        let error = receiver.pull(&wire).await.expect_err("no such log");
        let honest = matches!(error, PullError::Tiles(_) | PullError::Fetch { .. });
        assert!(honest, "{size}: {error}");
        assert_eq!(receiver.state().size, 0);
        assert!(wire.requests.into_inner().expect("unpoisoned").len() < 30);
    }
}

/// Answers that are larger than their resource can be are not read to their end.
#[tokio::test]
async fn oversize_answers_are_refused() {
    let log = Handmade::of(300);
    let honest = Wire::honest(log.clone());
    Receiver::new().pull(&honest).await.expect("pulled");
    for path in honest.requests.into_inner().expect("unpoisoned") {
        let receiver = Receiver::new();
        let damaged = path.clone();
        let wire = Wire::tampered(log.clone(), move |path, bytes| {
            // Pieces of a body bundle have paths of their own.
            let objects = path.starts_with("objects/") && damaged.starts_with("objects/");
            Ok(if path == damaged || objects {
                vec![b'x'; 5 << 20]
            } else {
                bytes
            })
        });
        let error = receiver.pull(&wire).await.expect_err("too large");
        let too_large = matches!(
            &error,
            PullError::Fetch {
                error: FetchError::TooLarge { .. },
                ..
            }
        );
        assert!(too_large, "{path}: {error}");
        receiver.assert_prefix_of(&log);
    }
}

/// A few bytes that unfold to gigabytes.
#[tokio::test]
async fn bombs_are_refused() {
    let mut bomb = Vec::new();
    for _ in 0..8 {
        bomb.extend_from_slice(&(1_u32 << 20).to_be_bytes());
        bomb.extend_from_slice(&vec![b' '; 1 << 20]);
    }
    let bomb = zstd::bulk::compress(&bomb, 3).expect("compressed");
    assert!(bomb.len() < 10_000);
    let log = Handmade::of(256);
    let receiver = Receiver::new();
    let wire = Wire::tampered(log, move |path, bytes| {
        Ok(if path.starts_with("objects/") {
            bomb.clone()
        } else {
            bytes
        })
    });
    let error = receiver.pull(&wire).await.expect_err("a bomb");
    assert!(
        matches!(error, PullError::Body { .. } | PullError::Fetch { .. }),
        "{error}"
    );
    assert_eq!(receiver.state().size, 0);
}

/// Random mutations of random resources of a full and of a partial bundle: an error or the truth,
/// never a panic, and nothing kept that is not true.
#[tokio::test]
async fn random_mutations() {
    let mut seed = 0x5eed_u64;
    let mut random = move |end: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % end
    };
    for size in [256, 40] {
        let log = Handmade::of(size);
        let honest = Wire::honest(log.clone());
        Receiver::new().pull(&honest).await.expect("pulled");
        let paths = honest.requests.into_inner().expect("unpoisoned");
        let mut receiver = Receiver::new();
        let mut refused = 0;
        for _ in 0..1_000 {
            let path = &paths[random(paths.len())];
            let mut bytes = log.serve(path).expect("honest bytes");
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes.truncate(at + 1),
                    2 => bytes.insert(at, random(256) as u8),
                    _ => bytes[at] ^= 1 << random(8),
                }
            }
            let wire = Wire::replaced(log.clone(), path, bytes);
            let Err(_) = receiver.pull(&wire).await else {
                // The change happened to mean nothing.
                assert_eq!(receiver.assert_prefix_of(&log).shown.len() as u64, size);
                receiver = Receiver::new();
                continue;
            };
            refused += 1;
            assert_eq!(
                receiver.store.head(receiver.view.log()).expect("readable"),
                None
            );
        }
        assert!(refused > 900, "{refused} of 1000 were refused");
    }
}
