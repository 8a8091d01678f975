//! The first three proofs, and the time from release to being visible.

// A demonstration measures time.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use log::bodies;
use log::tile::{Kind, TilePath};
use node::Config;
use node::admin::types::{ReleaseReport, Selection, WithdrawReport, WithdrawRequest};
use node::keys::Keys;
use policy::SignedAccord;
use sync::FetchError;
use sync::https::Peer;

use super::Proof;
use super::cluster::{Cluster, Party, USER, until};
use super::scenario::{ACCORD, RUMOUR, SIX, SUBSET, VICTIMS, channels, note, note_id, stories};
use crate::exit::Failure;
use crate::limits::{POLL_TIME, SETTLE_TIME_MAX};
use crate::taxii::Taxii;
use crate::verify;

/// LIMIT: bytes of a resource that a partner is asked for.
const RESOURCE_BYTES_MAX: usize = 16 << 20;

/// How many releases the latency is measured over.
const LATENCY_RELEASES: u64 = 12;

/// What a proof sees, and whether it holds.
pub(crate) type Seen = Result<(), Failure>;

/// Makes a proof of what `seen` gathered.
pub(crate) fn proof(title: &'static str, seen: Vec<String>, outcome: Seen) -> Proof {
    Proof {
        title,
        seen,
        broken: outcome.err(),
    }
}

/// Fails with a sentence when something is not as claimed.
pub(crate) fn claim(holds: bool, otherwise: impl FnOnce() -> String) -> Seen {
    if holds {
        Ok(())
    } else {
        Err(Failure::refused(otherwise()))
    }
}

/// Measures how long a release takes until every partner's TAXII server shows the object.
pub(crate) async fn latency(cluster: &Cluster) -> Result<String, Failure> {
    let origin = &cluster.parties[0];
    let mut times = Vec::new();
    for number in 1..=LATENCY_RELEASES {
        let id = note_id(number);
        origin
            .add(
                &note(number, "How long does this take?"),
                &format!("TLP:GREEN//{SIX}"),
            )
            .await?;
        let mut watchers = Vec::new();
        for party in &cluster.parties[1..] {
            watchers.push(party.taxii().await?);
        }
        let start = Instant::now();
        let tasks: Vec<_> = watchers
            .into_iter()
            .map(|taxii| {
                tokio::spawn(visible(
                    taxii,
                    format!("{ACCORD}.alerts"),
                    id.clone(),
                    start,
                ))
            })
            .collect();
        let selection = Selection {
            ids: vec![id.clone()],
            ..Selection::default()
        };
        origin.release("alerts", selection, false).await?;
        for task in tasks {
            let time = task.await.map_err(|error| {
                Failure::unavailable(format!("a watcher ended early ({error})"))
            })??;
            times.push(time);
        }
    }
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    Ok(format!(
        "from the command to release until visible at a partner: median {:.0} ms, slowest {:.0} ms ({LATENCY_RELEASES} releases, 5 partners each)",
        at(0.5),
        at(1.0)
    ))
}

/// Waits until a TAXII server shows an object.
async fn visible(
    mut taxii: Taxii,
    collection: String,
    id: String,
    start: Instant,
) -> Result<Duration, Failure> {
    loop {
        if taxii.object(&collection, &id).await?.is_some() {
            return Ok(start.elapsed());
        }
        if start.elapsed() > SETTLE_TIME_MAX {
            return Err(Failure::refused(format!(
                "{id} did not become visible; read the nodes' logs"
            )));
        }
        tokio::time::sleep(POLL_TIME).await;
    }
}

/// Proof 1: policy refuses, and says why.
pub(crate) async fn refused(cluster: &Cluster) -> Proof {
    let mut seen = Vec::new();
    let outcome = refused_seen(cluster, &mut seen).await;
    proof("policy refuses a release and says why", seen, outcome)
}

