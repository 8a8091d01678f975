//! `kurultai approvals`: releases that wait for people.
//!
//! An approval names the digest of what was looked at, so `approve` takes it from `show`: what has
//! changed in between is refused by the node, not overlooked here.

use clap::{Args, Subcommand};
use node::admin::types::{ApprovalRequest, ProposalInfo, ProposalItem, ProposalView};

use crate::Data;
use crate::admin::Admin;
use crate::exit::Failure;
use crate::show;

/// Releases that wait for people.
#[derive(Subcommand, Debug)]
pub(crate) enum Approvals {
    /// The proposals, open ones first
    List(List),
    /// Everything about a proposal: what would leave, byte for byte, and how it differs
    Show(Show),
    /// Agree to exactly what `show` showed
    Approve(Approve),
    /// Say no, with a reason
    Decline(Decline),
}

/// The proposals.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    data: Data,
    /// Also those that have ended
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One proposal.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    data: Data,
    /// The proposal
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Agreement.
#[derive(Args, Debug)]
pub(crate) struct Approve {
    #[command(flatten)]
    data: Data,
    /// The proposal
    id: String,
    /// The digest that `show` gave
    #[arg(long)]
    digest: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A no.
#[derive(Args, Debug)]
pub(crate) struct Decline {
    #[command(flatten)]
    data: Data,
    /// The proposal
    id: String,
    /// Why; its author reads it
    #[arg(long)]
    why: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Approvals {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Approvals::List(list) => list.run().await,
            Approvals::Show(show) => show.run().await,
            Approvals::Approve(approve) => approve.run().await,
            Approvals::Decline(decline) => decline.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut proposals: Vec<ProposalInfo> = admin.get("/approvals").await?;
        if !self.all {
            proposals.retain(|proposal| proposal.state == "open");
        }
        if self.json {
            return show::json(&proposals);
        }
        if proposals.is_empty() {
            show::line("nothing waits for approval");
        }
        for proposal in &proposals {
            line(proposal);
        }
        Ok(())
    }
}

fn line(proposal: &ProposalInfo) {
    let state = match (proposal.state.as_str(), proposal.missing.as_str()) {
        ("open", missing) => format!("needs {missing}"),
        (state, _) if proposal.why.is_empty() => state.to_owned(),
        (state, _) => format!("{state}: {}", proposal.why),
    };
    show::line(format!(
        "{} {} into {}, asked by {} at {}: {state}",
        proposal.id,
        show::count(proposal.objects as u64, "object"),
        proposal.channel,
        proposal.author,
        proposal.created
    ));
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let view: ProposalView = admin.get(&format!("/approvals/{}", self.id)).await?;
        if self.json {
            return show::json(&view);
        }
        line(&view.info);
        show::line(format!("policy: {}", view.info.policy));
        show::line(format!("lapses: {}", view.info.expires));
        if !view.info.approvals.is_empty() {
            show::line(format!("approved by: {}", view.info.approvals.join(", ")));
        }
        if let Some(changed) = &view.changed {
            show::line(format!("it can no longer be approved: {changed}"));
        }
        view.items.iter().for_each(item);
        if view.info.state == "open" && view.changed.is_none() {
            show::line(format!(
                "to approve: kurultai approvals approve {} --digest {}",
                view.info.id, view.info.digest
            ));
        }
        Ok(())
    }
}

fn item(item: &ProposalItem) {
    let along = if item.companion { " (comes along)" } else { "" };
    show::line(format!("{}{along}: label {}", item.id, item.label));
    for why in &item.why {
        show::line(format!("  {why}"));
    }
    for changed in &item.redacted {
        show::line(format!("  redacted: {changed}"));
    }
    for found in &item.findings {
        show::line(format!("  leak check: {found}"));
    }
    for form in &item.outgoing {
        show::line(format!("  leaves as {} ({})", form.id, form.hash));
        for line in &form.diff {
            if let Some(before) = &line.before {
                show::line(format!("    - {} {before}", line.pointer));
            }
            if let Some(after) = &line.after {
                show::line(format!("    + {} {after}", line.pointer));
            }
        }
        show::line(format!("  {}", form.bytes));
    }
}

impl Approve {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = ApprovalRequest {
            digest: self.digest,
            ..ApprovalRequest::default()
        };
        let path = format!("/approvals/{}/approve", self.id);
        done(&admin.post(&path, &request).await?, self.json)
    }
}

impl Decline {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = ApprovalRequest {
            why: self.why,
            ..ApprovalRequest::default()
        };
        let path = format!("/approvals/{}/decline", self.id);
        done(&admin.post(&path, &request).await?, self.json)
    }
}

fn done(proposal: &ProposalInfo, json: bool) -> Result<(), Failure> {
    if json {
        show::json(proposal)?;
    } else {
        line(proposal);
    }
    match proposal.state.as_str() {
        "void" => Err(Failure::refused(format!(
            "nothing was released: {}; ask for the release again",
            proposal.why
        ))),
        _ => Ok(()),
    }
}
