//! Whoever pages through a collection gets every object once, also while a writer works.

use proptest::prelude::*;

use super::*;

/// How a client goes on after a page.
#[derive(Clone, Copy, Debug)]
enum Onward {
    Cursor,
    DateAdded,
}

/// Pages through everything while `batches` are added between the pages, then to the end.
async fn read_all(
    path: &str,
    query: &str,
    batches: &[usize],
    steps: &[(usize, Onward)],
) -> (Vec<String>, Vec<String>) {
    let world = World::new();
    let (mut added, mut got) = (Vec::new(), Vec::new());
    let mut batches = batches.iter();
    let mut after = String::new();
    for (limit, onward) in steps.iter().cycle() {
        let batch = batches.next();
        let writing = async {
            if let Some(size) = batch {
                let objects: Vec<String> = (added.len()..added.len() + size)
                    .map(|number| indicator(number, 0))
                    .collect();
                assert_eq!(world.post(envelope(&objects)).await.status, 202);
            }
        };
        // Both at once: the page may or may not see the batch, but nothing may fall in between.
        let url = format!("{path}?limit={limit}{after}{query}");
        let (answer, ()) = tokio::join!(world.get(&url), writing);
        added.extend(
            (0..batch.copied().unwrap_or(0))
                .map(|number| id(added.len() + number))
                .collect::<Vec<_>>(),
        );
        let page = answer.expect(200);
        let ids = answer.ids();
        assert!(ids.len() <= *limit);
        assert_eq!(
            page["more"].as_bool().unwrap_or(false),
            page["next"].is_string()
        );
        // A batch of this round may have come after the page, so the end shows in a later round.
        let done = ids.is_empty() && batch.is_none();
        got.extend(ids);
        match (
            onward,
            page["next"].as_str(),
            answer.header("x-taxii-date-added-last"),
        ) {
            (Onward::Cursor, Some(next), _) => after = format!("&next={next}"),
            (_, _, Some(last)) => after = format!("&added_after={last}"),
            _ if done => break,
            _ => {}
        }
    }
    (added, got)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_repeated_while_a_writer_adds(
        batches in prop::collection::vec(0usize..8, 1..16),
        steps in prop::collection::vec((1usize..9, prop_oneof![Just(Onward::Cursor), Just(Onward::DateAdded)]), 1..6),
        manifest in any::<bool>(),
        query in prop_oneof![Just(""), Just("&match[version]=all"), Just("&match[version]=first"), Just("&match[type]=indicator")],
    ) {
        let path = format!("{NATIONAL}/{}/", if manifest { "manifest" } else { "objects" });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (added, got) = runtime.block_on(read_all(&path, query, &batches, &steps));
        prop_assert_eq!(added, got);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_version_is_met_further_on_and_never_missed() {
    let world = World::new();
    world.add(
        &(0..6)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    let first = world.get(&format!("{NATIONAL}/objects/?limit=2")).await;
    assert_eq!(first.ids(), [id(0), id(1)]);
    // One that was read and one that was not move to the end.
    world.add(&[indicator(1, 9), indicator(3, 9)]);
    let next = first.expect(200)["next"].as_str().unwrap().to_owned();
    let rest = world.get(&format!("{NATIONAL}/objects/?next={next}")).await;
    assert_eq!(rest.ids(), [id(2), id(4), id(5), id(1), id(3)]);
}
