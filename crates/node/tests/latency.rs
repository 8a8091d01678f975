//! How long a released object takes to be shown at a partner on an idle loopback.

extern crate kurultai_node as node;

mod world;

use std::time::Duration;

use world::{bundle, channel, indicator, indicator_id, prepare, ratified};

const ROUNDS: u32 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_object_is_shown_well_within_a_second() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    let objects: Vec<String> = (0..=ROUNDS).map(|number| indicator(number, "")).collect();
    kz.add(&bundle(&objects), "TLP:GREEN//REL KG").await;
    // The first release waits for connections; it is not what is measured.
    kz.release("steppe/alerts", &[&indicator_id(0)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(0)]).await;

    let mut times = Vec::new();
    for number in 1..=ROUNDS {
        let from = tokio::time::Instant::now();
        kz.release("steppe/alerts", &[&indicator_id(number)]).await;
        kg.until(async || {
            kg.held("steppe/alerts", "KZ")
                .await
                .is_some_and(|head| head.size == u64::from(number) + 1)
        })
        .await;
        times.push(from.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "asked-to-shown over {ROUNDS} releases: median {:?}, p90 {:?}, p99 {:?}, worst {:?}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    // The promise is 250 ms at p99 for the release build on an idle machine; a debug build beside
    // other tests gets a wide margin, and a lost wake-up (an hour here) still fails.
    assert!(at(0.5) < Duration::from_secs(2), "{:?}", at(0.5));
}
