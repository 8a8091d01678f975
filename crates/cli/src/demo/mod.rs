//! `kurultai demo`: six sovereign nodes on this machine, and six proofs.
//!
//! The steps are in the order of the story: members and accord (`cluster`), what they share
//! (`scenario`, and real STIX with --data), who holds what (`holdings`), then the proofs
//! (`proofs`, `decide`, `tamper`, `crash`). Nothing is staged: every claim is looked at through the
//! interfaces that members and national tools use, and a claim that does not hold fails the
//! command.

// A demonstration measures time.
#![allow(clippy::disallowed_methods)]

mod cluster;
mod crash;
mod decide;
mod holdings;
mod proofs;
mod scenario;
mod tamper;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use node::admin::types::{ReleaseOutcome, Selection};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::add::{Added, add};
use crate::commands::init::empty;
use crate::exit::Failure;
use crate::input;
use crate::show;
use crate::taxii::MEDIA;
use cluster::{Cluster, USER};
use scenario::{ACCORD, SIX, stories};

/// Starts six sovereign nodes on this machine, lets them share made-up and real intelligence, and
/// proves six things live. Then stays up until Ctrl-C.
#[derive(Args)]
pub(crate) struct Demo {
    /// Where the six data folders go; must be empty or absent
    #[arg(long, value_name = "DIR", default_value = "demo")]
    folder: PathBuf,
    /// Real STIX to share among all six, JSON or zst, in this order (may be repeated)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Use the twelve ports from this one on [default: free ones]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// End after the proofs; the exit code says whether all held
    #[arg(long)]
    exit: bool,
}

/// How one proof went.
pub(crate) struct Proof {
    /// What was to be proved.
    pub(crate) title: &'static str,
    /// What was seen, sentence by sentence.
    pub(crate) seen: Vec<String>,
    /// Why it did not hold, if it did not.
    pub(crate) broken: Option<Failure>,
}

