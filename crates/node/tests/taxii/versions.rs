//! Versions: the latest unless asked otherwise, and objects that have none.

use serde_json::json;

use super::*;

const OBJECTS: &str = "/taxii2/kurultai/collections/national/objects/";
const MANIFEST: &str = "/taxii2/kurultai/collections/national/manifest/";

fn at(version: u32) -> String {
    format!("2026-01-01T00:00:{version:02}.000Z")
}

/// The (number, version) pairs of a page of indicators.
#[track_caller]
fn pairs(answer: &Answer) -> Vec<(String, String)> {
    let page = answer.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let objects = page["objects"].as_array().cloned().unwrap_or_default();
    objects
        .iter()
        .map(|object| (text(&object["id"]), text(&object["modified"])))
        .collect()
}

fn pair(number: usize, version: u32) -> (String, String) {
    (id(number), at(version))
}

/// Indicator 1 in versions 5, 7 and 6 (in this order of coming), indicator 2 in version 5.
fn history() -> World {
    let world = World::new();
    for (number, version) in [(1, 5), (2, 5), (1, 7), (1, 6)] {
        world.add(&[indicator(number, version)]);
    }
    world
}

#[tokio::test]
async fn collections_show_the_versions_asked_for() {
    let world = history();
    let get = async |query: &str| pairs(&world.get(&format!("{OBJECTS}{query}")).await);
    assert_eq!(get("").await, [pair(2, 5), pair(1, 7)]);
    assert_eq!(get("?match[version]=last").await, [pair(2, 5), pair(1, 7)]);
    assert_eq!(get("?match[version]=first").await, [pair(1, 5), pair(2, 5)]);
    assert_eq!(
        get("?match[version]=all").await,
        [pair(1, 5), pair(2, 5), pair(1, 7), pair(1, 6)]
    );
    assert_eq!(
        get("?match[version]=first,last").await,
        [pair(1, 5), pair(2, 5), pair(1, 7)]
    );
    assert_eq!(
        get(&format!("?match[version]={}", at(6))).await,
        [pair(1, 6)]
    );
    assert_eq!(
        get("?match[version]=2026-01-01T00:00:05.000000Z").await,
        [pair(1, 5), pair(2, 5)],
        "times are instants"
    );
    assert_eq!(
        get(&format!("?match[version]={},{}", at(7), at(6))).await,
        [pair(1, 7), pair(1, 6)]
    );
    assert_eq!(
        get(&format!("?match[version]={},first", at(7))).await,
        [pair(1, 5), pair(2, 5), pair(1, 7)]
    );
    assert_eq!(get(&format!("?match[version]={}", at(9))).await, []);
    assert_eq!(
        get(&format!(
            "?match[version]=all&match[id]={}&match[type]=indicator",
            id(2)
        ))
        .await,
        [pair(2, 5)]
    );
    for bad in ["all,last", "last,last", "5"] {
        world
            .get(&format!("{OBJECTS}?match[version]={bad}"))
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn chosen_versions_are_paged_exactly() {
    let world = history();
    for limit in 1..=4 {
        let (mut got, mut next) = (Vec::new(), String::new());
        loop {
            let answer = world
                .get(&format!(
                    "{OBJECTS}?match[version]=first,last&limit={limit}{next}"
                ))
                .await;
            got.extend(pairs(&answer));
            let page = answer.expect(200);
            assert_eq!(page["more"], json!(got.len() < 3));
            match page["next"].as_str() {
                Some(cursor) => next = format!("&next={cursor}"),
                None => break,
            }
        }
        assert_eq!(got, [pair(1, 5), pair(2, 5), pair(1, 7)]);
    }
}

/// 20,580 later versions between the first ones, and more after them: no page is short for it, and none
/// says that there is more when there is not.
#[tokio::test]
async fn first_versions_fill_their_pages_whatever_lies_between() {
    let world = World::new();
    let later = |numbers: std::ops::Range<usize>| {
        let all = numbers.flat_map(|number| (1..50).map(move |version| indicator(number, version)));
        world.add(&all.collect::<Vec<_>>());
    };
    world.add(
        &(0..420)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    later(0..420);
    world.add(
        &(420..450)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    later(420..450);
    let (mut sizes, mut got, mut next) = (Vec::new(), Vec::new(), String::new());
    loop {
        let url = format!("{MANIFEST}?match[version]=first&limit=200{next}");
        let page = world.get(&url).await.expect(200);
        let entries = page["objects"].as_array().cloned().unwrap_or_default();
        sizes.push(entries.len());
        got.extend(
            entries
                .iter()
                .map(|entry| entry["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    assert_eq!(sizes, [200, 200, 50]);
    assert_eq!(got, (0..450).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_object_and_its_versions() {
    let world = history();
    let object = format!("{OBJECTS}{}/", id(1));
    let get = async |query: &str| pairs(&world.get(&format!("{object}{query}")).await);
    assert_eq!(get("").await, [pair(1, 7)]);
    assert_eq!(get("?match[version]=first").await, [pair(1, 5)]);
    assert_eq!(
        get(&format!("?match[version]={}", at(6))).await,
        [pair(1, 6)]
    );
    assert_eq!(get(&format!("?match[version]={}", at(9))).await, []);
    assert_eq!(
        get("?match[version]=all").await,
        [pair(1, 5), pair(1, 7), pair(1, 6)]
    );
    assert_eq!(get("?match[version]=all&limit=1").await, [pair(1, 5)]);
    assert_eq!(
        get("?match[type]=malware").await,
        [pair(1, 7)],
        "a field that this resource does not know is ignored"
    );
    assert_eq!(get("?match[spec_version]=2.0").await, []);

    let answer = world.get(&format!("{object}versions/")).await;
    assert_eq!(
        answer.expect(200),
        json!({"more": false, "versions": [at(5), at(7), at(6)]})
    );
    let first = answer
        .header("x-taxii-date-added-first")
        .unwrap()
        .to_owned();
    assert!(first.as_str() < answer.header("x-taxii-date-added-last").unwrap());
    let page = world
        .get(&format!("{object}versions/?limit=2"))
        .await
        .expect(200);
    assert_eq!(
        (&page["more"], &page["versions"]),
        (&json!(true), &json!([at(5), at(7)]))
    );
    let rest = world
        .get(&format!(
            "{object}versions/?next={}",
            page["next"].as_str().unwrap()
        ))
        .await
        .expect(200);
    assert_eq!(rest, json!({"more": false, "versions": [at(6)]}));
    let rest = world
        .get(&format!("{object}versions/?added_after={first}"))
        .await
        .expect(200);
    assert_eq!(rest["versions"], json!([at(7), at(6)]));

    for missing in [
        &id(3),
        "indicator",
        "indicator--x",
        "%00",
        "a--00000001-0000-4000-8000-000000000000",
    ] {
        world.get(&format!("{OBJECTS}{missing}/")).await.expect(404);
        world
            .get(&format!("{OBJECTS}{missing}/versions/"))
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn the_manifest_tells_versions_as_the_standard_wants_them() {
    let world = World::new();
    let marking = r#"{"created":"2025-05-05T05:05:05.555Z","definition":{"statement":"Ours"},"definition_type":"statement","id":"marking-definition--00000001-0000-4000-8000-000000000000","spec_version":"2.1","type":"marking-definition"}"#;
    world.add(&[indicator(1, 3), marking.to_owned(), address(1)]);
    let manifest = world.get(MANIFEST).await.expect(200);
    let records = manifest["objects"].as_array().unwrap();
    for record in records {
        assert_eq!(record.as_object().unwrap().len(), 4);
        assert_eq!(record["media_type"], "application/stix+json;version=2.1");
    }
    assert_eq!(
        (&records[0]["id"], &records[0]["version"]),
        (&json!(id(1)), &json!(at(3)))
    );
    assert_eq!(
        records[1]["version"], "2025-05-05T05:05:05.555Z",
        "created, where there is no modified"
    );
    // Without either, the time of its coming; as a STIX timestamp it need not end in zeros.
    let (version, date) = (
        records[2]["version"].as_str().unwrap(),
        records[2]["date_added"].as_str().unwrap(),
    );
    assert_eq!(
        model::Timestamp::parse(version).unwrap(),
        model::Timestamp::parse(date).unwrap()
    );

    for record in records {
        let (id, version) = (
            record["id"].as_str().unwrap(),
            record["version"].as_str().unwrap(),
        );
        assert_eq!(
            world
                .get(&format!("{OBJECTS}?match[version]={version}"))
                .await
                .ids(),
            [id],
            "{version}"
        );
        assert_eq!(
            world
                .get(&format!("{OBJECTS}{id}/?match[version]={version}"))
                .await
                .ids(),
            [id]
        );
        let versions = world
            .get(&format!("{OBJECTS}{id}/versions/"))
            .await
            .expect(200);
        assert_eq!(versions, json!({"more": false, "versions": [version]}));
    }
    assert_eq!(
        world
            .get(&format!(
                "{MANIFEST}?match[type]=ipv4-addr&match[version]=all"
            ))
            .await
            .ids()
            .len(),
        1
    );
}
