use super::*;
use crate::IdError;

fn object(n: u32) -> String {
    format!(
        r#"{{"created":"2024-01-01T00:00:00.000Z","id":"malware--00000000-0000-4000-8000-{n:012}","modified":"2024-01-01T00:00:00.000Z","type":"malware"}}"#
    )
}

type Seen = Vec<(usize, Result<String, (String, Reason)>)>;

fn read(text: &str) -> (Seen, Result<usize, Refusal>) {
    let mut seen = Vec::new();
    let result = bundle(text.as_bytes(), |index, object| {
        let result = object.map(|object| object.id().to_string()[39..].to_owned());
        seen.push((
            index,
            result.map_err(|refusal| (refusal.pointer, refusal.reason)),
        ));
    });
    (seen, result)
}

fn ids(seen: &Seen) -> Vec<u32> {
    seen.iter()
        .flat_map(|(_, result)| result.as_ref().ok()?.parse().ok())
        .collect()
}

#[test]
fn reads_all_four_forms() {
    let (a, b) = (object(1), object(2));
    let id = "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d";
    for text in [
        format!(r#"{{"type":"bundle","id":"{id}","objects":[{a},{b}]}}"#),
        format!(r#" {{ "objects" : [ {a} , {b} ] , "id" : "{id}" , "type" : "bundle" }} "#),
        format!(r#"{{"id":"{id}","objects":[{a},{b}],"type":"bundle","x":{{"objects":[1]}}}}"#),
        format!(r#"{{"more":true,"next":"7","objects":[{a},{b}]}}"#),
        format!(r#"{{"objects":[{a},{b}]}}"#),
        format!("[{a},{b}]"),
        format!("\n[\n{a}\n,\n{b}\n]\n"),
    ] {
        let (seen, result) = read(&text);
        assert_eq!(result, Ok(2), "{text}");
        assert_eq!(ids(&seen), [1, 2], "{text}");
    }
    assert_eq!(read(&a).1, Ok(1));
    assert_eq!(ids(&read(&format!(" {a}\n")).0), [1]);
    for empty in [
        "[]",
        "{}",
        r#"{"objects":[]}"#,
        r#"{"more":false}"#,
        r#"{"type":"bundle","id":"bundle--1"}"#,
    ] {
        assert_eq!(read(empty), (Vec::new(), Ok(0)), "{empty}");
    }
}

#[test]
fn one_refused_object_does_not_stop_the_others() {
    let bad_id = object(1).replace("0000-4000", "0000-400G");
    let doubled = object(2).replace("{\"created\"", "{\"x\":[\"]}\\\"\"],\"x\":2,\"created\"");
    let deep = object(3).replace(
        "{\"created\"",
        &format!("{{\"x\":{}1{},\"created\"", "[".repeat(70), "]".repeat(70)),
    );
    let large = object(4).replace(
        "{\"created\"",
        &format!("{{\"a\":\"{}\",\"created\"", "x".repeat(OBJECT_BYTES_MAX)),
    );
    let text = format!(
        "{{\"objects\":[{bad_id},{doubled}, {deep},{large},5,\"a,]\",{}]}}",
        object(9)
    );
    let (seen, result) = read(&text);
    assert_eq!(result, Ok(7));
    assert_eq!(ids(&seen), [9]);
    let refusals: Vec<_> = seen
        .iter()
        .filter_map(|(_, result)| result.as_ref().err())
        .collect();
    assert_eq!(
        refusals[0],
        &("/objects/0/id".to_owned(), Reason::Id(IdError::Uuid))
    );
    assert_eq!(
        refusals[1],
        &("/objects/1/x".to_owned(), Reason::DuplicateKey)
    );
    assert_eq!(refusals[2].1, Reason::TooDeep);
    assert_eq!(refusals[3].1, Reason::TooLarge);
    assert_eq!(
        refusals[4],
        &(
            "/objects/4".to_owned(),
            Reason::Kind {
                expected: "an object"
            }
        )
    );
    assert_eq!(
        refusals[5],
        &(
            "/objects/5".to_owned(),
            Reason::Kind {
                expected: "an object"
            }
        )
    );
}

#[test]
fn broken_json_refuses_the_whole() {
    let (a, b) = (object(1), object(2));
    for text in [
        String::new(),
        "{".into(),
        "[".into(),
        format!("[{a}"),
        format!("[{a},"),
        format!("[{a},]"),
        format!("[{a} {b}]"),
        format!("[{a}]]"),
        format!("{{\"objects\":[{a}]"),
        format!("{{\"objects\":[{a}],}}"),
        format!("{{\"objects\":[{a},{{\"x\" 1}},{b}]}}"),
        format!("{{\"objects\":[{a}],\"x\":tru}}"),
        format!("{{\"objects\":[{a}]}} x"),
        a[..a.len() - 1].to_owned(),
    ] {
        let (_, result) = read(&text);
        let refusal = result.expect_err(&text);
        assert!(
            matches!(refusal.reason, Reason::Syntax { .. }),
            "{text}: {refusal}"
        );
    }
    let text = format!("{{\"objects\":[{a},{{\"x\" 1}}]}}");
    let refusal = read(&text).1.expect_err("broken");
    assert_eq!(refusal.pointer, "/objects/1");
    let Reason::Syntax { offset, .. } = refusal.reason else {
        panic!("{refusal}")
    };
    assert_eq!(offset, text.len() - 4);
    let (seen, result) = read("[{\"id\":\"x\",\"a\":[[}");
    assert!(result.is_err(), "{seen:?}");
}

#[test]
fn a_stix_object_with_objects_is_not_a_bundle() {
    let observed = r#"{"type":"observed-data","id":"observed-data--5d0092c5-5f74-4287-9642-33f4c354e56d",
        "created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","objects":{"0":{"type":"file","parent_ref":"1"}}}"#;
    assert_eq!(read(observed).1, Ok(1));
    let custom =
        r#"{"id":"x-set--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[1,2],"type":"x-set"}"#;
    let (seen, result) = read(custom);
    assert_eq!((seen.len(), result), (1, Ok(1)));
    assert!(seen[0].1.is_ok(), "{seen:?}");
    // Taken for an envelope until the type shows otherwise: nothing of it counts.
    let late =
        r#"{"objects":[],"id":"x-set--5d0092c5-5f74-4287-9642-33f4c354e56d","type":"x-set"}"#;
    let refusal = read(late).1.expect_err("ambiguous");
    assert_eq!(
        (refusal.pointer.as_str(), refusal.reason),
        ("/id", Reason::NotABundle)
    );
    let (seen, result) = read(r#"{"type":"malware"}"#);
    assert_eq!(
        (seen, result),
        (vec![(0, Err(("/id".into(), Reason::Missing)))], Ok(1))
    );
}

#[test]
fn wrappers_are_checked_too() {
    let a = object(1);
    for (text, pointer, reason) in [
        (
            format!("{{\"objects\":[{a}],\"objects\":[{a}]}}"),
            "/objects",
            Reason::DuplicateKey,
        ),
        (
            r#"{"type":"bundle","objects":{}}"#.into(),
            "/objects",
            Reason::Kind {
                expected: "an array",
            },
        ),
        (
            format!("{{\"objects\":[{a}],\"x\":{{\"y\":[1e999]}}}}"),
            "/x/y/0",
            Reason::Number(crate::NumberFault::Overflow),
        ),
        (
            "7".into(),
            "",
            Reason::Kind {
                expected: "an object or an array",
            },
        ),
    ] {
        let refusal = read(&text).1.expect_err(&text);
        assert_eq!(
            (refusal.pointer.as_str(), refusal.reason),
            (pointer, reason),
            "{text}"
        );
    }
    let many: String = (0..WRAPPER_MEMBERS_MAX)
        .map(|n| format!(",\"x{n}\":0"))
        .collect();
    let refusal = read(&format!("{{\"objects\":[]{many}}}"))
        .1
        .expect_err("too many");
    assert_eq!(refusal.reason, Reason::TooManyMembers);
    // An object may have that many.
    let wide = a.replace("{\"created\"", &format!("{{{},\"created\"", &many[1..]));
    assert_eq!(ids(&read(&wide).0), [1]);
}
