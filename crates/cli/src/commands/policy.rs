//! `kurultai policy`: the nation's own rules.
//!
//! `test` and `sign` need no running node: rules are drawn up, tried out and signed where that is
//! wise, and only the signed set is brought to the node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use node::admin::types::{Activation, PolicyFiles, PolicyInfo, WhatIfReport, WhatIfRequest};
use policy::authority::{test, unreached};
use policy::{Manifest, PolicySet, SignedPolicy};

use crate::Data;
use crate::admin::Admin;
use crate::exit::Failure;
use crate::show;

/// LIMIT: bytes read of one file of a policy set; the reader of sets is stricter.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The file beside a set's folder that holds its signed manifest.
const MANIFEST: &str = "manifest.note";

/// The national policy.
#[derive(Subcommand, Debug)]
pub(crate) enum Policy {
    /// What is in force: the set, its rules in words
    Show(Show),
    /// Run a set's cases; needs no node
    Test(Test),
    /// What another set, accord or label would change, before it is put in force
    WhatIf(WhatIf),
    /// Sign a set as the successor of the one in force
    Sign(Sign),
    /// Put a signed set in force
    Activate(Activate),
    /// Every activation
    History(History),
}

/// What is in force.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    data: Data,
    /// Write the files of the set (and its manifest) into this new folder
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Cases.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Files of cases (TOML), or folders of policy sets
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The set that the files of cases are about [default: the one that ships with the program]
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
}

/// What would change.
#[derive(Args, Debug)]
pub(crate) struct WhatIf {
    #[command(flatten)]
    data: Data,
    /// With the policy set in this folder
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// With the accord (a note or its text) in this file
    #[arg(long, value_name = "FILE")]
    accord: Option<PathBuf>,
    /// With another label for everything that was taken in under one: 'OLD => NEW'
    #[arg(long, value_name = "OLD => NEW")]
    label: Vec<String>,
    /// Only this channel, ACCORD/CHANNEL
    #[arg(long)]
    channel: Option<String>,
    /// List every object concerned
    #[arg(long)]
    ids: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Signing.
#[derive(Args, Debug)]
pub(crate) struct Sign {
    #[command(flatten)]
    data: Data,
    /// The folder of the set; the manifest is written into it
    dir: PathBuf,
    /// The secret file of the policy key, where it is kept elsewhere
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The manifest of the set in force, for signing without the node [default: ask the node]
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
}

/// Activation.
#[derive(Args, Debug)]
pub(crate) struct Activate {
    #[command(flatten)]
    data: Data,
    /// The folder of the signed set
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Every activation.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    data: Data,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Policy {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Policy::Show(show) => show.run().await,
            Policy::Test(test) => test.run(),
            Policy::WhatIf(what_if) => what_if.run().await,
            Policy::Sign(sign) => sign.run().await,
            Policy::Activate(activate) => activate.run().await,
            Policy::History(history) => history.run().await,
        }
    }
}

/// The files of a set: path inside the folder to text.
fn read_set(dir: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    for folder in [dir.to_path_buf(), dir.join("cases")] {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(_) if folder != *dir => continue,
            Err(error) => {
                return Err(Failure::usage(format!(
                    "the folder {} cannot be read: {error}",
                    folder.display()
                )));
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if !path.is_file() || name == MANIFEST || name == "schema.cedarschema" {
                continue;
            }
            let inside = if folder == *dir {
                name
            } else {
                format!("cases/{name}")
            };
            files.insert(inside, read_text(&path)?);
        }
    }
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(wrong(format!("at most {FILE_BYTES_MAX} bytes are read")));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

fn set_of(files: BTreeMap<String, String>) -> Result<PolicySet, Failure> {
    let bytes = |(path, text): (String, String)| (path, text.into_bytes());
    PolicySet::read(files.into_iter().map(bytes).collect())
        .map_err(|error| Failure::refused(error.to_string()))
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        if let Some(dir) = &self.export {
            let given: PolicyFiles = admin.get("/policy/files").await?;
            return export(dir, &given);
        }
        let info: PolicyInfo = admin.get("/policy").await?;
        if self.json {
            return show::json(&info);
        }
        match &info.activated {
            Some(activated) => show::line(format!(
                "policy set {} ({}), in force since {} by {}",
                info.number, info.hash, activated.at, activated.who
            )),
            None => show::line(format!(
                "the policy set that ships with the program ({}) is in force",
                info.hash
            )),
        }
        for rule in &info.rules {
            show::line(format!("{} ({}): {}", rule.id, rule.place, rule.words));
        }
        if info.key.is_none() {
            show::line("this node has no policy key, so no other set can be activated");
        }
        Ok(())
    }
}

