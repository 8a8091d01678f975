//! `kurultai feed`: what comes in from outside servers and files, and what goes out to them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use node::admin::types::{FeedAccess, FeedHealth, FeedInfo, FeedQuarantine, FeedSource, FeedSpec};

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Feeds: pull from outside TAXII servers, files and tables; push a channel to an outside server.
#[derive(Subcommand)]
pub(crate) enum Feed {
    /// Add a feed
    #[command(subcommand)]
    Add(Box<Add>),
    /// Every feed and where it goes
    List(Read),
    /// How feeds do; ends with 1 when one does not work
    Status(Status),
    /// Run a feed now and wait for the result
    Run(One),
    /// Stop a feed from running
    Pause(One),
    /// Let a feed run again; one that pushes is opened by a releaser
    Resume(One),
    /// What a feed brought and was refused, and why
    Quarantine(One),
    /// Remove a feed; what it brought stays
    Remove(Remove),
}

/// Adds a feed.
#[derive(Subcommand)]
pub(crate) enum Add {
    /// Read a collection of an outside TAXII 2.1 server
    Taxii(Taxii),
    /// Read STIX JSON from a file or every file of a folder (.json, .json.gz, .json.zst)
    File(File),
    /// Read STIX JSON from a URL
    HttpJson(HttpJson),
    /// Make indicators or observables of the rows of a table
    Csv(Csv),
    /// Write what this member released into a channel to an outside TAXII 2.1 server
    TaxiiPush(TaxiiPush),
}

/// A collection to read.
#[derive(Args)]
pub(crate) struct Taxii {
    /// The feed's name: a-z, 0-9 and -
    name: String,
    /// Discovery, API root or collection
    url: String,
    /// The collection's id, alias or title; not needed where there is only one
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Read only the latest version of each object [default: all]
    #[arg(long)]
    latest_only: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    inbound: Inbound,
    #[command(flatten)]
    common: Common,
}

/// A file or folder to read.
#[derive(Args)]
pub(crate) struct File {
    /// The feed's name: a-z, 0-9 and -
    name: String,
    /// A file or a folder
    path: PathBuf,
    #[command(flatten)]
    inbound: Inbound,
    #[command(flatten)]
    common: Common,
}

/// A document to read.
#[derive(Args)]
pub(crate) struct HttpJson {
    /// The feed's name: a-z, 0-9 and -
    name: String,
    /// Where the bundle is
    url: String,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    inbound: Inbound,
    #[command(flatten)]
    common: Common,
}

/// A table to read.
#[derive(Args)]
pub(crate) struct Csv {
    /// The feed's name: a-z, 0-9 and -
    name: String,
    /// A URL or a file
    source: String,
    /// What the columns mean: a TOML file, see docs/feeds.md
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    inbound: Inbound,
    #[command(flatten)]
    common: Common,
}

/// A collection to write.
#[derive(Args)]
pub(crate) struct TaxiiPush {
    /// The feed's name: a-z, 0-9 and -
    name: String,
    /// Discovery, API root or collection
    url: String,
    /// The channel whose own releases are pushed, ACCORD/CHANNEL
    #[arg(long, value_name = "NAME")]
    channel: String,
    /// The member for which the outside collection stands [default: everybody]
    #[arg(long, value_name = "CODE")]
    stands_for: Option<String>,
    /// The collection's id, alias or title; not needed where there is only one
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    common: Common,
}

/// What proves the node to the server. Secrets are files in `secrets/` of the data folder.
#[derive(Args)]
pub(crate) struct Access {
    /// The user of HTTP Basic
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// The file in DIR/secrets with that user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<String>,
    /// The file in DIR/secrets with a bearer token
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    token_file: Option<String>,
    /// Certificates (PEM) of the authorities that may vouch for the server [default: the system's]
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
}

/// What is said of what comes in.
#[derive(Args)]
pub(crate) struct Inbound {
    /// The least strict label of what comes in; what objects state themselves can only make it
    /// stricter [default: the node's intake label]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
}

