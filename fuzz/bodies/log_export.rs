//! Audit exports from arbitrary bytes: no panic, and no record passes that is not in the log.

use log::merkle::{leaf_hash, node_hash};
use log::{Checkpoint, ExportHead, ExportLine, KeyKind, LogKeys, Proved, SigningKey, Witnessed};

const RECORDS: [&str; 2] = [r#"{"what":"a"}"#, r#"{"what":"b"}"#];

/// Checks one input: as a whole file, and each of its lines as any line.
pub fn run(data: &[u8]) {
    let keys = keys();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(head) = ExportHead::parse(line) {
            assert_eq!(
                ExportHead::parse(head.to_line().as_bytes()),
                Ok(head.clone())
            );
            if let Ok((checkpoint, _)) = head.open(&keys) {
                assert_eq!(checkpoint, self::checkpoint());
                for earlier in &head.witnessed {
                    let _ = earlier.verify(&keys, &checkpoint);
                }
            }
        }
        if let Ok(ExportLine::Record(proved)) = ExportLine::parse(line)
            && proved.verify(&checkpoint()).is_ok()
        {
            let index = usize::try_from(proved.index).expect("a proved index is below the size");
            assert_eq!(proved.record, RECORDS[index].as_bytes());
        }
    }
}

/// One whole export.
pub fn seeds() -> Vec<Vec<u8>> {
    let note = checkpoint().sign(&[&signing()]).expect("the key of a log");
    let head = ExportHead {
        keys: keys(),
        witnesses: Vec::new(),
        checkpoint: note.clone(),
        witnessed: vec![Witnessed {
            note,
            proof: Vec::new(),
        }],
        query: "who=anna".into(),
    };
    let line = |index: u64, other: &str| {
        ExportLine::Record(Proved {
            index,
            proof: vec![leaf_hash(other.as_bytes())],
            record: RECORDS[index as usize].as_bytes(),
        })
        .to_string()
    };
    let lines = [
        head.to_line(),
        line(0, RECORDS[1]),
        line(1, RECORDS[0]),
        ExportLine::End { records: 2 }.to_string(),
    ];
    vec![lines.join("\n").into_bytes()]
}

const ORIGIN: &str = "kz.example/local/audit";

fn checkpoint() -> Checkpoint {
    let [a, b] = RECORDS.map(|record| leaf_hash(record.as_bytes()));
    Checkpoint::new(ORIGIN, 2, node_hash(&a, &b)).expect("a good checkpoint")
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
