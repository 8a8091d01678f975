//! `kurultai release` and `kurultai withdraw`: what leaves this member, and what is called back.

use clap::Args;
use node::admin::types::{
    ReleaseOutcome, ReleaseReport, ReleaseRequest, Selection, WithdrawReport, WithdrawRequest,
};

use crate::admin::Admin;
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Releases objects of the national collection into a channel, and says of each what the rules
/// decided and why.
#[derive(Args)]
pub(crate) struct Release {
    /// The channel, ACCORD/CHANNEL
    channel: String,
    /// The object of this id (may be repeated)
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Objects of this STIX type (may be repeated)
    #[arg(long, value_name = "TYPE")]
    kind: Vec<String>,
    /// The object version of this SHA-256 (may be repeated)
    #[arg(long, value_name = "HEX")]
    hash: Vec<String>,
    /// Every object
    #[arg(long)]
    all: bool,
    /// Only say what would happen; change nothing
    #[arg(long)]
    explain: bool,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Withdraws objects from a channel: a log entry tells every partner to stop serving them.
#[derive(Args)]
pub(crate) struct Withdraw {
    /// The channel, ACCORD/CHANNEL
    channel: String,
    /// The ids; every version of each is withdrawn
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why; kept in this member's audit log, not sent to partners
    #[arg(long)]
    reason: String,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Release {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.id.is_empty() && self.kind.is_empty() && self.hash.is_empty() && !self.all {
            return Err(Failure::usage(
                "nothing is selected; use --id, --kind, --hash or --all",
            ));
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = ReleaseRequest {
            channel: self.channel.clone(),
            selection: Selection {
                ids: self.id.clone(),
                kinds: self.kind.clone(),
                hashes: self.hash.clone(),
                all: self.all,
            },
            who: who(&self.who),
            explain: self.explain,
        };
        let report: ReleaseReport = admin.post("/release", &request).await?;
        if self.json {
            show::json(&report)?;
        } else {
            self.print(&report);
        }
        match (report.refused, report.unknown, report.waiting) {
            (0, 0, 0) => Ok(()),
            (0, 0, waiting) => Err(Failure::refused(format!(
                "{} must be released by a person; run the command as one",
                show::count(waiting as u64, "object")
            ))),
            (0, unknown, _) => Err(Failure::refused(format!(
                "{} not held here; add what is missing (the rest was handled)",
                show::count(unknown as u64, "selected object")
            ))),
            (refused, ..) => Err(Failure::refused(format!(
                "{} refused; the list says what would have to change (the rest was handled)",
                show::count(refused as u64, "object")
            ))),
        }
    }

    fn print(&self, report: &ReleaseReport) {
        for result in &report.results {
            let word = match result.outcome {
                ReleaseOutcome::Refused => "refused",
                ReleaseOutcome::Unknown => "not held",
                ReleaseOutcome::Waiting => "waits",
                ReleaseOutcome::Proposed if self.explain => "would need approval:",
                ReleaseOutcome::Proposed => "needs approval:",
                ReleaseOutcome::Queued if self.explain => "would go with its window:",
                ReleaseOutcome::Queued => "goes with its window:",
                ReleaseOutcome::Released if self.explain => "would go",
                ReleaseOutcome::Released => "released",
                ReleaseOutcome::Already => "already there",
            };
            let companion = if result.companion {
                " (a selected object refers to it)"
            } else {
                ""
            };
            if self.explain
                || matches!(
                    result.outcome,
                    ReleaseOutcome::Refused
                        | ReleaseOutcome::Unknown
                        | ReleaseOutcome::Waiting
                        | ReleaseOutcome::Proposed
                )
            {
                show::line(format!(
                    "{word} {}{companion}: {}",
                    result.id,
                    result.why.join("; ")
                ));
                details(result);
            }
        }
        if report.results_omitted > 0 {
            show::line(format!(
                "… and {} more",
                show::thousands(report.results_omitted as u64)
            ));
        }
        for proposal in &report.proposals {
            show::line(format!(
                "proposal {proposal} waits for approval; see `kurultai approvals show {proposal}`"
            ));
        }
        if report.queued > 0 {
            show::line(format!(
                "{} at the end of the channel's window",
                show::count(report.queued as u64, "object leaves")
            ));
        }
        show::line(format!(
            "{}: {} {}, {} there already, {} refused, {} waiting, {} for approval, {} for the window, {} not held; log size {}",
            report.channel,
            show::thousands(report.released as u64),
            if self.explain {
                "would be released"
            } else {
                "released"
            },
            show::thousands(report.already as u64),
            show::thousands(report.refused as u64),
            show::thousands(report.waiting as u64),
            show::thousands(report.proposed as u64),
            show::thousands(report.queued as u64),
            show::thousands(report.unknown as u64),
            show::thousands(report.size)
        ));
    }
}

/// The rest of one object's journey, where it was asked for.
fn details(result: &node::admin::types::ObjectResult) {
    if let Some(label) = result.label.as_ref().filter(|_| !result.rules.is_empty()) {
        show::line(format!(
            "  label {label}; rules {}",
            result.rules.join(", ")
        ));
    }
    if let Some(originator) = &result.originator {
        show::line(format!("  the object is {originator}'s"));
    }
    for needed in &result.approvals {
        show::line(format!("  approval by {needed}"));
    }
    for changed in &result.redacted {
        show::line(format!("  redacted: {changed}"));
    }
    for found in &result.findings {
        show::line(format!("  leak check: {found}"));
    }
    for form in &result.outgoing {
        show::line(format!("  leaves as {form}"));
    }
}

impl Withdraw {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = WithdrawRequest {
            channel: self.channel,
            ids: self.ids,
            reason: self.reason,
            who: who(&self.who),
        };
        let report: WithdrawReport = admin.post("/withdraw", &request).await?;
        if self.json {
            show::json(&report)?;
        } else {
            show::line(format!(
                "{}: {} withdrawn; log size {}",
                report.channel,
                show::count(report.withdrawn as u64, "version"),
                show::thousands(report.size)
            ));
            if report.unqueued > 0 {
                show::line(format!(
                    "{} not leave at the end of the window",
                    show::count(report.unqueued as u64, "object will")
                ));
            }
            for id in &report.unknown {
                show::line(format!("not shown in the channel by this member: {id}"));
            }
        }
        if report.unknown.is_empty() {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} not released by this member in that channel; check them with `kurultai objects {}`",
            show::count(report.unknown.len() as u64, "id"),
            report.channel
        )))
    }
}
