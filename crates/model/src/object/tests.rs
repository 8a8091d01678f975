use super::*;
use crate::IdError;

const ID: &str = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f";
const OTHER: &str = "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e";
const RED: &str = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1";

/// A minimal indicator with more members (JSON, ending in a comma) or with some replaced.
fn indicator(members: &str) -> String {
    let mut text = String::from("{");
    text.push_str(members);
    for (name, value) in [
        ("type", "indicator"),
        ("id", ID),
        ("created", "2024-01-01T00:00:00.000Z"),
        ("modified", "2024-01-02T00:00:00.000Z"),
    ] {
        if !members.contains(&format!("\"{name}\":")) {
            text.push_str(&format!("\"{name}\":\"{value}\","));
        }
    }
    text.pop();
    text.push('}');
    text
}

fn parse(text: &str) -> Object {
    Object::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
}

/// Refused in the same way whether or not the text is canonical.
fn refused(text: &str) -> Refusal {
    let refusal = Object::parse(text.as_bytes()).expect_err(text);
    let spaced = format!(" {text}\n");
    let again = Object::parse(spaced.as_bytes()).expect_err(&spaced);
    assert_eq!(refusal, again);
    if let Ok(canonical) = crate::canonicalise(text.as_bytes()) {
        assert_eq!(Object::parse(&canonical), Err(refusal.clone()));
    }
    refusal
}

#[test]
fn picks_what_the_node_needs() {
    let object = parse(&indicator(&format!(
        r#""revoked":true,"valid_until":"9999-12-31T23:59:59Z","created_by_ref":"{OTHER}",
           "object_marking_refs":["{RED}","{RED}"],
           "granular_markings":[{{"selectors":["name"],"marking_ref":"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"}},
                                {{"selectors":["name"],"lang":"kk"}}],
           "x_seen_by_ref":"tool--00000000-0000-4000-8000-000000000001","x_odd_ref":"CVE-1","x_number_ref":7,
           "x_more":{{"deep":[{{"a_refs":["{OTHER}","tool--00000000-0000-4000-8000-000000000002","0"]}}]}},"#
    )));
    assert_eq!(object.id().as_str(), ID);
    assert_eq!((object.kind(), object.class()), ("indicator", Class::Sdo));
    assert_eq!(
        object.version(),
        Timestamp::parse("2024-01-02T00:00:00Z").ok()
    );
    assert_eq!(
        object.created(),
        Timestamp::parse("2024-01-01T00:00:00Z").ok()
    );
    assert_eq!(
        object.valid_until(),
        Timestamp::parse("9999-12-31T23:59:59Z").ok()
    );
    assert!(object.revoked());
    assert_eq!(object.created_by().map(Id::as_str), Some(OTHER));
    let texts = |ids: &[Id]| ids.iter().map(Id::to_string).collect::<Vec<_>>();
    assert_eq!(
        texts(object.marking_refs()),
        [
            "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
            RED
        ]
    );
    assert_eq!(
        texts(object.refs()),
        [
            OTHER,
            "tool--00000000-0000-4000-8000-000000000001",
            "tool--00000000-0000-4000-8000-000000000002"
        ]
    );
    assert_eq!(crate::is_canonical(object.bytes()), Ok(true));
    assert_eq!(object.hash(), Hash::of(object.bytes()));
    let again = Object::parse(object.bytes()).expect("canonical bytes are accepted");
    assert_eq!(again.bytes(), object.bytes());
    assert_eq!(
        (again.refs(), again.marking_refs()),
        (object.refs(), object.marking_refs())
    );
    assert_eq!(&*again.into_bytes(), object.bytes());
}

