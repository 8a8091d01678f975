//! What a member does about its own part in an accord: leave it, return, suspend a channel, resume.
//!
//! Each is a notice signed by the member's root key. It counts here before the command answers,
//! and at every partner that could be reached; the others ask for it when they come back.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use node::admin::types::{HeedReport, NoticeReport, NoticeRequest};

use super::{read, write};
use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// About a whole accord.
#[derive(Args)]
pub(crate) struct Whole {
    /// The accord's name
    accord: String,
    #[command(flatten)]
    say: Say,
}

/// About one channel.
#[derive(Args)]
pub(crate) struct Part {
    /// The channel: ACCORD/CHANNEL
    channel: String,
    #[command(flatten)]
    say: Say,
}

#[derive(Args)]
struct Say {
    /// Why, in one line; every member of the accord reads it
    #[arg(long)]
    reason: String,
    /// Also write the signed note to a file, for members that cannot be reached
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Takes a note that came by hand.
#[derive(Args)]
pub(crate) struct Heed {
    /// The signed note
    file: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Whole {
    /// Runs `leave` or `return`.
    pub(crate) async fn run(self, notice: &str) -> Result<(), Failure> {
        self.say.run(&self.accord, notice, None).await
    }
}

impl Part {
    /// Runs `suspend` or `resume`.
    pub(crate) async fn run(self, notice: &str) -> Result<(), Failure> {
        let (accord, channel) = self.channel.split_once('/').ok_or_else(|| {
            Failure::usage("name the channel as ACCORD/CHANNEL; `kurultai status` lists them")
        })?;
        let channel = Some(channel.to_owned());
        self.say.run(accord, notice, channel).await
    }
}

impl Say {
    async fn run(self, accord: &str, notice: &str, channel: Option<String>) -> Result<(), Failure> {
        let request = NoticeRequest {
            notice: notice.to_owned(),
            channel,
            reason: self.reason,
            who: who(&None),
        };
        let path = format!("/accords/{}/notices", escape(accord));
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: NoticeReport = admin.post(&path, &request).await?;
        if let Some(out) = &self.out {
            write(out, &report.note)?;
        }
        if self.json {
            return show::json(&report);
        }
        show::line(format!(
            "{} signed (serial {}) and in force here; told {}",
            report.notice.notice,
            report.notice.serial,
            super::joined(&report.reached)
        ));
        if !report.missed.is_empty() {
            show::notice(format!(
                "{} could not be reached and will ask when they are back; until then they go on as before",
                report.missed.join(", ")
            ));
        }
        Ok(())
    }
}

impl Heed {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let note = read(&self.file)?;
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("/notices?who={}", escape(&who(&None)));
        let report: HeedReport = admin
            .post_bytes(&path, "text/plain", Bytes::from(note))
            .await?;
        if self.json {
            return show::json(&report);
        }
        show::line(if report.news {
            "the notice is genuine and counts from now on"
        } else {
            "that is known here already, or something newer is"
        });
        Ok(())
    }
}
