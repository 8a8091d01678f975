//! The leak check: what it finds, however it is written, and what it leaves alone.

use base64::Engine as _;
use policy::{Finding, FindingKind, LeakRules, RefState, leaks};
use serde_json::{Value, json};

use crate::names::object;

const RULES: &str = r#"
[[terms]]
name = "sources"
list = ["SILVER HERON", "Иванов", "Ana"]
[[terms]]
name = "places"
action = "warn"
list = ["Depot 17"]
[hosts]
domains = ["corp.example.kz"]
names = ["dc01"]
[addresses]
networks = ["203.0.113.0/24"]
"#;

fn check(text: &str) -> Vec<Finding> {
    run(json!({"x_text": text}), RefState::Released)
}

fn run(more: Value, state: RefState) -> Vec<Finding> {
    let mut value =
        json!({"type": "x-thing", "id": "x-thing--00000000-0000-4000-8000-000000000001"});
    value
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    leaks(
        &object(value),
        &LeakRules::parse(RULES).expect("the rules"),
        &|_| state,
    )
}

fn kinds(text: &str) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = check(text)
        .into_iter()
        .map(|finding| finding.kind)
        .collect();
    kinds.dedup();
    kinds
}

#[test]
fn names_are_found_however_they_are_spelt() {
    for text in [
        "told by Silver Heron.",
        "S I L V E R - H E R O N",
        "silverheron_7",
        "SІLVЕR НЕRОN",            // Cyrillic capitals
        "sіlvеr hеrоո",            // Cyrillic and Armenian small letters
        "ＳＩＬＶＥＲ ＨＥＲＯＮ", // full width
        "sil\u{200b}ver\u{2060} he\u{ad}ron",
        "s\u{336}i\u{336}lver he\u{301}ron",
        "51LVER".replace("51", "s1").as_str(),
        "𝐒𝐢𝐥𝐯𝐞𝐫 𝓗𝓮𝓻𝓸𝓷",
        "ИВАНОВУ сказали",
        "U0lMVkVSIEhFUk9O",
        "q=%53%49LVER%20HERON",
        "from Ana, by phone",
    ] {
        let text = if text == "s1LVER" {
            "s1lver her0n"
        } else {
            text
        };
        let found = check(text);
        assert!(
            found
                .iter()
                .any(|finding| finding.kind == FindingKind::Term && finding.blocks),
            "{text}: {found:?}"
        );
        for finding in found {
            let words = finding.words.to_lowercase();
            assert!(
                !words.contains("heron") && !words.contains("иванов"),
                "{words}"
            );
        }
    }
}

#[test]
fn what_is_no_name_is_left_alone() {
    for text in [
        "silver and heroic",
        "banana analysis",
        "a river near on",
        "Ian a novel",
        "plain words of a report",
        "",
    ] {
        assert_eq!(kinds(text), [], "{text}");
    }
    let warned = check("at depot-17");
    assert_eq!(warned.len(), 1);
    assert!(!warned[0].blocks);
}

#[test]
fn hosts_and_addresses_are_found_in_patterns_urls_and_mail() {
    use FindingKind::{Address, Host};
    for (text, kind) in [
        ("[url:value = 'https://wiki.corp.example.kz/x']", Host),
        ("anna@mail.CORP.example.kz", Host),
        ("wiki[.]corp[.]example[.]kz", Host),
        ("\\\\dc01\\share", Host),
        ("printer.local", Host),
        ("wiki。corp。example。kz", Host),
        ("https%3A%2F%2Fwiki.corp.example.kz", Host),
        ("[ipv4-addr:value ISSUBSET '10.0.0.0/8']", Address),
        ("http://192.168.1.1:8080/", Address),
        ("ping 10[.]1[.]2[.]3", Address),
        ("http://167838211/", Address),
        ("http://0x0a010203/", Address),
        ("[ipv4-addr:value MATCHES '^10\\.1\\.2\\.3$']", Address),
        ("fd12:3456::1 and", Address),
        ("::ffff:172.16.0.9", Address),
        ("203.0.113.9", Address),
        ("１０.1.2.3", Address),
    ] {
        assert!(kinds(text).contains(&kind), "{text}: {:?}", check(text));
    }
    for text in [
        "198.51.100.7",
        "2001:db8::1",
        "corp.example",
        "local",
        "notcorp.example.kz",
        "12:30:55",
        "v1.2.3",
    ] {
        assert_eq!(kinds(text), [], "{text}");
    }
}

