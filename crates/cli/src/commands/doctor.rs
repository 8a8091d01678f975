//! `kurultai doctor`: the effective configuration, explained, and what is wrong with it.
//!
//! Reads the same configuration and keys as the node, then looks at what a configuration cannot
//! know: rights of files, free space, ports, and whether accords still describe this node.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Args;
use node::Config;
use node::admin::types::{MemberInfo, Status};
use node::keys::Keys;
use serde::Serialize;

use crate::admin::Admin;
use crate::exit::Failure;
use crate::{Data, show};

/// Below this much free space, in bytes, the doctor warns.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// Explains the effective configuration and checks what it rests on.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

#[derive(Serialize)]
struct Line {
    key: String,
    value: String,
    means: String,
}

#[derive(Serialize)]
struct Check {
    what: String,
    holds: bool,
    says: String,
}

#[derive(Serialize)]
struct Report {
    configuration: Vec<Line>,
    checks: Vec<Check>,
}

impl Report {
    fn check(&mut self, what: &str, outcome: Result<String, String>) {
        let holds = outcome.is_ok();
        self.checks.push(Check {
            what: what.to_owned(),
            holds,
            says: outcome.unwrap_or_else(|why| why),
        });
    }
}

impl Doctor {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let folder = self.data.folder();
        let config = Config::load(&folder).map_err(Failure::usage)?;
        let lines = config
            .explain()
            .into_iter()
            .map(|(key, value, means)| Line { key, value, means });
        let mut report = Report {
            configuration: lines.collect(),
            checks: Vec::new(),
        };
        report.check("keys", keys(&config));
        report.check("data folder", private(&folder));
        report.check("free space", space(&folder));
        match Admin::running(&folder).await {
            Ok(mut admin) => {
                report.check("server", Ok("answers on its admin socket".to_owned()));
                node(&mut admin, &mut report).await?;
            }
            Err(_) => {
                for address in [config.listen_members, config.listen_national] {
                    let outcome = std::net::TcpListener::bind(address)
                        .map(|_| format!("{address} is free for `kurultai serve`"))
                        .map_err(|error| format!("{address} cannot be used ({error}); change [listen] or stop what uses it"));
                    report.check("port", outcome);
                }
                match Admin::open(&folder).await {
                    Ok(mut admin) => node(&mut admin, &mut report).await?,
                    Err(failure) => report.check("store", Err(failure.to_string())),
                }
            }
        }
        let wrong = report.checks.iter().filter(|check| !check.holds).count();
        if self.json {
            show::json(&report)?;
        } else {
            print(&report);
        }
        if wrong == 0 {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} failed; each says what to do",
            show::count(wrong as u64, "check")
        )))
    }
}

fn keys(config: &Config) -> Result<String, String> {
    let keys = Keys::load(config).map_err(|error| error.to_string())?;
    Ok(match keys.root() {
        Some(_) => "all readable by their owner only; the root key is on this machine (keep it offline if you can)",
        None => "all readable by their owner only; the root key is elsewhere, so accords are signed there",
    }
    .to_owned())
}

fn private(folder: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(folder)
        .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    if meta.permissions().mode() & 0o077 == 0 {
        Ok("only its owner may look into it".to_owned())
    } else {
        Err(format!(
            "others may look into it; run `chmod 700 {}`",
            folder.display()
        ))
    }
}

fn space(folder: &Path) -> Result<String, String> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|error| format!("the file system does not say ({error})"))?;
    let free = stat.f_bavail * stat.f_frsize;
    let text = format!("{} free", show::bytes(free));
    if free < FREE_BYTES_MIN {
        Err(format!(
            "only {text}; make room, or the node will stop accepting"
        ))
    } else {
        Ok(text)
    }
}

async fn node(admin: &mut Admin, report: &mut Report) -> Result<(), Failure> {
    let status: Status = admin.get("/status").await?;
    report.check(
        "store",
        match &status.store.reason {
            Some(reason) if !status.store.writable => Err(reason.clone()),
            _ => Ok(format!(
                "{} on disk, writable",
                show::bytes(status.store.bytes_on_disk)
            )),
        },
    );
    for alarm in &status.alarms {
        report.check(&format!("alarm {}", alarm.subject), Err(alarm.text.clone()));
    }
    if status.accords.is_empty() {
        report.check(
            "accords",
            Ok("none installed, so nothing is shared with anybody".to_owned()),
        );
    }
    for accord in &status.accords {
        let note = admin
            .text(&format!("/accords/{}", crate::admin::escape(&accord.name)))
            .await?;
        report.check(
            &format!("accord {}", accord.name),
            describes(&note, &status.member),
        );
    }
    Ok(())
}

/// Whether an accord still describes this node: partners reach it only as the accord says.
fn describes(note: &str, own: &MemberInfo) -> Result<String, String> {
    let signed = policy::SignedAccord::parse(note.as_bytes()).map_err(|error| error.to_string())?;
    let Some(named) = signed.accord().member(&own.code) else {
        return Err(format!("does not name {}; it binds others only", own.code));
    };
    let now = crate::commands::draft::member(own).map_err(|failure| failure.to_string())?;
    if *named == now {
        Ok("describes this node as it is".to_owned())
    } else {
        Err("names other keys or another address for this node; agree on a new version of the accord".to_owned())
    }
}

fn print(report: &Report) {
    show::line("configuration in effect");
    let mut table = show::Table::new(&["key", "value", "meaning"]);
    for line in &report.configuration {
        table.row(vec![
            line.key.clone(),
            line.value.clone(),
            line.means.clone(),
        ]);
    }
    table.print();
    show::line("checks");
    let mut table = show::Table::new(&["", "what", "result"]);
    for check in &report.checks {
        let word = if check.holds { "ok" } else { "WRONG" };
        table.row(vec![
            word.to_owned(),
            check.what.clone(),
            check.says.clone(),
        ]);
    }
    table.print();
}
