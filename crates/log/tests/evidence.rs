//! Evidence of two histories, and receipts: they hold for a third party, and nothing less does.

mod support;

use kurultai_log::merkle::leaf_hash;
use kurultai_log::{
    Checkpoint, Evidence, EvidenceError, Hash, KeyKind, LogKeys, ReceiptError, ReceiptProof, Tiles,
    Tree, Verdict, cosign,
};
use support::{Log, ORIGIN, entry, leaves, log_keys, signed, signing};

/// A log that agrees with `Log::of` except for entry 2.
fn rewritten(size: u64) -> Log {
    let mut log = Log::default();
    for (index, leaf) in (0..).zip(leaves(size)) {
        log.tree.append(if index == 2 {
            leaf_hash(b"rewritten")
        } else {
            leaf
        });
    }
    log.tiles.extend(log.tree.take_tiles());
    log
}

#[test]
fn two_roots_of_one_size() {
    let (_, _, keys) = log_keys();
    let a = signed(10, Log::of(10).tree.root());
    let b = signed(10, rewritten(10).tree.root());
    let evidence = Evidence::same_size(&keys, a.as_bytes(), b.as_bytes()).unwrap();
    let verdict = evidence.verify(&keys).unwrap();
    let roots = [Log::of(10).tree.root(), rewritten(10).tree.root()];
    assert_eq!(
        verdict,
        Verdict::TwoRoots {
            origin: ORIGIN.to_owned(),
            size: 10,
            roots
        }
    );
    let read = Evidence::parse(evidence.to_text().as_bytes()).unwrap();
    assert_eq!(read, evidence);
    assert_eq!(read.keys(), &keys);
    assert_eq!(
        Evidence::same_size(&keys, a.as_bytes(), a.as_bytes()),
        Err(EvidenceError::Consistent)
    );
}

#[test]
fn a_rewritten_history_at_every_kind_of_size() {
    let (_, _, keys) = log_keys();
    for (old, new) in [
        (3, 4),
        (4, 8),
        (5, 8),
        (8, 300),
        (256, 700),
        (255, 256),
        (300, 301),
    ] {
        let older = signed(old, Log::of(old).tree.root());
        let later = rewritten(new);
        let newer = signed(new, later.tree.root());
        let needed = Tiles::needed_for_consistency(new, old);
        let tiles = Tiles::verify(new, later.tree.root(), later.fetch(needed)).unwrap();
        let root_at_older = tiles.root_at(old).unwrap();
        let proof = tiles.consistency_proof(old).unwrap();
        let make = |older: &str, newer: &str, root, proof: Vec<Hash>| {
            Evidence::inconsistent(&keys, older.as_bytes(), newer.as_bytes(), root, proof)
        };
        let evidence = make(&older, &newer, root_at_older, proof.clone()).unwrap();
        assert!(matches!(
            evidence.verify(&keys),
            Ok(Verdict::Rewritten { .. })
        ));
        let read = Evidence::parse(evidence.to_text().as_bytes()).unwrap();
        assert_eq!(read, evidence);

        // An honest log cannot be accused: not with its own proof, not with an invented root.
        let honest = Log::of(new);
        let honest_note = signed(new, honest.tree.root());
        let tiles = Tiles::verify(new, honest.tree.root(), honest.current()).unwrap();
        let honest_proof = tiles.consistency_proof(old).unwrap();
        let honest_root = tiles.root_at(old).unwrap();
        assert_eq!(
            make(&older, &honest_note, honest_root, honest_proof.clone()),
            Err(EvidenceError::Consistent)
        );
        for invented in [root_at_older, Hash([0; 32]), honest.tree.root()] {
            for proof in [&proof, &honest_proof] {
                let accused = make(&older, &honest_note, invented, proof.clone());
                assert!(
                    matches!(accused, Err(EvidenceError::Proof(_))),
                    "{old} {new}"
                );
            }
        }
        // The other way round, or of one size, it shows nothing.
        assert_eq!(
            make(&newer, &older, root_at_older, proof.clone()),
            Err(EvidenceError::Consistent)
        );
        assert!(Evidence::same_size(&keys, older.as_bytes(), newer.as_bytes()).is_err());
    }
}

