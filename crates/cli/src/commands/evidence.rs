//! `kurultai evidence` and `kurultai audit`: what was kept against others, and this node's own
//! account of itself.

use std::path::PathBuf;

use clap::Args;
use node::admin::types::{AuditPage, EvidenceInfo};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::{Data, show};

/// Lists the evidence that this node keeps, and saves it for others to check with
/// `kurultai verify`.
#[derive(Args)]
pub(crate) struct Evidence {
    /// Write each piece into this folder, one file each
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Shows the audit log: every release, refusal, query by a partner and administrative act.
#[derive(Args)]
pub(crate) struct Audit {
    /// From this record on [default: the last `limit` ones]
    #[arg(long)]
    from: Option<u64>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Evidence {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let kept: Vec<EvidenceInfo> = admin.get("/evidence").await?;
        if let Some(folder) = &self.save {
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::file("make", folder, &error))?;
            for (number, piece) in kept.iter().enumerate() {
                let path = folder.join(format!("evidence-{:03}.txt", number + 1));
                std::fs::write(&path, &piece.text)
                    .map_err(|error| Failure::file("write", &path, &error))?;
                show::notice(format!("written to {}", path.display()));
            }
        }
        if self.json {
            return show::json(&kept);
        }
        if kept.is_empty() {
            show::line("no evidence is kept: no log was refused and no object was in conflict");
        }
        for (number, piece) in kept.iter().enumerate() {
            show::line(format!(
                "{:03} {} {}: {}",
                number + 1,
                piece.at,
                piece.log.as_deref().unwrap_or("national"),
                piece.reason
            ));
        }
        Ok(())
    }
}

impl Audit {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let from = match self.from {
            Some(from) => from,
            None => {
                let page: AuditPage = admin.get("/audit?from=0&limit=1").await?;
                page.size.saturating_sub(self.limit as u64)
            }
        };
        let page: AuditPage = admin
            .get(&format!("/audit?from={from}&limit={}", self.limit))
            .await?;
        if self.json {
            return show::json(&page);
        }
        let mut table = show::Table::new(&["record", "at", "what", "by", "count", "about"]);
        for line in &page.records {
            let record = &line.record;
            let objects = match record.objects.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                [first, ..] => format!("{first} and more (--json lists them)"),
            };
            let parts = [&record.channel, &objects, &record.why, &record.policy];
            let about: Vec<&str> = parts
                .into_iter()
                .map(String::as_str)
                .filter(|part| !part.is_empty())
                .collect();
            table.row(vec![
                line.index.to_string(),
                record.at.clone(),
                record.what.clone(),
                record.who.clone(),
                match record.count {
                    0 => String::new(),
                    count => show::thousands(count),
                },
                about.join("; "),
            ]);
        }
        table.print();
        show::line(format!("{} in all", show::count(page.size, "record")));
        Ok(())
    }
}