#[test]
fn keeps_unknown_content_and_gives_one_hash_to_one_meaning() {
    let a = parse(&indicator(r#""x_unknown":{"z":[1.50,"\u00e9"],"a":null},"#));
    let b = parse(&indicator(
        "\"x_unknown\": {\"a\":null, \"z\":[15e-1,\"é\"]},",
    ));
    assert_eq!((a.bytes(), a.hash()), (b.bytes(), b.hash()));
    assert!(
        a.bytes()
            .ends_with("\"x_unknown\":{\"a\":null,\"z\":[1.5,\"é\"]}}".as_bytes())
    );
}

#[test]
fn classes_differ_in_what_they_need() {
    let uuid = "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f";
    let bare = |kind: &str| format!(r#"{{"id":"{kind}--{uuid}","type":"{kind}"}}"#);
    for (kind, class) in [
        ("url", Class::Sco),
        ("file", Class::Sco),
        ("x-custom", Class::Extension),
        ("marking-definition", Class::Marking),
    ] {
        let object = parse(&bare(kind));
        assert_eq!((object.class(), object.version()), (class, None));
    }
    for kind in [
        "indicator",
        "relationship",
        "sighting",
        "language-content",
        "extension-definition",
    ] {
        let refusal = refused(&bare(kind));
        assert_eq!(
            (refusal.pointer.as_str(), refusal.reason),
            ("/created", Reason::Missing),
            "{kind}"
        );
    }
    // Times on things without versions are not versions.
    let sco = parse(&format!(
        r#"{{"id":"url--{uuid}","modified":"1500-01-01T00:00:00Z","type":"url"}}"#
    ));
    assert!(sco.modified().is_some() && sco.version().is_none());
}

#[test]
fn refuses_each_fault_at_its_place() {
    let long = format!("\"x_long\":\"{}\",", "a".repeat(OBJECT_BYTES_MAX));
    let cases = [
        (
            indicator(r#""id":"indicator--8E2E2D2B-17D4-4CBF-938F-98EE46B3CD3F","#),
            "/id",
            Reason::Id(IdError::Uuid),
        ),
        (
            indicator(r#""id":"indicator","#),
            "/id",
            Reason::Id(IdError::Form),
        ),
        (
            indicator(r#""id":7,"#),
            "/id",
            Reason::Kind {
                expected: "a string",
            },
        ),
        (
            indicator(r#""type":"Indicator","#),
            "/type",
            Reason::TypeName,
        ),
        (
            indicator(r#""type":"malware","#),
            "/type",
            Reason::TypeMismatch,
        ),
        (indicator(r#""type":"bundle","#), "", Reason::NestedBundle),
        (
            indicator(r#""created":"yesterday","#),
            "/created",
            Reason::Timestamp(TimestampError::Form),
        ),
        (
            indicator(r#""modified":"2024-02-30T00:00:00Z","#),
            "/modified",
            Reason::Timestamp(TimestampError::NoSuchDay),
        ),
        (
            indicator(r#""modified":null,"#),
            "/modified",
            Reason::Kind {
                expected: "a string",
            },
        ),
        (
            indicator(r#""modified":"2023-12-31T23:59:59.999999999Z","#),
            "/modified",
            Reason::ModifiedBeforeCreated,
        ),
        (
            indicator(r#""modified":"2263-01-01T00:00:00Z","#),
            "/modified",
            Reason::VersionOutOfRange,
        ),
        (
            indicator(r#""valid_until":"2024-01-01","#),
            "/valid_until",
            Reason::Timestamp(TimestampError::Form),
        ),
        (
            indicator(r#""valid_from":"2024-01-01T00:00:00.1234567890Z","#),
            "/valid_from",
            Reason::Timestamp(TimestampError::TooPrecise),
        ),
        (
            indicator(r#""revoked":"true","#),
            "/revoked",
            Reason::Kind {
                expected: "true or false",
            },
        ),
        (
            indicator(r#""spec_version":"3.0","#),
            "/spec_version",
            Reason::SpecVersion,
        ),
        (
            indicator(r#""created_by_ref":"me","#),
            "/created_by_ref",
            Reason::Id(IdError::Form),
        ),
        (
            indicator(r#""object_marking_refs":"red","#),
            "/object_marking_refs",
            Reason::Kind {
                expected: "an array",
            },
        ),
        (
            indicator(&format!(r#""object_marking_refs":["{RED}","red"],"#)),
            "/object_marking_refs/1",
            Reason::Id(IdError::Form),
        ),
        (
            indicator(&format!(r#""object_marking_refs":["{RED}",["{RED}"]],"#)),
            "/object_marking_refs/1",
            Reason::Kind {
                expected: "a string",
            },
        ),
        (
            indicator(r#""granular_markings":[{"selectors":[]},{"marking_ref":"red"}],"#),
            "/granular_markings/1/marking_ref",
            Reason::Id(IdError::Form),
        ),
        (
            indicator(r#""granular_markings":["red"],"#),
            "/granular_markings/0",
            Reason::Kind {
                expected: "an object",
            },
        ),
        (
            indicator(r#""where_sighted_refs":[5],"#),
            "/where_sighted_refs/0",
            Reason::Kind {
                expected: "a string",
            },
        ),
        (indicator(r#""x":1,"x":1,"#), "/x", Reason::DuplicateKey),
        (
            indicator(r#""x":9007199254740993,"#),
            "/x",
            Reason::Number(crate::NumberFault::Integer),
        ),
        (
            indicator(r#""x":{"y":"\ud83d"},"#),
            "/x/y",
            Reason::LoneSurrogate,
        ),
        (indicator(&long), "", Reason::TooLarge),
        (
            "[]".into(),
            "",
            Reason::Kind {
                expected: "an object",
            },
        ),
        ("{}".into(), "/type", Reason::Missing),
        (r#"{"type":"indicator"}"#.into(), "/id", Reason::Missing),
    ];
    for (text, pointer, reason) in cases {
        let refusal = refused(&text);
        assert_eq!(refusal.pointer, pointer, "{text}");
        assert_eq!(refusal.reason, reason, "{text}");
    }
}

#[test]
fn odd_times_of_custom_types_are_not_judged() {
    let uuid = "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f";
    parse(&format!(
        r#"{{"first_seen":"last spring","id":"x-sighting--{uuid}","type":"x-sighting"}}"#
    ));
    let refusal = refused(&format!(
        r#"{{"ctime":"last spring","id":"file--{uuid}","type":"file"}}"#
    ));
    assert_eq!(refusal.pointer, "/ctime");
}

#[test]
fn the_size_limit_is_on_the_canonical_form() {
    let empty = parse(&indicator("\"x\":\"\","));
    let room = OBJECT_BYTES_MAX - empty.bytes().len();
    let fits = parse(&indicator(&format!("\"x\":\"{}\",", "a".repeat(room))));
    assert_eq!(fits.bytes().len(), OBJECT_BYTES_MAX);
    assert_eq!(
        Object::parse(fits.bytes()).map(|object| object.hash()),
        Ok(fits.hash())
    );
    let over = refused(&indicator(&format!("\"x\":\"{}\",", "a".repeat(room + 1))));
    assert_eq!(over.reason, Reason::TooLarge);
    let spaces = " ".repeat(OBJECT_BYTES_MAX);
    assert_eq!(
        parse(&format!("{spaces}{}", indicator("\"x\":\"\","))).hash(),
        empty.hash()
    );
}

#[test]
fn a_refusal_reads_as_a_sentence_and_tells_no_content() {
    let refusal = refused(&indicator(r#""created_by_ref":"secret","#));
    assert_eq!(
        refusal.to_string(),
        "/created_by_ref: an identifier has the form type--uuid"
    );
    let object = parse(&indicator("\"name\":\"secret\","));
    assert!(!format!("{object:?}").contains("secret"));
}
