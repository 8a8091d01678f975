//! Four sources of one member: the same things to say, each with its own habits of saying them.
//!
//! What an object is about is drawn alike for all. Everything else differs as much as real tools
//! differ: identifiers, minutes and fractions of times, delays, spelling and order of patterns,
//! hashes, optional and custom properties, citations, languages, sizes, markings, delays of
//! corrections.

use model::{Object, Timestamp};
use serde_json::{Map, Value, json};

use crate::names::object;
use crate::support::Rng;

pub(crate) const SOURCES: usize = 4;

const KINDS: [&str; 8] = [
    "indicator",
    "observed-data",
    "malware",
    "vulnerability",
    "sighting",
    "report",
    "file",
    "relationship",
];

/// An object, and how long after its creation it was revised, if it was.
pub(crate) struct Made {
    pub(crate) object: Object,
    pub(crate) revised: bool,
}

pub(crate) fn make(source: usize, rng: &mut Rng) -> Made {
    let kind = KINDS[rng.below(KINDS.len())];
    let day = 1 + rng.below(28);
    let hour = rng.below(24);
    let minute = [7, 15 * rng.below(4), 0, rng.below(60)][source];
    let second = [rng.below(60), 0, 0, 30 + rng.below(3)][source];
    let created = format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    let created = nanos(&created);
    let minutes = |minutes: i128| minutes * 60_000_000_000;
    let revised = rng.below(4) == 0;
    let delay = if revised {
        [5, 20, 45, 58][source]
    } else {
        [0, 20, 0, 1][source]
    };
    let at = |nanos: i128| written(nanos, source);
    let mut value = json!({"type": kind, "spec_version": "2.1", "id": format!("{kind}--{}", uuid(source, rng))});
    let body = value.as_object_mut().expect("an object");
    if kind != "file" {
        body.insert("created".into(), at(created).into());
        body.insert("modified".into(), at(created + minutes(delay)).into());
        body.insert(
            "created_by_ref".into(),
            format!("identity--00000000-0000-4000-8000-00000000000{source}").into(),
        );
    }
    content(kind, source, created, rng, body);
    habits(source, rng, body);
    Made {
        object: object(value),
        revised,
    }
}

/// What each kind is about, and how each source puts it.
fn content(kind: &str, source: usize, created: i128, rng: &mut Rng, body: &mut Map<String, Value>) {
    let minutes = |minutes: i128| minutes * 60_000_000_000;
    let at = |nanos: i128| written(nanos, source);
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    match kind {
        "indicator" => {
            put("pattern", pattern(source, rng).into());
            put("pattern_type", "stix".into());
            let midnight = created - created.rem_euclid(minutes(24 * 60));
            put(
                "valid_from",
                at([created, midnight, created - minutes(3), created][source]).into(),
            );
            if source > 1 {
                put(
                    "valid_until",
                    at(created + minutes([0, 0, 43_200, 129_600][source])).into(),
                );
            }
            put(
                "name",
                ["Host", "[CERT] Хост", "host  ", "IOC"][source].into(),
            );
        }
        "observed-data" => {
            let lag = [2, 40, 0, 11][source];
            let length = [0, 15, 30, 1][source];
            put("first_observed", at(created - minutes(lag + length)).into());
            put("last_observed", at(created - minutes(lag)).into());
            put("number_observed", [1, 20, 300][rng.below(3)].into());
            let mut refs: Vec<String> = (0..3).map(|_| reference("ipv4-addr", rng)).collect();
            match source {
                0 => refs.sort(),
                1 => refs.sort_by(|a, b| b.cmp(a)),
                _ => {}
            }
            put("object_refs", refs.into());
        }
        "malware" => {
            let name = format!("Family {}", rng.below(12));
            let name = [
                name.clone(),
                name.replace(' ', "\u{a0}"),
                format!("{name}\u{200b}"),
                format!(" {name} "),
            ];
            put("name", name[source].as_str().into());
            put("is_family", true.into());
            if source != 3 {
                put(
                    "malware_types",
                    json!([(["ransomware", "trojan", "bot", ""][source])]),
                );
            }
        }
        "vulnerability" => {
            let cve = format!("CVE-2026-{}", 1000 + rng.below(12));
            put("name", cve.as_str().into());
            let mut known = vec![
                json!({"source_name": (["cve", "CVE", "cve", "cve"][source]), "external_id": cve}),
            ];
            if source == 1 {
                known.insert(0, json!({"source_name": "case", "external_id": "7"}));
            }
            if source == 2 {
                known[0]["url"] = "https://nvd.example/".into();
            }
            put("external_references", known.into());
        }
        "sighting" => {
            put("sighting_of_ref", reference("malware", rng).into());
            if source < 2 {
                put("count", (1 + rng.below(5)).into());
                put(
                    "where_sighted_refs",
                    json!([format!(
                        "identity--00000000-0000-4000-8000-00000000001{source}"
                    )]),
                );
            }
            put("first_seen", at(created - minutes(60)).into());
        }
        "report" => {
            put("name", format!("Campaign {}", rng.below(12)).into());
            put(
                "published",
                at(created + minutes([0, 5, 60, 600][source])).into(),
            );
            let mut refs: Vec<String> = (0..3).map(|_| reference("indicator", rng)).collect();
            if source == 2 {
                let first = refs[0].clone();
                refs.push(first);
            }
            put("object_refs", refs.into());
        }
        "file" => {
            let sha = format!("{:016x}{:016x}", rng.next(), rng.next()).repeat(2);
            let mut hashes =
                json!({"SHA-256": if source == 1 { sha.to_uppercase() } else { sha.clone() }});
            if source == 2 {
                hashes["MD5"] = sha[..32].into();
            }
            put("hashes", hashes);
            if source == 3 {
                put("name", "sample.bin".into());
                put("size", (1000 + rng.below(9000)).into());
            }
        }
        _ => {
            put("relationship_type", "uses".into());
            put("source_ref", reference("intrusion-set", rng).into());
            put("target_ref", reference("malware", rng).into());
            if source == 0 {
                put("start_time", at(created).into());
            }
        }
    }
}

