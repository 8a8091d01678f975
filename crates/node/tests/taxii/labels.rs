//! A reader sees what its clearance reaches, and nothing tells it of the rest.

use model::Tlp;
use serde_json::json;

use super::*;

const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];

/// An object with markings of the whole or of a part, spelt canonically.
fn with(object: &str, marks: &[Tlp], granular: bool) -> String {
    let mut value: Value = serde_json::from_str(object).unwrap();
    let ids: Vec<&str> = marks
        .iter()
        .map(|level| model::tlp_marking(*level))
        .collect();
    if granular {
        value["granular_markings"] = ids
            .iter()
            .map(|id| json!({"marking_ref": id, "selectors": ["name"]}))
            .collect();
    } else {
        value["object_marking_refs"] = json!(ids);
    }
    String::from_utf8(
        Object::parse(value.to_string().as_bytes())
            .unwrap()
            .bytes()
            .to_vec(),
    )
    .unwrap()
}

fn report(of: usize) -> String {
    format!(
        r#"{{"created":"2026-01-01T00:00:00.000Z","id":"report--00000000-0000-4000-8000-{of:012}","modified":"2026-01-01T00:00:00.000Z","name":"r","object_refs":["{}"],"published":"2026-01-01T00:00:00Z","spec_version":"2.1","type":"report"}}"#,
        id(of)
    )
}

#[tokio::test]
async fn each_object_is_read_by_its_own_label() {
    let world = World::new();
    // The label assigned at intake is TLP:GREEN.
    world.add(&[
        indicator(1, 0),
        with(&indicator(2, 0), &[Tlp::Clear], false),
        with(&indicator(3, 0), &[Tlp::Red], false),
        with(&indicator(4, 0), &[Tlp::Green, Tlp::Amber], false),
        with(&indicator(5, 0), &[Tlp::Red], true),
        // A container is as strict as its own label says, whatever it refers to.
        with(&report(3), &[Tlp::Clear], false),
    ]);
    let report = "report--00000000-0000-4000-8000-000000000003".to_owned();
    for (level, numbers) in [
        (Tlp::Clear, &[2][..]),
        (Tlp::Green, &[1, 2]),
        (Tlp::AmberStrict, &[1, 2, 4]),
        (Tlp::Red, &[1, 2, 3, 4, 5]),
    ] {
        let reader = world.cleared(level);
        let mut seen: Vec<String> = numbers.iter().map(|number| id(*number)).collect();
        seen.push(report.clone());
        for view in ["objects", "manifest"] {
            let page = world.get_as(&reader, &format!("{NATIONAL}/{view}/")).await;
            assert_eq!(page.ids(), seen, "{level} {view}");
            assert_eq!(page.expect(200)["more"], false);
        }
        for number in 1..=5 {
            let status = if numbers.contains(&number) { 200 } else { 404 };
            for tail in ["", "versions/"] {
                let path = format!("{NATIONAL}/objects/{}/{tail}", id(number));
                world.get_as(&reader, &path).await.expect(status);
            }
            let path = format!("{NATIONAL}/objects/?match[id]={}", id(number));
            let found = world.get_as(&reader, &path).await.ids().len();
            assert_eq!(found, usize::from(status == 200));
        }
    }
}

