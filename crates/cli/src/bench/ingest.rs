//! `kurultai bench ingest`: how fast objects become durable through TAXII.

use clap::Args;
use serde::Serialize;

use super::Common;
use super::corpus::Corpus;
use super::lab::{Lab, bytes_below};
use super::measure::{Rate, Spread, rate_table};
use super::raw::Raw;
use crate::exit::Failure;
use crate::show;

/// Adds the corpus to a node through TAXII and waits for each answer, which means durable.
#[derive(Args)]
pub(crate) struct Ingest {
    /// Objects in one envelope
    #[arg(long, default_value_t = 500)]
    envelope: u64,
    /// Connections that add at the same time
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    envelope: u64,
    connections: usize,
    server: Rate,
    request: Spread,
    peak_bytes: u64,
    disk_bytes: u64,
    disk_bytes_per_object: f64,
    raw: Raw,
}

impl Ingest {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let common = &self.common;
        let corpus = Corpus::new(common.seed);
        let lab = Lab::open(common)?;
        let mut bed = lab.bed("AA").await?;
        bed.start().await?;
        let mut load = bed
            .load(
                corpus,
                0,
                common.objects,
                self.envelope,
                self.connections.max(1),
            )
            .await?;
        let usage = bed.usage();
        if let Some(mut server) = bed.server.take() {
            server.stop().await;
        }
        let disk_bytes = bytes_below(&bed.folder);
        let report = Report {
            seed: common.seed,
            envelope: self.envelope,
            connections: self.connections,
            server: Rate::new(load.objects, load.bytes, load.time, load.cpu),
            request: load.requests.spread(),
            peak_bytes: usage.peak,
            disk_bytes,
            disk_bytes_per_object: disk_bytes as f64 / common.objects.max(1) as f64,
            raw: Raw::measure(&common.folder, corpus, common.objects, self.envelope)?,
        };
        if common.json {
            return show::json(&report);
        }
        let mut table = rate_table();
        table.row(report.server.row("durable ingest through TAXII"));
        report.raw.rows(&mut table);
        show::line(format!(
            "{} in envelopes of {} over {} connections, seed {}",
            show::count(common.objects, "object"),
            self.envelope,
            self.connections,
            common.seed
        ));
        table.print();
        show::line(format!(
            "one envelope: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
            report.request.p50_ms, report.request.p99_ms, report.request.max_ms
        ));
        show::line(format!(
            "server: {} at most in memory, {} on disk ({:.0} an object)",
            show::bytes(report.peak_bytes),
            show::bytes(report.disk_bytes),
            report.disk_bytes_per_object
        ));
        Ok(())
    }
}