#[test]
fn references_are_judged_wherever_they_stand() {
    let secret = "malware--00000000-0000-4000-8000-00000000000a";
    for more in [
        json!({"object_refs": [secret]}),
        json!({"x_where": secret}),
        json!({"x_text": format!("see {secret}, page 2")}),
        json!({"x": {"y": [{"some_ref": secret}]}}),
        json!({"object_marking_refs": ["marking-definition--00000000-0000-4000-8000-00000000000a"]}),
    ] {
        let unreleased = run(more.clone(), RefState::Unreleased);
        assert!(
            unreleased
                .iter()
                .any(|f| f.kind == FindingKind::Reference && f.blocks),
            "{more}"
        );
        let unknown = run(more.clone(), RefState::Unknown);
        assert!(
            !unknown.is_empty() && unknown.iter().all(|f| !f.blocks),
            "{more}"
        );
        assert_eq!(run(more, RefState::Released), []);
    }
    let tlp = json!({"object_marking_refs": [model::tlp_marking(model::Tlp::Green)]});
    assert_eq!(run(tlp, RefState::Unknown), []);
}

#[test]
fn documents_that_name_their_makers_are_found() {
    let artifact = |bytes: &[u8]| {
        let payload = base64::engine::general_purpose::STANDARD.encode(bytes);
        let value = json!({"type": "artifact", "id": "artifact--00000000-0000-4000-8000-000000000001", "payload_bin": payload});
        leaks(
            &object(value),
            &LeakRules::parse(RULES).expect("the rules"),
            &|_| RefState::Released,
        )
    };
    let png = |chunk: &[u8; 4], data: &[u8]| {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, data) in [(b"IHDR", &[0u8; 13][..]), (chunk, data), (b"IEND", &[])] {
            out.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
            out.extend(name);
            out.extend(data);
            out.extend([0; 4]);
        }
        out
    };
    // An EXIF directory of one entry, big endian, that points to a position.
    let exif = b"\xff\xd8\xff\xe1\x00\x1eExif\0\0MM\0\x2a\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\0\xff\xda";
    let word: Vec<u8> = [
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
        "SummaryInformation"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
    ]
    .concat();
    for (bytes, words) in [
        (b"%PDF-1.7 /Author (x)".to_vec(), "names its author"),
        (b"%PDF-1.7 /ObjStm".to_vec(), "cannot be looked into"),
        (
            b"PK\x03\x04....docProps/core.xml".to_vec(),
            "properties part",
        ),
        (
            b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.text meta.xml".to_vec(),
            "OpenDocument",
        ),
        (png(b"tEXt", b"Author\0x"), "texts about its making"),
        (exif.to_vec(), "where it was taken"),
        (word, "summary"),
        ("memo of Silver Heron".as_bytes().to_vec(), "term 1"),
        (
            "\u{feff}Silver Heron"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            "term 1",
        ),
    ] {
        let found = artifact(&bytes);
        assert!(
            found
                .iter()
                .any(|finding| finding.words.contains(words) && finding.blocks),
            "{words}: {found:?}"
        );
    }
    assert_eq!(artifact(&png(b"IDAT", b"1234")), []);
    let file = json!({"type": "file", "id": "file--00000000-0000-4000-8000-000000000001", "name": "a.pdf",
        "extensions": {"pdf-ext": {"document_info_dict": {"Title": "t"}}}});
    let found = leaks(&object(file), &LeakRules::default(), &|_| {
        RefState::Released
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pointer, "/extensions/pdf-ext/document_info_dict");
}

#[test]
fn a_name_of_a_property_is_no_way_around_and_does_not_stand_in_the_pointer() {
    let found = run(json!({"x_silver_heron": {"a": 1}}), RefState::Released);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pointer, "/*");
}

#[test]
fn rules_that_cannot_be_kept_are_refused_with_their_place() {
    for (text, line, why) in [
        (
            "[[terms]]\nname = \"n\"\nlist = [\"good\",\n \"x\"]",
            4,
            "at least 3",
        ),
        ("[hosts]\ndomains = [\"a b\"]", 2, "host names"),
        ("[hosts]\nnames = [\"a.b\"]", 2, "host names"),
        ("[addresses]\nnetworks = [\"10.0.0.0/33\"]", 2, "networks"),
        ("[references]\nunknown = \"ignore\"", 2, "unknown variant"),
        ("[else]\n", 1, "unknown field"),
    ] {
        let error = LeakRules::parse(text).expect_err(text);
        assert!(error.why.contains(why), "{text}: {error}");
        assert_eq!(
            (error.file.as_str(), error.line),
            ("leak.toml", line),
            "{text}: {error}"
        );
    }
}
