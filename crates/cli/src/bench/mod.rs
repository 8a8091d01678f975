//! `kurultai bench`: what this program does on this machine, next to what the machine can do.
//!
//! Servers are real child processes of this binary, loaded over loopback with a seeded corpus.
//! Their processor time and memory are read from /proc, so the client's own work does not count;
//! in the same run the raw limits are measured on the same bytes. Each benchmark prints a table, or
//! JSON with --json.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

pub(crate) mod corpus;
mod ingest;
mod lab;
mod load;
mod measure;
mod memory;
mod raw;
mod serve;
mod sync;
mod taxii;
mod whatif;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::Failure;

/// Measures this machine and this program.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Durable ingest through TAXII, next to SHA-256, fsync and SQLite on the same bytes
    Ingest(ingest::Ingest),
    /// Serving pages of 1,000 objects, at 20,000 objects and at --objects
    Serve(serve::Serve),
    /// A new partner catching up, and the time from release to being visible
    Sync(sync::Sync),
    /// Any TAXII 2.1 server, by one client and one corpus
    Taxii(taxii::Client),
    /// What a changed policy would do to every object, at 50 channels
    WhatIf(whatif::WhatIf),
    #[command(hide = true)]
    Memory(memory::Memory),
}

/// What every benchmark needs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// Objects of the corpus
    #[arg(long, default_value_t = 100_000)]
    objects: u64,
    /// Seed of the corpus
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where data folders go; must be empty or absent, and on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value = "bench-data")]
    folder: PathBuf,
    /// Leave the data folders in place
    #[arg(long)]
    keep: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Bench::Ingest(bench) => bench.run().await,
            Bench::Serve(bench) => bench.run().await,
            Bench::Sync(bench) => bench.run().await,
            Bench::Taxii(bench) => bench.run().await,
            Bench::WhatIf(bench) => bench.run().await,
            Bench::Memory(bench) => bench.run().await,
        }
    }
}
