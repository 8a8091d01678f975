//! `kurultai bench serve`: how fast pages are served, and whether a page takes longer when the
//! collection is larger.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Common;
use super::corpus::{Corpus, Random};
use super::lab::{Bed, Lab};
use super::load::{self, Paths, repeated};
use super::measure::{Rate, Samples, Spread, between, rate_table};
use super::memory::Serving;
use super::raw::Raw;
use crate::admin::escape;
use crate::exit::Failure;
use crate::process::Usage;
use crate::show;
use crate::taxii::Taxii;

/// The size at which latency is measured first.
const SMALL: u64 = 20_000;

/// Connections that read at the same time.
const CONNECTIONS: usize = 4;

/// LIMIT: how long pages are read over several connections.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

/// LIMIT: pages of 1,000 that are also sent from memory, about 110 MB.
const MEMORY_PAGES_MAX: usize = 100;

/// Fills a node and reads its national collection as TAXII clients do.
#[derive(Args)]
pub(crate) struct Serve {
    /// Single pages whose latency is measured at each size
    #[arg(long, default_value_t = 400)]
    pages: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct At {
    objects: u64,
    walk: Rate,
    page: Spread,
    object: Spread,
    /// Pages read over several connections at once.
    pages: Rate,
    /// The same bytes, sent from memory by the same web stack to the same clients.
    memory: Rate,
    resident_bytes: u64,
    peak_bytes: u64,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    sizes: Vec<At>,
    p99_ratio: f64,
    raw: Raw,
}

impl Serve {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let common = &self.common;
        let corpus = Corpus::new(common.seed);
        let lab = Lab::open(common)?;
        let mut bed = lab.bed("AA").await?;
        bed.start().await?;
        let mut sizes = Vec::new();
        let mut held = 0;
        for size in [SMALL.min(common.objects), common.objects] {
            if size > held || sizes.is_empty() {
                bed.load(corpus, held, size, 500, 4).await?;
                held = size;
                sizes.push(self.at(&bed, corpus, size).await?);
            }
        }
        if let Some(mut server) = bed.server.take() {
            server.stop().await;
        }
        let ratio = match (sizes.first(), sizes.last()) {
            (Some(small), Some(large)) if small.page.p99_ms > 0.0 => {
                large.page.p99_ms / small.page.p99_ms
            }
            _ => 1.0,
        };
        let raw = Raw::measure(&common.folder, corpus, common.objects, 500)?;
        let report = Report {
            seed: common.seed,
            sizes,
            p99_ratio: ratio,
            raw,
        };
        if common.json {
            return show::json(&report);
        }
        let mut table = rate_table();
        for at in &report.sizes {
            table.row(at.walk.row(&format!(
                "pages of 1000, all of {}",
                show::thousands(at.objects)
            )));
            table.row(
                at.pages
                    .row(&format!("the same, {CONNECTIONS} connections")),
            );
            table.row(at.memory.row("raw: the same pages from memory"));
        }
        report.raw.rows(&mut table);
        table.print();
        let mut table = show::Table::new(&[
            "objects held",
            "page p50 ms",
            "page p99 ms",
            "object p50 ms",
            "object p99 ms",
            "resident",
            "peak",
        ]);
        for at in &report.sizes {
            table.row(vec![
                show::thousands(at.objects),
                format!("{:.2}", at.page.p50_ms),
                format!("{:.2}", at.page.p99_ms),
                format!("{:.2}", at.object.p50_ms),
                format!("{:.2}", at.object.p99_ms),
                show::bytes(at.resident_bytes),
                show::bytes(at.peak_bytes),
            ]);
        }
        table.print();
        show::line(format!(
            "a page's p99 at the larger size is {:.2} times that at the smaller",
            report.p99_ratio
        ));
        Ok(())
    }

