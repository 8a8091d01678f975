//! `kurultai verify`: checks a log, an accord or a piece of evidence offline, believing nobody.
//!
//! It needs no node, no database and no network (unless it is given a URL): plain files and the
//! keys that the operator names. Each kind of thing has one checker (`fsck` for logs, `paper` for
//! single files); this file finds out what it was given and prints what they found.

pub(crate) mod export;
mod fsck;
mod paper;
mod remote;
mod report;
mod ring;
mod source;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Data, show};
use report::{LogReport, PaperReport};
use ring::Ring;
use source::{Folder, Source};

/// Checks a log directory (or every log below a folder), a log on a server, an accord, a
/// checkpoint or a piece of evidence.
///
/// A log is computed again from its entries: tiles, root, signatures, cosignatures and bodies must
/// all agree, and each file that does not is named. Keys come from --accord and --key; for the
/// data folder of a node also from the accords that it has installed.
#[derive(Args)]
pub(crate) struct Verify {
    /// A folder, a file, or the URL of a log, https://host:port/log/ACCORD/CHANNEL
    target: String,
    /// The signed accord whose members' keys are believed (may be repeated)
    #[arg(long, value_name = "FILE")]
    accord: Vec<PathBuf>,
    /// A verifier key to believe, `name+hash+base64` (may be repeated)
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    /// For an https URL: the node whose keys open the connection
    #[command(flatten)]
    data: Data,
}

/// All that was checked.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether everything holds.
    pub(crate) holds: bool,
    /// The logs.
    pub(crate) logs: Vec<LogReport>,
    /// The single files.
    pub(crate) papers: Vec<PaperReport>,
}

impl Verify {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut ring = Ring::load(&self.accord, &self.key)?;
        let report = if self.target.starts_with("https://") || self.target.starts_with("http://") {
            if ring.is_empty() {
                ring.add_folder(&self.data.folder())?;
            }
            let mut source = remote::Remote::open(&self.target, &self.data.folder(), &ring)?;
            if source.read(source::CHECKPOINT).await?.is_none() {
                return Err(Failure::refused(format!(
                    "there is no log at {}, or none that this node may read; `kurultai peer status` shows where partners have entries",
                    self.target
                )));
            }
            finish(vec![fsck::check(&mut source, &ring).await?], Vec::new())
        } else {
            path(Path::new(&self.target), ring).await?
        };
        if self.json {
            show::json(&report)?;
        } else {
            report.logs.iter().for_each(LogReport::print);
            report.papers.iter().for_each(PaperReport::print);
        }
        if report.holds {
            return Ok(());
        }
        let wrong = report.logs.iter().filter(|log| !log.holds()).count()
            + report.papers.iter().filter(|paper| !paper.holds).count();
        Err(Failure::refused(format!(
            "{wrong} of {} checked did not hold; name the keys that are missing, restore damaged files from a backup or fetch them again",
            report.logs.len() + report.papers.len()
        )))
    }
}

/// Checks one file and prints what was found.
pub(crate) async fn file(target: &Path, json: bool) -> Result<(), Failure> {
    let report = path(target, Ring::default()).await?;
    if json {
        show::json(&report)?;
    } else {
        report.papers.iter().for_each(PaperReport::print);
    }
    if report.holds {
        Ok(())
    } else {
        Err(Failure::refused(format!(
            "{} does not hold; the list says why",
            target.display()
        )))
    }
}

/// Checks every log below the folder `target` with the keys of `accords`, for other commands.
pub(crate) async fn folder(target: &Path, accords: &[PathBuf]) -> Result<Report, Failure> {
    path(target, Ring::load(accords, &[])?).await
}

/// Checks a log, every log below a folder, or a file.
async fn path(target: &Path, mut ring: Ring) -> Result<Report, Failure> {
    if !target.is_dir() {
        let bytes = std::fs::read(target).map_err(|error| Failure::file("read", target, &error))?;
        return Ok(finish(
            Vec::new(),
            vec![paper::check(&target.display().to_string(), &bytes, &ring)?],
        ));
    }
    if target.join(node::CONFIG_FILE).is_file() {
        ring.add_folder(target)?;
    }
    let folders = source::logs(target)?;
    if folders.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no log (no file named checkpoint); name a log's folder or a node's data folder",
            target.display()
        )));
    }
    let mut logs = Vec::with_capacity(folders.len());
    for folder in folders {
        logs.push(fsck::check(&mut Folder::open(&folder)?, &ring).await?);
    }
    Ok(finish(logs, Vec::new()))
}

fn finish(logs: Vec<LogReport>, papers: Vec<PaperReport>) -> Report {
    Report {
        holds: logs.iter().all(LogReport::holds) && papers.iter().all(|paper| paper.holds),
        logs,
        papers,
    }
}
