//! `kurultai index rebuild`: the index anew, from the journal.
//!
//! Bytes live in the journal and the logs; the index only says what they mean and where they are.
//! So a lost or damaged index is no loss, and what is rebuilt must give the same answers.

use clap::{Args, Subcommand};
use node::{Clock, Config};
use serde::Serialize;
use store::{Collection, Options, StoreError};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::{Data, show};

/// The index that answers questions about what the journal holds.
#[derive(Subcommand)]
pub(crate) enum Index {
    /// Derive the index anew from the journal; the node must not run
    Rebuild(Rebuild),
}

/// Rebuilds.
#[derive(Args)]
pub(crate) struct Rebuild {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

#[derive(Serialize)]
struct Report {
    collections: Vec<Held>,
    logs: usize,
}

#[derive(Serialize)]
struct Held {
    name: String,
    objects: u64,
    versions: u64,
}

impl Index {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Index::Rebuild(command) => command.run().await,
        }
    }
}

impl Rebuild {
    async fn run(self) -> Result<(), Failure> {
        let folder = self.data.folder();
        Config::load(&folder).map_err(Failure::usage)?;
        if Admin::running(&folder).await.is_ok() {
            return Err(in_use());
        }
        // The store works on threads of its own and blocks; nothing else runs here meanwhile.
        let rebuilt =
            store::rebuild(&folder, Options::new(Clock::system().as_fn())).map_err(|error| {
                match error {
                    StoreError::Locked { .. } => in_use(),
                    other => Failure::unavailable(other),
                }
            })?;
        let report = Report {
            collections: rebuilt
                .collections
                .into_iter()
                .map(|(collection, count)| Held {
                    name: match collection {
                        Collection::National => "national".to_owned(),
                        Collection::Forms => "outgoing forms".to_owned(),
                        Collection::Channel { accord, channel } => format!("{accord}/{channel}"),
                    },
                    objects: count.objects,
                    versions: count.versions,
                })
                .collect(),
            logs: rebuilt.logs,
        };
        if self.json {
            return show::json(&report);
        }
        let mut table = show::Table::new(&["collection", "objects", "versions"]);
        for held in &report.collections {
            table.row(vec![
                held.name.clone(),
                show::thousands(held.objects),
                show::thousands(held.versions),
            ]);
        }
        table.print();
        show::line(format!(
            "the index is rebuilt from the journal; {} found",
            show::count(report.logs as u64, "log")
        ));
        Ok(())
    }
}

fn in_use() -> Failure {
    Failure::unavailable("the node of this folder runs; stop it before its index is rebuilt")
}