    /// Measures with `size` objects held.
    async fn at(&self, bed: &Bed, corpus: Corpus, size: u64) -> Result<At, Failure> {
        let mut taxii = bed.taxii().await?;
        // Once unmeasured: the caches are as warm at one size as at the other.
        let (_, _, places, paths) = walk(&mut taxii).await?;
        let (before, start) = (bed.usage(), Instant::now());
        let (objects, bytes, ..) = walk(&mut taxii).await?;
        let walk = Rate::new(
            objects,
            bytes,
            start.elapsed(),
            between(before, bed.usage()),
        );
        let mut random = Random::new(self.common.seed);
        let (mut pages, mut singles) = (Samples::default(), Samples::default());
        for _ in 0..self.pages {
            let query = match places.len() as u64 {
                0 => "limit=1000".to_owned(),
                places_len => {
                    let place = &places[random.below(places_len) as usize];
                    format!("limit=1000&added_after={}", escape(place))
                }
            };
            let start = Instant::now();
            taxii.page("national", &query).await?;
            pages.add(start.elapsed());
            let id = corpus.id(random.below(size.max(1)));
            let start = Instant::now();
            let found = taxii.object("national", &id).await?;
            singles.add(start.elapsed());
            if found.is_none() {
                return Err(Failure::refused(format!(
                    "{id} was added but is not served; read the node's log"
                )));
            }
        }
        let (at_once, memory) = self.at_once(bed, &mut taxii, paths).await?;
        let usage = bed.usage();
        Ok(At {
            objects: size,
            walk,
            pages: at_once,
            memory,
            page: pages.spread(),
            object: singles.spread(),
            resident_bytes: usage.resident,
            peak_bytes: usage.peak,
        })
    }

    /// Reads pages over several connections, from the node and then from memory.
    async fn at_once(
        &self,
        bed: &Bed,
        taxii: &mut Taxii,
        mut paths: Vec<String>,
    ) -> Result<(Rate, Rate), Failure> {
        paths.truncate(MEMORY_PAGES_MAX);
        let folder = self.common.folder.join("pages");
        let write = |error| Failure::file("write", &folder, &error);
        std::fs::create_dir_all(&folder).map_err(write)?;
        for (at, path) in paths.iter().enumerate() {
            let page = taxii.get("national", path).await?;
            std::fs::write(folder.join(at.to_string()), &page.body).map_err(write)?;
        }
        let requests = self.pages.max(1) as usize * CONNECTIONS;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(bed.taxii().await?);
        }
        let ours = rate(clients, &repeated(&paths, requests), || bed.usage()).await?;
        let serving = Serving::start(&folder).await?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(serving.client().await?);
        }
        let numbers: Vec<String> = (0..paths.len()).map(|at| at.to_string()).collect();
        let raw = rate(clients, &repeated(&numbers, requests), || serving.usage()).await?;
        std::fs::remove_dir_all(&folder).map_err(write)?;
        Ok((ours, raw))
    }
}

/// What reading these pages costs the server that `usage` is of.
async fn rate(
    clients: Vec<Taxii>,
    paths: &Paths,
    usage: impl Fn() -> Usage,
) -> Result<Rate, Failure> {
    let before = usage();
    let got = load::read(clients, ("national", 1_000), paths, READ_TIME_MAX).await?;
    let cpu = between(before, usage());
    Ok(Rate::new(got.objects, got.bytes, got.time, cpu))
}

/// Reads the whole collection in pages. Answers with the objects (from the count of pages and the
/// last one), the bytes, where pages ended, and the path of each page.
async fn walk(taxii: &mut Taxii) -> Result<(u64, u64, Vec<String>, Vec<String>), Failure> {
    let (mut objects, mut bytes) = (0, 0);
    let (mut places, mut paths) = (Vec::new(), Vec::new());
    let mut path = "objects/?limit=1000".to_owned();
    loop {
        let page = taxii.get("national", &path).await?;
        paths.push(path);
        bytes += page.body.len() as u64;
        match page.next {
            Some(more) => {
                objects += 1_000;
                places.extend(page.last);
                path = format!("objects/?limit=1000&next={}", escape(&more));
            }
            None => {
                objects += page.served("national")?.len() as u64;
                return Ok((objects, bytes, places, paths));
            }
        }
    }
}