/// What a source adds to everything.
fn habits(source: usize, rng: &mut Rng, body: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    let tlp1 = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da";
    let green = model::tlp_marking(model::Tlp::Green);
    put(
        "object_marking_refs",
        json!([([green, tlp1, green, tlp1][source])]),
    );
    match source {
        0 => {
            put("x_score", rng.below(100).into());
            put("lang", "en".into());
            put(
                "description",
                "Seen by our sensor. ".repeat(3 + rng.below(4)).into(),
            );
        }
        1 => {
            put("confidence", (10 * rng.below(10)).into());
            put("lang", "ru".into());
            put("labels", json!(["срочно", "почта"]));
        }
        2 => {
            put(
                "extensions",
                json!({"extension-definition--11111111-1111-4111-8111-111111111111": {"extension_type": "property-extension", "tool": "T"}}),
            );
            put("revoked", false.into());
            put("description", "x".repeat(700).into());
        }
        _ => put(
            "granular_markings",
            json!([{"lang": "kk", "selectors": ["type"]}]),
        ),
    }
}

fn pattern(source: usize, rng: &mut Rng) -> String {
    let mut hosts: Vec<String> = (0..2)
        .map(|_| format!("h{}.example", 10 + rng.below(40)))
        .collect();
    match source {
        0 => hosts.sort(),
        1 => hosts.sort_by(|a, b| b.cmp(a)),
        _ => {}
    }
    let (a, b) = (&hosts[0], &hosts[1]);
    match source {
        0 => format!("[domain-name:value = '{a}' OR domain-name:value = '{b}']"),
        1 => format!("[domain-name:value='{a}'] OR [domain-name:value='{b}']"),
        2 => format!("[ domain-name:value IN ('{a}','{b}') ] /* feed */"),
        _ => format!(
            "[domain-name:value == '{}' OR domain-name:value = '{b}']",
            a.to_uppercase()
        ),
    }
}

/// References go to the same things for all.
fn reference(kind: &str, rng: &mut Rng) -> String {
    format!("{kind}--00000000-0000-4000-8000-{:012x}", rng.below(24))
}

fn uuid(source: usize, rng: &mut Rng) -> String {
    let (a, b) = (rng.next(), rng.next());
    let (first, second) = (a >> 32, a >> 16 & 0xffff);
    match source {
        0 => format!(
            "{first:08x}-{second:04x}-4{:03x}-8{:03x}-{:012x}",
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        ),
        1 => format!(
            "{first:08x}-{second:04x}-11f0-8{:03x}-0242ac120002",
            b >> 52
        ),
        2 => format!(
            "{first:08x}-{second:04x}-5{:03x}-a{:03x}-{:012x}",
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        ),
        _ => format!(
            "00c0ffee-{second:04x}-4{:03x}-b{:03x}-{:012x}",
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        ),
    }
}

fn nanos(text: &str) -> i128 {
    Timestamp::parse(text).expect(text).unix_nanos()
}

/// Each source has its precision.
fn written(nanos: i128, source: usize) -> String {
    let time = Timestamp::from_unix_nanos(nanos);
    match source {
        0 => Timestamp::from_unix_nanos(nanos + 123_000_000).to_string(),
        1 => time.to_micros_string(),
        2 => time.to_string().replace(".000Z", "Z"),
        _ => Timestamp::from_unix_nanos(nanos + 7_000_001).to_string(),
    }
}
