//! Ten thousand damaged bundles: each is read or refused, never a panic, and what is accepted out
//! of a damaged one is as good as any other object.

#[path = "common/mod.rs"]
mod common;

use kurultai_model as model;
use model::{Object, Refusal, bundle, canonicalise, is_canonical};

const DAMAGED_BUNDLES: usize = 10_000;

/// Pieces that hit what the readers look at.
const PIECES: [&[u8]; 30] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\udc00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\0",
    b"9007199254740993",
    b"1e999",
    b"-",
    b"null",
    b"\"id\":",
    b"\"objects\":[",
    b"\"type\":\"bundle\"",
    b"\"modified\":",
    b"\"9999-12-31T23:59:59Z\"",
    b"\"_ref\":",
    b"\"object_marking_refs\":[1]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b" ",
    b"\xf0\x9f\x98\x80",
    b"--",
];

/// A bundle with something of everything, used when no real data is there and beside it.
const SMALL: &str = r#"{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[
 {"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2016-04-06T20:03:48.000Z",
  "modified":"2016-04-06T20:03:48.000Z","created_by_ref":"identity--f431f809-377b-45e0-aa1c-6a4751cae5ff","name":"Poison \u0049vy \ud83d\ude00",
  "pattern":"[file:hashes.'SHA-256' = 'ef537f25c895bfa782526529a9b63d97aa631564d5d789c2b765448c8635fb6c']","pattern_type":"stix",
  "valid_from":"2016-01-01T00:00:00Z","confidence":85,"x_score":0.75,"object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]},
 {"created":"2016-04-06T20:06:37.000Z","id":"relationship--44298a74-ba52-4f0c-87a3-1824e67d7fad","modified":"2016-04-06T20:06:37.000Z",
  "relationship_type":"indicates","source_ref":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","target_ref":"malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b","type":"relationship"},
 {"type":"url","id":"url--c1477287-23ac-5971-a010-5c287877fa60","value":"https://example.com/\/x"}]}"#;

/// Bundles of a few objects each, real ones when there are any.
fn bundles() -> Vec<Vec<u8>> {
    let mut bundles = vec![SMALL.as_bytes().to_vec()];
    for release in common::attack_ics() {
        let value: serde_json::Value = serde_json::from_slice(&release).expect("JSON");
        let objects = value["objects"].as_array().expect("objects");
        for group in objects.chunks(4).step_by(12).take(40) {
            // Leave the giant index object out: damage would rarely hit anything else.
            let group: Vec<_> = group
                .iter()
                .filter(|object| object.to_string().len() < 20_000)
                .collect();
            bundles.push(
                serde_json::json!({ "objects": group })
                    .to_string()
                    .into_bytes(),
            );
            let group: Vec<_> = group
                .iter()
                .map(|object| canonicalise(object.to_string().as_bytes()).expect("real"))
                .collect();
            bundles.push([b"{\"objects\":[".as_slice(), &group.join(&b','), b"]}"].concat());
        }
    }
    bundles
}

fn damage(bytes: &mut Vec<u8>, seeded: &mut Seeded) {
    for _ in 0..=seeded.below(4) {
        let at = seeded.below(bytes.len().max(1)).min(bytes.len());
        let to = (at + seeded.below(40)).min(bytes.len());
        match seeded.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
            3 => {
                let copy = bytes[at..to].to_vec();
                let target = seeded.below(bytes.len() + 1);
                bytes.splice(target..target, copy);
            }
            4 => {
                let piece = PIECES[seeded.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let piece = PIECES[seeded.below(PIECES.len())];
                bytes.splice(at..to, piece.iter().copied());
            }
        }
    }
}

fn well_said(refusal: &Refusal, whole: &[u8]) {
    assert!(
        refusal.pointer.is_empty() || refusal.pointer.starts_with('/'),
        "{refusal}"
    );
    assert!(!refusal.reason.to_string().is_empty());
    if let model::Reason::Syntax { offset, .. } | model::Reason::Utf8 { offset } = refusal.reason {
        assert!(offset <= whole.len(), "{refusal}");
    }
}

#[test]
fn damaged_bundles_are_read_or_refused() {
    let bundles = bundles();
    let mut seeded = Seeded(2026);
    let (mut accepted, mut refused, mut whole) = (0, 0, 0);
    for round in 0..DAMAGED_BUNDLES {
        let mut bytes = bundles[round % bundles.len()].clone();
        damage(&mut bytes, &mut seeded);
        let refused_before = refused;
        let result = bundle(&bytes, |_, object| match object {
            Ok(object) => {
                accepted += 1;
                assert_eq!(is_canonical(object.bytes()), Ok(true));
                let again =
                    Object::parse(object.bytes()).expect("an accepted object is accepted again");
                assert_eq!(again.hash(), object.hash());
            }
            Err(refusal) => {
                refused += 1;
                well_said(&refusal, &bytes);
            }
        });
        match result {
            Ok(_) if serde_json::from_slice::<&serde_json::value::RawValue>(&bytes).is_err() => {
                // Only inside an object that was refused for another reason may brackets be off.
                assert!(refused > refused_before, "round {round}");
            }
            Ok(_) => {}
            Err(refusal) => {
                whole += 1;
                well_said(&refusal, &bytes);
            }
        }
        match canonicalise(&bytes) {
            Ok(canonical) => assert_eq!(is_canonical(&canonical), Ok(true), "round {round}"),
            Err(refusal) => well_said(&refusal, &bytes),
        }
    }
    // All three ends must be met often, or the damage is not what it should be.
    assert!(
        accepted > 1000 && refused > 200 && whole > 2000,
        "{accepted} {refused} {whole}"
    );
}

/// A small seeded generator (splitmix64): the same bytes on every run.
struct Seeded(u64);

impl Seeded {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
