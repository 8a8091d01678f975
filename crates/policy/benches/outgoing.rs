//! How fast objects are redacted, scrubbed and checked for leaks, on one core:
//! `cargo bench -p kurultai-policy --bench outgoing`.

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use model::{Id, Label, Object};
use policy::{LeakRules, Names, Profiles, RefState, Scrub, derived_id, leaks, redact, scrub};

const OBJECTS: usize = 2_000;
const ROUND: Duration = Duration::from_secs(2);

struct Keyed;

impl Names for Keyed {
    fn outgoing(&self, id: &Id) -> Option<Id> {
        Some(self.derive(id))
    }

    fn derive(&self, id: &Id) -> Id {
        derived_id(&[7; 32], "bench", id)
    }
}

const PROFILE: &str = "[profile.p]\n\
    [[profile.p.rule]]\ndo = \"drop\"\nat = [\"/x_*\", \"/external_references/*/url\"]\n\
    [[profile.p.rule]]\ndo = \"time\"\nto = \"hour\"\n\
    [[profile.p.rule]]\ndo = \"network\"\nipv4 = 24\nipv6 = 48\n";

fn main() {
    // `cargo test` builds and runs benches too; it must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p kurultai-policy --bench outgoing");
        return;
    }
    let objects: Vec<Object> = (0..OBJECTS).map(indicator).collect();
    let bytes: usize = objects.iter().map(|object| object.bytes().len()).sum();
    println!("{OBJECTS} indicators of {} bytes", bytes / OBJECTS);
    let profiles = Profiles::parse(PROFILE).expect("the profile");
    let chosen = [profiles.get("p").expect("p")];
    rate("redact, 3 rules", || {
        for object in &objects {
            black_box(redact(object, &chosen, &Keyed)).expect("a form");
        }
    });
    let member = Id::parse("identity--00000000-0000-4000-8000-0000000000ff").expect("an id");
    let settings = Scrub::new(member, &Label::nobody(), 60, 1024);
    rate("scrub", || {
        for object in &objects {
            black_box(scrub(object, &settings, &Keyed)).expect("a form");
        }
    });
    for terms in [0, 1_000, 50_000] {
        let list: Vec<String> = (0..terms).map(|n| format!("\"Source Name {n}\"")).collect();
        let rules = format!("[[terms]]\nname = \"n\"\nlist = [{}]\n", list.join(","));
        let rules = LeakRules::parse(&rules).expect("the rules");
        rate(&format!("leaks, {terms} terms"), || {
            for object in &objects {
                black_box(leaks(object, &rules, &|_| RefState::Released));
            }
        });
    }
}

/// Repeats `work` for a while and reports the best round, which a busy machine disturbs least.
fn rate(name: &str, work: impl Fn()) {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < ROUND {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    println!(
        "{name:24} {:>10.0} objects/s a core",
        OBJECTS as f64 / best.as_secs_f64()
    );
}

fn indicator(n: usize) -> Object {
    let text =
        "Seen in phishing mail against a ministry; the sender imitates an office. ".repeat(6);
    let object = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-{n:012x}",
        "created":"2026-03-01T08:15:09.000Z","modified":"2026-03-02T10:00:09.123Z","name":"Host {n}","description":"{text}",
        "pattern":"[ipv4-addr:value = '198.51.100.{b}' OR domain-name:value = 'm{n}.example']","pattern_type":"stix",
        "valid_from":"2026-03-01T00:00:00Z","labels":["phishing"],"x_score":3,"confidence":70,
        "external_references":[{{"source_name":"case","url":"https://cert.example/{n}","external_id":"C-{n}"}}]}}"#,
        b = n % 250,
    );
    Object::parse(object.as_bytes()).expect("an object")
}
