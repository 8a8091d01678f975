//! `kurultai status`: what this node holds, and what needs a person.

use clap::Args;
use node::admin::types::Status as Report;

use crate::admin::Admin;
use crate::commands::peer;
use crate::exit::Failure;
use crate::{Data, show};

/// Everything at a glance. Exits with 1 when something needs a person.
#[derive(Args)]
pub(crate) struct Status {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Status {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let running = admin.is_running();
        let report: Report = admin.get("/status").await?;
        if self.json {
            show::json(&report)?;
        } else {
            print(&report, running);
        }
        match report.alarms.len() {
            0 => Ok(()),
            alarms => Err(Failure::refused(format!(
                "{} for a person to look at; each says what to do",
                show::count(alarms as u64, "alarm")
            ))),
        }
    }
}

fn print(report: &Report, running: bool) {
    let member = &report.member;
    show::line(format!(
        "{} {} ({}), kurultai {}, {}, clock {}",
        member.code,
        member.name,
        member.domain,
        report.version,
        if running { "running" } else { "not running" },
        report.now
    ));
    for alarm in &report.alarms {
        show::line(format!(
            "ALARM {} {}: {}",
            alarm.kind, alarm.subject, alarm.text
        ));
    }
    show::line(format!("members reach it at {}", member.url));
    if let Some(address) = &report.listen_national {
        show::line(format!("national tools reach it at {address}"));
    }
    let store = &report.store;
    show::line(format!(
        "store: {}, {}",
        show::bytes(store.bytes_on_disk),
        match &store.reason {
            Some(reason) if !store.writable => format!("NOT WRITABLE: {reason}"),
            _ => "writable".to_owned(),
        }
    ));
    show::line("collections");
    let mut table = show::Table::new(&["name", "objects", "versions", "release", "members"]);
    for one in &report.collections {
        table.row(vec![
            one.name.clone(),
            show::thousands(one.objects),
            show::thousands(one.versions),
            one.mode.clone(),
            one.members.join(" "),
        ]);
    }
    table.print();
    show::line("logs");
    let mut table = show::Table::new(&["log", "size", "root", "cosigned by"]);
    for log in &report.logs {
        table.row(vec![
            format!(
                "{}/{}/{}{}",
                log.accord,
                log.channel,
                log.origin,
                if log.own { " (own)" } else { "" }
            ),
            show::thousands(log.size),
            log.root.chars().take(16).collect(),
            match &log.refused {
                Some(why) => format!("REFUSED: {why}"),
                None => log.cosigned_by.join(" "),
            },
        ]);
    }
    table.print();
    show::line(format!(
        "audit log: {}",
        show::count(report.audit.size, "record")
    ));
    let mut table = show::Table::new(&["witness", "records", "at", "last failure"]);
    for witness in &report.audit.witnesses {
        table.row(vec![
            witness.code.clone(),
            witness.size.map(show::thousands).unwrap_or_default(),
            witness.at.clone().unwrap_or_default(),
            witness.error.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        table.print();
    }
    show::line("partners");
    peer::print(&report.peers, running);
}
