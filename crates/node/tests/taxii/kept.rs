//! Pages that were sent before and are sent again from memory: never past what has changed.

use model::Tlp;

use super::*;

const PAGE: &str = "/objects/?limit=3";

/// The ids of the first page, asked for twice so that the second answer comes from memory.
async fn page(world: &World, token: &str, collection: &str) -> Vec<String> {
    let path = format!("{collection}{PAGE}");
    let first = world.get_as(token, &path).await;
    let again = world.get_as(token, &path).await;
    assert_eq!(first.body, again.body);
    for header in [
        "etag",
        "x-taxii-date-added-first",
        "x-taxii-date-added-last",
    ] {
        assert!(again.header(header).is_some());
        assert_eq!(first.header(header), again.header(header));
    }
    again.ids()
}

fn ids(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|number| id(*number)).collect()
}

#[tokio::test]
async fn a_page_sent_before_shows_what_was_withdrawn_no_more() {
    let world = World::new();
    let objects: Vec<String> = (1..=8).map(|number| indicator(number, 1)).collect();
    let positions = world.add(&objects);
    world.release(&positions);
    let reader = world.cleared(Tlp::Red);
    assert_eq!(page(&world, &reader, CHANNEL).await, ids(&[1, 2, 3]));
    world.withdraw(&positions[1..2]);
    assert_eq!(page(&world, &reader, CHANNEL).await, ids(&[1, 3, 4]));

    assert_eq!(page(&world, &reader, NATIONAL).await, ids(&[1, 2, 3]));
    // What comes at the end changes no page before it; what replaces an earlier version does.
    world.add(&[indicator(9, 1)]);
    assert_eq!(page(&world, &reader, NATIONAL).await, ids(&[1, 2, 3]));
    world.add(&[indicator(1, 2)]);
    assert_eq!(page(&world, &reader, NATIONAL).await, ids(&[2, 3, 4]));
    let delete = request(
        "DELETE",
        &format!("{NATIONAL}/objects/{}/", id(9)),
        &world.writer,
    );
    let answer = call(&world.router, delete.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let path = format!("{NATIONAL}/objects/?limit=5");
    let left = world.get_as(&reader, &path).await;
    assert_eq!(left.ids(), ids(&[2, 3, 4, 5, 6]));
}

#[tokio::test]
async fn a_page_sent_to_one_clearance_is_not_anothers_and_ends_with_its_markings() {
    let world = World::new();
    let marking = |level: &str, number: usize| {
        format!(
            r#"{{"created":"2026-01-01T00:00:00.000Z","definition":{{"statement":"{level}"}},"definition_type":"statement","id":"marking-definition--00000000-0000-4000-8000-{number:012}","spec_version":"2.1","type":"marking-definition"}}"#
        )
    };
    let marked = |number: usize, by: usize| {
        let mark = format!("marking-definition--00000000-0000-4000-8000-{by:012}");
        indicator(number, 1).replacen(
            r#","pattern":"#,
            &format!(r#","object_marking_refs":["{mark}"],"pattern":"#),
            1,
        )
    };
    world.add(&[
        indicator(1, 1),
        marked(2, 77),
        indicator(3, 1),
        indicator(4, 1),
        indicator(5, 1),
    ]);
    let (green, red) = (world.cleared(Tlp::Green), world.cleared(Tlp::Red));
    // Nobody knows what the marking says, so it is read by those who read everything.
    assert_eq!(page(&world, &red, NATIONAL).await, ids(&[1, 2, 3]));
    assert_eq!(page(&world, &green, NATIONAL).await, ids(&[1, 3, 4]));
    // A statement says no level: what is assigned at intake stands.
    world.add(&[marking("for whom it concerns", 77)]);
    assert_eq!(page(&world, &green, NATIONAL).await, ids(&[1, 2, 3]));
    assert_eq!(page(&world, &red, NATIONAL).await, ids(&[1, 2, 3]));
}
