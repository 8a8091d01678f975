//! What can be read of requests and answers, what is refused, and threads in any order.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::hash::Hash;

fn id(kind: &str, number: u8) -> Id {
    Id::from_parts(kind, [number; 16]).expect("an id")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((1_780_000_000 + seconds) * 1_000_000)
}

fn codes(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

fn request() -> Request {
    Request {
        to: codes(&["KG", "UZ"]),
        subject: "Hosts behind the mail campaign".into(),
        text: "Which of these have you seen, and since when?".into(),
        deadline: Some(at(86_400)),
        urgency: Urgency::Priority,
        kinds: codes(&["indicator", "sighting"]),
        topics: codes(&["phishing"]),
        about: BTreeSet::from([id("indicator", 1), id("indicator", 2)]),
        in_reply_to: None,
    }
}

fn answer(status: AnswerStatus) -> Answer {
    Answer {
        request: id("note", 1),
        status,
        text: "Two of them, since May.".into(),
        objects: BTreeSet::from([id("sighting", 1)]),
        in_reply_to: Some(id("note", 9)),
    }
}

fn built(post: &Post) -> Object {
    post.object(&id("note", 7), &id("identity", 1), at(0))
        .expect("a note")
}

/// The note with one JSON value changed.
fn changed(post: &Post, pointer: &str, value: serde_json::Value) -> Object {
    let mut note: serde_json::Value = serde_json::from_slice(built(post).bytes()).expect("JSON");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match note.pointer_mut(parent).and_then(|v| v.as_object_mut()) {
        Some(parent) if value.is_null() => drop(parent.remove(key)),
        Some(parent) => drop(parent.insert(key.into(), value)),
        None => panic!("{pointer} is not there"),
    }
    Object::parse(note.to_string().as_bytes()).expect("still an object")
}

fn extension(property: &str) -> String {
    format!("/extensions/{EXTENSION_REQUEST}/{property}")
}

#[test]
fn what_is_written_is_read_again_and_is_a_plain_stix_note() {
    let post = Post::Request(request());
    let note = built(&post);
    assert_eq!(Post::of(&note), Ok(Some(post)));
    let json: serde_json::Value = serde_json::from_slice(note.bytes()).expect("JSON");
    assert_eq!(json["abstract"], "Hosts behind the mail campaign");
    assert_eq!(json["object_refs"][0], id("identity", 1).as_str());
    // The graph and the leak check see every id that leaves.
    assert!(note.refs().contains(&id("indicator", 2)));

    for status in [
        AnswerStatus::Partial,
        AnswerStatus::Final,
        AnswerStatus::Declined,
    ] {
        let post = Post::Answer(answer(status));
        let note = built(&post);
        assert_eq!(Post::of(&note), Ok(Some(post)));
        for referred in [id("note", 1), id("note", 9), id("sighting", 1)] {
            assert!(note.refs().contains(&referred), "{referred}");
        }
    }
}

#[test]
fn other_notes_and_other_objects_are_left_alone() {
    let post = Post::Request(request());
    let plain = changed(&post, "/extensions", serde_json::Value::Null);
    assert_eq!(Post::of(&plain), Ok(None));
    // The extension's name in a text makes no request.
    let mentions = serde_json::json!({
        "type": "note", "spec_version": "2.1", "id": id("note", 3).as_str(),
        "created": at(0).to_string(), "modified": at(0).to_string(),
        "content": EXTENSION_REQUEST, "object_refs": [id("identity", 1).as_str()],
    });
    let mentions = Object::parse(mentions.to_string().as_bytes()).expect("a note");
    assert_eq!(Post::of(&mentions), Ok(None));
    let identity = crate::member_identity("kz.example", "Kazakhstan", at(0)).expect("an object");
    assert_eq!(Post::of(&identity), Ok(None));
    // A later version of the extension may say more.
    let more = changed(&post, &extension("language"), "ru".into());
    assert_eq!(Post::of(&more), Ok(Some(post)));
}

#[test]
fn what_is_malformed_is_named() {
    let asked = Post::Request(request());
    let answered = Post::Answer(answer(AnswerStatus::Final));
    let long = |length: usize| serde_json::Value::from("x".repeat(length));
    let many = |count: usize| -> serde_json::Value {
        (0..count)
            .map(|number| serde_json::Value::from(format!("w{number}")))
            .collect()
    };
    let ids = |count: usize| -> serde_json::Value {
        (0..count)
            .map(|number| {
                let mut uuid = [0; 16];
                uuid[..8].copy_from_slice(&number.to_be_bytes());
                let id = Id::from_parts("note", uuid).expect("an id");
                serde_json::Value::from(id.as_str())
            })
            .collect()
    };
    let none = serde_json::Value::Null;
    let cases = [
        (
            &asked,
            "/created_by_ref".to_owned(),
            none.clone(),
            "created_by_ref",
        ),
        (&asked, extension("to"), none.clone(), "to"),
        (&asked, extension("to"), serde_json::json!([]), "to"),
        (&asked, extension("to"), serde_json::json!(["kg"]), "to"),
        // Cyrillic letters that look like KG.
        (&asked, extension("to"), serde_json::json!(["КG"]), "to"),
        (&asked, extension("to"), many(REQUEST_MEMBERS_MAX + 1), "to"),
        (&asked, extension("to"), "KG".into(), "extensions"),
        (&asked, extension("urgency"), "now".into(), "urgency"),
        (&asked, extension("deadline"), "tomorrow".into(), "deadline"),
        (
            &asked,
            extension("kinds"),
            serde_json::json!(["Indicator"]),
            "kinds",
        ),
        (
            &asked,
            extension("topics"),
            serde_json::json!([""]),
            "topics",
        ),
        (
            &asked,
            extension("topics"),
            serde_json::json!(["a\nb"]),
            "topics",
        ),
        (
            &asked,
            extension("topics"),
            many(REQUEST_WORDS_MAX + 1),
            "topics",
        ),
        (
            &asked,
            extension("extension_type"),
            "new-sdo".into(),
            "extension_type",
        ),
        (
            &asked,
            extension("in_reply_to_ref"),
            "nothing".into(),
            "in_reply_to_ref",
        ),
        (
            &asked,
            extension("in_reply_to_ref"),
            id("report", 1).as_str().into(),
            "in_reply_to_ref",
        ),
        (&asked, "/abstract".to_owned(), none.clone(), "abstract"),
        (
            &asked,
            "/abstract".to_owned(),
            "clear\u{1b}[2J".into(),
            "abstract",
        ),
        (
            &asked,
            "/abstract".to_owned(),
            long(REQUEST_SUBJECT_BYTES_MAX + 1),
            "abstract",
        ),
        (&asked, "/content".to_owned(), " ".into(), "content"),
        (
            &asked,
            "/content".to_owned(),
            long(REQUEST_TEXT_BYTES_MAX + 1),
            "content",
        ),
        (
            &asked,
            "/content".to_owned(),
            serde_json::json!({"a": 1}),
            "content",
        ),
        (
            &asked,
            "/object_refs".to_owned(),
            ids(REQUEST_OBJECTS_MAX + 2),
            "object_refs",
        ),
        // Both a request and an answer.
        (
            &asked,
            extension("request_ref"),
            id("note", 1).as_str().into(),
            "to",
        ),
        (&answered, extension("request_ref"), none.clone(), "to"),
        (
            &answered,
            extension("request_ref"),
            id("report", 1).as_str().into(),
            "object_refs",
        ),
        (&answered, "/object_refs".to_owned(), ids(3), "object_refs"),
        (&answered, extension("status"), none.clone(), "status"),
        (&answered, extension("status"), "done".into(), "status"),
    ];
    for (post, pointer, value, named) in cases {
        let note = changed(post, &pointer, value.clone());
        let error = Post::of(&note).expect_err(&format!("{pointer} = {value}"));
        let name = match &error {
            RequestError::Property { name, .. } | RequestError::TooMuch { name, .. } => *name,
            other => panic!("{pointer}: {other}"),
        };
        assert_eq!(name, named, "{pointer}: {error}");
    }
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let mut nobody = request();
    nobody.to.clear();
    let mut empty = answer(AnswerStatus::Final);
    empty.text.clear();
    for post in [Post::Request(nobody), Post::Answer(empty)] {
        let result = post.object(&id("note", 7), &id("identity", 1), at(0));
        assert!(result.is_err(), "{result:?}");
    }
    let post = Post::Request(request());
    let result = post.object(&id("report", 7), &id("identity", 1), at(0));
    assert_eq!(result, Err(RequestError::NotANote));
}

fn posted(number: u8, seconds: i64, by: &str, post: Post) -> Posted {
    let at = at(seconds);
    Posted {
        id: id("note", number),
        at,
        hash: Hash::of(format!("{number} {seconds} {by} {post:?}").as_bytes()),
        by: by.into(),
        revoked: false,
        post: Arc::new(post),
    }
}

fn said(number: u8, seconds: i64, by: &str, status: AnswerStatus) -> Posted {
    let answer = Answer {
        in_reply_to: None,
        ..answer(status)
    };
    posted(number, seconds, by, Post::Answer(answer))
}

#[test]
fn each_member_settles_its_own_answer_and_nobody_elses() {
    let question = posted(1, 0, "KZ", Post::Request(request()));
    let posts = vec![
        said(4, 30, "KG", AnswerStatus::Final),
        said(2, 10, "KG", AnswerStatus::Partial),
        // Not asked: shown, and settles nothing.
        said(3, 20, "TJ", AnswerStatus::Final),
        // The asker cannot answer for others either.
        said(5, 40, "KZ", AnswerStatus::Declined),
        question,
    ];
    let board = board(posts);
    let thread = &board.threads[0];
    assert_eq!(thread.asked["KG"], Some(AnswerStatus::Final));
    assert_eq!(thread.asked["UZ"], None);
    assert_eq!(thread.owing().collect::<Vec<_>>(), ["UZ"]);
    let order: Vec<(&str, bool)> = thread
        .said
        .iter()
        .map(|said| (said.posted.by.as_str(), said.unsolicited))
        .collect();
    assert_eq!(
        order,
        [("KG", false), ("TJ", true), ("KG", false), ("KZ", true)]
    );
    assert!(!thread.is_overdue(at(86_400)));
    assert!(thread.is_overdue(at(86_401)));
}

#[test]
fn the_latest_version_counts_and_a_revoked_one_does_not() {
    let question = posted(1, 0, "KZ", Post::Request(request()));
    let mut taken_back = said(2, 20, "KG", AnswerStatus::Final);
    taken_back.revoked = true;
    let posts = vec![
        said(2, 10, "KG", AnswerStatus::Final),
        taken_back,
        question.clone(),
    ];
    assert_eq!(board(posts).threads[0].asked["KG"], None);

    let mut closed = posted(1, 50, "KZ", Post::Request(request()));
    closed.revoked = true;
    let board = board(vec![closed, question]);
    assert!(board.threads[0].is_closed() && !board.threads[0].is_overdue(at(100_000)));
}

#[test]
fn an_id_that_two_members_use_hides_neither() {
    let theirs = posted(1, -50, "TJ", Post::Request(request()));
    let ours = posted(1, 0, "KZ", Post::Request(request()));
    let board = board(vec![ours, theirs, said(2, 10, "KG", AnswerStatus::Final)]);
    let by: Vec<&str> = board
        .threads
        .iter()
        .map(|thread| thread.posted.by.as_str())
        .collect();
    assert_eq!(by, ["TJ", "KZ"]);
    assert!(board.threads.iter().all(|thread| thread.contested));
    assert!(board.threads.iter().all(|thread| thread.said.len() == 1));
}

#[test]
fn an_answer_without_its_question_waits_for_it() {
    let board = board(vec![said(2, 10, "KG", AnswerStatus::Final)]);
    assert!(board.threads.is_empty());
    assert_eq!(board.orphans.len(), 1);
}

fn any_post() -> impl Strategy<Value = Posted> {
    let member = prop::sample::select(vec!["KZ", "KG", "UZ", "TJ"]);
    let status = prop::sample::select(vec![
        AnswerStatus::Partial,
        AnswerStatus::Final,
        AnswerStatus::Declined,
    ]);
    // Few ids and few times, so that versions, ties, contests and cycles of replies are frequent.
    (
        0u8..8,
        0i64..4,
        member,
        status,
        0u8..4,
        0u8..8,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(number, time, by, status, about, reply, asks, revoked)| {
            let in_reply_to = Some(id("note", reply));
            let post = if asks {
                Post::Request(Request {
                    in_reply_to,
                    ..request()
                })
            } else {
                Post::Answer(Answer {
                    request: id("note", about),
                    in_reply_to,
                    ..answer(status)
                })
            };
            let mut posted = posted(number, time, by, post);
            // Whether it is revoked stands in the bytes, so it is part of the hash.
            posted.hash = Hash::of(format!("{} {revoked}", posted.hash).as_bytes());
            posted.revoked = revoked;
            posted
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Arrival in any order, and arrival twice, gives one and the same board.
    #[test]
    fn the_order_of_arrival_never_matters(
        (posts, shuffled) in prop::collection::vec(any_post(), 0..24)
            .prop_flat_map(|posts| (Just(posts.clone()), Just(posts).prop_shuffle())),
        again in 0usize..24,
    ) {
        let expected = board(posts.clone());
        prop_assert_eq!(&board(shuffled.clone()), &expected);
        let twice = shuffled.iter().chain(posts.iter().take(again)).cloned();
        prop_assert_eq!(&board(twice), &expected);
        // Every latest version is somewhere, once for each thread of its id.
        for thread in &expected.threads {
            for said in &thread.said {
                prop_assert_eq!(&said.answer.request, &thread.posted.id);
                prop_assert_eq!(said.unsolicited, !thread.asked.contains_key(&said.posted.by));
            }
        }
    }

    /// Whatever a note with our extension holds, reading it answers or refuses.
    #[test]
    fn hostile_extensions_never_panic(
        to in prop::collection::vec(".{0,20}", 0..4),
        word in ".{0,12}",
        refs in prop::collection::vec("(note|identity|x)--[0-9a-f-]{30,36}", 0..3),
    ) {
        let note = serde_json::json!({
            "type": "note", "spec_version": "2.1", "id": id("note", 3).as_str(),
            "created": at(0).to_string(), "modified": at(0).to_string(),
            "created_by_ref": id("identity", 1).as_str(), "abstract": word, "content": word,
            "object_refs": [id("identity", 1).as_str()],
            "extensions": { EXTENSION_REQUEST: {
                "extension_type": "property-extension", "to": to, "urgency": word,
                "request_ref": refs.first(), "in_reply_to_ref": refs.get(1), "status": word,
            }},
        });
        if let Ok(object) = Object::parse(note.to_string().as_bytes())
            && let Ok(Some(post)) = Post::of(&object)
        {
            prop_assert_eq!(Post::of(&built(&post)), Ok(Some(post)));
        }
    }
}
