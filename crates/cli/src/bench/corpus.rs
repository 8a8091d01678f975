//! The seeded synthetic corpus: STIX objects as canonical bytes.
//!
//! Object `i` of seed `s` is a pure function of `(s, i)`, so any range can be made again on any
//! machine, in any order, without holding the rest. Of every hundred consecutive objects 80 are
//! indicators, 10 relationships, 4 sightings, 2 malware, 2 vulnerabilities and 2 identities; each
//! has between 900 and 1,300 bytes. The bytes are written in RFC 8785 form directly (sorted keys,
//! ASCII only), as another Kurultai node would send them.

use std::fmt::Write as _;

/// The smallest object, in bytes.
pub(crate) const OBJECT_BYTES_MIN: usize = 900;
/// The largest object, in bytes.
pub(crate) const OBJECT_BYTES_MAX: usize = 1_300;

/// splitmix64: enough randomness for a corpus, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    /// A sequence that `seed` determines.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }
}

/// A corpus: all objects that one seed gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corpus {
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Indicator,
    Relationship,
    Sighting,
    Malware,
    Vulnerability,
    Identity,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Indicator => "indicator",
            Kind::Relationship => "relationship",
            Kind::Sighting => "sighting",
            Kind::Malware => "malware",
            Kind::Vulnerability => "vulnerability",
            Kind::Identity => "identity",
        }
    }

    /// The kind of object `index`. 7 is coprime with 100, so the kinds are well mixed.
    fn of(index: u64) -> Kind {
        match index.wrapping_mul(7) % 100 {
            0..80 => Kind::Indicator,
            80..90 => Kind::Relationship,
            90..94 => Kind::Sighting,
            94..96 => Kind::Malware,
            96..98 => Kind::Vulnerability,
            _ => Kind::Identity,
        }
    }

    /// The residues of `index * 7 % 100` that have this kind: first and count.
    fn residues(self) -> (u64, u64) {
        match self {
            Kind::Indicator => (0, 80),
            Kind::Relationship => (80, 10),
            Kind::Sighting => (90, 4),
            Kind::Malware => (94, 2),
            Kind::Vulnerability => (96, 2),
            Kind::Identity => (98, 2),
        }
    }
}

const WORDS: &[&str] = &[
    "observed",
    "staging",
    "server",
    "ministry",
    "mail",
    "gateway",
    "lure",
    "invoice",
    "attachment",
    "loader",
    "beacon",
    "campaign",
    "credential",
    "harvest",
    "domain",
    "resolver",
    "tunnel",
    "payload",
    "signed",
    "driver",
    "archive",
    "macro",
    "script",
    "session",
    "cookie",
    "proxy",
    "relay",
    "border",
    "customs",
    "freight",
    "energy",
    "grid",
    "water",
    "health",
    "registry",
    "passport",
    "analyst",
    "report",
    "confirmed",
    "suspected",
    "repeated",
    "night",
    "weekend",
    "regional",
    "partner",
    "shared",
    "sample",
    "sandbox",
    "trace",
    "network",
    "host",
    "kernel",
    "service",
    "account",
    "token",
    "replay",
    "scan",
    "probe",
    "exploit",
    "patch",
    "mirror",
    "update",
    "vendor",
];
const ZONES: &[&str] = &["example", "test", "invalid"];
const PHASES: &[&str] = &[
    "delivery",
    "exploitation",
    "installation",
    "command-and-control",
    "actions-on-objectives",
];
const TYPES: &[&str] = &[
    "malicious-activity",
    "anomalous-activity",
    "compromised",
    "attribution",
];
/// TLP:CLEAR of TLP 2.0, and TLP:GREEN: the well-known markings most objects carry.
const MARKINGS: &[&str] = &[
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
];

impl Corpus {
    /// The corpus of `seed`.
    pub(crate) fn new(seed: u64) -> Corpus {
        Corpus { seed }
    }

