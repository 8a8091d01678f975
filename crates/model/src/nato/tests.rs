use proptest::prelude::*;

use super::*;
use crate::label::tests::any_label;
use crate::{Label, Object};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

/// A label of a made-up policy with every part of the standard.
const FOREIGN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<s:originatorConfidentialityLabel xmlns:s="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Id="label-1"
    ReviewDateTime="2031-09-26T02:30:00+02:30">
  <s:ConfidentialityInformation>
    <s:PolicyIdentifier URI="urn:oid:1.2.3.4">  STEPPE
       ALLIANCE </s:PolicyIdentifier>
    <s:Classification>RESTRICTED</s:Classification>
    <s:PrivacyMark>Handle &amp; keep &#x201C;close&#8221;</s:PrivacyMark>
    <s:Category Type="PERMISSIVE" TagName="Releasable To" URI="urn:oid:1.2.3.4.1">
      <s:GenericValue>KAZ</s:GenericValue>
      <s:GenericValue>KGZ</s:GenericValue>
    </s:Category>
    <s:Category Type="INFORMATIVE" TagName="Administrative"/>
  </s:ConfidentialityInformation>
  <s:OriginatorID IDType="rfc822Name">desk@kz.example</s:OriginatorID>
  <s:CreationDateTime>2026-09-26T12:00:00Z</s:CreationDateTime>
  <s:SuccessionHandling>
    <s:SuccessionDateTime>2027-01-01T00:00:00Z</s:SuccessionDateTime>
    <s:SuccessorConfidentialityLabel>
      <s:ConfidentialityInformation>
        <s:PolicyIdentifier>STEPPE ALLIANCE</s:PolicyIdentifier>
        <s:Classification>UNCLASSIFIED</s:Classification>
      </s:ConfidentialityInformation>
      <s:CreationDateTime>2026-09-26T12:00:00Z</s:CreationDateTime>
    </s:SuccessorConfidentialityLabel>
  </s:SuccessionHandling>
</s:originatorConfidentialityLabel>
"#;

#[test]
fn reads_every_part_of_the_standard() {
    let label = ConfidentialityLabel::parse(FOREIGN.as_bytes()).expect("it reads");
    assert_eq!(label.role, Role::Originator);
    assert_eq!(label.id.as_deref(), Some("label-1"));
    assert_eq!(label.review, Some(at("2031-09-26T00:00:00Z")));
    let information = &label.information;
    assert_eq!(information.policy, "STEPPE ALLIANCE");
    assert_eq!(information.policy_uri.as_deref(), Some("urn:oid:1.2.3.4"));
    assert_eq!(
        information.privacy_mark.as_deref(),
        Some("Handle & keep \u{201c}close\u{201d}")
    );
    let [releasable, administrative] = information.categories.as_slice() else {
        panic!("{information:?}");
    };
    assert_eq!(releasable.kind, CategoryKind::Permissive);
    assert_eq!(releasable.values, ["KAZ", "KGZ"]);
    assert!(administrative.values.is_empty());
    assert_eq!(
        label.originator.as_ref().map(|one| one.value.as_str()),
        Some("desk@kz.example")
    );
    let succession = label.succession.as_ref().expect("it has one");
    assert_eq!(succession.at, at("2027-01-01T00:00:00Z"));
    assert_eq!(succession.information.classification, "UNCLASSIFIED");
    assert!(label.label().is_err(), "another policy's");
    let again = label.to_xml().expect("it writes");
    assert_eq!(ConfidentialityLabel::parse(again.as_bytes()), Ok(label));
}

#[test]
fn what_others_added_is_noted_and_makes_the_label_not_understood() {
    let added = FOREIGN
        .replace(
            "</s:ConfidentialityInformation>\n  <s:Orig",
            "<x:Marking xmlns:x=\"urn:x\">SECRET</x:Marking></s:ConfidentialityInformation>\n  <s:Orig",
        )
        .replace("Id=\"label-1\"", "xsi:type=\"t\"");
    let label = ConfidentialityLabel::parse(added.as_bytes()).expect("it reads");
    assert_eq!(
        label.unknown,
        [
            "{http://www.w3.org/2001/XMLSchema-instance}type",
            "{urn:x}Marking"
        ]
    );
    assert!(label.to_xml().is_err(), "it would be lost");
}

