//! Adding objects: what becomes of each, what the status says, and what leaves no trace.

use axum::http::Request;
use serde_json::json;

use super::*;

const OBJECTS: &str = "/taxii2/kurultai/collections/national/objects/";

fn counts(status: &Value) -> (u64, u64, u64, u64) {
    let count = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(status["status"], "complete");
    (
        count("total_count"),
        count("success_count"),
        count("failure_count"),
        count("pending_count"),
    )
}

fn status_path(status: &Value) -> String {
    format!(
        "/taxii2/kurultai/status/{}/",
        status["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn what_is_accepted_is_there_and_its_status_too() {
    let world = World::new();
    let status = world
        .post(envelope(&[indicator(1, 0), address(1)]))
        .await
        .expect(202);
    assert_eq!(counts(&status), (2, 2, 0, 0));
    assert_eq!(status.get("failures"), None, "empty lists are left out");
    assert_eq!(
        status["request_timestamp"].as_str().unwrap().len(),
        "2026-11-24T05:00:00.000000Z".len()
    );
    assert_eq!(world.get(OBJECTS).await.ids().len(), 2);
    let path = status_path(&status);
    assert_eq!(world.get_as(&world.writer, &path).await.expect(200), status);
    let restarted = call(
        &world.restarted(),
        request("GET", &path, &world.writer)
            .body(Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(restarted.expect(200), status);
    world.get_as(&world.reader, &path).await.expect(404);
    world
        .get_as(
            &world.writer,
            "/taxii2/kurultai/status/2d086da7-4bdc-4f91-900e-d77486753710/",
        )
        .await
        .expect(404);
}

#[tokio::test]
async fn answered_means_durable() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), ticking());
    world.user("writer", &[Duty::Analyst], &[]);
    let token = world.token("writer");
    let status = world
        .post_as(
            &token,
            NATIONAL,
            envelope(&[indicator(1, 0), indicator(1, 0).replace('1', "x")]),
        )
        .await
        .expect(202);
    assert_eq!(counts(&status), (2, 1, 1, 0));
    drop(world);
    let world = World::open(dir.path(), ticking());
    assert_eq!(world.get_as(&token, OBJECTS).await.ids(), [id(1)]);
    assert_eq!(
        world
            .get_as(&token, &status_path(&status))
            .await
            .expect(200),
        status
    );
}

#[tokio::test]
async fn duplicates_succeed_and_contradictions_fail_alone() {
    let world = World::new();
    world.add(&[indicator(1, 0), indicator(2, 0)]);
    let spaced = indicator(1, 0).replace("\":", "\" : ");
    let sent = [
        spaced,
        named(2, 0, "Other content"),
        indicator(3, 0),
        indicator(3, 0),
        named(3, 0, "Not so"),
    ];
    let status = world.post(envelope(&sent)).await.expect(202);
    assert_eq!(counts(&status), (5, 3, 2, 0));
    let failures = status["failures"].as_array().unwrap();
    for (failure, number) in failures.iter().zip([2, 3]) {
        assert_eq!(
            (&failure["id"], &failure["version"]),
            (&json!(id(number)), &json!("2026-01-01T00:00:00.000Z"))
        );
        // Not which content is held: that may be where the writer may not look.
        let message = failure["message"].as_str().unwrap();
        let hex = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(
            message.contains("same id and version") && !message.split_ascii_whitespace().any(hex),
            "{failure}"
        );
    }
    let page = world.get(OBJECTS).await;
    assert_eq!(page.ids(), [id(1), id(2), id(3)]);
    assert!(
        page.expect(200)["objects"]
            .as_array()
            .unwrap()
            .iter()
            .all(|object| object["name"] == "An indicator")
    );
}

#[tokio::test]
async fn malformed_objects_fail_alone_with_place_and_reason() {
    let world = World::new();
    let sent = [
        indicator(1, 0),
        indicator(2, 0).replace("\"created\":\"2026-01-01", "\"created\":\"2026-02-01"),
        r#"{"type":"indicator","id":"indicator--7"}"#.to_owned(),
        "7".to_owned(),
        indicator(3, 0).replace("\"name\"", "\"id\""),
        indicator(4, 0),
    ];
    let status = world.post(envelope(&sent)).await.expect(202);
    assert_eq!(counts(&status), (6, 2, 4, 0));
    let failures = status["failures"].as_array().unwrap();
    let expected = [
        (id(2), "/objects/1"),
        ("indicator--7".into(), "/objects/2"),
        ("/objects/3".into(), "/objects/3"),
        ("/objects/4".into(), "/objects/4"),
    ];
    for (failure, (id, place)) in failures.iter().zip(expected) {
        assert_eq!(failure["id"], id);
        assert!(
            failure["message"].as_str().unwrap().starts_with(place),
            "{failure}"
        );
        assert!(failure["version"].is_string());
    }
    assert_eq!(world.get(OBJECTS).await.ids(), [id(1), id(4)]);
    // Kept across a restart, for the sender and the operator only.
    let path = status_path(&status);
    let restarted = world.restarted();
    for (token, code) in [
        (&world.writer, 200),
        (&world.operator, 200),
        (&world.reader, 404),
    ] {
        let answer = call(
            &restarted,
            request("GET", &path, token).body(Body::empty()).unwrap(),
        )
        .await;
        let told = answer.expect(code);
        assert!(code == 404 || told == status);
    }
}

#[tokio::test]
async fn a_whole_that_cannot_be_read_changes_nothing() {
    let world = World::new();
    let good = indicator(1, 0);
    let many = vec![r#"{"type":"x"}"#.to_owned(); 1001];
    for body in [
        String::new(),
        "null".into(),
        "[".into(),
        format!(r#"{{"objects":[{good},"#),
        format!(r#"{{"objects":[{good}]}} trailing"#),
        format!(r#"{{"objects":[{good}],"objects":[{good}]}}"#),
        envelope(&[vec![good.clone()], many].concat()),
    ] {
        let error = world.post(body.clone()).await;
        let error = error.expect(422);
        assert!(error["description"].as_str().unwrap().len() < 500);
        assert_eq!(
            world.get(OBJECTS).await.body,
            "{}",
            "{}",
            &body[..body.len().min(100)]
        );
    }
    let not_utf8 = [br#"{"objects":["#.as_slice(), good.as_bytes(), b",\xff]}"].concat();
    world.post(not_utf8).await.expect(422);
    assert_eq!(world.get(OBJECTS).await.body, "{}");
}

#[tokio::test]
async fn empty_envelopes_and_bundles_are_taken() {
    let world = World::new();
    for empty in ["{}", r#"{"objects":[]}"#, r#"{"more":false}"#] {
        let status = world.post(empty).await.expect(202);
        assert_eq!(counts(&status), (0, 0, 0, 0));
        world
            .get_as(&world.writer, &status_path(&status))
            .await
            .expect(200);
    }
    let bundle = format!(
        r#"{{"type":"bundle","id":"bundle--00000001-0000-4000-8000-000000000000","objects":[{}]}}"#,
        indicator(1, 0)
    );
    assert_eq!(counts(&world.post(bundle).await.expect(202)), (1, 1, 0, 0));
}

#[tokio::test]
async fn only_writers_write_and_only_to_the_national_collection() {
    let world = World::new();
    let body = || envelope(&[indicator(1, 0)]);
    let refused = world
        .post_as(&world.reader, NATIONAL, body())
        .await
        .expect(403);
    assert!(
        refused["description"]
            .as_str()
            .unwrap()
            .contains("write access")
    );
    for token in [&world.reader, &world.writer, &world.operator] {
        let refused = world.post_as(token, CHANNEL, body()).await.expect(403);
        assert!(refused["description"].as_str().unwrap().contains("release"));
    }
    world
        .post_as(
            &world.writer,
            "/taxii2/kurultai/collections/unknown",
            body(),
        )
        .await
        .expect(404);
    assert_eq!(world.get(OBJECTS).await.body, "{}");
    assert_eq!(
        counts(
            &world
                .post_as(&world.operator, NATIONAL, body())
                .await
                .expect(202)
        ),
        (1, 1, 0, 0)
    );
}

#[tokio::test]
async fn bodies_say_what_they_are_and_how_large() {
    let world = World::new();
    let post = async |headers: &[(&str, &str)], body: Body| {
        let mut request = request("POST", OBJECTS, &world.writer);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        call(&world.router, request.body(body).unwrap()).await
    };
    let good = || Body::from(envelope(&[indicator(1, 0)]));
    for headers in [
        &[][..],
        &[("content-type", "application/json")],
        &[("content-type", "application/stix+json;version=2.1")],
        &[("content-type", "application/taxii+json;version=2.0")],
        &[("content-type", TAXII), ("content-encoding", "br")],
    ] {
        post(headers, good()).await.expect(415);
    }
    let root = world.get("/taxii2/kurultai/").await.expect(200);
    let max = usize::try_from(root["max_content_length"].as_u64().unwrap()).unwrap();
    let announced = (max + 1).to_string();
    post(
        &[("content-type", TAXII), ("content-length", &announced)],
        Body::empty(),
    )
    .await
    .expect(413);
    let chunks = |last: usize| {
        let sizes = vec![1 << 20; max >> 20].into_iter().chain([last]);
        let frames: Vec<_> = sizes
            .map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; size])))
            .collect();
        Body::from_stream(futures_util::stream::iter(frames))
    };
    post(&[("content-type", TAXII)], chunks(1))
        .await
        .expect(413);
    post(&[("content-type", TAXII)], chunks(0))
        .await
        .expect(422);
    assert_eq!(world.get(OBJECTS).await.body, "{}");
    let broken = futures_util::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("gone")),
    ]);
    post(&[("content-type", TAXII)], Body::from_stream(broken))
        .await
        .expect(400);
    for value in [
        "application/taxii+json",
        "application/taxii+json ; charset=utf-8 ; version=\"2.1\"",
    ] {
        post(&[("content-type", value)], good()).await.expect(202);
    }
}

