//! `kurultai courier`: logs that travel by hand.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use node::admin::types::{
    CourierExport, CourierExported, CourierImport, CourierImported, CourierKey, CourierKeyInfo,
    CourierPublish, CourierPublished,
};

use crate::admin::Admin;
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Carries logs by hand: on a medium to members whom no line reaches, and from them.
#[derive(Subcommand)]
pub(crate) enum Courier {
    /// Write this member's logs of channels into a file for members of them
    Export(Export),
    /// Take in what files bring, in any order, and say what is missing
    Import(Import),
    /// Show this member's courier key (made where there is none), or believe another member's
    Key(Key),
    /// Write objects that are for everybody into a public file
    Publish(Publish),
}

/// The file also carries what this member holds of the readers' own logs, cosigned.
#[derive(Args)]
pub(crate) struct Export {
    /// A channel, ACCORD/CHANNEL (may be repeated)
    #[arg(long = "channel", value_name = "CHANNEL", required = true)]
    channels: Vec<String>,
    /// From this entry on, or from this time on, such as 2026-01-31 [default: all]
    #[arg(long, value_name = "SIZE|DATE")]
    since: Option<String>,
    /// A member that it is for (may be repeated)
    #[arg(long, value_name = "MEMBER", required = true)]
    to: Vec<String>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// So that only those members can read it; their courier keys must be known
    #[arg(long)]
    encrypt: bool,
    /// In parts of at most this size, such as 4G, 700M or 512K; they are FILE.1, FILE.2, …
    #[arg(long, value_name = "SIZE", value_parser = size)]
    split: Option<u64>,
    /// Who exports, for the audit log [default: the login name]
    #[arg(long = "by", value_name = "NAME")]
    by: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Nothing is shown before it is verified, whatever the files are. What was taken stays.
#[derive(Args)]
pub(crate) struct Import {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Who imports, for the audit log [default: the login name]
    #[arg(long = "by", value_name = "NAME")]
    by: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// The note is no secret: give it to whoever is to write encrypted files for this member.
#[derive(Args)]
pub(crate) struct Key {
    /// Another member's key note, to be believed from now on
    #[arg(long = "of", value_name = "FILE", conflicts_with = "root")]
    of: Option<PathBuf>,
    /// The root key's secret file, where it is kept elsewhere
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Who does it, for the audit log [default: the login name]
    #[arg(long = "by", value_name = "NAME")]
    by: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Only what this member released into the channel, labelled TLP:CLEAR for everybody without a
/// condition, and about no person.
#[derive(Args)]
pub(crate) struct Publish {
    /// The channel into which it was released, ACCORD/CHANNEL
    #[arg(long, value_name = "CHANNEL")]
    channel: String,
    /// Ids of objects [default: all that may be published]
    ids: Vec<String>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Who publishes, for the audit log [default: the login name]
    #[arg(long = "by", value_name = "NAME")]
    by: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Courier {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Courier::Export(command) => command.run().await,
            Courier::Import(command) => command.run().await,
            Courier::Key(command) => command.run().await,
            Courier::Publish(command) => command.run().await,
        }
    }
}

impl Export {
    async fn run(self) -> Result<(), Failure> {
        let request = CourierExport {
            channels: self.channels,
            to: self.to,
            since: self.since,
            out: absolute(&self.out)?,
            encrypt: self.encrypt,
            split: self.split,
            who: who(&self.by),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: CourierExported = admin.post("/courier/export", &request).await?;
        if self.json {
            return show::json(&report);
        }
        for log in &report.logs {
            show::line(format!(
                "{}: entries {} to {}, {}",
                log.channel,
                show::thousands(log.first),
                show::thousands(log.size),
                show::count(log.objects, "object")
            ));
        }
        if report.logs.is_empty() {
            show::line("nothing has been released into these channels yet");
        }
        if report.receipts > 0 {
            show::line(format!(
                "{} for the readers' own logs go along",
                show::count(report.receipts as u64, "receipt")
            ));
        }
        for file in &report.files {
            show::line(format!(
                "written: {} ({} bytes)",
                file.path,
                show::thousands(file.bytes)
            ));
        }
        Ok(())
    }
}

impl Import {
    async fn run(self) -> Result<(), Failure> {
        let files: Result<Vec<String>, Failure> =
            self.files.iter().map(|file| absolute(file)).collect();
        let request = CourierImport {
            files: files?,
            who: who(&self.by),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: CourierImported = admin.post("/courier/import", &request).await?;
        if self.json {
            show::json(&report)?;
        } else {
            print(&report);
        }
        if report.whole {
            Ok(())
        } else {
            Err(Failure::refused(
                "not everything could be taken; the list says what to bring, and what was taken stays",
            ))
        }
    }
}

fn print(report: &CourierImported) {
    for file in &report.files {
        let from = match (&file.from, file.part) {
            (Some(from), Some(part)) => format!(", part {part} from {from}"),
            _ => String::new(),
        };
        match (&file.error, file.cut) {
            (Some(error), _) => show::line(format!("{}: {error}", file.path)),
            (None, Some(byte)) => show::line(format!(
                "{}{from}: it ends or breaks at byte {}; what came before was used",
                file.path,
                show::thousands(byte)
            )),
            (None, None) if file.damaged > 0 => show::line(format!(
                "{}{from}: {} damaged; the rest was used",
                file.path,
                show::count(file.damaged, "block")
            )),
            (None, None) => show::line(format!("{}{from}: read", file.path)),
        }
    }
    for log in &report.logs {
        show::line(format!(
            "{} in {}: entries {} to {}, {} new{}",
            log.origin,
            log.channel,
            show::thousands(log.from),
            show::thousands(log.to),
            show::count(log.shown, "object"),
            match log.refused {
                0 => String::new(),
                refused => format!(", {} not shown", show::thousands(refused)),
            }
        ));
        if !log.result.is_empty() {
            show::line(format!("  {}", log.result));
        }
    }
    for receipt in &report.receipts {
        show::line(receipt);
    }
}

impl Key {
    async fn run(self) -> Result<(), Failure> {
        let note = match &self.of {
            None => None,
            Some(file) => Some(
                std::fs::read_to_string(file)
                    .map_err(|error| Failure::file("read", file, &error))?,
            ),
        };
        let believes = note.is_some();
        let request = CourierKey {
            root: self.root.as_deref().map(absolute).transpose()?,
            note,
            who: who(&self.by),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let info: CourierKeyInfo = admin.post("/courier/key", &request).await?;
        if self.json {
            return show::json(&info);
        }
        if believes {
            show::line(format!(
                "files for {} are sealed for {} from now on",
                info.domain, info.key
            ));
        } else {
            show::line(info.note.trim_end());
        }
        Ok(())
    }
}

impl Publish {
    async fn run(self) -> Result<(), Failure> {
        let request = CourierPublish {
            channel: self.channel,
            ids: self.ids,
            out: absolute(&self.out)?,
            who: who(&self.by),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: CourierPublished = admin.post("/courier/publish", &request).await?;
        if self.json {
            return show::json(&report);
        }
        show::line(format!(
            "{} under {} written to {} ({} bytes)",
            show::count(report.objects, "object"),
            report.root,
            self.out.display(),
            show::thousands(report.bytes)
        ));
        for why in &report.left_out {
            show::line(format!("  left out: {why}"));
        }
        Ok(())
    }
}

/// The node may run in another folder.
fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))?;
    match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(Failure::usage(format!(
            "the name of {} is not UTF-8; choose another",
            path.display()
        ))),
    }
}

/// A size with K, M, G or T (powers of 1,024).
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G', 'T']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, ""),
    };
    let shift = match unit {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => 0,
    };
    let number: Option<u64> = digits.parse().ok();
    let size = number.and_then(|number| number.checked_mul(1 << shift));
    size.ok_or_else(|| "give a size such as 4G, 700M or 512K".to_owned())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("4G"), Ok(4 << 30));
        assert_eq!(size("1000"), Ok(1000));
        assert!(size("G").is_err() && size("4X").is_err() && size("99999999T").is_err());
    }
}