#[test]
fn hostile_and_broken_documents_are_refused_with_their_place() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "<s:orig",
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><s:orig",
            "document type",
        ),
        ("RESTRICTED", "&e;", "five entities"),
        ("RESTRICTED", "&#0;", "references"),
        ("RESTRICTED", "REST<!-- -->RICTED", "comment"),
        ("RESTRICTED", "<![CDATA[RESTRICTED]]>", "CDATA"),
        ("RESTRICTED", "<?php x?>", "processing"),
        ("RESTRICTED", "  ", "empty"),
        ("RESTRICTED", "<s:b/>", "element"),
        ("UTF-8", "UTF-16", "UTF-8"),
        ("version=\"1.0\"", "version=\"1.1\"", "XML 1.0"),
        ("KAZ", "KAZ\u{1}", "forbids"),
        ("KAZ</s:GenericValue>", "KAZ</s:Value>", "expected"),
        (
            "<s:GenericValue>KAZ</s:GenericValue>",
            "<s:IntegerValue>7</s:IntegerValue>",
            "GenericValue",
        ),
        ("PERMISSIVE", "permissive", "Type"),
        (" TagName=\"Administrative\"", "", "TagName"),
        (
            "TagName=\"Administrative\"",
            "TagName=\"A\" Colour=\"red\"",
            "Colour",
        ),
        (
            "TagName=\"Administrative\"",
            "TagName=\"A\" TagName=\"B\"",
            "uplicate",
        ),
        ("rfc822Name", "telex", "IDType"),
        ("2026-09-26T12:00:00Z", "2026-09-26T12:00:00", "a time"),
        (
            "2026-09-26T12:00:00Z",
            "2026-09-26T12:00:00+15:00",
            "a time",
        ),
        (
            "2026-09-26T12:00:00Z",
            "0000-01-01T00:00:00+14:00",
            "a time",
        ),
        ("s:CreationDateTime", "s:CreatedAt", "CreatedAt"),
        (
            "confidentialitymetadatalabel:1:0",
            "confidentialitymetadatalabel:2:0",
            "no ADatP-4774",
        ),
        (
            "originatorConfidentialityLabel",
            "ConfidentialityClearance",
            "no ADatP-4774",
        ),
        ("Id=\"label-1\"", "Id=\"1 label\"", "XML name"),
        ("</s:originatorConfidentialityLabel>", "", "never closed"),
        (
            "</s:originatorConfidentialityLabel>",
            "</s:originatorConfidentialityLabel>x",
            "outside",
        ),
        (
            "</s:originatorConfidentialityLabel>",
            "</s:originatorConfidentialityLabel><x/>",
            "one root",
        ),
        (
            "<s:ConfidentialityInformation>",
            "<s:ConfidentialityInformation>words",
            "text",
        ),
        ("xmlns:s=", "xmlns:t=", "not declared"),
    ];
    for (from, to, word) in cases {
        let broken = FOREIGN.replace(from, to);
        assert_ne!(broken, FOREIGN, "{from}");
        let error = ConfidentialityLabel::parse(broken.as_bytes()).expect_err(to);
        assert!(matches!(error, NatoError::Xml { .. }), "{to}: {error}");
        assert!(error.to_string().contains(word), "{to:?}: {error}");
    }
    let error = ConfidentialityLabel::parse(FOREIGN.replace("PERMISSIVE", "ANY").as_bytes());
    assert!(
        matches!(
            error,
            Err(NatoError::Xml {
                line: 10,
                column: 5,
                ..
            })
        ),
        "{error:?}"
    );
    for bytes in [
        &b""[..],
        b"\xff",
        b"<",
        b"text",
        b"<a",
        b"</a>",
        b"<a/><b/>",
    ] {
        assert!(ConfidentialityLabel::parse(bytes).is_err());
    }
    let deep = "<a>".repeat(5000);
    assert!(ConfidentialityLabel::parse(deep.as_bytes()).is_err());
    let wide = format!("<a>{}</a>", "<b/>".repeat(5000));
    assert!(ConfidentialityLabel::parse(wide.as_bytes()).is_err());
    let large = format!("<a>{}</a>", " ".repeat(70_000));
    assert!(ConfidentialityLabel::parse(large.as_bytes()).is_err());
}

#[test]
fn our_policy_says_what_a_label_says_and_nothing_else() {
    let label = Label::parse(
        "TLP:GREEN//PAP:AMBER//REL KZ//NOT @pact/x//CAVEAT ORCON//LEGAL act//EXERCISE",
    )
    .expect("a label");
    let own = ConfidentialityLabel::of_label(&label, at("2026-01-01T00:00:00Z"), None);
    assert_eq!(own.review, Some(at("2027-01-01T00:00:00Z")));
    assert_eq!(own.label(), Ok(label));
    let mut cases: Vec<ConfidentialityLabel> = Vec::new();
    let mut case = |change: &dyn Fn(&mut ConfidentialityLabel)| {
        let mut changed = own.clone();
        change(&mut changed);
        cases.push(changed);
    };
    case(&|one| one.information.policy = "NATO".into());
    case(&|one| one.information.policy_uri = Some("urn:oid:1.3.26.1.3.1".into()));
    case(&|one| one.information.classification = "SECRET".into());
    case(&|one| one.information.classification = "tlp:green".into());
    case(&|one| one.information.privacy_mark = Some("x".into()));
    case(&|one| one.information.categories[0].values.push("К Z".into()));
    case(&|one| one.information.categories[0].values.push("*".into()));
    case(&|one| one.information.categories[0].kind = CategoryKind::Informative);
    case(&|one| one.information.categories[0].tag = "Eyes".into());
    case(&|one| one.role = Role::Metadata);
    case(&|one| one.unknown.push("x".into()));
    for changed in cases {
        assert!(changed.label().is_err(), "{changed:?}");
    }
    // Two lists of recipients: whom both allow; no list: nobody.
    let mut twice = own.clone();
    let mut other = own.information.categories[0].clone();
    other.values = vec!["KG".into()];
    twice.information.categories.push(other);
    let read = twice.label().expect("it is understood");
    assert_eq!(read.releasable_to, crate::Releasable::nobody());
    let mut none = own.clone();
    none.information.categories.remove(0);
    let read = none.label().expect("it is understood");
    assert_eq!(read.releasable_to, crate::Releasable::nobody());
}

