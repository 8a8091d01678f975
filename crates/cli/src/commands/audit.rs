//! `kurultai audit`: this node's own account of itself: looking into it, handing part of it to an
//! inspector with proofs, and checking it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use log::ExportLine;
use node::admin::types::{AuditCheck, AuditExportPage, AuditLine, AuditPage, AuditQuery};

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::verify::export;
use crate::{Data, show};

/// Shows the audit log: every release, refusal, query and administrative act, by whom, why and
/// under which policy; exports part of it with proofs; checks it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Write records with their proofs into a file, for an inspector who believes nobody
    Export(Box<Export>),
    /// Check an exported file offline; without a file, this node's own audit log, asking partners
    /// what they have witnessed of it
    Verify(Verify),
}

/// Which records. All conditions must hold.
#[derive(Args)]
struct Filter {
    /// By this person, member or `automation`
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// What happened: release, refuse, withdraw, add, query, user, … (comma separated)
    #[arg(long, value_name = "WORD")]
    what: Option<String>,
    /// In this channel or collection; an accord's name stands for all its channels
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Concerning the object with this id
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// With this in its reason
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Decided by the policy rule with this id
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Under a policy with this in its name, version or digest
    #[arg(long, value_name = "TEXT")]
    policy: Option<String>,
    /// With this in the purpose of a query about persons
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// From this time on, such as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// From this record on, oldest first [default: the last ones, newest last]
    #[arg(long, value_name = "RECORD")]
    from: Option<u64>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Writes each record that the conditions name, with its position and the proof that it is in the
/// log, and the checkpoint that partners witnessed. The export is itself recorded.
#[derive(Args)]
struct Export {
    /// The file to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    filter: Filter,
    /// Who exports, for the audit log [default: the login name]
    #[arg(long = "by", value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    data: Data,
}

/// Checks an exported file with the keys of an accord or given ones; or the own log whole.
#[derive(Args)]
struct Verify {
    /// A file that `kurultai audit export` wrote
    file: Option<PathBuf>,
    /// The signed accord whose members' keys are believed (may be repeated; with FILE)
    #[arg(long, value_name = "FILE", requires = "file")]
    accord: Vec<PathBuf>,
    /// A verifier key to believe, `name+hash+base64` (may be repeated; with FILE)
    #[arg(long, value_name = "VKEY", requires = "file")]
    key: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Filter {
    fn query(&self) -> AuditQuery {
        AuditQuery {
            who: self.who.clone(),
            what: self.what.clone(),
            channel: self.channel.clone(),
            object: self.object.clone(),
            why: self.why.clone(),
            rule: self.rule.clone(),
            policy: self.policy.clone(),
            purpose: self.purpose.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            ..AuditQuery::default()
        }
    }
}

/// The query as a URL has it.
fn path(resource: &str, query: &AuditQuery) -> Result<String, Failure> {
    let fields = serde_json::to_value(query)
        .map_err(|error| Failure::usage(format!("the conditions cannot be sent: {error}")))?;
    let mut path = resource.to_owned();
    for (number, (name, value)) in fields.as_object().into_iter().flatten().enumerate() {
        let value = match value {
            serde_json::Value::String(text) => escape(text),
            other => other.to_string(),
        };
        path += &format!("{}{name}={value}", if number == 0 { '?' } else { '&' });
    }
    Ok(path)
}

impl Audit {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.list.run().await,
            Some(AuditCommand::Export(command)) => command.run().await,
            Some(AuditCommand::Verify(command)) => command.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut query = AuditQuery {
            from: self.from,
            newest: self.from.is_none(),
            ..self.filter.query()
        };
        let mut all = AuditPage::default();
        loop {
            query.limit = Some(self.limit - all.records.len() as u64);
            let page: AuditPage = admin.get(&path("/audit", &query)?).await?;
            (all.size, all.checkpoint, all.next) = (page.size, page.checkpoint, page.next);
            all.records.extend(page.records);
            if all.next.is_none() || all.records.len() as u64 >= self.limit {
                break;
            }
            if self.from.is_some() {
                query.from = all.next;
            } else {
                query.before = all.next;
            }
        }
        if self.from.is_none() {
            all.records.reverse();
        }
        if self.json {
            return show::json(&all);
        }
        let mut table = show::Table::new(&["record", "at", "what", "by", "count", "about"]);
        for line in &all.records {
            table.row(row(line));
        }
        table.print();
        show::line(format!("{} in all", show::count(all.size, "record")));
        if let Some(next) = all.next {
            let more = match self.from {
                Some(_) => format!("--from {next}"),
                None => format!("--limit {}", self.limit.saturating_mul(10)),
            };
            show::notice(format!("there may be more; ask for them with {more}"));
        }
        Ok(())
    }
}

fn row(line: &AuditLine) -> Vec<String> {
    let record = &line.record;
    let objects = match record.objects.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, ..] => format!("{first} and more (--json lists them)"),
    };
    let rules = match record.rules.as_slice() {
        [] => String::new(),
        rules => format!("by {}", rules.join(", ")),
    };
    let purpose = match record.purpose.as_str() {
        "" => String::new(),
        purpose => format!("for {purpose}"),
    };
    let parts = [
        &record.channel,
        &objects,
        &record.why,
        &purpose,
        &rules,
        &record.policy,
    ];
    let about: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    vec![
        line.index.to_string(),
        record.at.clone(),
        record.what.clone(),
        record.who.clone(),
        match record.count {
            0 => String::new(),
            count => show::thousands(count),
        },
        about.join("; "),
    ]
}

