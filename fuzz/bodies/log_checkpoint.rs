//! Signed notes and checkpoints from arbitrary bytes: no panic, and one spelling for each.

use std::sync::OnceLock;

use log::{
    Checkpoint, Evidence, Hash, KeyKind, LogKeys, Note, ReceiptProof, SigningKey, VerifierKey,
};

/// Checks one input.
pub fn run(data: &[u8]) {
    let _ = Checkpoint::open(data, keys());
    let _ = Evidence::parse(data);
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(checkpoint) = Checkpoint::parse_text(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(receipt) = ReceiptProof::parse(text) {
        assert_eq!(receipt.to_string(), text);
    }
}

/// A signed checkpoint, its text, a receipt and evidence built on it, and both vkeys.
pub fn seeds() -> Vec<Vec<u8>> {
    let sign = |root| {
        let checkpoint = Checkpoint::new(ORIGIN, 1, root).expect("a good checkpoint");
        let (ed25519, pq) = (signing(KeyKind::Ed25519), signing(KeyKind::MlDsa44));
        (
            checkpoint.to_text(),
            checkpoint.sign(&[&ed25519, &pq]).expect("keys of a log"),
        )
    };
    let ((text, note), (_, other)) = (sign(Hash([1; 32])), sign(Hash([2; 32])));
    let evidence = Evidence::same_size(keys(), note.as_bytes(), other.as_bytes());
    let evidence = evidence.expect("two roots of one size").to_text();
    let receipt = ReceiptProof {
        index: 0,
        hashes: Vec::new(),
        checkpoint: note.clone(),
        extra: None,
    };
    let pq = signing(KeyKind::MlDsa44).verifier().to_string();
    let vkeys = [keys().ed25519.to_string(), pq];
    let texts = [text, note, receipt.to_string(), evidence]
        .into_iter()
        .chain(vkeys);
    texts.map(String::into_bytes).collect()
}

const ORIGIN: &str = "kz.example/steppe/alerts";

fn signing(kind: KeyKind) -> SigningKey {
    SigningKey::from_seed(kind, ORIGIN, [1; 32]).expect("the name is a good one")
}

fn keys() -> &'static LogKeys {
    static KEYS: OnceLock<LogKeys> = OnceLock::new();
    KEYS.get_or_init(|| LogKeys {
        origin: ORIGIN.to_owned(),
        ed25519: signing(KeyKind::Ed25519).verifier().clone(),
        pq: Some(signing(KeyKind::MlDsa44).verifier().clone()),
    })
}
