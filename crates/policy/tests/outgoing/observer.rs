//! An observer who tries to tell sources apart by everything that a partner can see.
//!
//! Naive Bayes over features that are read from the bytes alone: which properties there are and in
//! which places, short values, sizes, residues of times and their precision, parts of identifiers,
//! the order of lists, spaces and digits, the place in the window. It is no strong classifier, but
//! it sees each trait by itself, and a habit is a trait.

use std::collections::BTreeMap;

use model::{Id, Object, Timestamp};
use serde_json::Value;

/// LIMIT: bytes of values that are taken as a feature; longer ones never occur twice.
const VALUE_BYTES_MAX: usize = 60;

/// The features of one object that stood at `place` (0 to 9) of its window.
pub(crate) fn features(object: &Object, place: usize) -> Vec<String> {
    let bytes = object.bytes();
    let tree: Value = serde_json::from_slice(bytes).expect("an object is JSON");
    let mut out = vec![
        format!("place {place}"),
        format!("size {}", bytes.len() / 64),
        format!("size in a block {}", bytes.len() % 256 / 16),
        format!(
            "spaces {}",
            bytes.iter().filter(|byte| **byte == b' ').count().min(40)
        ),
        format!("beyond ASCII {}", bytes.iter().any(|byte| !byte.is_ascii())),
    ];
    let mut digits = [0usize; 10];
    let body = format!("{:?}", tree.get("pattern"));
    for digit in body.bytes().filter(u8::is_ascii_digit) {
        digits[usize::from(digit - b'0')] += 1;
    }
    out.extend(
        digits
            .iter()
            .enumerate()
            .map(|(digit, count)| format!("digit {digit} {}", (*count).min(4))),
    );
    let mut names: Vec<&str> = tree
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    out.push(format!("names {}", names.join(" ")));
    if let (Some(created), Some(modified)) = (object.created(), object.modified()) {
        let gap = modified.unix_nanos() - created.unix_nanos();
        out.push(format!("corrected after {}", gap / 1_000_000));
    }
    walk(&tree, "", &mut out);
    out
}

fn walk(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(format!("has {at}"));
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                walk(member, &format!("{at}/{name}"), out);
            }
        }
        Value::Array(elements) => {
            out.push(format!("{at} has {}", elements.len()));
            let sorted = elements
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .windows(2)
                .filter(|pair| pair[0] <= pair[1])
                .count();
            out.push(format!("{at} rises {sorted}"));
            for element in elements {
                walk(element, &format!("{at}/*"), out);
            }
        }
        Value::String(text) => {
            if let Ok(id) = Id::parse(text) {
                let uuid = id.uuid();
                for (byte, value) in uuid.iter().enumerate() {
                    out.push(format!("{at} byte {byte} high {}", value >> 4));
                }
                out.push(format!("{at} begins {:?}", &uuid[..2]));
            } else if let Ok(time) = Timestamp::parse(text) {
                let seconds = time.unix_nanos().div_euclid(1_000_000_000);
                out.push(format!("{at} minute {}", seconds / 60 % 60));
                out.push(format!("{at} second {}", seconds % 60));
                out.push(format!(
                    "{at} part {}",
                    time.unix_nanos().rem_euclid(1_000_000_000)
                ));
                out.push(format!("{at} written in {}", text.len()));
            }
            if text.len() <= VALUE_BYTES_MAX {
                out.push(format!("{at} = {text}"));
            }
            out.push(format!("{at} length {}", text.len() / 4));
        }
        other => out.push(format!("{at} = {other}")),
    }
}

/// What the observer has learnt.
pub(crate) struct Observer {
    classes: Vec<BTreeMap<String, f64>>,
    totals: Vec<f64>,
}

impl Observer {
    pub(crate) fn train(classes: usize, seen: &[(usize, Vec<String>)]) -> Observer {
        let mut observer = Observer {
            classes: vec![BTreeMap::new(); classes],
            totals: vec![0.0; classes],
        };
        for (class, features) in seen {
            observer.totals[*class] += 1.0;
            for feature in features {
                *observer.classes[*class].entry(feature.clone()).or_default() += 1.0;
            }
        }
        observer
    }

    /// The class that the features speak for. A feature counts by how often the class has it, and
    /// one that no class has shown counts for none.
    pub(crate) fn guess(&self, features: &[String]) -> usize {
        let score = |class: usize| -> f64 {
            let counts = &self.classes[class];
            let known = features
                .iter()
                .filter(|feature| self.classes.iter().any(|c| c.contains_key(*feature)));
            known
                .map(|feature| {
                    ((counts.get(feature).copied().unwrap_or(0.0) + 0.5)
                        / (self.totals[class] + 1.0))
                        .ln()
                })
                .sum()
        };
        let scores: Vec<f64> = (0..self.classes.len()).map(score).collect();
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or(0, |(class, _)| class)
    }

    /// The share of right guesses.
    pub(crate) fn accuracy(&self, asked: &[(usize, Vec<String>)]) -> f64 {
        let right = asked
            .iter()
            .filter(|(class, features)| self.guess(features) == *class)
            .count();
        right as f64 / asked.len() as f64
    }
}
