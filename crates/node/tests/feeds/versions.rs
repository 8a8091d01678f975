//! Every version that an outside server has is pulled, unless that is not wanted or not possible.

use hyper::StatusCode;
use serde_json::json;
use store::{Collection, Query};

use super::outside::{Outside, page, status};
use super::peers::{access, peers};
use super::world::{Running, indicator, indicator_id};
use super::{add, assert_healthy, node, run};

fn version(number: u32, day: u32) -> String {
    indicator(number, "").replace(
        "\"modified\":\"2026-01-01",
        &format!("\"modified\":\"2026-01-{day:02}"),
    )
}

/// How many versions of an object the nation has.
async fn held(at: &Running, number: u32) -> usize {
    let id = model::Id::parse(&indicator_id(number)).expect("an id");
    let found = at.node.read(move |store| {
        let query = Query {
            ids: vec![id],
            all_versions: true,
            limit: 100,
            ..Query::default()
        };
        store.page(&Collection::National, &query)
    });
    found.await.expect("a page").records.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_version_is_lost() {
    for peer in peers().await {
        let at = node().await;
        // All before the first run: only the latest is shown to who does not ask for more.
        for day in [1, 2, 3] {
            peer.write(&[version(1, day)]).await;
        }
        peer.write(&[version(2, 1)]).await;
        for (name, latest_only) in [("every", false), ("latest", true)] {
            let source = json!({
                "kind": "taxii", "url": peer.collection, "latest_only": latest_only,
                "access": access(&at),
            });
            add(&at, name, source).await;
            assert_healthy(&run(&at, name).await);
        }
        assert_eq!(held(&at, 1).await, 3, "{}", peer.name);
        assert_eq!(held(&at, 2).await, 1, "{}", peer.name);
        // And those that come between two runs.
        for day in [4, 5] {
            peer.write(&[version(1, day), version(2, day)]).await;
        }
        assert_healthy(&run(&at, "every").await);
        assert_eq!(held(&at, 1).await, 5, "{}", peer.name);
        assert_eq!(held(&at, 2).await, 3, "{}", peer.name);
    }
}

#[tokio::test]
async fn a_server_without_that_filter_is_read_as_it_is() {
    let outside = Outside::taxii(|got| {
        if got.query.contains("match") {
            return status(StatusCode::BAD_REQUEST);
        }
        let dates = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        page(&format!("{{\"objects\":[{}]}}", version(1, 2)), Some(dates))
    })
    .await;
    let at = node().await;
    let url = format!("{}/api1/", outside.base);
    add(&at, "old", json!({"kind": "taxii", "url": url})).await;
    let info = run(&at, "old").await;
    assert_healthy(&info);
    assert_eq!(held(&at, 1).await, 1);
    assert!(
        info.warnings
            .iter()
            .any(|warning| warning.contains("only the latest")),
        "{info:?}"
    );
    // Who wants no more asks for no more.
    let url = format!("{}/api1/", outside.base);
    let source = json!({"kind": "taxii", "url": url, "latest_only": true});
    add(&at, "latest", source).await;
    let info = run(&at, "latest").await;
    assert_healthy(&info);
    assert!(info.warnings.is_empty(), "{info:?}");
}
