//! How fast objects are read and hashed, on one core: `cargo bench -p kurultai-model`.
//!
//! The corpus is made here: indicators of about 1.3 KB, once canonical, once as another program
//! might write them (members in STIX's order, white space, some escapes). Beside our figures stand
//! SHA-256 alone and the way without this crate (serde_json to a value, then canonicalised).

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use kurultai_model as model;
use model::validate::{Mode, Validator};
use model::{Hash, Object, bundle};

const OBJECTS: usize = 20_000;
const ROUND: Duration = Duration::from_secs(2);

fn main() {
    // `cargo test` builds and runs benches too; it must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p kurultai-model");
        return;
    }
    let foreign: Vec<Vec<u8>> = (0..OBJECTS).map(|n| indicator(n).into_bytes()).collect();
    let canonical: Vec<Vec<u8>> = foreign
        .iter()
        .map(|bytes| model::canonicalise(bytes).expect("well formed"))
        .collect();
    let bytes: usize = canonical.iter().map(Vec::len).sum();
    println!(
        "{OBJECTS} objects, {} bytes each in canonical form",
        bytes / OBJECTS
    );
    rate("SHA-256 alone", OBJECTS, || {
        for bytes in &canonical {
            black_box(Hash::of(bytes));
        }
    });
    rate("is_canonical alone", OBJECTS, || {
        for bytes in &canonical {
            black_box(model::is_canonical(bytes)).expect("canonical");
        }
    });
    rate("parse + hash, canonical", OBJECTS, || {
        for bytes in &canonical {
            black_box(Object::parse(bytes)).expect("accepted");
        }
    });
    rate("parse + hash, not canonical", OBJECTS, || {
        for bytes in &foreign {
            black_box(Object::parse(bytes)).expect("accepted");
        }
    });
    let validator = Validator::new(Mode::Strict);
    let objects: Vec<Object> = canonical
        .iter()
        .map(|bytes| Object::parse(bytes).expect("accepted"))
        .collect();
    rate("validate, of parsed objects", OBJECTS, || {
        for object in &objects {
            black_box(validator.object(object));
        }
    });
    for (name, objects) in [("canonical", &canonical), ("not canonical", &foreign)] {
        let envelopes: Vec<Vec<u8>> = objects
            .chunks(500)
            .map(|group| [b"{\"objects\":[".as_slice(), &group.join(&b','), b"]}"].concat())
            .collect();
        rate(&format!("envelopes of 500, {name}"), OBJECTS, || {
            for envelope in &envelopes {
                let count = bundle(envelope, |_, object| {
                    black_box(object).expect("accepted");
                });
                assert_eq!(count, Ok(500));
            }
        });
    }
    rate(
        "serde_json value + canonicalizer + SHA-256",
        OBJECTS,
        || {
            for bytes in &foreign {
                let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
                let canonical = serde_json_canonicalizer::to_vec(&value).expect("writes any value");
                black_box(Hash::of(&canonical));
            }
        },
    );
}

/// Repeats `work` for a while and reports the best round, which a busy machine disturbs least.
fn rate(name: &str, objects: usize, work: impl Fn()) {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < ROUND {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    let rate = objects as f64 / best.as_secs_f64();
    println!("{name:45} {rate:>10.0} objects/s a core");
}

fn indicator(n: usize) -> String {
    let text =
        "Seen in phishing mail against a ministry; the sender imitates a conference office. "
            .repeat(5);
    format!(
        r#"{{"type": "indicator", "spec_version": "2.1", "id": "indicator--00000000-0000-4000-8000-{n:012x}",
  "created_by_ref": "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff", "created": "2026-03-01T08:15:{s:02}.000Z",
  "modified": "2026-03-02T10:00:{s:02}.123456Z", "name": "Host {n} of \u0022Steppe Fox\u0022", "description": "{text}",
  "indicator_types": ["malicious-activity", "anomalous-activity"], "confidence": {c}, "lang": "en",
  "pattern": "[domain-name:value = 'mail-{n}.conference.example' OR ipv4-addr:value = '198.51.100.{s}']",
  "pattern_type": "stix", "pattern_version": "2.1", "valid_from": "2026-03-01T00:00:00Z", "valid_until": "2026-09-01T00:00:00Z",
  "kill_chain_phases": [{{"kill_chain_name": "mitre-attack", "phase_name": "initial-access"}}], "labels": ["phishing", "ministry"],
  "external_references": [{{"source_name": "case", "url": "https:\/\/cert.example\/cases\/{n}", "external_id": "CASE-{n}"}}],
  "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"], "x_score": 0.{c}, "revoked": false}}"#,
        s = n % 60,
        c = 10 + n % 89,
    )
}
