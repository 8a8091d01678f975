//! `kurultai peer`: partners and how pulling from them goes.

use clap::{Args, Subcommand};
use node::admin::types::{PeerInfo, PullReport, PullRequest};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::{Data, show};

/// Partners: who they are and how pulling from them goes.
#[derive(Subcommand)]
pub(crate) enum Peer {
    /// The partners that accords in force name
    List(Read),
    /// Each log that is pulled, how far it is and what went wrong last
    Status(Read),
    /// Pull now, and wait for the result
    Pull(Pull),
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

/// Pulls now.
#[derive(Args)]
pub(crate) struct Pull {
    /// Only from this member
    #[arg(value_name = "CODE")]
    peer: Option<String>,
    /// Only this channel, ACCORD/CHANNEL
    #[arg(long)]
    channel: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Peer {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Peer::List(read) => list(&read).await,
            Peer::Status(read) => status(&read).await,
            Peer::Pull(pull) => pull.run().await,
        }
    }
}

/// The partners, and whether the node runs.
async fn peers(read: &Read) -> Result<(Vec<PeerInfo>, bool), Failure> {
    let mut admin = Admin::open(&read.data.folder()).await?;
    Ok((admin.get("/peers").await?, admin.is_running()))
}

async fn list(read: &Read) -> Result<(), Failure> {
    let (peers, _) = peers(read).await?;
    if read.json {
        return show::json(&peers);
    }
    if peers.is_empty() {
        show::line("no partners yet; install an accord with `kurultai accord install FILE`");
        return Ok(());
    }
    let mut table = show::Table::new(&["code", "name", "url", "channels"]);
    for peer in &peers {
        let channels: Vec<&str> = peer.logs.iter().map(|log| log.channel.as_str()).collect();
        table.row(vec![
            peer.code.clone(),
            peer.name.clone(),
            peer.url.clone(),
            channels.join(" "),
        ]);
    }
    table.print();
    Ok(())
}

async fn status(read: &Read) -> Result<(), Failure> {
    let (peers, running) = peers(read).await?;
    let troubled = peers
        .iter()
        .flat_map(|peer| &peer.logs)
        .filter(|log| log.last_error.is_some() || log.refused.is_some())
        .count();
    if read.json {
        return show::json(&peers);
    }
    print(&peers, running);
    if troubled > 0 {
        show::notice(format!(
            "{} in trouble; see the last column",
            show::count(troubled as u64, "log")
        ));
    }
    Ok(())
}

/// Prints the state of every pulled log.
pub(crate) fn print(peers: &[PeerInfo], running: bool) {
    let mut table = show::Table::new(&[
        "partner",
        "channel",
        "held",
        "behind",
        "last pulled",
        "state",
    ]);
    for peer in peers {
        for log in &peer.logs {
            let state = match (&log.refused, &log.last_error) {
                (Some(why), _) => format!("REFUSED: {why}"),
                (None, Some(why)) => format!("failing: {why}"),
                (None, None) if !running => "this node does not run".to_owned(),
                (None, None) if peer.listening => "listening".to_owned(),
                (None, None) => "polling".to_owned(),
            };
            table.row(vec![
                peer.code.clone(),
                log.channel.clone(),
                show::thousands(log.size),
                show::thousands(log.lag),
                log.last_success
                    .clone()
                    .unwrap_or_else(|| "never".to_owned()),
                state,
            ]);
        }
    }
    if table.is_empty() {
        show::line("  no log is pulled: no channel is in force here (`kurultai accord show`)");
    } else {
        table.print();
    }
}

impl Pull {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = PullRequest {
            peer: self.peer,
            channel: self.channel,
        };
        let report: PullReport = admin.post("/pull", &request).await?;
        if self.json {
            show::json(&report)?;
        } else {
            let mut table = show::Table::new(&["partner", "channel", "before", "now", "result"]);
            for log in &report.logs {
                table.row(vec![
                    log.peer.clone(),
                    log.channel.clone(),
                    show::thousands(log.from),
                    show::thousands(log.to),
                    log.error.clone().unwrap_or_else(|| "done".to_owned()),
                ]);
            }
            table.print();
        }
        match report.logs.iter().filter(|log| log.error.is_some()).count() {
            0 => Ok(()),
            failed => Err(Failure::unavailable(format!(
                "{} could not be pulled; the table says why",
                show::count(failed as u64, "log")
            ))),
        }
    }
}