#[tokio::test]
async fn statuses_of_others_and_forged_ones_do_not_exist() {
    let world = World::new();
    world.user("other", &[Duty::Analyst], &[]);
    let other = world.token("other");
    let status = world.post(envelope(&[indicator(1, 0)])).await.expect(202);
    let path = status_path(&status);
    world.get_as(&other, &path).await.expect(404);
    let forged = path.replacen("-8", "-9", 1);
    for bad in [
        path.replace("status/", "status/0"),
        forged,
        "/taxii2/kurultai/status/%00/".into(),
    ] {
        world.get_as(&world.writer, &bad).await.expect(404);
    }
}

#[tokio::test]
async fn names_in_paths_cannot_reach_other_settings() {
    let world = World::new();
    for path in [
        "/taxii2/kurultai/status/..%2Fuser%2Fwriter/",
        "/taxii2/kurultai/status/%2e%2e/",
    ] {
        world.get_as(&world.operator, path).await.expect(404);
    }
    let request = Request::builder()
        .uri("/taxii2/kurultai/status/x/")
        .body(Body::empty())
        .unwrap();
    call(&world.router, request).await.expect(401);
}

#[tokio::test]
async fn strict_validation_refuses_one_by_one_with_the_place_and_the_rule() {
    let world = World::new();
    let bad = indicator(2, 0).replace("'192.0.2.1']", "'192.0.2.1'");
    let post = |router: Router, objects: Vec<String>| {
        let body = Body::from(envelope(&objects));
        let request = request("POST", OBJECTS, &world.writer)
            .header("content-type", TAXII)
            .body(body)
            .unwrap();
        async move { call(&router, request).await.expect(202) }
    };
    let status = post(world.strict(), vec![indicator(1, 0), bad.clone()]).await;
    assert_eq!(counts(&status), (2, 1, 1, 0));
    let message = status["failures"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("/pattern: ") && message.contains("stix-4.7-pattern"),
        "{message}"
    );
    assert_eq!(world.get(OBJECTS).await.ids().len(), 1);
    // Where nothing is asked, the same object is taken.
    let status = post(world.restarted(), vec![bad]).await;
    assert_eq!(counts(&status), (1, 1, 0, 0));
}