/// What every feed has.
#[derive(Args)]
pub(crate) struct Common {
    /// Time between runs: 30s, 15m, 6h, 1d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    every: u64,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// What a reading command needs.
#[derive(Args)]
pub(crate) struct Read {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// How feeds do.
#[derive(Args)]
pub(crate) struct Status {
    /// Only this feed
    name: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// One feed.
#[derive(Args)]
pub(crate) struct One {
    /// The feed's name
    name: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Removes a feed.
#[derive(Args)]
pub(crate) struct Remove {
    /// The feed's name
    name: String,
    /// Also where something that it pushed is outside, which nobody takes back then; on record
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    data: Data,
}

/// A span of time in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time; write it as 30s, 15m, 6h or 1d");
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

impl Feed {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Feed::Add(command) => command.run().await,
            Feed::List(command) => list(&command).await,
            Feed::Status(command) => status(&command).await,
            Feed::Run(command) => run(&command).await,
            Feed::Pause(command) => decide(&command, "pause").await,
            Feed::Resume(command) => decide(&command, "resume").await,
            Feed::Quarantine(command) => quarantine(&command).await,
            Feed::Remove(command) => {
                let mut admin = Admin::open(&command.data.folder()).await?;
                let path = format!("/feeds/{}?force={}", escape(&command.name), command.force);
                admin.delete(&path).await?;
                show::line(format!(
                    "feed {} removed; what it brought stays",
                    command.name
                ));
                Ok(())
            }
        }
    }
}

impl Access {
    fn named(self) -> Result<FeedAccess, Failure> {
        let authorities = self.authorities.as_deref().map(absolute).transpose()?;
        Ok(FeedAccess {
            user: self.user,
            password: self.password_file,
            token: self.token_file,
            authorities,
        })
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let (name, source, label, common) = match self {
            Add::Taxii(it) => (
                it.name,
                FeedSource::Taxii {
                    url: it.url,
                    collection: it.collection,
                    latest_only: it.latest_only,
                    access: it.access.named()?,
                },
                it.inbound.label,
                it.common,
            ),
            Add::File(it) => {
                let path = absolute(&it.path)?;
                (
                    it.name,
                    FeedSource::File { path },
                    it.inbound.label,
                    it.common,
                )
            }
            Add::HttpJson(it) => (
                it.name,
                FeedSource::HttpJson {
                    url: it.url,
                    access: it.access.named()?,
                },
                it.inbound.label,
                it.common,
            ),
            Add::Csv(it) => {
                let mapping = std::fs::read_to_string(&it.mapping)
                    .map_err(|error| Failure::file("read", &it.mapping, &error))?;
                let is_url = it.source.starts_with("http://") || it.source.starts_with("https://");
                let (url, path) = match is_url {
                    true => (Some(it.source), None),
                    false => (None, Some(absolute(Path::new(&it.source))?)),
                };
                let access = it.access.named()?;
                let source = FeedSource::Csv {
                    url,
                    path,
                    mapping,
                    access,
                };
                (it.name, source, it.inbound.label, it.common)
            }
            Add::TaxiiPush(it) => (
                it.name,
                FeedSource::TaxiiPush {
                    url: it.url,
                    collection: it.collection,
                    channel: it.channel,
                    stands_for: it.stands_for,
                    access: it.access.named()?,
                },
                None,
                it.common,
            ),
        };
        let spec = FeedSpec {
            name,
            source,
            label,
            every_secs: common.every,
            who: who(&common.who),
        };
        let mut admin = Admin::open(&common.data.folder()).await?;
        let info: FeedInfo = admin.post("/feeds", &spec).await?;
        if common.json {
            return show::json(&info);
        }
        show::line(format!("feed {}: {}", info.spec.name, place(&info)));
        if info.health == FeedHealth::Paused {
            show::notice(info.why);
        } else if !admin.is_running() {
            show::notice("it runs when the node does; `kurultai feed run` runs it once now");
        }
        Ok(())
    }
}

/// A path that does not depend on where the command runs.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}

async fn list(command: &Read) -> Result<(), Failure> {
    let mut admin = Admin::open(&command.data.folder()).await?;
    let feeds: Vec<FeedInfo> = admin.get("/feeds").await?;
    if command.json {
        return show::json(&feeds);
    }
    if feeds.is_empty() {
        show::line("no feeds yet; add one with `kurultai feed add`");
        return Ok(());
    }
    let mut table = show::Table::new(&["name", "kind", "every", "label", "where"]);
    for feed in &feeds {
        let label = feed.spec.label.clone();
        table.row(vec![
            feed.spec.name.clone(),
            kind(&feed.spec.source).to_owned(),
            span(feed.spec.every_secs),
            label.unwrap_or_else(|| "intake".into()),
            place(feed),
        ]);
    }
    table.print();
    Ok(())
}

async fn status(command: &Status) -> Result<(), Failure> {
    let mut admin = Admin::open(&command.data.folder()).await?;
    let feeds: Vec<FeedInfo> = match &command.name {
        Some(name) => vec![admin.get(&format!("/feeds/{}", escape(name))).await?],
        None => admin.get("/feeds").await?,
    };
    if command.json {
        show::json(&feeds)?;
    } else if feeds.is_empty() {
        show::line("no feeds yet; add one with `kurultai feed add`");
    } else {
        print(&feeds);
        for feed in &feeds {
            for warning in &feed.warnings {
                show::notice(format!("{}: of its server: {warning}", feed.spec.name));
            }
            for one in &feed.unrecalled {
                let id = one.id.as_deref().unwrap_or_default();
                show::notice(format!("{}: {id}: {}", feed.spec.name, one.reason));
            }
        }
    }
    match feeds.iter().filter(|feed| is_sick(feed)).count() {
        0 => Ok(()),
        sick => Err(Failure::Refused(format!(
            "{} not working; the table says why",
            match sick {
                1 => "1 feed is".to_owned(),
                many => format!("{} are", show::count(many as u64, "feed")),
            }
        ))),
    }
}

fn is_sick(feed: &FeedInfo) -> bool {
    matches!(
        feed.health,
        FeedHealth::Failing | FeedHealth::Stale | FeedHealth::Unrecalled
    )
}

fn print(feeds: &[FeedInfo]) {
    let headings = [
        "name",
        "health",
        "last success",
        "failures",
        "accepted",
        "known",
        "refused",
        "why",
    ];
    let mut table = show::Table::new(&headings);
    for feed in feeds {
        table.row(vec![
            feed.spec.name.clone(),
            health(feed.health).to_owned(),
            feed.last_success.clone().unwrap_or_else(|| "never".into()),
            show::thousands(feed.failures.into()),
            show::thousands(feed.accepted),
            show::thousands(feed.known),
            show::thousands(feed.refused),
            feed.why.clone(),
        ]);
    }
    table.print();
}

async fn run(command: &One) -> Result<(), Failure> {
    let mut admin = Admin::open(&command.data.folder()).await?;
    let path = format!("/feeds/{}/run", escape(&command.name));
    let feed: FeedInfo = admin.post(&path, &serde_json::json!({})).await?;
    if command.json {
        show::json(&feed)?;
    } else {
        print(std::slice::from_ref(&feed));
    }
    match feed.last_error {
        Some(why) => Err(Failure::unavailable(why)),
        None => Ok(()),
    }
}

async fn decide(command: &One, word: &str) -> Result<(), Failure> {
    let mut admin = Admin::open(&command.data.folder()).await?;
    let path = format!("/feeds/{}/{word}", escape(&command.name));
    let feed: FeedInfo = admin.post(&path, &serde_json::json!({})).await?;
    if command.json {
        return show::json(&feed);
    }
    show::line(format!("feed {}: {}", feed.spec.name, feed.why));
    Ok(())
}

async fn quarantine(command: &One) -> Result<(), Failure> {
    let mut admin = Admin::open(&command.data.folder()).await?;
    let path = format!("/feeds/{}/quarantine", escape(&command.name));
    let held: FeedQuarantine = admin.get(&path).await?;
    if command.json {
        return show::json(&held);
    }
    if held.refusals.is_empty() {
        show::line("nothing was refused");
        return Ok(());
    }
    let mut table = show::Table::new(&["at", "object", "place", "why"]);
    for one in &held.refusals {
        table.row(vec![
            one.at.clone(),
            one.id.clone().unwrap_or_default(),
            one.place.clone(),
            one.reason.clone(),
        ]);
    }
    table.print();
    if held.dropped > 0 {
        show::notice(format!(
            "{} older than these are not kept",
            show::count(held.dropped, "refusal")
        ));
    }
    Ok(())
}

fn kind(source: &FeedSource) -> &'static str {
    match source {
        FeedSource::Taxii { .. } => "taxii",
        FeedSource::File { .. } => "file",
        FeedSource::HttpJson { .. } => "http-json",
        FeedSource::Csv { .. } => "csv",
        FeedSource::TaxiiPush { .. } => "taxii-push",
    }
}

fn place(feed: &FeedInfo) -> String {
    match &feed.spec.source {
        FeedSource::Taxii {
            url, collection, ..
        } => match collection {
            Some(collection) => format!("{url} {collection}"),
            None => url.clone(),
        },
        FeedSource::HttpJson { url, .. } => url.clone(),
        FeedSource::File { path } => path.display().to_string(),
        FeedSource::Csv { url, path, .. } => match (url, path) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => String::new(),
        },
        FeedSource::TaxiiPush {
            url,
            channel,
            stands_for,
            ..
        } => format!(
            "{channel} to {url}, for {}",
            stands_for.as_deref().unwrap_or("everybody")
        ),
    }
}

fn health(health: FeedHealth) -> &'static str {
    match health {
        FeedHealth::Healthy => "healthy",
        FeedHealth::New => "new",
        FeedHealth::Failing => "FAILING",
        FeedHealth::Stale => "STALE",
        FeedHealth::Paused => "paused",
        FeedHealth::Unrecalled => "UNRECALLED",
    }
}

/// Seconds as people write them.
fn span(secs: u64) -> String {
    match secs {
        secs if secs >= 86_400 && secs.is_multiple_of(86_400) => format!("{}d", secs / 86_400),
        secs if secs >= 3_600 && secs.is_multiple_of(3_600) => format!("{}h", secs / 3_600),
        secs if secs >= 60 && secs.is_multiple_of(60) => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{seconds, span};

    #[test]
    fn spans_of_time_are_read_and_written_alike() {
        for text in ["30s", "15m", "6h", "1d", "90s"] {
            assert_eq!(span(seconds(text).unwrap()), text);
        }
        for text in ["", "5", "h", "-1h", "1w", "1é", "999999999999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
