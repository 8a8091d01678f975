//! Ten thousand seeded mutations of each thing that another member sends: no panic, a refusal in
//! words, and never a value other than the genuine one.

mod support;

use kurultai_log::merkle::root_of;
use kurultai_log::{
    Action, Checkpoint, Entry, Evidence, Hash, Kind, Note, ReceiptProof, SignatureLine, TilePath,
    Tiles, VerifierKey, bodies, entries,
};
use proptest::prelude::*;
use support::{Log, Random, entry, log_keys, signed};

const ROUNDS: usize = 10_000;

/// Runs `check` on many mutations of `genuine` that differ from it. `check` says why it refused;
/// both outcomes must be met often enough for the run to mean something.
fn mutate(seed: u64, genuine: &[u8], check: impl Fn(&[u8]) -> Result<(), String>) -> usize {
    let mut random = Random(seed);
    let mut refused = 0;
    for round in 0..ROUNDS {
        let mutated = random.mutate(genuine);
        if mutated == genuine {
            continue;
        }
        if let Err(reason) = check(&mutated) {
            assert!(
                reason.len() > 10,
                "seed {seed} round {round}: {reason:?} says nothing"
            );
            refused += 1;
        }
    }
    refused
}

fn words<T, E: std::fmt::Display>(outcome: Result<T, E>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

#[test]
fn checkpoints() {
    let (_, _, keys) = log_keys();
    let root = Log::of(300).tree.root();
    let note = signed(300, root);
    let refused = mutate(1, note.as_bytes(), |mutated| {
        let (opened, _) = words(Checkpoint::open(mutated, &keys))?;
        // Only something outside the text and the two signatures may have changed.
        assert_eq!((opened.size(), opened.root()), (300, root));
        Ok(())
    });
    assert!(refused > ROUNDS * 9 / 10, "{refused}");
    let text = Checkpoint::new("a.example", 300, root).unwrap().to_text();
    mutate(2, text.as_bytes(), |mutated| {
        let text = words(std::str::from_utf8(mutated))?;
        let parsed = words(Checkpoint::parse_text(text))?;
        assert_eq!(parsed.to_text(), text);
        Ok(())
    });
}

#[test]
fn tiles() {
    let log = Log::of(70_000);
    let root = log.tree.root();
    let genuine = log.fetch(Tiles::needed(70_000, &[(0, 300)]));
    for (seed, path) in (10..).zip(genuine.keys()) {
        let refused = mutate(seed, &genuine[path], |mutated| {
            let mut given = genuine.clone();
            given.insert(*path, mutated.to_vec());
            // Hashing a full tile costs more than all else here; most lengths are wrong anyway.
            words(Tiles::verify(70_000, root, given)).map(|_| panic!("{path} was accepted"))
        });
        assert!(refused > ROUNDS * 9 / 10);
    }
}

#[test]
fn log_entries() {
    let entry = Entry {
        action: Action::Revise,
        hash: [1; 32],
        id: "malware--0c3b2a80-54ad-4f60-8a0a-4bb10c19a5d5".to_owned(),
        modified: None,
        kind: "malware".to_owned(),
        label: "TLP:AMBER//REL KZ,UZ".to_owned(),
        attribution: "KZ".to_owned(),
        salt: [2; 16],
        time: "2026-11-24T05:00:00.000001Z".to_owned(),
    };
    let bytes = entry.encode().unwrap();
    let refused = mutate(20, &bytes, |mutated| {
        let decoded = words(Entry::decode(mutated))?;
        assert_eq!(
            decoded.encode().unwrap(),
            mutated,
            "two encodings of one entry"
        );
        assert_ne!(decoded, entry);
        Ok(())
    });
    assert!((ROUNDS / 4..ROUNDS).contains(&refused), "{refused}");
}

#[test]
fn notes_and_keys() {
    let note = signed(300, Hash([5; 32]));
    let refused = mutate(30, note.as_bytes(), |mutated| {
        let parsed = words(Note::parse(mutated))?;
        assert_eq!(
            parsed.to_string().as_bytes(),
            mutated,
            "two spellings of one note"
        );
        Ok(())
    });
    assert!((ROUNDS / 10..ROUNDS).contains(&refused), "{refused}");
    let (_, _, keys) = log_keys();
    for key in [keys.ed25519, keys.pq.unwrap()] {
        let refused = mutate(31, key.to_string().as_bytes(), |mutated| {
            let text = words(std::str::from_utf8(mutated))?;
            words(VerifierKey::parse(text)).map(|_| panic!("{text} was accepted"))
        });
        assert!(refused > ROUNDS * 9 / 10);
    }
    let line = Note::parse(note.as_bytes()).unwrap().signatures()[0].to_string();
    mutate(32, line.as_bytes(), |mutated| {
        let text = words(std::str::from_utf8(mutated))?;
        let parsed = words(SignatureLine::parse(text))?;
        assert_eq!(parsed.to_string(), text);
        Ok(())
    });
}

#[test]
fn bundles() {
    let log = Log::of(300);
    let path = TilePath::at(Kind::Entries, 1, 300).unwrap();
    let tiles = Tiles::verify(300, log.tree.root(), log.current()).unwrap();
    let genuine: Vec<Vec<u8>> = (256..300).map(entry).collect();
    let genuine: Vec<&[u8]> = genuine.iter().map(Vec::as_slice).collect();
    let refused = mutate(40, &entries::encode(&genuine), |mutated| {
        words(tiles.entry_bundle(&path, mutated)).map(|_| panic!("a forged bundle was accepted"))
    });
    assert!(refused > ROUNDS * 9 / 10);
    let refused = mutate(41, &bodies::encode(&genuine), |mutated| {
        words(bodies::decode(mutated, 44)).map(|bodies| assert_eq!(bodies.len(), 44))
    });
    assert!(refused > ROUNDS / 4, "{refused}");
}

#[test]
fn evidence_and_receipts() {
    let (_, _, keys) = log_keys();
    let (a, b) = (signed(9, Hash([1; 32])), signed(9, Hash([2; 32])));
    let evidence = Evidence::same_size(&keys, a.as_bytes(), b.as_bytes()).unwrap();
    let genuine = evidence.verify(&keys);
    let refused = mutate(50, evidence.to_text().as_bytes(), |mutated| {
        let parsed = words(Evidence::parse(mutated))?;
        let verdict = words(parsed.verify(&keys))?;
        assert_eq!(
            Ok(verdict),
            genuine,
            "another verdict from the log's own signatures"
        );
        Ok(())
    });
    assert!(refused > ROUNDS * 9 / 10, "{refused}");

    let log = Log::of(9);
    let tiles = Tiles::verify(9, log.tree.root(), log.current()).unwrap();
    let receipt = ReceiptProof {
        index: 3,
        hashes: tiles.inclusion_proof(3).unwrap(),
        checkpoint: signed(9, log.tree.root()),
        extra: None,
    };
    let leaf = tiles.node(0, 3).unwrap();
    mutate(51, receipt.to_string().as_bytes(), |mutated| {
        let text = words(std::str::from_utf8(mutated))?;
        let parsed = words(ReceiptProof::parse(text))?;
        words(parsed.verify(&leaf, &keys))?;
        assert_eq!((parsed.index, parsed.hashes), (3, receipt.hashes.clone()));
        Ok(())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn arbitrary_text_never_panics(text in prop_oneof![any::<String>(), "[ -~\n—]{0,400}"]) {
        let (_, _, keys) = {
            static KEYS: std::sync::OnceLock<(
                kurultai_log::SigningKey, kurultai_log::SigningKey, kurultai_log::LogKeys,
            )> = std::sync::OnceLock::new();
            KEYS.get_or_init(log_keys)
        };
        let bytes = text.as_bytes();
        let _ = Checkpoint::open(bytes, keys);
        let _ = Checkpoint::parse_text(&text);
        let _ = VerifierKey::parse(&text);
        let _ = SignatureLine::parse(&text);
        let _ = Evidence::parse(bytes);
        let _ = Evidence::parse(&[b"kurultai-evidence/v1\n", bytes].concat());
        let _ = ReceiptProof::parse(&text);
        let _ = ReceiptProof::parse(&format!("c2sp.org/tlog-proof@v1\n{text}"));
        if let Ok(note) = Note::parse(bytes) {
            prop_assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn arbitrary_tiles_never_panic(
        size in any::<u64>(), shift in 0u32..64,
        tiles in proptest::collection::btree_map(
            (0u8..9, 0u64..4, 0u16..300), proptest::collection::vec(any::<u8>(), 0..200), 0..5,
        ),
    ) {
        let size = size >> shift;
        let tiles = tiles.into_iter().map(|((level, index, width), mut bytes)| {
            bytes.resize(bytes.len() / 32 * 32, 0);
            (TilePath { kind: Kind::Hashes(level), index, width }, bytes)
        });
        if let Ok(tiles) = Tiles::verify(size, Hash([0; 32]), tiles.collect()) {
            prop_assert!(false, "{tiles:?} was accepted for a root that nothing has");
        }
    }
}

#[test]
fn the_mutator_reaches_every_byte() {
    let hashes: Vec<Hash> = (0..3).map(|n| Hash([n; 32])).collect();
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let mut touched = vec![false; bytes.len()];
    let mut random = Random(99);
    for _ in 0..ROUNDS {
        let mutated = random.mutate(&bytes);
        if mutated.len() == bytes.len() {
            let differ = touched.iter_mut().zip(mutated.iter().zip(&bytes));
            differ.for_each(|(touched, (a, b))| *touched |= a != b);
        }
    }
    assert!(touched.iter().all(|touched| *touched));
    assert_ne!(root_of(&hashes), root_of(&hashes[..2]));
}
