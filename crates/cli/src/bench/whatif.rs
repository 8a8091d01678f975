//! `kurultai bench what-if`: how long a nation waits to be told what a new policy would change, over
//! a real store and many channels.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use model::Tlp;
use node::admin::types::{AddReport, PolicyFiles, WhatIfReport, WhatIfRequest};
use policy::PolicySet;
use serde::Serialize;

use super::Common;
use super::corpus::Corpus;
use super::lab::{Bed, Lab};
use super::measure::{Rate, between, rate_table};
use super::sync::{agree, channel};
use crate::admin::escape;
use crate::exit::Failure;
use crate::show;

/// The change: the condition of a rule of the shipped set, for releases by hand, and what stands
/// there instead.
const BEFORE: &str = "contains(Duty::\"releaser\") &&\n    !resource.about_person";
const AFTER: &str =
    "contains(Duty::\"releaser\") &&\n    !resource.about_person && resource.kind != \"malware\"";

/// Counts what a changed policy would do to every object and every channel.
#[derive(Args)]
pub(crate) struct WhatIf {
    /// Channels of the accord
    #[arg(long, default_value_t = 50)]
    channels: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    objects: u64,
    channels: usize,
    /// Pairs of class and channel that differ.
    changes: usize,
    /// Objects that would flow otherwise, counted once a channel.
    moved: u64,
    first: Rate,
    again: Rate,
    peak_bytes: u64,
}

impl WhatIf {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let common = &self.common;
        let corpus = Corpus::new(common.seed);
        let lab = Lab::open(common)?;
        let (mut bed, partner) = (lab.bed("AA").await?, lab.bed("BB").await?);
        let levels = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict];
        let channels = (0..self.channels)
            .map(|at| {
                let mut channel = channel(&format!("c{at}"), &bed, &partner);
                channel.ceiling = levels[at % levels.len()];
                channel
            })
            .collect();
        agree(&bed, &partner, channels).await?;
        bed.start().await?;
        load(&bed, corpus, common.objects).await?;
        let mut rates = Vec::new();
        let mut report = WhatIfReport::default();
        // The second finds warm caches, as the second look at a draft does.
        for _ in 0..2 {
            let request = WhatIfRequest {
                policy: Some(changed()?),
                ..WhatIfRequest::default()
            };
            let mut admin = bed.admin().await?;
            let (before, start) = (bed.usage(), Instant::now());
            report = admin.post("/policy/what-if", &request).await?;
            let (time, cpu) = (start.elapsed(), between(before, bed.usage()));
            rates.push(Rate::new(report.objects, 0, time, cpu));
        }
        let peak_bytes = bed.usage().peak;
        if let Some(mut server) = bed.server.take() {
            server.stop().await;
        }
        let report = Report {
            seed: common.seed,
            objects: report.objects,
            channels: report.channels,
            changes: report.changes.len(),
            moved: report.changes.iter().map(|change| change.objects).sum(),
            first: rates[0],
            again: rates[1],
            peak_bytes,
        };
        if common.json {
            return show::json(&report);
        }
        show::line(format!(
            "{} and {}: {} of class and channel differ, {} moves; {} at most in memory",
            show::count(report.objects, "object"),
            show::count(report.channels as u64, "channel"),
            show::count(report.changes as u64, "pair"),
            show::thousands(report.moved),
            show::bytes(report.peak_bytes)
        ));
        let mut table = rate_table();
        table.row(report.first.row("what-if of a changed policy"));
        table.row(report.again.row("the same again"));
        table.print();
        Ok(())
    }
}

/// The shipped set with one condition changed.
fn changed() -> Result<PolicyFiles, Failure> {
    let set = PolicySet::shipped().map_err(|error| Failure::usage(error.to_string()))?;
    let mut files = BTreeMap::new();
    for path in set.files().keys() {
        let text = set.text(path).unwrap_or_default();
        files.insert(path.to_owned(), text.replace(BEFORE, AFTER));
    }
    if !files.values().any(|text| text.contains(AFTER)) {
        return Err(Failure::usage(
            "the shipped policies no longer have the rule that this benchmark changes".to_owned(),
        ));
    }
    Ok(PolicyFiles {
        files,
        ..PolicyFiles::default()
    })
}

/// Adds the corpus, each batch under another label: 48 of them.
async fn load(bed: &Bed, corpus: Corpus, objects: u64) -> Result<(), Failure> {
    let mut labels = BTreeSet::new();
    for tlp in ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT"] {
        for to in ["*", "AA,BB", "AA"] {
            for more in ["", "//CAVEAT ORCON", "//PURPOSE relief", "//LEGAL treaty"] {
                labels.insert(format!("TLP:{tlp}//REL {to}{more}"));
            }
        }
    }
    let mut admin = bed.admin().await?;
    let mut cycle = labels.iter().cycle();
    let mut start = 0;
    while start < objects {
        let end = (start + 2_000).min(objects);
        let label = cycle.next().map_or("", String::as_str);
        let path = format!("/objects?who=bench&label={}", escape(label));
        let bytes = Bytes::from(corpus.envelope(start, end));
        let _: AddReport = admin.post_bytes(&path, "application/json", bytes).await?;
        start = end;
    }
    Ok(())
}