fn export(dir: &Path, given: &PolicyFiles) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::usage(format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir(dir).map_err(|error| failed(dir, error))?;
    let manifest = (MANIFEST.to_owned(), given.manifest.clone());
    let all = given.files.clone().into_iter().chain([manifest]);
    for (inside, text) in all.filter(|(_, text)| !text.is_empty()) {
        let path = dir.join(&inside);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    show::line(format!("written to {}", dir.display()));
    Ok(())
}

impl Test {
    fn run(self) -> Result<(), Failure> {
        let base = match &self.policy {
            Some(dir) => set_of(read_set(dir)?)?,
            None => PolicySet::shipped().map_err(|error| Failure::refused(error.to_string()))?,
        };
        let mut failures = 0;
        let mut cases = 0;
        let mut run = |set: &PolicySet, given: &[(String, String)]| -> Result<(), Failure> {
            let authority = set.authority(0);
            let mut reached = std::collections::BTreeSet::new();
            for (path, text) in given {
                let report = test(&authority, path, text)
                    .map_err(|error| Failure::refused(error.to_string()))?;
                cases += report.cases;
                failures += report.failures.len();
                for failed in &report.failures {
                    show::line(format!(
                        "{}: {}: {}",
                        failed.place, failed.case, failed.words
                    ));
                }
                reached.extend(report.reached);
            }
            for rule in unreached(&authority, &reached) {
                show::line(format!("no case reaches {} ({})", rule.id, rule.place));
            }
            Ok(())
        };
        let mut loose = Vec::new();
        for file in &self.files {
            if file.is_dir() {
                let set = set_of(read_set(file)?)?;
                let own = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
                let given: Vec<(String, String)> = set.cases().map(own).collect();
                run(&set, &given)?;
            } else {
                loose.push((file.display().to_string(), read_text(file)?));
            }
        }
        if !loose.is_empty() {
            run(&base, &loose)?;
        }
        show::line(format!(
            "{}, {failures} failed",
            show::count(cases as u64, "case")
        ));
        match failures {
            0 => Ok(()),
            _ => Err(Failure::refused(
                "the rules do not decide as the cases say; change the one or the other",
            )),
        }
    }
}

impl WhatIf {
    async fn run(self) -> Result<(), Failure> {
        if self.policy.is_none() && self.accord.is_none() && self.label.is_empty() {
            return Err(Failure::usage(
                "say what would change: --policy DIR, --accord FILE or --label 'OLD => NEW'",
            ));
        }
        let mut request = WhatIfRequest {
            channel: self.channel.clone(),
            limit: if self.ids { 5_000 } else { 0 },
            ..WhatIfRequest::default()
        };
        if let Some(dir) = &self.policy {
            request.policy = Some(PolicyFiles {
                files: read_set(dir)?,
                ..PolicyFiles::default()
            });
        }
        request.accord = self.accord.as_deref().map(read_text).transpose()?;
        for pair in &self.label {
            let (from, to) = pair.split_once("=>").ok_or_else(|| {
                Failure::usage(format!("{pair:?} is not of the form 'OLD => NEW'"))
            })?;
            let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
            request.labels.insert(from, to);
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut report: WhatIfReport = admin.post("/policy/what-if", &request).await?;
        if self.json && !self.ids {
            return show::json(&report);
        }
        for change in &report.changes {
            show::line(format!(
                "{}: {} {} ({}): {} -> {}",
                change.channel,
                show::thousands(change.objects),
                change.kind,
                change.label,
                change.before,
                change.after
            ));
        }
        show::line(format!(
            "{} in {} looked at, {} of class and channel differ",
            show::count(report.objects, "object"),
            show::count(report.channels as u64, "channel"),
            show::count(report.changes.len() as u64, "pair")
        ));
        if !self.ids {
            return Ok(());
        }
        loop {
            for one in &report.ids {
                if self.json {
                    show::json(one)?;
                    continue;
                }
                let shown = if one.shown { ", shown there now" } else { "" };
                show::line(format!(
                    "{} {}: {} -> {}{shown}",
                    one.id, one.channel, one.before, one.after
                ));
            }
            let Some(next) = report.next else {
                return Ok(());
            };
            request.after = Some(next);
            report = admin.post("/policy/what-if", &request).await?;
        }
    }
}

impl Sign {
    async fn run(self) -> Result<(), Failure> {
        let set = set_of(read_set(&self.dir)?)?;
        let folder = self.data.folder();
        let config =
            node::Config::load(&folder).map_err(|error| Failure::usage(error.to_string()))?;
        let path = self.key.unwrap_or_else(|| config.keys.join("policy.key"));
        let key = node::keys::read_policy_key(&path, &config.domain)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let before = match &self.after {
            Some(path) => read_text(path)?,
            None => {
                let mut admin = Admin::open(&folder).await?;
                let given: PolicyFiles = admin.get("/policy/files").await?;
                given.manifest
            }
        };
        let before = match before.split_once("\n\n") {
            Some((text, _)) => Some(
                Manifest::parse(&format!("{text}\n"))
                    .map_err(|error| Failure::refused(error.to_string()))?,
            ),
            None => None,
        };
        let signed = SignedPolicy::sign(set, before.as_ref(), &key)
            .map_err(|error| Failure::refused(error.to_string()))?;
        let path = self.dir.join(MANIFEST);
        std::fs::write(&path, signed.note()).map_err(|error| {
            Failure::usage(format!("{} cannot be written: {error}", path.display()))
        })?;
        show::line(format!(
            "signed as number {}; look at what it would change with `kurultai policy what-if --policy {}`, \
             then put it in force with `kurultai policy activate {}`",
            signed.manifest().number,
            self.dir.display(),
            self.dir.display()
        ));
        Ok(())
    }
}

impl Activate {
    async fn run(self) -> Result<(), Failure> {
        let given = PolicyFiles {
            manifest: read_text(&self.dir.join(MANIFEST))?,
            files: read_set(&self.dir)?,
            who: std::env::var("USER").unwrap_or_default(),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let info: PolicyInfo = admin.post("/policy/activate", &given).await?;
        if self.json {
            return show::json(&info);
        }
        if let Some(activated) = &info.activated {
            show::line(format!(
                "policy set {} is in force: {}",
                activated.number, activated.summary
            ));
        }
        Ok(())
    }
}

impl History {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let history: Vec<Activation> = admin.get("/policy/history").await?;
        if self.json {
            return show::json(&history);
        }
        if history.is_empty() {
            show::line("only the set that ships with the program was ever in force");
        }
        for one in &history {
            show::line(format!(
                "{} at {} by {} ({}): {}",
                one.number, one.at, one.who, one.hash, one.summary
            ));
        }
        Ok(())
    }
}