#[test]
fn evidence_needs_the_signatures_of_the_log() {
    let (_, _, keys) = log_keys();
    let root = |log: Log| log.tree.root();
    let a = signed(10, root(Log::of(10)));
    let b = signed(10, root(rewritten(10)));
    let evidence = Evidence::same_size(&keys, a.as_bytes(), b.as_bytes()).unwrap();
    // Somebody else signs in the log's name: complete in itself, and refused with the true keys.
    let (false_key, false_pq) = (
        signing(KeyKind::Ed25519, ORIGIN, 77),
        signing(KeyKind::MlDsa44, ORIGIN, 78),
    );
    let false_keys = LogKeys {
        origin: ORIGIN.to_owned(),
        ed25519: false_key.verifier().clone(),
        pq: Some(false_pq.verifier().clone()),
    };
    let forge = |root| {
        Checkpoint::new(ORIGIN, 10, root)
            .unwrap()
            .sign(&[&false_key, &false_pq])
            .unwrap()
    };
    let (c, d) = (forge(root(Log::of(10))), forge(root(rewritten(10))));
    let forged = Evidence::same_size(&false_keys, c.as_bytes(), d.as_bytes()).unwrap();
    let forged = Evidence::parse(forged.to_text().as_bytes()).unwrap();
    assert!(forged.verify(&false_keys).is_ok());
    assert!(matches!(
        forged.verify(&keys),
        Err(EvidenceError::Checkpoint(_))
    ));
    // One classical signature is not enough where the log has a post-quantum key.
    let classic = LogKeys {
        pq: None,
        ..keys.clone()
    };
    assert!(evidence.verify(&classic).is_ok());
    let (ed25519, ..) = log_keys();
    let weak = Checkpoint::new(ORIGIN, 10, Hash([9; 32]))
        .unwrap()
        .sign(&[&ed25519])
        .unwrap();
    assert!(Evidence::same_size(&keys, a.as_bytes(), weak.as_bytes()).is_err());
}

#[test]
fn receipts_show_inclusion_offline() {
    let (ed25519, pq, keys) = log_keys();
    let log = Log::of(1000);
    let checkpoint = Checkpoint::new(ORIGIN, 1000, log.tree.root()).unwrap();
    let witness = signing(KeyKind::CosignatureMlDsa44, "uz.example", 6);
    let mut note = kurultai_log::Note::new(checkpoint.to_text()).unwrap();
    note.sign(&ed25519).unwrap();
    note.sign(&pq).unwrap();
    note.add(cosign::cosign(&checkpoint.to_text(), &witness, 5).unwrap())
        .unwrap();
    let tiles = Tiles::verify(1000, log.tree.root(), log.current()).unwrap();
    for index in [0, 255, 256, 767, 768, 999] {
        let receipt = ReceiptProof {
            index,
            hashes: tiles.inclusion_proof(index).unwrap(),
            checkpoint: note.to_string(),
            extra: None,
        };
        let text = receipt.to_string();
        assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
        let read = ReceiptProof::parse(&text).unwrap();
        assert_eq!(read, receipt);
        let (found, cosigned) = read.verify(&leaf_hash(&entry(index)), &keys).unwrap();
        assert_eq!(found, checkpoint);
        let line = cosigned.lines_of(witness.verifier()).next().unwrap();
        assert_eq!(
            cosign::verify(cosigned.text(), line, witness.verifier()),
            Ok(5)
        );

        let other = read.verify(&leaf_hash(b"other"), &keys);
        assert!(matches!(other, Err(ReceiptError::Proof(_))));
        let moved = ReceiptProof {
            index: index ^ 1,
            ..read.clone()
        };
        assert!(moved.verify(&leaf_hash(&entry(index)), &keys).is_err());
        let extra = ReceiptProof {
            extra: Some(b"note to self".to_vec()),
            ..read
        };
        assert_eq!(ReceiptProof::parse(&extra.to_string()), Ok(extra));
    }
    // A log of one entry has an empty proof.
    let mut tree = Tree::new();
    tree.append(leaf_hash(b"only"));
    let only = ReceiptProof {
        index: 0,
        hashes: vec![],
        checkpoint: signed(1, tree.root()),
        extra: None,
    };
    let read = ReceiptProof::parse(&only.to_string()).unwrap();
    assert!(read.verify(&leaf_hash(b"only"), &keys).is_ok());
    let text = only.to_string();
    for bad in [
        text.replace("@v1", "@v2"),
        text.replace("index 0", "index 00"),
        text.replace("index 0", "index -1"),
        text.replace("index 0\n", ""),
        text.replace("index 0\n", "extra ????\nindex 0\n"),
        text.replace("index 0\n", "index 0\nnothash\n"),
        text.replace("index 0\n\n", "index 0\n"),
        text.replace('\n', "\r\n"),
        String::new(),
    ] {
        assert!(ReceiptProof::parse(&bad).is_err(), "{bad:?}");
    }
}
