//! `kurultai accord`: what members agree on, from the draft to being in force.

mod amend;
mod part;
mod standing;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use node::admin::types::{AccordInfo, AccordReport, MemberInfo};
use policy::SignedAccord;

use crate::admin::{Admin, escape};
use crate::commands::draft::New;
use crate::exit::Failure;
use crate::{Data, show, verify};

/// Accords: draft, sign, show, check, install.
#[derive(Subcommand)]
pub(crate) enum Accord {
    /// Print what an accord says about this member: its keys and address, as JSON
    Member(Member),
    /// Draft an accord from the members' descriptions
    New(New),
    /// Ratify an accord: sign it with this member's root key, install it, and write it back
    Sign(Sign),
    /// Show an accord of this node, or in a file
    Show(Show),
    /// Check an accord's form and signatures offline
    Verify(Check),
    /// Install an accord, or new signatures of one, in this node
    Install(Install),
    /// Draft the next version of an accord: who comes in or goes, which channels begin or end
    Amend(amend::Amend),
    /// What another version changes, in words, and whether it loosens or tightens
    Diff(amend::Diff),
    /// Find what would surprise those who sign an accord
    Lint(amend::Lint),
    /// Leave an accord: nothing more goes out or comes in under it, from now on
    Leave(part::Whole),
    /// Take part again in an accord that this member left
    Return(part::Whole),
    /// Suspend a channel for this member: it sends and takes nothing there
    Suspend(part::Part),
    /// Resume a channel that this member suspended
    Resume(part::Part),
    /// Where accords stand: who has ratified, who takes part in what, who left and why
    Status(standing::Standing),
    /// Exclude a member at this node, by this nation's own decision: it is served nothing more
    Exclude(standing::Exclude),
    /// Readmit a member that this node excluded
    Readmit(standing::Exclude),
    /// Take a member's signed notice that came by hand
    Heed(part::Heed),
}

/// Prints this member's description.
#[derive(Args)]
pub(crate) struct Member {
    #[command(flatten)]
    data: Data,
}

/// Ratifies.
#[derive(Args)]
pub(crate) struct Sign {
    /// The accord; the signed note is written back into it
    file: PathBuf,
    #[command(flatten)]
    data: Data,
}

