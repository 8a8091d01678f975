//! Audit exports: every line proves what it says, and no changed byte of one passes.

mod support;

use kurultai_log::{
    Checkpoint, ExportError, ExportHead, ExportLine, KeyKind, LogKeys, Proved, Tiles, Tree,
    Witnessed, merkle::leaf_hash,
};
use support::{ORIGIN, Random, log_keys, signed, signing};

const SIZE: u64 = 300;

fn record(index: u64) -> Vec<u8> {
    format!(
        r#"{{"at":"2026-01-01T00:00:{:02}Z","what":"release","who":"anna {index}"}}"#,
        index % 60
    )
    .into_bytes()
}

fn tree(size: u64) -> (Tree, Tiles) {
    let mut tree = Tree::new();
    let mut stored = std::collections::BTreeMap::new();
    for index in 0..size {
        tree.append(leaf_hash(&record(index)));
    }
    stored.extend(tree.take_tiles());
    let nodes: Vec<(u8, u64)> = (0..size).map(|index| (0, index)).collect();
    let wanted = Tiles::needed(size, &nodes);
    stored.retain(|path, _| wanted.contains(path));
    let tiles = Tiles::verify(size, tree.root(), stored).unwrap();
    (tree, tiles)
}

fn export(indexes: &[u64]) -> Vec<String> {
    let (tree, tiles) = tree(SIZE);
    let (older, _) = self::tree(100);
    let head = ExportHead {
        keys: log_keys().2,
        witnesses: vec![
            signing(KeyKind::CosignatureV1, "kg.example/witness", 5)
                .verifier()
                .clone(),
        ],
        checkpoint: signed(SIZE, tree.root()),
        witnessed: vec![Witnessed {
            note: signed(100, older.root()),
            proof: tiles.consistency_proof(100).unwrap(),
        }],
        query: "who=anna".into(),
    };
    let mut lines = vec![head.to_line()];
    for &index in indexes {
        let record = record(index);
        let proof = tiles.inclusion_proof(index).unwrap();
        lines.push(
            ExportLine::Record(Proved {
                index,
                proof,
                record: &record,
            })
            .to_string(),
        );
    }
    lines.push(
        ExportLine::End {
            records: indexes.len() as u64,
        }
        .to_string(),
    );
    lines
}

/// Reads an export whole; gives the records that are proved.
fn read(lines: &[impl AsRef<[u8]>], keys: &LogKeys) -> Result<Vec<(u64, Vec<u8>)>, ExportError> {
    let cut = ExportError::Form {
        expected: "the end",
    };
    let (first, rest) = lines.split_first().ok_or(cut.clone())?;
    let head = ExportHead::parse(first.as_ref())?;
    let (checkpoint, _) = head.open(keys)?;
    for earlier in &head.witnessed {
        earlier.verify(keys, &checkpoint)?;
    }
    let mut found = Vec::new();
    for line in rest {
        match ExportLine::parse(line.as_ref())? {
            ExportLine::Record(proved) => {
                proved.verify(&checkpoint)?;
                found.push((proved.index, proved.record.to_vec()));
            }
            ExportLine::End { records } if records == found.len() as u64 => return Ok(found),
            ExportLine::End { .. } => break,
        }
    }
    Err(cut)
}

#[test]
fn what_was_exported_is_read_and_proved() {
    let indexes = [0, 1, 99, 255, 256, SIZE - 1];
    let found = read(&export(&indexes), &log_keys().2).unwrap();
    assert_eq!(found, indexes.map(|index| (index, record(index))));
    let stranger = LogKeys {
        ed25519: signing(KeyKind::Ed25519, ORIGIN, 77).verifier().clone(),
        ..log_keys().2
    };
    assert!(matches!(
        read(&export(&indexes), &stranger),
        Err(ExportError::Checkpoint(_))
    ));
}

#[test]
fn a_rewritten_log_does_not_continue_what_was_witnessed() {
    let (tree, _) = tree(SIZE);
    let checkpoint = Checkpoint::new(ORIGIN, SIZE, tree.root()).unwrap();
    let head = ExportHead::parse(export(&[]).remove(0).as_bytes()).unwrap();
    let keys = log_keys().2;
    assert!(head.witnessed[0].verify(&keys, &checkpoint).is_ok());
    let mut other = head.witnessed[0].clone();
    other.note = signed(100, leaf_hash(b"another history"));
    assert!(matches!(
        other.verify(&keys, &checkpoint),
        Err(ExportError::Proof(_))
    ));
    // The log is shorter than what was witnessed.
    let shorter = Checkpoint::new(ORIGIN, 50, self::tree(50).0.root()).unwrap();
    assert!(matches!(
        head.witnessed[0].verify(&keys, &shorter),
        Err(ExportError::Proof(_))
    ));
}

/// Whatever byte is changed: the export is refused, or it still says only what is in the log.
#[test]
fn no_changed_byte_makes_a_false_record() {
    let lines: Vec<Vec<u8>> = export(&[3, 200])
        .into_iter()
        .map(String::into_bytes)
        .collect();
    let keys = log_keys().2;
    let mut random = Random(0xa0d1);
    let mut refused = 0;
    for _ in 0..800 {
        let mut changed = lines.clone();
        let line = (random.next() % changed.len() as u64) as usize;
        let at = (random.next() % changed[line].len() as u64) as usize;
        changed[line][at] ^= 1 << (random.next() % 8);
        match read(&changed, &keys) {
            Err(_) => refused += 1,
            Ok(found) => {
                for (index, bytes) in found {
                    assert_eq!(bytes, record(index), "a false record passed");
                }
            }
        }
    }
    assert!(refused > 600, "{refused}");
}

#[test]
fn swapped_repeated_and_missing_lines_are_noticed() {
    let keys = log_keys().2;
    let lines = export(&[3, 4]);
    // Cut at any line.
    for keep in 0..lines.len() {
        assert!(read(&lines[..keep], &keys).is_err(), "{keep} lines");
    }
    // A record under another position.
    let swapped = lines[1].replacen("\"index\":3", "\"index\":4", 1);
    let mut moved = lines.clone();
    moved[1] = swapped;
    assert!(matches!(
        read(&moved, &keys),
        Err(ExportError::Record { index: 4, .. })
    ));
    // One left out.
    let mut fewer = lines.clone();
    fewer.remove(1);
    assert!(read(&fewer, &keys).is_err());
}

#[test]
fn other_forms_are_refused() {
    let good = export(&[3]);
    for bad in [
        String::new(),
        "{}".into(),
        good[0].replacen("/v1", "/v2", 1),
        good[0].replacen("\"query\"", "\"colour\"", 1),
        good[1].clone(),
    ] {
        assert!(ExportHead::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        r#"{"index":1}"#,
        r#"{"records":1,"index":1}"#,
        r#"{"index":1,"proof":["AAAA"],"record":{}}"#,
        r#"{"index":-1,"proof":[],"record":{}}"#,
        r#"{"index":1,"proof":[],"record":{},"more":1}"#,
        "[]",
    ] {
        assert!(ExportLine::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}
