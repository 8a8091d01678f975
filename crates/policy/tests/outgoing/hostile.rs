//! Objects and rules that nobody in good faith writes: an answer, never a panic.

use std::fmt::Write as _;

use model::{Label, Object};
use policy::{LeakRules, Profiles, RefState, Scrub, diff, leaks, redact, scrub};
use serde_json::{Value, json};

use crate::names::{TestNames, id};
use crate::support::Rng;

pub(crate) const EVERYTHING: &str = r#"
[profile.all]
[[profile.all.rule]]
do = "granular"
above = "TLP:GREEN"
[[profile.all.rule]]
do = "tear"
at = ["/description", "/content", "/x_*"]
rest = "rest"
[[profile.all.rule]]
do = "network"
ipv4 = 24
ipv6 = 48
[[profile.all.rule]]
do = "domain"
labels = 2
[[profile.all.rule]]
do = "time"
to = "month"
[[profile.all.rule]]
do = "hashes"
[[profile.all.rule]]
do = "location"
keep = "country"
[[profile.all.rule]]
do = "coordinates"
decimals = 0
[profile.rest]
[[profile.rest.rule]]
do = "drop"
at = ["/x_*", "/name/*"]
[[profile.rest.rule]]
do = "replace"
with = "-"
at = ["/description"]
"#;

/// A value of any shape, made of what the code looks for.
fn value(rng: &mut Rng, depth: usize) -> Value {
    const WORDS: [&str; 24] = [
        "10.1.2.3",
        "::ffff:10.0.0.1",
        "-----TEAR LINE-----\nx\n-----TEAR LINE-----",
        "2026-03-01T08:15:09Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "[a:b = 'c",
        "[ipv4-addr:value = '10.1.2.3']",
        "\0dropped",
        "%",
        "%4",
        "%f0%28",
        "AAAA====",
        "tool--00000000-0000-4000-8000-000000000001",
        "--",
        "é\u{301}\u{200b}",
        "x--00000000-0000-4000-8000-0000000000",
        "a.b.c.example",
        "http://0xffffffff@4294967295:99/",
        "labels.[0]",
        "[99999999999999999999]",
        "\\",
        "'",
        "rnvv\u{3002}\u{fe0f}\u{e0041}",
    ];
    match rng.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => json!(rng.below(1000)),
        2 => json!(-1.5e300),
        3 | 4 => WORDS[rng.below(WORDS.len())].into(),
        5 => (0..rng.below(4))
            .map(|_| value(rng, depth - 1))
            .collect::<Vec<_>>()
            .into(),
        _ => (0..rng.below(4))
            .map(|_| (name(rng).to_owned(), value(rng, depth - 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn name(rng: &mut Rng) -> &'static str {
    const NAMES: [&str; 30] = [
        "pattern",
        "pattern_type",
        "valid_from",
        "valid_until",
        "granular_markings",
        "selectors",
        "marking_ref",
        "external_references",
        "source_name",
        "kill_chain_phases",
        "object_refs",
        "source_ref",
        "hashes",
        "SHA-256",
        "objects",
        "contents",
        "object_ref",
        "latitude",
        "longitude",
        "precision",
        "country",
        "description",
        "content",
        "x_a",
        "x~/b",
        "\0dropped",
        "extensions",
        "payload_bin",
        "value",
        "name",
    ];
    NAMES[rng.below(NAMES.len())]
}

fn hostile(rng: &mut Rng) -> Option<Object> {
    const KINDS: [&str; 10] = [
        "indicator",
        "observed-data",
        "language-content",
        "location",
        "artifact",
        "note",
        "file",
        "relationship",
        "x-thing",
        "report",
    ];
    let kind = KINDS[rng.below(KINDS.len())];
    let mut object = json!({
        "type": kind, "id": format!("{kind}--00000000-0000-4000-8000-000000000001"),
        "created": (["0000-01-01T00:00:00Z", "2026-03-01T08:15:09.123Z"][rng.below(2)]),
        "modified": (["2026-03-01T08:15:09.123456789Z", "2262-04-11T23:47:16.854775807Z"][rng.below(2)]),
    });
    for _ in 0..rng.below(10) {
        object[name(rng)] = value(rng, 4);
    }
    if rng.below(3) == 0 {
        object["pattern_type"] = "stix".into();
    }
    Object::parse(object.to_string().as_bytes()).ok()
}

#[test]
fn any_object_gets_an_answer() {
    let profiles = Profiles::parse(EVERYTHING).expect("the profiles");
    let all = [
        profiles.get("all").expect("all"),
        profiles.get("rest").expect("rest"),
    ];
    let rules =
        LeakRules::parse("[[terms]]\nname = \"n\"\nlist = [\"SILVER HERON\", \"dropped\"]\n")
            .expect("rules");
    let settings = Scrub::new(
        id("identity--00000000-0000-4000-8000-0000000000ff"),
        &Label::nobody(),
        u32::MAX,
        100,
    );
    let mut rng = Rng(77);
    let (mut accepted, mut redacted, mut scrubbed) = (0, 0, 0);
    for _ in 0..20_000 {
        let Some(object) = hostile(&mut rng) else {
            continue;
        };
        accepted += 1;
        let names = TestNames {
            previous: object.modified().filter(|_| rng.below(2) == 0),
            ..TestNames::default()
        };
        if let Ok(forms) = redact(&object, &all, &names) {
            redacted += 1;
            for form in &forms.objects {
                diff(&object, form);
                leaks(form, &rules, &|_| RefState::Unknown);
            }
        }
        scrubbed += usize::from(scrub(&object, &settings, &names).is_ok());
        leaks(&object, &rules, &|_| RefState::Unreleased);
    }
    assert!(
        accepted > 2000 && redacted > 200 && scrubbed > 20,
        "{accepted} {redacted} {scrubbed}"
    );
}

#[test]
fn deep_and_large_objects_get_an_answer() {
    let profiles = Profiles::parse(EVERYTHING).expect("the profiles");
    let all = [profiles.get("all").expect("all")];
    let rules =
        LeakRules::parse("[[terms]]\nname = \"n\"\nlist = [\"aaaaaaaab\"]\n").expect("rules");
    let deep = format!("{}1{}", "[".repeat(62), "]".repeat(62));
    let mut wide = String::new();
    for at in 0..5000 {
        let _ = write!(
            wide,
            "\"10.{}.{}.1 h{at}.a.b.example\",",
            at / 250,
            at % 250
        );
    }
    for extra in [
        format!("\"x_d\":{deep}"),
        format!("\"x_d\":\"{}\"", "a".repeat(1_000_000)),
        format!("\"x_d\":\"{}\"", "%25".repeat(300_000)),
        format!("\"x_d\":\"{}\"", "10.1.2.3 ".repeat(60_000)),
        format!("\"x_d\":\"{}\"", "--".repeat(400_000)),
        format!("\"x_d\":[{}0]", wide),
    ] {
        let text = format!(
            "{{\"type\":\"x-thing\",\"id\":\"x-thing--00000000-0000-4000-8000-000000000001\",{extra}}}"
        );
        let object = Object::parse(text.as_bytes()).expect("an object");
        let form = redact(&object, &all, &TestNames::default());
        assert!(form.is_ok());
        leaks(&object, &rules, &|_| RefState::Released);
    }
}
