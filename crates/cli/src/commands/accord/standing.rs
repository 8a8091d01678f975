//! Where an accord stands, and this nation's own decision to part with a member.

use clap::Args;
use node::admin::types::{AccordInfo, AccordStatus, ExclusionRequest};

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Shows where accords stand.
#[derive(Args)]
pub(crate) struct Standing {
    /// The accord's name [default: every accord]
    accord: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Excludes a member here, or readmits it.
#[derive(Args)]
pub(crate) struct Exclude {
    /// The accord's name
    accord: String,
    /// The member's code
    member: String,
    /// Why, in one line; the member is told when it calls
    #[arg(long)]
    reason: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Standing {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let names = match self.accord {
            Some(name) => vec![name],
            None => {
                let all: Vec<AccordInfo> = admin.get("/accords").await?;
                let mut names: Vec<String> = all.into_iter().map(|accord| accord.name).collect();
                names.sort();
                names.dedup();
                names
            }
        };
        let mut found = Vec::new();
        for name in names {
            let path = format!("/accords/{}/status", escape(&name));
            found.push(admin.get::<AccordStatus>(&path).await?);
        }
        if self.json {
            return show::json(&found);
        }
        if found.is_empty() {
            show::line("no accord is installed; `kurultai accord install FILE` does that");
        }
        found.iter().for_each(print);
        Ok(())
    }
}

impl Exclude {
    /// Runs `exclude`, or `readmit`.
    pub(crate) async fn run(self, exclude: bool) -> Result<(), Failure> {
        let end = if exclude { "" } else { "/end" };
        let path = format!("/accords/{}/exclusions{end}", escape(&self.accord));
        let request = ExclusionRequest {
            member: self.member,
            reason: self.reason,
            who: who(&None),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let status: AccordStatus = admin.post(&path, &request).await?;
        if self.json {
            return show::json(&status);
        }
        print(&status);
        Ok(())
    }
}

fn print(status: &AccordStatus) {
    for (accord, word) in [
        (&status.held, "counts here"),
        (&status.next, "waits for you"),
    ] {
        if let Some(accord) = accord {
            show::line(format!(
                "accord {} version {} {word}",
                accord.name, accord.version
            ));
        }
    }
    let mut table = show::Table::new(&["member", "ratified", "takes part in", ""]);
    for member in &status.members {
        let ratified = match (member.ratified, member.ratified_next) {
            (true, None | Some(true)) => "yes",
            (true, Some(false)) => "yes, not the next",
            (false, Some(true)) => "the next",
            (false, _) => "not yet",
        };
        let mut notes: Vec<String> = Vec::new();
        if let Some(exclusion) = &member.excluded {
            notes.push(format!(
                "excluded here since {} by {}: {}",
                exclusion.since, exclusion.who, exclusion.reason
            ));
        }
        for notice in &member.notices {
            let channel = notice.channel.as_deref().unwrap_or_default();
            let what = format!("{} {channel}", notice.notice);
            notes.push(format!(
                "{} ({}): {}",
                what.trim_end(),
                notice.at,
                notice.reason
            ));
        }
        table.row(vec![
            member.code.clone(),
            ratified.to_owned(),
            super::joined_or(&member.takes_part, "nothing"),
            notes.join("; "),
        ]);
    }
    table.print();
}