impl Demo {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        empty(&self.folder, "--folder")?;
        let inputs = input::inputs(&self.data)?;
        if let Some(missing) = self.data.iter().find(|path| !path.exists()) {
            return Err(Failure::unavailable(format!(
                "{} is missing; fetch it or leave out --data",
                missing.display()
            )));
        }
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| {
            Failure::unavailable(format!("signals cannot be received ({error})"))
        })?;
        let mut cluster = None;
        // The processes are stopped in order on every way out; when this process dies, the kernel
        // stops them.
        let outcome = tokio::select! {
            outcome = self.play(&inputs, &mut cluster) => outcome,
            () = told_to_stop(&mut terminate) => Err(interrupted()),
        };
        if let Some(cluster) = &mut cluster {
            if !self.exit && outcome != Err(interrupted()) {
                if let Err(failure) = &outcome {
                    show::error(failure);
                }
                self.invite(cluster);
                told_to_stop(&mut terminate).await;
            }
            cluster.stop().await;
        }
        outcome
    }

    /// Plays the whole of it; `cluster` is filled as soon as there is something to stop.
    async fn play(
        &self,
        inputs: &[input::Input],
        cluster: &mut Option<Cluster>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let say =
            |text: &str| show::line(format!("{:>6.1} s  {text}", start.elapsed().as_secs_f64()));
        let cluster = cluster.insert(Cluster::build(&self.folder, self.port, &say).await?);
        self.share_real(cluster, inputs, &say).await?;
        for story in stories() {
            let origin = cluster.party(story.origin)?;
            origin.add(story.bundle, &story.label).await?;
            let selection = Selection {
                ids: story.ids()?,
                ..Selection::default()
            };
            let report = origin.release(story.channel, selection, false).await?;
            if report.refused + report.unknown + report.waiting > 0 {
                return Err(Failure::refused(format!(
                    "{} could not release its story: {:?}",
                    story.origin, report.results
                )));
            }
            say(&format!(
                "{} releases {} into {}: {}",
                story.origin,
                story.title,
                story.channel,
                show::count(report.released as u64, "object")
            ));
        }
        cluster.settle().await?;
        say("every partner has pulled, verified and cosigned everything it may have");
        holdings::print(cluster).await?;
        let latency = proofs::latency(cluster).await?;
        say(&latency);
        let proving = Instant::now();
        let mut failed = 0;
        let mut number = 0;
        let mut record = |proof: Proof| {
            number += 1;
            show::line("");
            show::line(format!("proof {number}: {}", proof.title));
            for sentence in &proof.seen {
                show::line(format!("  {sentence}"));
            }
            match &proof.broken {
                None => show::line("  HOLDS"),
                Some(failure) => {
                    failed += 1;
                    show::line(format!("  DOES NOT HOLD: {failure}"));
                }
            }
        };
        record(proofs::refused(cluster).await);
        record(proofs::outsiders(cluster).await);
        record(proofs::withdrawn(cluster).await);
        record(decide::decided(cluster).await);
        record(tamper::tampered(cluster).await);
        record(crash::killed(cluster).await);
        show::line("");
        show::line(format!(
            "{} of 6 proofs hold ({:.1} s for the proofs)",
            6 - failed,
            proving.elapsed().as_secs_f64()
        ));
        match failed {
            0 => Ok(()),
            failed => Err(Failure::refused(format!(
                "{} did not hold; the lines above say what was seen, the nodes' logs are in {}",
                show::count(failed, "proof"),
                self.folder.display()
            ))),
        }
    }

    /// Real STIX goes in at the first member before it has anything else, each file released before
    /// the next is added, so that partners see the history as it happened.
    async fn share_real(
        &self,
        cluster: &Cluster,
        inputs: &[input::Input],
        say: &impl Fn(&str),
    ) -> Result<(), Failure> {
        let first = &cluster.parties[0];
        for input in inputs {
            let mut sum = Added::default();
            add(
                &mut first.admin().await?,
                input,
                Some(&format!("TLP:CLEAR//{SIX}")),
                USER,
                &mut sum,
            )
            .await?;
            let selection = Selection {
                all: true,
                ..Selection::default()
            };
            let report = first.release("library", selection, false).await?;
            say(&format!(
                "{} takes in {} and releases it into library: {}, {} held already, {} released",
                first.code,
                input.name(),
                show::count(sum.total as u64, "object"),
                show::thousands(sum.duplicates as u64),
                show::thousands(report.released as u64)
            ));
            if let Some(first) = report
                .results
                .iter()
                .find(|result| result.outcome == ReleaseOutcome::Refused)
            {
                say(&format!(
                    "  policy keeps {} in: {}: {}",
                    show::count(report.refused as u64, "object"),
                    first.id,
                    first.why.join("; ")
                ));
            }
            for refusal in sum.refusals.iter().take(3) {
                say(&format!(
                    "  intake refuses {}: {}",
                    refusal.id.as_deref().unwrap_or(&refusal.pointer),
                    refusal.reason
                ));
            }
        }
        Ok(())
    }

    fn invite(&self, cluster: &Cluster) {
        show::line("");
        show::line("The nodes stay up until Ctrl-C. Their TAXII servers:");
        let mut table = show::Table::new(&["member", "TAXII", "user", "password", "data folder"]);
        for party in cluster
            .parties
            .iter()
            .filter(|party| party.server.is_some())
        {
            table.row(vec![
                party.code.to_owned(),
                format!("http://{}/taxii2/", party.national),
                USER.to_owned(),
                party.password.clone(),
                party.folder.display().to_string(),
            ]);
        }
        table.print();
        show::line("");
        let party = &cluster.parties[0];
        show::line(format!(
            "curl -s -u {USER}:{} -H 'Accept: {MEDIA}' 'http://{}/taxii2/kurultai/collections/{ACCORD}.alerts/objects/?limit=2'",
            party.password, party.national
        ));
        // As this program was called: it need not be on the path.
        let program = std::env::args_os().next().unwrap_or_default();
        let program = program.display();
        show::line(format!(
            "{program} status --data {}",
            party.folder.display()
        ));
        show::line(format!(
            "{program} verify {} --accord {}",
            party.folder.display(),
            cluster.accord_file().display()
        ));
    }
}

/// Ctrl-C or SIGTERM.
async fn told_to_stop(terminate: &mut Signal) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn interrupted() -> Failure {
    Failure::refused("the demonstration was interrupted; start it again with an empty --folder")
}
