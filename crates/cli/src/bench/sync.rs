//! `kurultai bench sync`: how fast a new partner catches up, and how soon a release is visible.

// Benchmarks measure time and wait.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use model::Tlp;
use node::admin::types::{
    AccordReport, AddReport, ReleaseReport, ReleaseRequest, Selection, Status,
};
use policy::{Accord, Attribution, Channel, Kinds, Obligations, SignedAccord, Transfer};
use serde::Serialize;

use super::Common;
use super::corpus::Corpus;
use super::lab::{Bed, Lab, bytes_below};
use super::measure::{Rate, Samples, Spread, between, rate_table};
use super::raw::Raw;
use crate::admin::{Admin, escape};
use crate::exit::Failure;
use crate::limits::SETTLE_TIME_MAX;
use crate::show;

const ACCORD: &str = "bench";
const CHANNEL: &str = "all";
const LABEL: &str = "TLP:GREEN//REL AA,BB";

/// How long a catch-up may stand still before the benchmark gives up.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Releases the corpus at one node, then starts a second one that has nothing and must catch up.
#[derive(Args)]
pub(crate) struct Sync {
    /// Releases whose time until visible is measured on the idle pair
    #[arg(long, default_value_t = 200)]
    releases: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    release: Rate,
    catch_up: Rate,
    origin_cpu_seconds: f64,
    partner_cpu_seconds: f64,
    origin_peak_bytes: u64,
    partner_peak_bytes: u64,
    partner_disk_bytes: u64,
    stages: Vec<(String, f64)>,
    visible: Spread,
    raw: Raw,
}

impl Sync {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let common = &self.common;
        let corpus = Corpus::new(common.seed);
        let lab = Lab::open(common)?;
        let mut origin = lab.bed("AA").await?;
        let mut partner = lab.bed("BB").await?;
        let all = channel(CHANNEL, &origin, &partner);
        agree(&origin, &partner, vec![all]).await?;
        origin.start().await?;
        load(&origin, corpus, common.objects).await?;
        let (before, start) = (origin.usage(), Instant::now());
        let selection = Selection {
            all: true,
            ..Selection::default()
        };
        let released = release(&mut origin.admin().await?, selection).await?;
        let bytes = (0..common.objects.min(1_000))
            .map(|index| corpus.object(index).len() as u64)
            .sum::<u64>()
            * common.objects
            / common.objects.clamp(1, 1_000);
        let releasing = Rate::new(
            released.released as u64,
            bytes,
            start.elapsed(),
            between(before, origin.usage()),
        );

