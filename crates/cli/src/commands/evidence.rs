//! `kurultai evidence`: what was kept against others, and against this node itself.

use std::path::PathBuf;

use clap::Args;
use node::admin::types::EvidenceInfo;

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