    /// The STIX id of object `index`.
    pub(crate) fn id(&self, index: u64) -> String {
        let mut random = Random::new(self.seed ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ 0x1d);
        let (a, b) = (random.next(), random.next());
        format!(
            "{}--{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            Kind::of(index).name(),
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }

    /// The canonical bytes of object `index`.
    pub(crate) fn object(&self, index: u64) -> Vec<u8> {
        let mut random =
            Random::new(self.seed.rotate_left(17) ^ index.wrapping_mul(0x9fb2_1c65_1e98_df25));
        let target = OBJECT_BYTES_MIN as u64
            + random.below((OBJECT_BYTES_MAX - OBJECT_BYTES_MIN) as u64 - 8);
        let mut properties = self.common(index, &mut random);
        self.particular(index, &mut random, &mut properties);
        properties.sort_unstable_by_key(|(name, _)| *name);
        // Braces and commas, then for each property the quotes around its name and the colon.
        let bare: usize = 1 + properties
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum::<usize>();
        let description = prose(&mut random, (target as usize).saturating_sub(bare));
        let mut text = String::with_capacity(OBJECT_BYTES_MAX);
        for (name, value) in &properties {
            text.push(if text.is_empty() { '{' } else { ',' });
            if *name == "description" {
                let _ = write!(text, "\"{name}\":\"{description}\"");
            } else {
                let _ = write!(text, "\"{name}\":{value}");
            }
        }
        text.push('}');
        text.into_bytes()
    }

    /// Objects `from..to` in one TAXII envelope.
    pub(crate) fn envelope(&self, from: u64, to: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity((to - from) as usize * 1_150 + 32);
        body.extend_from_slice(b"{\"objects\":[");
        for index in from..to {
            if index > from {
                body.push(b',');
            }
            body.extend_from_slice(&self.object(index));
        }
        body.extend_from_slice(b"]}");
        body
    }

    fn common(&self, index: u64, random: &mut Random) -> Vec<(&'static str, String)> {
        let created = moment(random);
        vec![
            ("created", created.clone()),
            (
                "created_by_ref",
                self.reference(Kind::Identity, index, random),
            ),
            ("description", "\"\"".to_owned()),
            ("id", format!("\"{}\"", self.id(index))),
            ("modified", created),
            (
                "object_marking_refs",
                format!("[\"{}\"]", random.pick(MARKINGS)),
            ),
            ("spec_version", "\"2.1\"".to_owned()),
            ("type", format!("\"{}\"", Kind::of(index).name())),
        ]
    }

    fn particular(&self, index: u64, random: &mut Random, to: &mut Vec<(&'static str, String)>) {
        let name = format!(
            "\"{} {} {:04x}\"",
            random.pick(WORDS),
            random.pick(WORDS),
            random.below(0x1_0000)
        );
        match Kind::of(index) {
            Kind::Indicator => {
                to.push(("confidence", random.below(101).to_string()));
                to.push(("indicator_types", format!("[\"{}\"]", random.pick(TYPES))));
                to.push((
                    "kill_chain_phases",
                    format!(
                        "[{{\"kill_chain_name\":\"lockheed-martin-cyber-kill-chain\",\"phase_name\":\"{}\"}}]",
                        random.pick(PHASES)
                    ),
                ));
                to.push((
                    "labels",
                    format!("[\"{}\",\"{}\"]", random.pick(WORDS), random.pick(WORDS)),
                ));
                to.push(("name", name));
                to.push(("pattern", format!("\"{}\"", pattern(random))));
                to.push(("pattern_type", "\"stix\"".to_owned()));
                to.push(("pattern_version", "\"2.1\"".to_owned()));
                to.push(("valid_from", moment(random)));
                to.push((
                    "valid_until",
                    format!(
                        "\"20{}-{:02}-01T00:00:00.000Z\"",
                        27 + random.below(3),
                        1 + random.below(12)
                    ),
                ));
            }
            Kind::Relationship => {
                to.push(("relationship_type", "\"indicates\"".to_owned()));
                to.push(("source_ref", self.reference(Kind::Indicator, index, random)));
                to.push(("target_ref", self.reference(Kind::Malware, index, random)));
            }
            Kind::Sighting => {
                to.push(("count", (1 + random.below(400)).to_string()));
                to.push((
                    "sighting_of_ref",
                    self.reference(Kind::Indicator, index, random),
                ));
                to.push((
                    "where_sighted_refs",
                    format!("[{}]", self.reference(Kind::Identity, index, random)),
                ));
            }
            Kind::Malware => {
                to.push(("is_family", random.pick(&["true", "false"]).to_owned()));
                to.push((
                    "malware_types",
                    format!(
                        "[\"{}\"]",
                        random.pick(&["backdoor", "dropper", "spyware", "trojan"])
                    ),
                ));
                to.push(("name", name));
            }
            Kind::Vulnerability => {
                let number = format!("CVE-2026-{}", 10_000 + random.below(80_000));
                to.push((
                    "external_references",
                    format!("[{{\"external_id\":\"{number}\",\"source_name\":\"cve\"}}]"),
                ));
                to.push(("name", format!("\"{number}\"")));
            }
            Kind::Identity => {
                to.push(("identity_class", "\"organization\"".to_owned()));
                to.push(("name", name));
                to.push((
                    "sectors",
                    format!(
                        "[\"{}\"]",
                        random.pick(&["energy", "government", "healthcare", "transportation"])
                    ),
                ));
            }
        }
    }

    /// The quoted id of some object of `kind` in the blocks up to that of `index`.
    fn reference(&self, kind: Kind, index: u64, random: &mut Random) -> String {
        let (first, count) = kind.residues();
        let residue = first + random.below(count);
        let block = random.below(index / 100 + 1);
        // 43 is the inverse of 7 modulo 100, so `block * 100 + residue * 43 % 100` has the kind.
        format!("\"{}\"", self.id(block * 100 + residue * 43 % 100))
    }
}

fn moment(random: &mut Random) -> String {
    format!(
        "\"2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
        1 + random.below(10),
        1 + random.below(28),
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1_000)
    )
}

fn pattern(random: &mut Random) -> String {
    match random.below(5) {
        0 => format!(
            "[ipv4-addr:value = '198.51.{}.{}']",
            random.below(256),
            random.below(256)
        ),
        1 => format!(
            "[domain-name:value = '{}-{}.{}.{}']",
            random.pick(WORDS),
            random.hex(8),
            random.pick(WORDS),
            random.pick(ZONES)
        ),
        2 => format!(
            "[url:value = 'https://{}.{}/{}']",
            random.pick(WORDS),
            random.pick(ZONES),
            random.hex(20)
        ),
        3 => format!("[file:hashes.'SHA-256' = '{}']", random.hex(64)),
        _ => format!(
            "[email-addr:value = '{}@{}.{}']",
            random.hex(10),
            random.pick(WORDS),
            random.pick(ZONES)
        ),
    }
}

/// Words of exactly `bytes` length (the last one is cut).
fn prose(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        if !text.is_empty() {
            text.push(' ');
        }
        match random.below(9) {
            0 => {
                let _ = write!(text, "{:x}", random.next() >> 24);
            }
            _ => text.push_str(random.pick(WORDS)),
        }
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::{Corpus, Kind, OBJECT_BYTES_MAX, OBJECT_BYTES_MIN};

    #[test]
    fn objects_are_canonical_of_the_stated_size_and_accepted() {
        let corpus = Corpus::new(7);
        for index in (0..2_000).chain(1_000_000..1_000_200) {
            let bytes = corpus.object(index);
            assert!(
                (OBJECT_BYTES_MIN..=OBJECT_BYTES_MAX).contains(&bytes.len()),
                "{index}: {} bytes",
                bytes.len()
            );
            let object =
                model::Object::parse(&bytes).unwrap_or_else(|refusal| panic!("{index}: {refusal}"));
            assert_eq!(object.bytes(), bytes, "object {index} is in canonical form");
            assert_eq!(object.id().as_str(), corpus.id(index));
        }
    }

    #[test]
    fn the_mixture_is_as_documented_and_references_have_their_kind() {
        let corpus = Corpus::new(1);
        let indicators = (0..1_000)
            .filter(|index| Kind::of(*index) == Kind::Indicator)
            .count();
        assert_eq!(indicators, 800);
        for index in 0..1_000 {
            if Kind::of(index) != Kind::Relationship {
                continue;
            }
            let object: serde_json::Value = serde_json::from_slice(&corpus.object(index)).unwrap();
            assert!(
                object["source_ref"]
                    .as_str()
                    .unwrap()
                    .starts_with("indicator--")
            );
            assert!(
                object["target_ref"]
                    .as_str()
                    .unwrap()
                    .starts_with("malware--")
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        assert_eq!(Corpus::new(3).object(12_345), Corpus::new(3).object(12_345));
        assert_ne!(Corpus::new(3).object(12_345), Corpus::new(4).object(12_345));
    }
}