async fn refused_seen(cluster: &Cluster, seen: &mut Vec<String>) -> Seen {
    let exercise = stories()
        .iter()
        .find(|story| story.channel == "drill")
        .map(|story| story.ids())
        .transpose()?;
    let exercise = exercise
        .and_then(|ids| ids.last().cloned())
        .unwrap_or_default();
    for (code, id) in [("UZ", VICTIMS.to_owned()), ("KG", exercise)] {
        let party = cluster.party(code)?;
        let selection = Selection {
            ids: vec![id.clone()],
            ..Selection::default()
        };
        let report: ReleaseReport = party.release("alerts", selection, false).await?;
        let why: Vec<&String> = report
            .results
            .iter()
            .filter(|result| result.id == id)
            .flat_map(|result| &result.why)
            .collect();
        claim(
            report.refused >= 1 && report.released == 0 && !why.is_empty(),
            || format!("{code} released {id} into alerts"),
        )?;
        seen.push(format!(
            "{code} asks to release {id} into alerts and is refused:"
        ));
        seen.extend(why.iter().map(|why| format!("  {why}")));
        for party in &cluster.parties {
            let shown = party
                .taxii()
                .await?
                .object(&format!("{ACCORD}.alerts"), &id)
                .await?;
            claim(shown.is_none(), || {
                format!("{} shows {id} in alerts all the same", party.code)
            })?;
        }
    }
    Ok(())
}

/// Proof 2: outsiders of a subset have nothing of it.
pub(crate) async fn outsiders(cluster: &Cluster) -> Proof {
    let mut seen = Vec::new();
    let outcome = outsiders_seen(cluster, &mut seen).await;
    proof("outsiders of a channel have nothing of it", seen, outcome)
}

async fn outsiders_seen(cluster: &Cluster, seen: &mut Vec<String>) -> Seen {
    let (channel, members) = SUBSET;
    let resource = format!("/log/{ACCORD}/{channel}/checkpoint");
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for party in &cluster.parties {
        let mut taxii = party.taxii().await?;
        let collection = format!("{ACCORD}.{channel}");
        if members.contains(&party.code) {
            claim(taxii.object(&collection, VICTIMS).await?.is_some(), || {
                format!("{} does not have {VICTIMS}", party.code)
            })?;
            if party.code != "UZ" {
                let answer = peer(cluster, party, "UZ")?
                    .get(&resource, RESOURCE_BYTES_MAX)
                    .await;
                claim(answer.is_ok(), || {
                    format!("{} cannot read UZ's log: {answer:?}", party.code)
                })?;
            }
            inside.push(party.code);
            continue;
        }
        let status = taxii.status_of(&collection, "objects/").await?;
        claim(status == 404, || {
            format!(
                "{}'s TAXII server answers {status} for {collection}",
                party.code
            )
        })?;
        for other in [
            "national",
            "bonds-2026.alerts",
            "bonds-2026.relief",
            "bonds-2026.library",
            "bonds-2026.drill",
        ] {
            let shown = taxii.object(other, VICTIMS).await?;
            claim(shown.is_none(), || {
                format!("{} shows {VICTIMS} in {other}", party.code)
            })?;
        }
        let answer = peer(cluster, party, "UZ")?
            .get(&resource, RESOURCE_BYTES_MAX)
            .await;
        claim(matches!(answer, Err(FetchError::NotFound)), || {
            format!("{} asked UZ for {resource} and got {answer:?}", party.code)
        })?;
        outside.push(party.code);
    }
    seen.push(format!(
        "{} is served by {} and may be read from UZ's log by them",
        VICTIMS,
        inside.join(", ")
    ));
    seen.push(format!(
        "{}: no collection of theirs shows it, and the channel itself is 404 to their analysts",
        outside.join(", ")
    ));
    seen.push(format!(
        "{} asking UZ directly over mutual TLS with their own keys for {resource}: 404",
        outside.join(", ")
    ));
    Ok(())
}

/// The node of member `to`, as member `from` reaches it with its own TLS key.
pub(crate) fn peer(cluster: &Cluster, from: &Party, to: &str) -> Result<Peer, Failure> {
    let path = cluster.accord_file();
    let note = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
    let signed = SignedAccord::parse(&note).map_err(Failure::usage)?;
    let member = signed
        .accord()
        .member(to)
        .ok_or_else(|| Failure::usage(format!("the accord names no {to}")))?;
    let config = Config::load(&from.folder).map_err(Failure::usage)?;
    let keys = Keys::load(&config).map_err(Failure::unavailable)?;
    Peer::new(keys.tls(), &member.url, member.tls).map_err(Failure::unavailable)
}

/// Proof 3: a withdrawal reaches everybody.
pub(crate) async fn withdrawn(cluster: &Cluster) -> Proof {
    let mut seen = Vec::new();
    let outcome = withdrawn_seen(cluster, &mut seen).await;
    proof(
        "a withdrawal reaches everybody, and the logs still verify",
        seen,
        outcome,
    )
}

