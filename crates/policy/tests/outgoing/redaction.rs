//! Redaction profiles: what they refuse to say, and what their forms never hold.

use std::collections::BTreeSet;

use model::{Object, Timestamp};
use policy::{Names, Profiles, RedactError, redact};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::names::{TestNames, id, object, text, tree};

fn profile(rules: &str) -> Profiles {
    let text = format!("[profile.p]\n{rules}");
    Profiles::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn run(object: &Object, rules: &str) -> Result<Vec<Object>, RedactError> {
    let profiles = profile(rules);
    let chosen = [profiles.get("p").expect("the profile")];
    redact(object, &chosen, &TestNames::default()).map(|redacted| redacted.objects)
}

fn one(object: &Object, rules: &str) -> Object {
    let mut objects = run(object, rules).expect(rules);
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

fn indicator(pattern: &str) -> Object {
    object(json!({
        "type": "indicator", "spec_version": "2.1",
        "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "pattern": pattern, "pattern_type": "stix",
        "valid_from": "2026-03-01T08:15:09Z", "valid_until": "2026-03-01T08:30:00Z",
    }))
}

#[test]
fn a_profile_that_cannot_be_kept_is_refused_with_its_place() {
    for (rules, line, why) in [
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/id\"]",
            2,
            "no rule changes id",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/object_marking_refs/*\"]",
            2,
            "markings stay",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/*\"]",
            2,
            "no rule changes",
        ),
        (
            "[[profile.p.rule]]\ndo = \"replace\"\nwith = \"x\"\nat = [\"/revoked\"]",
            2,
            "revoked",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/created\"]",
            2,
            "coarser",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\ntypes = [\"indicator\"]\nat = [\"/pattern\"]",
            2,
            "cannot do without pattern",
        ),
        (
            "[[profile.p.rule]]\ndo = \"keep\"\ntypes = [\"report\"]\nproperties = [\"name\"]",
            2,
            "published",
        ),
        ("[[profile.p.rule]]\ndo = \"drop\"", 2, "needs at"),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"description\"]",
            2,
            "slash",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/a\"]\nwith = \"x\"",
            2,
            "no parameter with",
        ),
        (
            "[[profile.p.rule]]\ndo = \"erase\"\nat = [\"/a\"]",
            2,
            "no action",
        ),
        (
            "[[profile.p.rule]]\ndo = \"hashes\"\nat = [\"/a\"]",
            2,
            "takes no at",
        ),
        (
            "[[profile.p.rule]]\ndo = \"time\"\nto = \"week\"",
            2,
            "hour",
        ),
        (
            "[[profile.p.rule]]\ndo = \"network\"\nipv4 = 32\nipv6 = 48",
            2,
            "prefix lengths",
        ),
        (
            "[[profile.p.rule]]\ndo = \"tear\"\nat = [\"/description\"]\nrest = \"q\"",
            2,
            "no profile",
        ),
        (
            "[[profile.p.rule]]\ndo = \"tear\"\nat = [\"/description\"]\nmarker = \"---\"",
            2,
            "letters",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\ntypes = [\"Indicator\"]\nat = [\"/a\"]",
            2,
            "type name",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\ntypes = [\"marking-definition\"]\nat = [\"/a\"]",
            2,
            "orders",
        ),
        (
            "[[profile.p.rule]]\ndo = \"drop\"\nat = [\"/a\"]\nwhere = \"x\"",
            5,
            "unknown field",
        ),
    ] {
        let error = Profiles::parse(&format!("[profile.p]\n{rules}")).expect_err(rules);
        assert!(error.why.contains(why), "{rules}: {error}");
        assert_eq!(
            (error.file.as_str(), error.line),
            ("redact.toml", line),
            "{rules}: {error}"
        );
    }
    let names = "[profile.\"Big One\"]\n";
    assert!(Profiles::parse(names).is_err());
}

#[test]
fn addresses_become_networks_everywhere() {
    const RULE: &str = "[[profile.p.rule]]\ndo = \"network\"\nipv4 = 24\nipv6 = 48\n";
    let form = one(&indicator("[ipv4-addr:value = '10.1.2.3']"), RULE);
    assert_eq!(
        tree(&form)["pattern"],
        "[ipv4-addr:value ISSUBSET '10.1.2.0/24']"
    );
    let note = object(json!({
        "type": "note", "spec_version": "2.1", "id": "note--00000000-0000-4000-8000-000000000001",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "content": "Seen at 10.1.2.3, 10[.]9[.]8[.]7 and 2001:db8:1:2::3.",
        "object_refs": ["indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"],
    }));
    assert_eq!(
        tree(&one(&note, RULE))["content"],
        "Seen at 10.1.2.0/24, 10.9.8.0/24 and 2001:db8:1::/48."
    );
    let address = object(
        json!({"type": "ipv4-addr", "id": "ipv4-addr--00000000-0000-5000-8000-000000000001", "value": "10.1.2.3"}),
    );
    assert_eq!(tree(&one(&address, RULE))["value"], "10.1.2.0/24");
    let url = object(
        json!({"type": "url", "id": "url--00000000-0000-5000-8000-000000000001", "value": "http://10.1.2.3/x"}),
    );
    assert!(
        matches!(run(&url, RULE), Err(RedactError::Generalise { pointer, .. }) if pointer == "/value")
    );
    assert!(matches!(
        run(&indicator("[url:value = 'http://10.1.2.3/x']"), RULE),
        Err(RedactError::Generalise { pointer, .. }) if pointer == "/pattern"
    ));
    assert!(run(&indicator("[broken"), RULE).is_ok());
    assert!(matches!(
        run(&indicator("[a:b = 'open"), RULE),
        Err(RedactError::Pattern { .. })
    ));
}

#[test]
fn hosts_become_domains_also_where_they_are_repeated() {
    const RULE: &str = "[[profile.p.rule]]\ndo = \"domain\"\nlabels = 2\n";
    let mut value = tree(&indicator("[domain-name:value = 'mail.a.example.kz']"));
    value["name"] = json!("Mail.A.example.kz again");
    let form = one(&object(value), RULE);
    assert!(
        !text(&form).to_lowercase().contains("mail.a"),
        "{}",
        text(&form)
    );
    assert_eq!(tree(&form)["name"], "example.kz again");
}

#[test]
fn times_stay_in_order() {
    const RULE: &str = "[[profile.p.rule]]\ndo = \"time\"\nto = \"hour\"\n";
    let original =
        indicator("[a:b = 'c'] START t'2026-03-01T08:15:09Z' STOP t'2026-03-01T08:20:00Z'");
    let form = tree(&one(&original, RULE));
    assert_eq!(form["created"], "2026-03-01T08:00:00.000Z");
    assert_eq!(form["modified"], "2026-03-01T08:00:00.000Z");
    assert_eq!(form["valid_from"], "2026-03-01T08:00:00.000Z");
    assert_eq!(
        form["valid_until"], "2026-03-01T09:00:00.000Z",
        "a validity ends after it begins"
    );
    assert_eq!(
        form["pattern"],
        "[a:b = 'c'] START t'2026-03-01T08:00:00.000Z' STOP t'2026-03-01T09:00:00.000Z'"
    );
    // Two revisions in one hour: the later form is later, by as little as can be said.
    let names = TestNames {
        previous: Timestamp::parse("2026-03-01T08:00:00.000Z").ok(),
        ..TestNames::default()
    };
    let profiles = profile(RULE);
    let redacted = redact(&original, &[profiles.get("p").expect("p")], &names).expect("a form");
    assert_eq!(
        tree(&redacted.objects[0])["modified"],
        "2026-03-01T08:00:00.001Z"
    );
}

#[test]
fn places_become_areas() {
    let place = object(json!({
        "type": "location", "spec_version": "2.1", "id": "location--00000000-0000-4000-8000-000000000001",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "name": "the depot", "latitude": 43.238949, "longitude": 76.889709, "precision": 10.0,
        "region": "central-asia", "country": "KZ", "administrative_area": "KZ-75", "city": "Almaty",
        "street_address": "1 Some Street", "postal_code": "050000",
    }));
    let keeps = |keep: &str| {
        let rule = format!("[[profile.p.rule]]\ndo = \"location\"\nkeep = \"{keep}\"\n");
        let form = tree(&one(&place, &rule));
        let names = form.as_object().expect("an object").keys().cloned();
        names
            .filter(|name| {
                !["type", "id", "created", "modified", "spec_version"].contains(&name.as_str())
            })
            .collect::<BTreeSet<_>>()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        keeps("administrative-area"),
        set(&["administrative_area", "country", "region"])
    );
    assert_eq!(keeps("country"), set(&["country", "region"]));
    assert_eq!(keeps("region"), set(&["region"]));
    let form = tree(&one(
        &place,
        "[[profile.p.rule]]\ndo = \"coordinates\"\ndecimals = 1\n",
    ));
    assert_eq!(
        (form["latitude"].as_f64(), form["longitude"].as_f64()),
        (Some(43.2), Some(76.9))
    );
    assert_eq!(
        form["precision"].as_f64(),
        Some(5566.0),
        "the precision is true of what is left"
    );
    let mut bare = tree(&place);
    for name in ["country", "region"] {
        bare.as_object_mut().expect("an object").remove(name);
    }
    let rule = "[[profile.p.rule]]\ndo = \"location\"\nkeep = \"country\"\n";
    assert!(matches!(
        run(&object(bare), rule),
        Err(RedactError::Required { .. })
    ));
}

#[test]
fn parted_texts_stay_parted() {
    const RULE: &str = "[[profile.p.rule]]\ndo = \"tear\"\nat = [\"/description\"]\nrest = \"rest\"\n\
        [profile.rest]\n[[profile.rest.rule]]\ndo = \"drop\"\nat = [\"/x_source\"]\n";
    let report = |description: &str| {
        object(json!({
            "type": "report", "spec_version": "2.1", "id": "report--00000000-0000-4000-8000-000000000001",
            "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
            "name": "R", "published": "2026-03-01T08:47:00Z", "x_source": "who",
            "object_refs": ["indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"],
            "description": description,
        }))
    };
    for line in ["-----TEAR LINE-----", "  --- Tear  line ---\r", "TEARLINE"] {
        let objects = run(
            &report(&format!("open words\n{line}\nclosed words\n{line}\nmore")),
            RULE,
        );
        let objects = objects.expect(line);
        let [first, second] = objects.as_slice() else {
            panic!("{line}: {objects:?}");
        };
        assert_eq!(tree(first)["description"], "open words", "{line}");
        assert!(!text(first).contains("closed"));
        assert!(text(second).contains("closed words") && !text(second).contains("open words"));
        assert!(text(first).contains("who") && !text(second).contains("who"));
        assert_ne!(first.id(), second.id());
        assert!(
            ![first, second]
                .iter()
                .any(|form| text(form).contains("000000000001"))
        );
    }
    let below = RULE.replace("rest = \"rest\"", "keep = \"below\"");
    let kept = one(
        &report("open\n-----TEAR LINE-----\nmiddle\n-----TEAR LINE-----\nclosed"),
        &below,
    );
    assert_eq!(tree(&kept)["description"], "closed");
    assert_eq!(run(&report("no line"), RULE).expect("one form").len(), 1);
}

#[test]
fn parts_marked_above_the_level_go_and_holes_are_refused() {
    let marked = |selectors: Value| {
        object(json!({
            "type": "tool", "spec_version": "2.1", "id": "tool--00000000-0000-4000-8000-000000000001",
            "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
            "name": "T", "description": "for few", "labels": ["open", "closed", "last"],
            "granular_markings": [
                {"marking_ref": model::tlp_marking(model::Tlp::Red), "selectors": selectors},
                {"marking_ref": model::tlp_marking(model::Tlp::Green), "selectors": ["labels.[2]"]},
            ],
        }))
    };
    const RULE: &str = "[[profile.p.rule]]\ndo = \"granular\"\nabove = \"TLP:AMBER\"\n";
    let form = tree(&one(&marked(json!(["description", "labels.[1]"])), RULE));
    assert_eq!(form.get("description"), None);
    assert_eq!(form["labels"], json!(["open", "last"]));
    assert_eq!(
        form["granular_markings"],
        json!([{"marking_ref": model::tlp_marking(model::Tlp::Green), "selectors": ["labels.[1]"]}]),
        "the marking follows its label"
    );
    assert!(matches!(
        run(&marked(json!(["descripton"])), RULE),
        Err(RedactError::Selector { .. })
    ));
    assert!(matches!(
        run(&marked(json!(["name"])), RULE),
        Err(RedactError::Required { .. })
    ));
    assert!(matches!(
        run(&marked(json!(["id"])), RULE),
        Err(RedactError::Required { .. })
    ));
}

#[test]
fn what_others_say_of_a_type_is_redacted_too() {
    const RULE: &str = "[[profile.p.rule]]\ndo = \"drop\"\ntypes = [\"tool\"]\nat = [\"/description\"]\n\
        [[profile.p.rule]]\ndo = \"drop\"\ntypes = [\"file\"]\nat = [\"/name\"]\n";
    let translation = object(json!({
        "type": "language-content", "spec_version": "2.1", "id": "language-content--00000000-0000-4000-8000-000000000001",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "object_ref": "tool--00000000-0000-4000-8000-000000000001",
        "object_modified": "2026-03-01T08:47:00.000Z",
        "contents": {"ru": {"name": "имя", "description": "secret"}},
    }));
    let form = one(&translation, RULE);
    assert!(!text(&form).contains("secret") && !text(&form).contains("object_modified"));
    let observed = object(json!({
        "type": "observed-data", "spec_version": "2.1", "id": "observed-data--00000000-0000-4000-8000-000000000001",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "first_observed": "2026-03-01T08:15:09Z", "last_observed": "2026-03-01T08:15:09Z", "number_observed": 1,
        "objects": {"0": {"type": "file", "name": "secret", "hashes": {"MD5": "0"}}},
    }));
    assert!(!text(&one(&observed, RULE)).contains("secret"));
}

#[test]
fn references_follow_and_unreleased_ones_go() {
    let (a, b) = (
        "malware--00000000-0000-4000-8000-00000000000a",
        "malware--00000000-0000-4000-8000-00000000000b",
    );
    let own = "grouping--00000000-0000-4000-8000-0000000000c1";
    let grouping = object(json!({
        "type": "grouping", "spec_version": "2.1", "id": own, "context": "x",
        "created": "2026-03-01T08:15:09.123Z", "modified": "2026-03-01T08:47:00.000Z",
        "created_by_ref": "identity--00000000-0000-4000-8000-00000000000d",
        "object_refs": [a, b, own], "x_note": format!("see {} and 000000000000400080000000000000C1", own.to_uppercase()),
        "x_same": a,
    }));
    let profiles = profile("[[profile.p.rule]]\ndo = \"hashes\"\n");
    let p = [profiles.get("p").expect("p")];
    let names = TestNames {
        withheld: [id(a), id("identity--00000000-0000-4000-8000-00000000000d")].into(),
        ..TestNames::default()
    };
    let redacted = redact(&grouping, &p, &names).expect("a form");
    let form = tree(&redacted.objects[0]);
    let own_out = names.derive(&id(own));
    assert_eq!(
        form["object_refs"],
        json!([names.derive(&id(b)).as_str(), own_out.as_str()])
    );
    assert_eq!(form.get("created_by_ref"), None);
    assert_eq!(form["x_same"], a, "left to the leak check");
    let low = form["x_note"].as_str().expect("a string").to_lowercase();
    assert!(!low.contains("0000000000c1"), "{low}");
    let names = TestNames {
        withheld: [id(a), id(b)].into(),
        ..TestNames::default()
    };
    let mut value = tree(&grouping);
    value["object_refs"] = json!([a, b]);
    assert!(matches!(
        redact(&object(value), &p, &names),
        Err(RedactError::Unreleased { pointer }) if pointer == "/object_refs"
    ));
}

/// Rules, the words that must not survive them, and the pointers that must be gone.
const RULES: [(&str, &[&str], &[&str]); 9] = [
    (
        "do = \"drop\"\nat = [\"/description\"]",
        &["WDESCRIPTION"],
        &["/description"],
    ),
    (
        "do = \"drop\"\nat = [\"/x_*\"]",
        &["WCUSTOM", "WDEEP"],
        &["/x_a", "/x_b"],
    ),
    (
        "do = \"drop\"\nat = [\"/external_references/*/url\"]",
        &["WURL"],
        &["/external_references/0/url"],
    ),
    (
        "do = \"drop\"\nat = [\"/external_references/*\"]",
        &["WURL", "WSOURCE"],
        &["/external_references"],
    ),
    (
        "do = \"replace\"\nwith = \"other\"\nat = [\"/name\"]",
        &["WNAME"],
        &[],
    ),
    (
        "do = \"drop\"\nat = [\"/labels/*\"]",
        &["WLABEL"],
        &["/labels"],
    ),
    (
        "do = \"keep\"\nproperties = [\"name\", \"published\", \"object_refs\", \"labels\"]",
        &["WDESCRIPTION", "WCUSTOM", "WDEEP", "WURL", "WSOURCE"],
        &["/x_a", "/x_b", "/description", "/external_references"],
    ),
    ("do = \"time\"\nto = \"day\"", &["T08", "T09"], &[]),
    (
        "do = \"network\"\nipv4 = 16\nipv6 = 32",
        &["203.0.113.77"],
        &[],
    ),
];

proptest! {
    #[test]
    fn forms_are_valid_and_never_hold_what_was_dropped(
        chosen in 1u32..512,
        order in any::<bool>(),
        minute in 0u32..60,
        words in prop::collection::vec("[a-zA-Zа-я0-9 .'\\\\\\[\\]]{0,12}", 4),
    ) {
        let original = object(json!({
            "type": "report", "spec_version": "2.1", "id": "report--0a0b0c0d-0000-4000-8000-0000000000e7",
            "created": format!("2026-03-01T08:{minute:02}:09.123Z"), "modified": format!("2026-03-01T09:{minute:02}:00.000Z"),
            "name": format!("{} WNAME", words[0]), "published": "2026-03-01T09:47:00Z",
            "description": format!("{} WDESCRIPTION 203.0.113.77 {}", words[1], words[2]),
            "labels": [format!("WLABEL{}", words[0]), format!("WLABEL{}", words[3])],
            "x_a": {"deep": [{"er": format!("WDEEP {}", words[2])}, 1, null]}, "x_b": format!("WCUSTOM{}", words[1]),
            "external_references": [{"source_name": "WSOURCE", "url": "https://a.example/WURL"}, {"source_name": "s", "external_id": "e"}],
            "object_refs": ["indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"],
            "granular_markings": [{"marking_ref": model::tlp_marking(model::Tlp::Green), "selectors": ["x_a.deep.[0].er", "labels.[1]"]}],
        }));
        let mut rules: Vec<_> = RULES.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, rule)| rule).collect();
        if order {
            rules.reverse();
        }
        let toml: String = rules.iter().map(|(rule, ..)| format!("[[profile.p.rule]]\n{rule}\n")).collect();
        let profiles = profile(&toml);
        let names = TestNames::default();
        let p = [profiles.get("p").expect("p")];
        let form = redact(&original, &p, &names).expect("a form").objects.remove(0);
        prop_assert_eq!(Object::parse(form.bytes()), Ok(form.clone()));
        prop_assert_eq!(form.id(), &names.derive(original.id()));
        for word in rules.iter().flat_map(|(_, words, _)| *words) {
            prop_assert!(!text(&form).contains(word), "{} in {}", word, text(&form));
        }
        prop_assert!(!text(&form).contains("0000000000e7"));
        let value = tree(&form);
        for pointer in rules.iter().flat_map(|(.., pointers)| *pointers) {
            prop_assert_eq!(value.pointer(pointer), None);
        }
        // Every selector that is left names something.
        for marking in value["granular_markings"].as_array().into_iter().flatten() {
            for selector in marking["selectors"].as_array().expect("selectors") {
                let pointer = format!("/{}", selector.as_str().expect("a selector").replace(['[', ']'], "").replace('.', "/"));
                prop_assert!(value.pointer(&pointer).is_some(), "{}", selector);
            }
        }
        let again = redact(&form, &p, &names).expect("a form of a form").objects.remove(0);
        prop_assert_eq!(text(&again), text(&form));
        let twice = redact(&original, &p, &names).expect("a form").objects.remove(0);
        prop_assert_eq!(&twice, &form);
    }
}