        let (before, start) = (origin.usage(), Instant::now());
        partner.start().await?;
        catch_up(&partner, released.size).await?;
        let time = start.elapsed();
        let origin_cpu = between(before, origin.usage());
        let partner_cpu = partner.usage().cpu;
        let stages = stages(&partner).await?;
        let visible = self.visible(&origin, &partner).await?;
        let report = Report {
            seed: common.seed,
            release: releasing,
            catch_up: Rate::new(released.size, bytes, time, origin_cpu + partner_cpu),
            origin_cpu_seconds: origin_cpu.as_secs_f64(),
            partner_cpu_seconds: partner_cpu.as_secs_f64(),
            origin_peak_bytes: origin.usage().peak,
            partner_peak_bytes: partner.usage().peak,
            partner_disk_bytes: bytes_below(&partner.folder),
            stages,
            visible,
            raw: Raw::measure(&common.folder, corpus, common.objects, 500)?,
        };
        for bed in [&mut origin, &mut partner] {
            if let Some(mut server) = bed.server.take() {
                server.stop().await;
            }
        }
        if common.json {
            return show::json(&report);
        }
        print(&report);
        Ok(())
    }

    /// Releases single objects and looks when the partner's TAXII server shows each.
    async fn visible(&self, origin: &Bed, partner: &Bed) -> Result<Spread, Failure> {
        let corpus = Corpus::new(self.common.seed ^ 0x5eed);
        let mut admin = origin.admin().await?;
        let mut samples = Samples::default();
        let mut taxii = partner.taxii().await?;
        let collection = format!("{ACCORD}.{CHANNEL}");
        add(&mut admin, corpus, 0, self.releases).await?;
        for index in 0..self.releases {
            let id = corpus.id(index);
            let start = Instant::now();
            let selection = Selection {
                ids: vec![id.clone()],
                ..Selection::default()
            };
            release(&mut admin, selection).await?;
            while taxii.object(&collection, &id).await?.is_none() {
                if start.elapsed() > SETTLE_TIME_MAX {
                    return Err(Failure::refused(format!(
                        "{id} did not become visible; read the nodes' logs"
                    )));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            samples.add(start.elapsed());
        }
        Ok(samples.spread())
    }
}

/// A channel of both for everything up to TLP:GREEN.
pub(super) fn channel(name: &str, origin: &Bed, partner: &Bed) -> Channel {
    Channel {
        name: name.to_owned(),
        title: "Everything".to_owned(),
        members: [&origin.member, &partner.member]
            .iter()
            .map(|member| member.code.clone())
            .collect::<BTreeSet<_>>(),
        kinds: Kinds::Any,
        ceiling: Tlp::Green,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    }
}

/// Both sign an accord with these channels, before either runs.
pub(super) async fn agree(
    origin: &Bed,
    partner: &Bed,
    channels: Vec<Channel>,
) -> Result<(), Failure> {
    let members = vec![origin.member.clone(), partner.member.clone()];
    let accord = Accord {
        name: ACCORD.to_owned(),
        version: 1,
        previous: None,
        members,
        groups: Vec::new(),
        channels,
        obligations: Obligations {
            retention_days: None,
            third_party: Transfer::Never,
            purposes: BTreeSet::new(),
            non_attribution: false,
        },
    };
    let mut note = SignedAccord::new(accord)
        .map_err(Failure::usage)?
        .to_string();
    for (bed, ratify) in [(origin, true), (partner, true), (origin, false)] {
        let mut admin = Admin::open(&bed.folder).await?;
        let path = format!("/accords?ratify={ratify}");
        let report: AccordReport = admin
            .post_bytes(&path, "text/plain", Bytes::from(note))
            .await?;
        note = report.note;
    }
    Ok(())
}

async fn load(bed: &Bed, corpus: Corpus, objects: u64) -> Result<(), Failure> {
    let mut admin = bed.admin().await?;
    let mut start = 0;
    while start < objects {
        let end = (start + 2_000).min(objects);
        add(&mut admin, corpus, start, end).await?;
        start = end;
    }
    Ok(())
}

async fn add(admin: &mut Admin, corpus: Corpus, from: u64, to: u64) -> Result<(), Failure> {
    let path = format!("/objects?who=bench&label={}", escape(LABEL));
    let report: AddReport = admin
        .post_bytes(
            &path,
            "application/json",
            Bytes::from(corpus.envelope(from, to)),
        )
        .await?;
    if report.refused + report.conflicts > 0 {
        return Err(Failure::refused(format!(
            "the node refused objects of the corpus: {:?}",
            report.refusals.first()
        )));
    }
    Ok(())
}

async fn release(admin: &mut Admin, selection: Selection) -> Result<ReleaseReport, Failure> {
    let request = ReleaseRequest {
        channel: format!("{ACCORD}/{CHANNEL}"),
        selection,
        who: "bench".to_owned(),
        explain: false,
    };
    let report: ReleaseReport = admin.post("/release", &request).await?;
    if report.refused + report.waiting + report.unknown > 0 {
        return Err(Failure::refused(format!(
            "the node did not release the corpus: {:?}",
            report.results.first()
        )));
    }
    Ok(report)
}

/// Waits until the partner holds `size` entries.
async fn catch_up(partner: &Bed, size: u64) -> Result<(), Failure> {
    let mut admin = partner.admin().await?;
    let (mut held, mut moved) = (0, Instant::now());
    loop {
        let status: Status = admin.get("/status").await?;
        let log = status
            .logs
            .iter()
            .find(|log| log.accord == ACCORD && !log.own);
        let now = log.map_or(0, |log| log.size);
        if now >= size {
            return Ok(());
        }
        if now > held {
            (held, moved) = (now, Instant::now());
        }
        if moved.elapsed() > STALL_MAX {
            let errors: Vec<_> = status
                .peers
                .iter()
                .flat_map(|peer| &peer.logs)
                .filter_map(|log| log.last_error.clone())
                .collect();
            return Err(Failure::refused(format!(
                "the catch-up stands still at {held} of {size}: {errors:?}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn print(report: &Report) {
    let mut table = rate_table();
    table.row(report.release.row("release at the origin"));
    table.row(
        report
            .catch_up
            .row("catch-up of a new partner (both nodes)"),
    );
    report.raw.rows(&mut table);
    table.print();
    show::line(format!(
        "catch-up: origin {:.2} CPU-s, partner {:.2} CPU-s; at most {} and {} in memory; partner {} on disk",
        report.origin_cpu_seconds,
        report.partner_cpu_seconds,
        show::bytes(report.origin_peak_bytes),
        show::bytes(report.partner_peak_bytes),
        show::bytes(report.partner_disk_bytes)
    ));
    let sum: f64 = report.stages.iter().map(|stage| stage.1).sum();
    if sum > 0.0 {
        let shares: Vec<String> = report
            .stages
            .iter()
            .map(|(name, seconds)| format!("{name} {:.0} %", 100.0 * seconds / sum))
            .collect();
        show::line(format!(
            "the partner's time by stage: {}",
            shares.join(", ")
        ));
    }
    show::line(format!(
        "from the command to release until visible at the partner: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms ({} releases)",
        report.visible.p50_ms, report.visible.p99_ms, report.visible.max_ms, report.visible.samples
    ));
}

/// The partner's busy time by stage of its pulls, in seconds, as its node reports it. Empty for a
/// node that does not.
async fn stages(partner: &Bed) -> Result<Vec<(String, f64)>, Failure> {
    let peers: serde_json::Value = partner.admin().await?.get("/peers").await?;
    let mut sums: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    let logs = peers
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|peer| peer["logs"].as_array())
        .flatten();
    for (name, milliseconds) in logs.filter_map(|log| log["spent"].as_object()).flatten() {
        let name = name.trim_end_matches("_ms").to_owned();
        *sums.entry(name).or_default() += milliseconds.as_f64().unwrap_or(0.0) / 1e3;
    }
    Ok(sums.into_iter().collect())
}
