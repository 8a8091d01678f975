//! The next version of an accord: drafting it, saying what it changes, finding what surprises.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use node::admin::types::AccordStatus;
use policy::{Accord, Difference, SignedAccord, Surprise, compare, lint};
use serde::Serialize;

use super::{parse, read, write};
use crate::admin::{Admin, escape};
use crate::commands::draft::{channel, member_of};
use crate::exit::Failure;
use crate::{Data, show};

/// Drafts the next version of an accord.
#[derive(Args)]
pub(crate) struct Amend {
    /// A file, or the name of an installed accord
    accord: String,
    /// A member that comes in: its description, a JSON file (may be repeated)
    #[arg(long, value_name = "FILE")]
    add_member: Vec<PathBuf>,
    /// A member that goes, out of every channel and group (may be repeated)
    #[arg(long, value_name = "CODE")]
    remove_member: Vec<String>,
    /// A channel that begins, as for `accord new` (may be repeated)
    #[arg(long, value_name = "SPEC")]
    add_channel: Vec<String>,
    /// A channel that ends (may be repeated)
    #[arg(long, value_name = "NAME")]
    end_channel: Vec<String>,
    /// A member that comes into a channel (may be repeated)
    #[arg(long, value_name = "CODE=CHANNEL")]
    join: Vec<String>,
    /// Where to write the draft; it is a text to be edited further
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: Data,
}

/// Says what a version changes.
#[derive(Args)]
pub(crate) struct Diff {
    /// The version before
    old: PathBuf,
    /// The version after
    new: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Looks for surprises.
#[derive(Args)]
pub(crate) struct Lint {
    /// The accord, signed or not
    file: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct DifferenceInfo<'a> {
    effect: &'static str,
    about: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct SurpriseInfo<'a> {
    rule: &'static str,
    about: &'a str,
    text: &'a str,
}

impl Amend {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.out.exists() {
            return Err(Failure::refused(format!(
                "{} exists; name another file with --out",
                self.out.display()
            )));
        }
        let path = Path::new(&self.accord);
        let old = if path.is_file() {
            parse(path, &read(path)?)?
        } else {
            installed(&self.accord, &self.data).await?
        };
        let draft = self.draft(&old)?;
        let new = SignedAccord::new(draft).map_err(Failure::usage)?;
        new.succeeds(&old).map_err(Failure::refused)?;
        write(&self.out, &new.to_string())?;
        print(&compare(old.accord(), new.accord()));
        for surprise in lint(&new) {
            show::notice(format!("{}: {}", surprise.about, surprise.text));
        }
        show::line(format!(
            "{} is drafted as version {}; edit and read it, then every member runs `kurultai accord sign {0}`",
            self.out.display(),
            new.accord().version
        ));
        Ok(())
    }

    fn draft(&self, old: &SignedAccord) -> Result<Accord, Failure> {
        let mut new = old.accord().clone();
        new.version = new.version.checked_add(1).ok_or_else(|| {
            Failure::refused("the accord has no higher version; agree on one with another name")
        })?;
        new.previous = Some(old.digest());
        for code in &self.remove_member {
            known(new.member(code).is_some(), "member", code)?;
            new.members.retain(|member| member.code != *code);
            for channel in &mut new.channels {
                channel.members.remove(code);
            }
            for group in &mut new.groups {
                group.members.remove(code);
            }
            // A circle of nobody is none, and labels that name it release to nobody by it.
            new.groups.retain(|group| !group.members.is_empty());
        }
        for name in &self.end_channel {
            known(new.channel(name).is_some(), "channel", name)?;
            new.channels.retain(|channel| channel.name != *name);
        }
        for path in &self.add_member {
            new.members.push(member_of(path)?);
        }
        for join in &self.join {
            let (code, name) = join
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--join {join:?}: write CODE=CHANNEL")))?;
            known(new.member(code).is_some(), "member", code)?;
            let channel = new.channels.iter_mut().find(|channel| channel.name == name);
            let channel = channel.ok_or_else(|| unknown("channel", name))?;
            channel.members.insert(code.to_owned());
        }
        let all: BTreeSet<String> = new.members.iter().map(|one| one.code.clone()).collect();
        for spec in &self.add_channel {
            new.channels.push(channel(spec, &all)?);
        }
        Ok(new)
    }
}

/// The version of this name that counts at the node.
async fn installed(name: &str, data: &Data) -> Result<SignedAccord, Failure> {
    let mut admin = Admin::open(&data.folder()).await?;
    let status: AccordStatus = admin
        .get(&format!("/accords/{}/status", escape(name)))
        .await?;
    if let Some(next) = &status.next {
        return Err(Failure::refused(format!(
            "version {} of {name} waits for this member already; sign it, or amend the file of the version that you mean",
            next.version
        )));
    }
    let note = admin.text(&format!("/accords/{}", escape(name))).await?;
    parse(Path::new(name), note.as_bytes())
}

impl Diff {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let old = parse(&self.old, &read(&self.old)?)?;
        let new = parse(&self.new, &read(&self.new)?)?;
        let found = compare(old.accord(), new.accord());
        if self.json {
            let all = found.iter().map(|one| DifferenceInfo {
                effect: one.effect.word(),
                about: &one.about,
                text: &one.text,
            });
            return show::json(&all.collect::<Vec<_>>());
        }
        if let Err(error) = new.succeeds(&old) {
            show::notice(error.to_string());
        }
        print(&found);
        Ok(())
    }
}

impl Lint {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let found: Vec<Surprise> = lint(&parse(&self.file, &read(&self.file)?)?);
        if self.json {
            let all = found.iter().map(|one| SurpriseInfo {
                rule: one.rule,
                about: &one.about,
                text: &one.text,
            });
            show::json(&all.collect::<Vec<_>>())?;
        } else {
            for one in &found {
                show::line(format!("{}: {} [{}]", one.about, one.text, one.rule));
            }
        }
        if found.is_empty() {
            if !self.json {
                show::line("nothing in it would surprise");
            }
            return Ok(());
        }
        Err(Failure::Warned(format!(
            "{} in {}; each may be meant: read it with those who will sign",
            show::count(found.len() as u64, "surprise"),
            self.file.display()
        )))
    }
}

fn print(found: &[Difference]) {
    if found.is_empty() {
        show::line("the two say the same");
    }
    let mut table = show::Table::new(&["", "about", "what changes"]);
    for one in found {
        table.row(vec![
            one.effect.word().to_owned(),
            one.about.clone(),
            one.text.clone(),
        ]);
    }
    if !found.is_empty() {
        table.print();
    }
}

fn known(is: bool, what: &str, name: &str) -> Result<(), Failure> {
    if is { Ok(()) } else { Err(unknown(what, name)) }
}

fn unknown(what: &str, name: &str) -> Failure {
    Failure::usage(format!(
        "the accord has no {what} {name}; `kurultai accord show` lists them"
    ))
}
