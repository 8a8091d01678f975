//! Pages: what is in them, how they follow each other, and what they leave out.

use serde_json::json;

use super::*;

const OBJECTS: &str = "/taxii2/kurultai/collections/national/objects/";
const MANIFEST: &str = "/taxii2/kurultai/collections/national/manifest/";

#[tokio::test]
async fn an_empty_collection_is_an_empty_object() {
    let world = World::new();
    for path in [OBJECTS, MANIFEST] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_ref()),
            (200, b"{}".as_slice())
        );
        assert_eq!(answer.header("x-taxii-date-added-first"), None);
    }
}

#[tokio::test]
async fn a_page_is_the_stored_bytes_in_order_of_their_coming() {
    let world = World::new();
    let objects = [
        indicator(3, 1),
        address(9),
        named(1, 0, "naïve ☃ \\\"quoted\\\""),
        indicator(2, 2),
    ];
    let seqs = world.add(&objects);
    let answer = world.get(OBJECTS).await;
    let expected = format!(r#"{{"more":false,"objects":[{}]}}"#, objects.join(","));
    assert_eq!(String::from_utf8(answer.body.to_vec()).unwrap(), expected);
    let date = |seq: &Seq| model::Timestamp::from_unix_micros(*seq).to_micros_string();
    assert_eq!(
        answer.header("x-taxii-date-added-first"),
        Some(date(&seqs[0]).as_str())
    );
    assert_eq!(
        answer.header("x-taxii-date-added-last"),
        Some(date(&seqs[3]).as_str())
    );
}

#[tokio::test]
async fn pages_follow_each_other_exactly() {
    let world = World::new();
    world.add(
        &(0..10)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    let all: Vec<String> = (0..10).map(id).collect();
    for (path, list) in [(OBJECTS, "id"), (MANIFEST, "date_added")] {
        for limit in [1, 3, 5, 9, 10, 11] {
            let mut got = Vec::new();
            let mut next = String::new();
            loop {
                let page = world.get(&format!("{path}?limit={limit}{next}")).await;
                let body = page.expect(200);
                assert!(body["objects"][0][list].is_string());
                let ids = page.ids();
                got.extend_from_slice(&ids);
                assert_eq!(
                    ids.len(),
                    limit.min(10 - (got.len() - ids.len())),
                    "no short pages"
                );
                assert_eq!(
                    body["more"],
                    json!(got.len() < 10),
                    "more is true exactly when there is more"
                );
                assert_eq!(body["next"].is_string(), got.len() < 10);
                match body["next"].as_str() {
                    Some(cursor) => next = format!("&next={cursor}"),
                    None => break,
                }
            }
            assert_eq!(got, all, "limit {limit}");
        }
    }
    for bad in ["limit=0", "limit=-3", "limit=x", "limit="] {
        world.get(&format!("{OBJECTS}?{bad}")).await.expect(400);
    }
    assert_eq!(
        world
            .get(&format!("{OBJECTS}?limit=99999999999999999999"))
            .await
            .ids()
            .len(),
        10
    );
}

#[tokio::test]
async fn cursors_survive_restarts_and_refuse_changes() {
    let world = World::new();
    let seqs = world.add(
        &(0..3)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    world.release(&seqs);
    let page = world.get(&format!("{OBJECTS}?limit=1")).await.expect(200);
    let next = page["next"].as_str().unwrap();
    let restarted = world.restarted();
    let again = request("GET", &format!("{OBJECTS}?next={next}"), &world.reader)
        .body(Body::empty())
        .unwrap();
    assert_eq!(call(&restarted, again).await.ids(), [id(1), id(2)]);
    assert_eq!(
        world.get(&format!("{MANIFEST}?next={next}")).await.ids(),
        [id(1), id(2)]
    );
    let mut changed = next.to_owned().into_bytes();
    changed[9] = if changed[9] == b'A' { b'B' } else { b'A' };
    for bad in [
        "",
        "1",
        &next[1..],
        &format!("{next}x"),
        std::str::from_utf8(&changed).unwrap(),
    ] {
        world
            .get(&format!("{OBJECTS}?next={bad}"))
            .await
            .expect(400);
    }
    world
        .get(&format!("{CHANNEL}/objects/?next={next}"))
        .await
        .expect(400);
}

#[tokio::test]
async fn added_after_takes_up_where_a_page_ended() {
    let world = World::new();
    world.add(
        &(0..5)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    let mut got = world.get(&format!("{OBJECTS}?limit=2")).await;
    let mut ids = got.ids();
    while let Some(last) = got.header("x-taxii-date-added-last") {
        let first = got.header("x-taxii-date-added-first").unwrap();
        assert!(first <= last);
        got = world
            .get(&format!("{OBJECTS}?limit=2&added_after={last}"))
            .await;
        ids.extend(got.ids());
    }
    assert_eq!(ids, (0..5).map(id).collect::<Vec<_>>());

    let manifest = world.get(MANIFEST).await.expect(200);
    let third = manifest["objects"][2]["date_added"].as_str().unwrap();
    assert_eq!(third.len(), "2026-11-24T05:00:00.000000Z".len(), "{third}");
    // Digits finer than a position's say "after that position" and not "at the next".
    let finer = third.replace('Z', "999Z");
    assert_eq!(
        world
            .get(&format!("{OBJECTS}?added_after={finer}"))
            .await
            .ids(),
        [id(3), id(4)]
    );
    let whole_second = format!("{}Z", &third[..19]);
    assert_eq!(
        world
            .get(&format!("{OBJECTS}?added_after={whole_second}"))
            .await
            .ids()
            .len(),
        5
    );
    assert_eq!(
        world
            .get(&format!("{OBJECTS}?added_after=2999-01-01T00:00:00Z"))
            .await
            .body,
        "{}"
    );
    world
        .get(&format!("{OBJECTS}?added_after=yesterday"))
        .await
        .expect(400);
}

#[tokio::test]
async fn matches_are_combined() {
    let world = World::new();
    world.add(&[indicator(1, 0), address(1), indicator(2, 0), address(2)]);
    let get = async |query: &str| world.get(&format!("{OBJECTS}?{query}")).await.ids();
    let address_id = "ipv4-addr--00000001-0000-5000-8000-000000000000";
    assert_eq!(get("match[type]=indicator").await, [id(1), id(2)]);
    assert_eq!(get("match%5Btype%5D=ipv4-addr%2Cindicator").await.len(), 4);
    assert_eq!(get("match[type]=malware").await.len(), 0);
    assert_eq!(get("match[type]=x-never-heard-of").await.len(), 0);
    assert_eq!(
        get(&format!("match[id]={},{address_id}", id(2))).await,
        [address_id.to_owned(), id(2)]
    );
    assert_eq!(
        get(&format!(
            "match[id]={},{address_id}&match[type]=indicator",
            id(2)
        ))
        .await,
        [id(2)]
    );
    assert_eq!(get(&format!("match[id]={}", id(77))).await.len(), 0);
    assert_eq!(get("match[spec_version]=2.1").await.len(), 4);
    assert_eq!(get("match[spec_version]=2.0").await.len(), 0);
    assert_eq!(
        get("match[spec_version]=2.0,2.1&match[type]=indicator")
            .await
            .len(),
        2
    );
    assert_eq!(get("match[colour]=red&colour=blue").await.len(), 4);
    let first = world
        .get(&format!("{OBJECTS}?match[type]=ipv4-addr&limit=1"))
        .await
        .expect(200);
    assert_eq!(first["more"], json!(true));
    let next = first["next"].as_str().unwrap();
    let second = world
        .get(&format!(
            "{OBJECTS}?match[type]=ipv4-addr&limit=1&next={next}"
        ))
        .await
        .expect(200);
    assert_eq!(
        second["more"],
        json!(false),
        "objects of other types are no reason for another page"
    );
    for bad in [
        "match[id]=7",
        "match[id]=",
        "match[type]=a,,b",
        "match[type]=a&match[type]=b",
        "match[version]=newest",
    ] {
        world.get(&format!("{OBJECTS}?{bad}")).await.expect(400);
    }
}

#[tokio::test]
async fn a_channel_shows_what_is_released_and_no_more() {
    let world = World::new();
    let seqs = world.add(&[indicator(1, 0), indicator(2, 0), indicator(3, 0)]);
    let channel = format!("{CHANNEL}/objects/");
    assert_eq!(world.get(&channel).await.body, "{}");
    world.release(&[seqs[2], seqs[0]]);
    assert_eq!(
        world.get(&channel).await.ids(),
        [id(3), id(1)],
        "in the order of their release"
    );
    world.get(&format!("{channel}{}/", id(2))).await.expect(404);
    assert_eq!(
        world
            .get(&format!("{channel}?match[id]={}", id(2)))
            .await
            .body,
        "{}"
    );
    world.get(&format!("{OBJECTS}{}/", id(2))).await.expect(200);

    let cursor = world.get(&format!("{channel}?limit=1")).await.expect(200);
    world.withdraw(&[seqs[0]]);
    assert_eq!(world.get(&channel).await.ids(), [id(3)]);
    assert_eq!(
        world.get(&format!("{CHANNEL}/manifest/")).await.ids(),
        [id(3)]
    );
    for rest in [
        "",
        "versions/",
        "?match[version]=all",
        "?match[version]=first",
    ] {
        world
            .get(&format!("{channel}{}/{rest}", id(1)))
            .await
            .expect(404);
    }
    let next = cursor["next"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("{channel}?next={next}")).await.body,
        "{}",
        "what was to follow is gone"
    );
    assert_eq!(
        world.get(OBJECTS).await.ids().len(),
        3,
        "the member keeps its own"
    );
}

#[tokio::test]
async fn large_objects_make_shorter_pages_and_none_is_left_out() {
    let world = World::new();
    let large = "x".repeat(900_000);
    let objects: Vec<String> = (0..40).map(|number| named(number, 0, &large)).collect();
    world.add(&objects);
    let (mut got, mut pages, mut query) = (Vec::new(), 0, String::new());
    loop {
        let answer = world.get(&format!("{OBJECTS}{query}")).await;
        assert!(answer.body.len() <= 17 << 20, "{}", answer.body.len());
        let page = answer.expect(200);
        got.extend(answer.ids());
        pages += 1;
        let date = answer.header("x-taxii-date-added-last").unwrap();
        let manifest = world
            .get(&format!("{MANIFEST}?match[id]={}", got.last().unwrap()))
            .await
            .expect(200);
        assert_eq!(
            manifest["objects"][0]["date_added"], date,
            "the header is the page's real end"
        );
        match page["next"].as_str() {
            Some(next) => query = format!("?next={next}"),
            None => break,
        }
    }
    assert_eq!(got, (0..40).map(id).collect::<Vec<_>>());
    assert_eq!(pages, 3);
}