/// Shows.
#[derive(Args)]
pub(crate) struct Show {
    /// A file, or the name of an installed accord [default: every installed accord]
    accord: Option<String>,
    /// Print the signed note itself
    #[arg(long, conflicts_with = "json")]
    note: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Checks.
#[derive(Args)]
pub(crate) struct Check {
    /// The accord
    file: PathBuf,
    /// The version before it, to check that this one follows it
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Installs.
#[derive(Args)]
pub(crate) struct Install {
    /// The accord
    file: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Accord {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Accord::Member(command) => command.run().await,
            Accord::New(command) => command.run(),
            Accord::Sign(command) => command.run().await,
            Accord::Show(command) => command.run().await,
            Accord::Verify(command) => command.run().await,
            Accord::Install(command) => command.run().await,
            Accord::Amend(command) => command.run().await,
            Accord::Diff(command) => command.run(),
            Accord::Lint(command) => command.run(),
            Accord::Leave(command) => command.run("leave").await,
            Accord::Return(command) => command.run("return").await,
            Accord::Suspend(command) => command.run("suspend").await,
            Accord::Resume(command) => command.run("resume").await,
            Accord::Status(command) => command.run().await,
            Accord::Exclude(command) => command.run(true).await,
            Accord::Readmit(command) => command.run(false).await,
            Accord::Heed(command) => command.run().await,
        }
    }
}

impl Member {
    async fn run(self) -> Result<(), Failure> {
        let member: MemberInfo = Admin::open(&self.data.folder())
            .await?
            .get("/member")
            .await?;
        show::json(&member)
    }
}

impl Sign {
    async fn run(self) -> Result<(), Failure> {
        let note = read(&self.file)?;
        parse(&self.file, &note)?;
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: AccordReport = admin
            .post_bytes("/accords?ratify=true", "text/plain", Bytes::from(note))
            .await?;
        write(&self.file, &report.note)?;
        print(&report.accord);
        show::line(format!(
            "signed, installed and written to {}; send it to the others",
            self.file.display()
        ));
        let idle: Vec<&str> = report
            .accord
            .channels
            .iter()
            .filter(|channel| channel.in_force.is_empty())
            .map(|channel| channel.name.as_str())
            .collect();
        if !idle.is_empty() {
            show::notice(format!(
                "nothing flows here in {} until another member's signature is installed: `kurultai accord install FILE`",
                idle.join(", ")
            ));
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        if let Some(path) = self
            .accord
            .as_deref()
            .map(Path::new)
            .filter(|path| path.is_file())
        {
            let note = read(path)?;
            let signed = parse(path, &note)?;
            if self.note {
                show::raw(&String::from_utf8_lossy(&note));
                return Ok(());
            }
            let info = AccordInfo::of(&signed);
            if self.json {
                return show::json(&info);
            }
            print(&info);
            return Ok(());
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        if self.note {
            let name = self
                .accord
                .ok_or_else(|| Failure::usage("name the accord whose note is to be printed"))?;
            show::raw(&admin.text(&format!("/accords/{}", escape(&name))).await?);
            return Ok(());
        }
        let mut all: Vec<AccordInfo> = admin.get("/accords").await?;
        if let Some(name) = &self.accord {
            all.retain(|accord| accord.name == *name);
            if all.is_empty() {
                return Err(Failure::refused(format!(
                    "{name} is neither a file nor an installed accord; `kurultai accord show` lists those"
                )));
            }
        }
        if self.json {
            return show::json(&all);
        }
        if all.is_empty() {
            show::line("no accord is installed; `kurultai accord install FILE` does that");
        }
        all.iter().for_each(print);
        Ok(())
    }
}

impl Check {
    async fn run(self) -> Result<(), Failure> {
        if let Some(previous) = &self.previous {
            let (new, old) = (
                parse(&self.file, &read(&self.file)?)?,
                parse(previous, &read(previous)?)?,
            );
            new.succeeds(&old).map_err(Failure::refused)?;
        }
        verify::file(&self.file, self.json).await
    }
}

impl Install {
    async fn run(self) -> Result<(), Failure> {
        let note = read(&self.file)?;
        parse(&self.file, &note)?;
        let mut admin = Admin::open(&self.data.folder()).await?;
        let report: AccordReport = admin
            .post_bytes("/accords?ratify=false", "text/plain", Bytes::from(note))
            .await?;
        if self.json {
            return show::json(&report);
        }
        print(&report.accord);
        show::line(format!(
            "installed; {} new here",
            show::count(report.new_signatures as u64, "signature")
        ));
        Ok(())
    }
}

/// Reads an accord's file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

/// Writes an accord's file, whole or not at all.
pub(crate) fn write(path: &Path, note: &str) -> Result<(), Failure> {
    let temporary = path.with_added_extension("tmp");
    std::fs::write(&temporary, note)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|error| Failure::file("write", path, &error))
}

/// Takes an accord's note apart.
pub(crate) fn parse(path: &Path, note: &[u8]) -> Result<SignedAccord, Failure> {
    SignedAccord::parse(note).map_err(|error| {
        Failure::usage(format!(
            "{} is no accord: {error}; name a file of `kurultai accord new` or `sign`",
            path.display()
        ))
    })
}

/// Prints an accord for people.
fn print(accord: &AccordInfo) {
    show::line(format!(
        "accord {} version {}, text SHA-256 {}",
        accord.name, accord.version, accord.digest
    ));
    show::line(format!("  ratified by {}", joined(&accord.ratified)));
    if !accord.waiting.is_empty() {
        show::line(format!("  waiting for {}", joined(&accord.waiting)));
    }
    let mut table =
        show::Table::new(&["channel", "title", "members", "in force among", "up to", ""]);
    for channel in &accord.channels {
        table.row(vec![
            channel.name.clone(),
            channel.title.clone(),
            channel.members.join(" "),
            joined(&channel.in_force),
            channel.ceiling.clone(),
            if channel.exercise { "exercise" } else { "" }.to_owned(),
        ]);
    }
    table.print();
}

fn joined(codes: &[String]) -> String {
    joined_or(codes, "nobody")
}

fn joined_or(words: &[String], none: &str) -> String {
    if words.is_empty() {
        none.to_owned()
    } else {
        words.join(" ")
    }
}