#[tokio::test]
async fn pages_under_a_clearance_are_full_and_their_dates_their_own() {
    let world = World::new();
    let objects: Vec<String> = (0..90)
        .map(|number| {
            // The first thirty and the last are out of reach of most.
            let level = match number {
                0..30 | 89 => Tlp::Red,
                _ if number % 3 == 0 => Tlp::Amber,
                _ => Tlp::Clear,
            };
            with(&indicator(number, 0), &[level], false)
        })
        .collect();
    world.add(&objects);
    for level in LEVELS {
        let reader = world.cleared(level);
        for view in ["objects", "manifest"] {
            let path = format!("{NATIONAL}/{view}/");
            let whole = world.get_as(&reader, &path).await.ids();
            for limit in [1, 7, 20, 59, 60] {
                let (mut got, mut next) = (Vec::new(), String::new());
                loop {
                    let path = format!("{path}?limit={limit}{next}");
                    let answer = world.get_as(&reader, &path).await;
                    let (page, ids) = (answer.expect(200), answer.ids());
                    let more = page["more"] == true;
                    assert!(
                        ids.len() == limit || !more,
                        "a page with a next one is full"
                    );
                    assert_eq!(more, got.len() + ids.len() < whole.len(), "{level} {limit}");
                    if view == "manifest" && !ids.is_empty() {
                        let dates: Vec<&str> = page["objects"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|entry| entry["date_added"].as_str().unwrap())
                            .collect();
                        assert_eq!(
                            answer.header("x-taxii-date-added-first"),
                            dates.first().copied()
                        );
                        assert_eq!(
                            answer.header("x-taxii-date-added-last"),
                            dates.last().copied()
                        );
                    }
                    got.extend(ids);
                    match page["next"].as_str() {
                        Some(cursor) => next = format!("&next={cursor}"),
                        None => break,
                    }
                }
                assert_eq!(got, whole, "{level} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_out_of_reach_leaves_no_trace() {
    let world = World::new();
    world.add(&[with(&indicator(1, 0), &[Tlp::Red], false)]);
    let reader = world.cleared(Tlp::Green);
    for tail in [
        "objects/",
        "manifest/",
        "objects/?match[version]=all",
        "objects/?match[version]=first",
        "objects/?limit=1",
    ] {
        let answer = world.get_as(&reader, &format!("{NATIONAL}/{tail}")).await;
        assert_eq!(answer.expect(200), json!({}), "{tail}");
        assert_eq!(answer.header("x-taxii-date-added-first"), None);
    }
    // The same as for an object that does not exist, but for the number of the occurrence.
    let text = |mut body: Value| {
        body.as_object_mut().unwrap().remove("error_id");
        body.to_string()
    };
    let hidden = world
        .get_as(&reader, &format!("{NATIONAL}/objects/{}/", id(1)))
        .await;
    let absent = world
        .get_as(&reader, &format!("{NATIONAL}/objects/{}/", id(2)))
        .await;
    assert_eq!(text(hidden.expect(404)), text(absent.expect(404)));
}

#[tokio::test]
async fn a_version_out_of_reach_is_not_replaced_by_an_older_one() {
    let world = World::new();
    world.add(&[indicator(1, 1)]);
    world.add(&[with(&indicator(1, 2), &[Tlp::Red], false)]);
    let reader = world.cleared(Tlp::Green);
    let get = async |tail: &str| {
        world
            .get_as(&reader, &format!("{NATIONAL}/{tail}"))
            .await
            .ids()
    };
    assert_eq!(
        get("objects/").await,
        Vec::<String>::new(),
        "it would pass for the latest"
    );
    assert_eq!(get("objects/?match[version]=all").await, [id(1)]);
    assert_eq!(get("objects/?match[version]=first").await, [id(1)]);
    let object = format!("objects/{}/", id(1));
    world
        .get_as(&reader, &format!("{NATIONAL}/{object}"))
        .await
        .expect(404);
    assert_eq!(get(&format!("{object}?match[version]=all")).await, [id(1)]);
    let versions = world
        .get_as(&reader, &format!("{NATIONAL}/{object}versions/"))
        .await;
    assert_eq!(
        versions.expect(200)["versions"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn writers_page_through_while_objects_of_all_levels_come() {
    let world = World::new();
    let reader = world.cleared(Tlp::Green);
    let (mut got, mut after, mut expected) = (Vec::new(), String::new(), Vec::new());
    for round in 0..12 {
        let batch: Vec<String> = (0..10)
            .map(|n| {
                let number = round * 10 + n;
                let level = LEVELS[(number * 7) % 5];
                if level <= Tlp::Green {
                    expected.push(id(number));
                }
                with(&indicator(number, 0), &[level], false)
            })
            .collect();
        world.add(&batch);
        let answer = world
            .get_as(&reader, &format!("{NATIONAL}/objects/?limit=3{after}"))
            .await;
        got.extend(answer.ids());
        match answer.expect(200)["next"].as_str() {
            Some(cursor) => after = format!("&next={cursor}"),
            None => {
                after = format!(
                    "&added_after={}",
                    answer.header("x-taxii-date-added-last").unwrap()
                )
            }
        }
    }
    got.extend(
        world
            .get_as(&reader, &format!("{NATIONAL}/objects/?{after}"))
            .await
            .ids(),
    );
    assert_eq!(got, expected);
}
