//! Witness requests from arbitrary bytes: no panic, one spelling, and nothing is accepted that does
//! not continue what the witness remembers.

use log::merkle::{leaf_hash, node_hash};
use log::witness::judge;
use log::{AddCheckpoint, Checkpoint, Hash, KeyKind, LogKeys, SigningKey};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(data) else {
        return;
    };
    assert_eq!(request.to_string().as_bytes(), data);
    let keys = keys();
    for held in [None, Some(checkpoint(1)), Some(checkpoint(2))] {
        if let Ok((accepted, note)) = judge(&request, held.as_ref(), &keys) {
            assert!(accepted.size() >= held.as_ref().map_or(0, Checkpoint::size));
            assert!([checkpoint(1), checkpoint(2)].contains(&accepted));
            assert_eq!(note.text(), accepted.to_text());
        }
    }
}

/// A first request, one with a proof, and one that repeats.
pub fn seeds() -> Vec<Vec<u8>> {
    let request = |old, size, proof| AddCheckpoint {
        old,
        proof,
        note: checkpoint(size)
            .sign(&[&signing()])
            .expect("the key of a log"),
    };
    let second = vec![leaf_hash(b"b")];
    [
        request(0, 1, Vec::new()),
        request(1, 2, second),
        request(2, 2, Vec::new()),
    ]
    .map(|request| request.to_string().into_bytes())
    .to_vec()
}

const ORIGIN: &str = "kz.example/local/audit";

fn checkpoint(size: u64) -> Checkpoint {
    let root: Hash = match size {
        1 => leaf_hash(b"a"),
        _ => node_hash(&leaf_hash(b"a"), &leaf_hash(b"b")),
    };
    Checkpoint::new(ORIGIN, size, root).expect("a good checkpoint")
}

fn signing() -> SigningKey {
    SigningKey::from_seed(KeyKind::Ed25519, ORIGIN, [1; 32]).expect("the name is a good one")
}

fn keys() -> LogKeys {
    LogKeys {
        origin: ORIGIN.to_owned(),
        ed25519: signing().verifier().clone(),
        pq: None,
    }
}