#[test]
fn a_binding_names_the_object_and_holds_its_labels() {
    let object = Object::parse(
        br#"{"type":"indicator","id":"indicator--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11",
            "created":"2026-02-01T00:00:00.000Z","modified":"2026-02-01T00:00:00.000Z"}"#,
    )
    .expect("an object");
    let label = Label::parse("TLP:GREEN//REL KZ").expect("a label");
    let own = ConfidentialityLabel::of_label(&label, at("2026-01-01T00:00:00Z"), None);
    let mut foreign = ConfidentialityLabel::parse(FOREIGN.as_bytes()).expect("it reads");
    foreign.role = Role::Alternative;
    let labels = vec![own, foreign];
    let xml = ConfidentialityLabel::bind(&labels, &object).expect("it binds");
    assert!(xml.contains("Id=\"indicator--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11\""));
    assert!(
        xml.contains("<mb:DataReference URI=\"ni:///sha-256;"),
        "{xml}"
    );
    assert_eq!(ConfidentialityLabel::parse_all(xml.as_bytes()), Ok(labels));
    assert!(ConfidentialityLabel::bind(&[], &object).is_err());
    let empty = xml
        .replace("<mb:Metadata>", "<mb:Other>")
        .replace("</mb:Metadata>", "</mb:Other>");
    assert!(ConfidentialityLabel::parse_all(empty.as_bytes()).is_err());
}

fn any_text() -> impl Strategy<Value = String> {
    "[\\PC\t\n\r<>&\"']{0,12}"
}

fn any_token() -> impl Strategy<Value = String> {
    "[^\\p{C}\\s]{1,8}( [^\\p{C}\\s]{1,8})?"
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(|millis| Timestamp::from_unix_micros(millis * 1000))
}

fn any_information() -> impl Strategy<Value = Information> {
    let category = (
        prop::sample::select(&CategoryKind::ALL[..]),
        any_text(),
        prop::option::of(any_text()),
        prop::collection::vec(any_text(), 0..3),
    )
        .prop_map(|(kind, tag, uri, values)| Category {
            kind,
            tag,
            uri,
            values,
        });
    (
        any_token(),
        prop::option::of(any_text()),
        any_token(),
        prop::option::of(any_text()),
        prop::collection::vec(category, 0..3),
    )
        .prop_map(
            |(policy, policy_uri, classification, privacy_mark, categories)| Information {
                policy,
                policy_uri,
                classification,
                privacy_mark,
                categories,
            },
        )
}

fn any_originator() -> impl Strategy<Value = Option<Originator>> {
    let one = (prop::sample::select(&ORIGINATOR_KINDS[..]), any_text());
    prop::option::of(one.prop_map(|(kind, value)| Originator {
        kind: kind.to_owned(),
        value,
    }))
}

proptest! {
    #[test]
    fn any_label_of_the_standard_comes_back_from_its_xml(
        role in prop::sample::select(&Role::ALL[..]),
        id in prop::option::of("[A-Za-z_][A-Za-z0-9_.-]{0,12}"),
        review in prop::option::of(any_time()),
        information in any_information(),
        originator in any_originator(),
        created in any_time(),
        successor in prop::option::of((any_time(), any_information(), any_originator(), any_time())),
    ) {
        let succession = successor.map(|(at, information, originator, created)| Succession {
            at, information, originator, created,
        });
        let label = ConfidentialityLabel {
            role, id, review, information, originator, created, succession, unknown: Vec::new(),
        };
        let xml = label.to_xml().expect("it writes");
        prop_assert_eq!(ConfidentialityLabel::parse(xml.as_bytes()), Ok(label));
    }

    #[test]
    fn a_label_comes_back_from_its_xml(label in any_label(), created in any_time()) {
        let xml = ConfidentialityLabel::of_label(&label, created, None).to_xml().expect("it writes");
        let read = ConfidentialityLabel::parse(xml.as_bytes()).expect("our own label reads");
        prop_assert_eq!(read.label(), Ok(label));
    }

    #[test]
    fn damaged_documents_are_read_or_refused(cut in 0_usize..2000, at in 0_usize..2000, with in "[<>&;/\"=a-z]{0,4}") {
        let mut text: String = FOREIGN.chars().take(cut.max(600)).collect();
        if let Some((place, _)) = text.char_indices().nth(at) {
            text.insert_str(place, &with);
        }
        if let Ok(label) = ConfidentialityLabel::parse(text.as_bytes()) && label.unknown.is_empty() {
            let xml = label.to_xml().expect("what was read can be written");
            prop_assert_eq!(ConfidentialityLabel::parse(xml.as_bytes()), Ok(label));
        }
    }
}