impl Export {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut query = AuditQuery {
            by: Some(who(&self.by)),
            ..self.filter.query()
        };
        let cannot = |error: std::io::Error| Failure::file("write", &self.file, &error);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.file)
            .map_err(cannot)?;
        let mut file = std::io::BufWriter::new(file);
        let mut records = 0;
        loop {
            let page: AuditExportPage = admin.get(&path("/audit/export", &query)?).await?;
            for line in page.head.iter().chain(&page.lines) {
                writeln!(file, "{line}").map_err(cannot)?;
            }
            records += page.lines.len() as u64;
            query.size = Some(page.size);
            query.from = page.next;
            if page.next.is_none() {
                break;
            }
        }
        writeln!(file, "{}", ExportLine::End { records }).map_err(cannot)?;
        file.into_inner()
            .map_err(|error| cannot(error.into_error()))?
            .sync_all()
            .map_err(cannot)?;
        show::line(format!(
            "{} written to {}; whoever gets it checks it with `kurultai audit verify`",
            show::count(records, "record"),
            self.file.display()
        ));
        Ok(())
    }
}

impl Verify {
    async fn run(self) -> Result<(), Failure> {
        match &self.file {
            Some(file) => self.check_file(file),
            None => self.check_own().await,
        }
    }

    fn check_file(&self, file: &Path) -> Result<(), Failure> {
        let report = export::check(file, &self.accord, &self.key)?;
        if self.json {
            show::json(&report)?;
        } else {
            report.print();
        }
        if report.holds {
            Ok(())
        } else {
            Err(Failure::refused(format!(
                "{} does not hold; the list says why",
                file.display()
            )))
        }
    }

    async fn check_own(&self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let check: AuditCheck = admin
            .post("/audit/verify", &serde_json::Value::Null)
            .await?;
        if self.json {
            show::json(&check)?;
        } else {
            print(&check);
        }
        if check.holds {
            Ok(())
        } else {
            Err(Failure::refused(
                "the audit log does not hold; find out who could write to the data folder, and keep \
                 it as it is for whoever inspects it",
            ))
        }
    }
}

fn print(check: &AuditCheck) {
    show::line(format!(
        "{}: {}, root {}",
        check.origin,
        show::count(check.size, "record"),
        check.root
    ));
    for witness in &check.witnesses {
        let seen = match (witness.size, &witness.at) {
            (Some(size), Some(at)) => {
                format!("has witnessed {} at {at}", show::count(size, "record"))
            }
            (Some(size), None) => format!("has witnessed {}", show::count(size, "record")),
            (None, _) => "has witnessed nothing".to_owned(),
        };
        let source = match (witness.asked, &witness.error) {
            (true, None) => ", as it says itself".to_owned(),
            (_, Some(why)) => format!(" (as kept here; {why})"),
            (false, None) => " (as kept here)".to_owned(),
        };
        show::line(format!("  {} {seen}{source}", witness.code));
    }
    for note in &check.notes {
        show::line(format!("  note: {note}"));
    }
    for finding in &check.findings {
        show::line(format!("  WRONG: {finding}"));
    }
    if check.findings_omitted > 0 {
        show::line(format!(
            "  … and {} more problems",
            show::thousands(check.findings_omitted)
        ));
    }
    if check.holds {
        show::line(
            "  holds: every record, tile and signature, and everything that partners witnessed",
        );
    }
}
