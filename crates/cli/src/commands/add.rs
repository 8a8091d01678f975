//! `kurultai add`: STIX into the national collection.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use node::admin::types::AddReport;
use serde::Serialize;

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::input::{self, Input};
use crate::{Data, show};

/// Takes STIX objects in: bundles, TAXII envelopes, arrays or single objects, as JSON or zstd.
///
/// What is refused is listed with its place; the rest is taken in, and is durable when the command
/// ends. Adding the same again changes nothing.
#[derive(Args)]
pub(crate) struct Add {
    /// Files, folders (their .json and .zst files), or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,
    /// The label of objects that state none, such as "TLP:GREEN//REL KZ,KG" [default: the node's]
    #[arg(long)]
    label: Option<String>,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// What became of everything that was given.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Added {
    /// Objects given.
    pub(crate) total: usize,
    /// New here.
    pub(crate) added: usize,
    /// Held already.
    pub(crate) duplicates: usize,
    /// Warnings about their STIX, where the node counts them (`intake.validation`).
    pub(crate) warnings: u64,
    /// Refused, for their form or because other content is held under their version.
    pub(crate) refused: usize,
    /// Each refusal.
    pub(crate) refusals: Vec<Refusal>,
    /// Channels whose automatic release now considers the new objects.
    pub(crate) automatic: Vec<String>,
}

/// One refused object.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refusal {
    /// The file.
    pub(crate) file: String,
    /// The place in it (RFC 6901).
    pub(crate) pointer: String,
    /// The object's id, where it could be read.
    pub(crate) id: Option<String>,
    /// What is wrong.
    pub(crate) reason: String,
}

impl Add {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if let Some(label) = &self.label {
            model::Label::parse(label).map_err(|error| {
                Failure::usage(format!(
                    "--label {label:?} is not understood: {error}; write it like TLP:GREEN//REL KZ,KG"
                ))
            })?;
        }
        let inputs = input::inputs(&self.paths)?;
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut sum = Added::default();
        for input in &inputs {
            add(
                &mut admin,
                input,
                self.label.as_deref(),
                &who(&self.who),
                &mut sum,
            )
            .await?;
        }
        if self.json {
            show::json(&sum)?;
        } else {
            report(&sum, inputs.len());
        }
        match sum.refused {
            0 => Ok(()),
            refused => Err(Failure::refused(format!(
                "{} refused; correct what the list names and add it again (the rest is taken in)",
                show::count(refused as u64, "object")
            ))),
        }
    }
}

/// Adds one input, showing progress on a terminal, and counts into `sum`.
pub(crate) async fn add(
    admin: &mut Admin,
    input: &Input,
    label: Option<&str>,
    who: &str,
    sum: &mut Added,
) -> Result<(), Failure> {
    let text = input.read()?;
    let batches = input::batches(input, &text)?;
    drop(text);
    sum.total += batches.total;
    sum.refused += batches.refused.len();
    sum.refusals
        .extend(batches.refused.into_iter().map(|refused| Refusal {
            file: input.name(),
            pointer: refused.pointer,
            id: None,
            reason: refused.reason,
        }));
    let bar = progress(batches.total as u64, &input.name());
    let mut path = format!("/objects?who={}", escape(who));
    if let Some(label) = label {
        path.push_str(&format!("&label={}", escape(label)));
    }
    for (indices, envelope) in batches.envelopes {
        let report: AddReport = admin
            .post_bytes(&path, "application/json", Bytes::from(envelope))
            .await?;
        sum.added += report.added;
        sum.duplicates += report.duplicates;
        sum.warnings += report.warnings;
        sum.refused += report.conflicts + report.refused;
        for refusal in report.refusals {
            let place = indices.get(refusal.index).copied().unwrap_or(refusal.index);
            sum.refusals.push(Refusal {
                file: input.name(),
                pointer: format!("/objects/{place}{}", refusal.pointer),
                id: refusal.id,
                reason: refusal.reason,
            });
        }
        for channel in report.automatic {
            if !sum.automatic.contains(&channel) {
                sum.automatic.push(channel);
            }
        }
        bar.inc(indices.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

fn progress(total: u64, name: &str) -> ProgressBar {
    if !show::on_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_message(name.to_owned());
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn report(sum: &Added, files: usize) {
    for refusal in &sum.refusals {
        let id = refusal
            .id
            .as_ref()
            .map(|id| format!(" ({id})"))
            .unwrap_or_default();
        show::line(format!(
            "refused {} {}{id}: {}",
            refusal.file, refusal.pointer, refusal.reason
        ));
    }
    show::line(format!(
        "{} in {}: {} added, {} held already, {} refused",
        show::count(sum.total as u64, "object"),
        show::count(files as u64, "file"),
        show::thousands(sum.added as u64),
        show::thousands(sum.duplicates as u64),
        show::thousands(sum.refused as u64)
    ));
    if sum.warnings > 0 {
        show::line(format!(
            "{} about their STIX; kurultai validate lists them",
            show::count(sum.warnings, "warning")
        ));
    }
    for channel in &sum.automatic {
        show::line(format!("automatic release considers them for {channel}"));
    }
}