async fn withdrawn_seen(cluster: &Cluster, seen: &mut Vec<String>) -> Seen {
    let collection = format!("{ACCORD}.relief");
    let origin = cluster.party("TJ")?;
    let Some(before) = origin.taxii().await?.object(&collection, RUMOUR).await? else {
        return Err(Failure::refused(format!(
            "TJ does not show {RUMOUR} to begin with"
        )));
    };
    let request = WithdrawRequest {
        channel: format!("{ACCORD}/relief"),
        ids: vec![RUMOUR.to_owned()],
        reason: "The rumour was false.".to_owned(),
        who: USER.to_owned(),
    };
    let start = Instant::now();
    let report: WithdrawReport = origin.admin().await?.post("/withdraw", &request).await?;
    claim(report.withdrawn == 1, || {
        format!("TJ withdrew {} versions instead of 1", report.withdrawn)
    })?;
    for party in &cluster.parties {
        let mut taxii = party.taxii().await?;
        until(
            &format!("{} stopped showing {RUMOUR}", party.code),
            async || Ok(taxii.object(&collection, RUMOUR).await?.is_none()),
        )
        .await?;
    }
    let time = start.elapsed();
    for party in &cluster.parties {
        let mut taxii = party.taxii().await?;
        let by_id = taxii
            .page(
                &collection,
                &format!("match[id]={RUMOUR}&match[version]=all"),
            )
            .await?;
        claim(by_id.served(&collection)?.is_empty(), || {
            format!("{} still finds it by its id", party.code)
        })?;
        for channel in channels()
            .iter()
            .filter(|channel| channel.members.contains(party.code))
        {
            let all = taxii
                .everything(&format!("{ACCORD}.{}", channel.name))
                .await?;
            claim(all.iter().all(|object| object.hash != before.hash), || {
                format!("{} still serves its bytes in {}", party.code, channel.name)
            })?;
        }
        if party.code != "TJ" {
            let kept = taxii
                .everything("national")
                .await?
                .iter()
                .any(|object| object.hash == before.hash);
            claim(!kept, || format!("{} made it its own", party.code))?;
        }
    }
    seen.push(format!(
        "TJ withdraws {RUMOUR}; {:.0} ms later no TAXII server of the six shows it in any channel",
        time.as_secs_f64() * 1e3
    ));
    bodies_gone(cluster, &before.hash).await?;
    seen.push(
        "TJ's own log gives its bytes to no partner any more; the entry and its proof stay"
            .to_owned(),
    );
    cluster.settle().await?;
    let mut logs = 0;
    for party in &cluster.parties {
        let report = verify::folder(&party.folder, &[cluster.accord_file()]).await?;
        let wrong = report.logs.iter().find_map(|log| {
            log.findings
                .first()
                .map(|finding| (log.origin.clone(), finding.clone()))
        });
        claim(report.holds, || {
            format!("{}'s copy does not verify: {wrong:?}", party.code)
        })?;
        logs += report.logs.len();
    }
    seen.push(format!(
        "`kurultai verify` holds for all {logs} logs in the six data folders"
    ));
    Ok(())
}

/// Asks TJ, as KZ, for the bodies of its whole log and looks for the withdrawn bytes.
async fn bodies_gone(cluster: &Cluster, hash: &str) -> Seen {
    let log = peer(cluster, cluster.party("KZ")?, "TJ")?.log(ACCORD, "relief");
    let note = sync::Source::fetch(&log, "checkpoint", RESOURCE_BYTES_MAX)
        .await
        .map_err(Failure::unavailable)?;
    let text = String::from_utf8_lossy(&note);
    let size: u64 = text
        .lines()
        .nth(1)
        .and_then(|line| line.parse().ok())
        .unwrap_or(0);
    for path in TilePath::range(Kind::Objects, 0, size, size) {
        let bundle = sync::Source::fetch(&log, &path.to_string(), RESOURCE_BYTES_MAX)
            .await
            .map_err(Failure::unavailable)?;
        let all = bodies::decode(&bundle, usize::from(path.width)).map_err(Failure::unavailable)?;
        claim(
            all.iter()
                .all(|body| model::Hash::of(body).to_string() != hash),
            || format!("TJ's server still gives the withdrawn bytes to partners in {path}"),
        )?;
    }
    Ok(())
}
