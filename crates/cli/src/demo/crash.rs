//! Proof 5: what was acknowledged survives kill -9.
//!
//! While a client adds envelopes over TAXII, the node is killed as a power cut would. After the
//! restart every object whose envelope was acknowledged must be served with the same bytes, and
//! an envelope that was under way must be there whole or not at all.

// A demonstration measures time and waits.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Proof;
use super::cluster::Cluster;
use super::proofs::{Seen, claim, proof};
use crate::bench::corpus::Corpus;
use crate::exit::Failure;
use crate::show;
use crate::taxii::Taxii;

/// The member that is killed.
const VICTIM: &str = "KZ";

/// Objects in one envelope.
const ENVELOPE: u64 = 40;

/// How often the node is killed.
const KILLS: u64 = 2;

/// The proof.
pub(crate) async fn killed(cluster: &mut Cluster) -> Proof {
    let mut seen = Vec::new();
    let mut outcome = Ok(());
    for round in 0..KILLS {
        if outcome.is_ok() {
            outcome = once(cluster, round, &mut seen).await;
        }
    }
    if outcome.is_ok() {
        outcome = after(cluster, &mut seen).await;
    }
    proof(
        "a node killed with -9 while writing loses nothing that it acknowledged",
        seen,
        outcome,
    )
}

/// Kills the node once under load and looks at what is left.
async fn once(cluster: &mut Cluster, round: u64, seen: &mut Vec<String>) -> Seen {
    let corpus = Corpus::new(0x6b75_7275 + round);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let taxii = cluster.party(VICTIM)?.taxii().await?;
    let writer = tokio::spawn(write(taxii, corpus, Arc::clone(&acknowledged)));
    let start = Instant::now();
    // Long enough for many acknowledged envelopes, and at another moment each time.
    let moment = Duration::from_millis(400 + 137 * round);
    while acknowledged.load(Ordering::SeqCst) < 3 || start.elapsed() < moment {
        if start.elapsed() > crate::limits::SETTLE_TIME_MAX {
            return Err(Failure::refused(format!(
                "{VICTIM} acknowledges nothing; read its log"
            )));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let party = cluster.party_mut(VICTIM)?;
    if let Some(mut server) = party.server.take() {
        server.kill();
    }
    let (sent, acknowledged) = writer
        .await
        .map_err(|error| Failure::unavailable(format!("the writer ended early ({error})")))?;
    let restart = Instant::now();
    party.start().await?;
    let restart = restart.elapsed();
    let held: BTreeMap<String, String> = party
        .taxii()
        .await?
        .everything("national")
        .await?
        .into_iter()
        .map(|object| (object.id, object.hash))
        .collect();
    for envelope in 0..sent {
        let objects = envelope * ENVELOPE..(envelope + 1) * ENVELOPE;
        let here = objects
            .clone()
            .filter(|index| {
                held.get(&corpus.id(*index))
                    == Some(&model::Hash::of(&corpus.object(*index)).to_string())
            })
            .count() as u64;
        claim(here == ENVELOPE || envelope >= acknowledged, || {
            format!(
                "envelope {envelope} was acknowledged but only {here} of its {ENVELOPE} objects are served"
            )
        })?;
        claim(here == ENVELOPE || here == 0, || {
            format!("envelope {envelope} is there by halves: {here} of {ENVELOPE}")
        })?;
    }
    seen.push(format!(
        "kill -9 after {} acknowledged; back in {:.0} ms, all of them served, nothing by halves",
        show::count(acknowledged * ENVELOPE, "object"),
        restart.as_secs_f64() * 1e3
    ));
    Ok(())
}

/// Adds envelopes one after the other until the server is gone. Answers how many were sent and how
/// many acknowledged.
async fn write(mut taxii: Taxii, corpus: Corpus, acknowledged: Arc<AtomicU64>) -> (u64, u64) {
    let mut envelope = 0;
    loop {
        let body = Bytes::from(corpus.envelope(envelope * ENVELOPE, (envelope + 1) * ENVELOPE));
        match taxii.add("national", body).await {
            Ok(_) => acknowledged.store(envelope + 1, Ordering::SeqCst),
            Err(_) => return (envelope + 1, acknowledged.load(Ordering::SeqCst)),
        }
        envelope += 1;
    }
}

/// After all that, partners still pull from the node, and it from them.
async fn after(cluster: &Cluster, seen: &mut Vec<String>) -> Seen {
    use super::scenario::{SIX, note, note_id};
    let label = format!("TLP:GREEN//{SIX}");
    for (number, code) in [(2_000, VICTIM), (2_001, "US")] {
        cluster
            .party(code)?
            .publish(
                "alerts",
                &label,
                &note(number, "Still here."),
                &note_id(number),
            )
            .await?;
    }
    cluster.settle().await?;
    for party in &cluster.parties {
        let mut taxii = party.taxii().await?;
        for number in [2_000, 2_001] {
            let shown = taxii.object("bonds-2026.alerts", &note_id(number)).await?;
            claim(shown.is_some(), || {
                format!("{} does not show {}", party.code, note_id(number))
            })?;
        }
    }
    seen.push(format!("{VICTIM} then releases and receives as before"));
    Ok(())
}
