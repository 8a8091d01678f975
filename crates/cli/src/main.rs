//! `kurultai`: the one binary. Member nodes, their operators' commands, the demonstration and the
//! benchmarks.
//!
//! Every command that looks at or changes a node speaks to the same admin API (see `admin`): over
//! the unix socket when the node runs, in process when it does not. A command is one file in
//! `commands/`; `verify`, `demo` and `bench` have folders of their own. Results go to standard
//! output, everything else to standard error, and the exit code says how it ended (see `exit`).

mod admin;
mod bench;
mod commands;
mod demo;
mod exit;
mod http;
mod input;
mod limits;
mod process;
mod show;
mod sign_in;
mod taxii;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::exit::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; every check held
  1  refused: the node, a rule or a check said no
  2  the command line, an input's form or the configuration is wrong
  3  a file, the disk, a server or a partner could not be used just now
  4  done, with warnings (only `validate`)

Environment:
  KURULTAI_HOME  the data folder, where --data is not given (default ./kurultai-data)
  KURULTAI_PASSWORD, KURULTAI_CODE, KURULTAI_TOKEN
                 what proves the user of --as; without them it is asked for
  KURULTAI_LOG   what `serve` logs to standard error: error, warn, info (default) or debug

Start with `kurultai demo`, or with `kurultai init --help` for a node of your own.";

/// Sovereign nodes that share intelligence, provably and without a hub.
#[derive(Parser)]
#[command(name = "kurultai", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Arguments {
    /// Act in the name of this user of the node, proved by password (and one-time code) or token
    #[arg(long = "as", value_name = "USER", global = true)]
    user: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a data folder with a configuration and keys for a new member
    Init(commands::init::Init),
    /// Run the node until it is told to stop
    Serve(commands::serve::Serve),
    /// Take STIX objects into the national collection
    Add(commands::add::Add),
    /// Check STIX 2.1 files against the standard
    Validate(commands::validate::Validate),
    /// List objects of a collection
    Objects(commands::objects::Objects),
    /// Release objects of the national collection into a channel
    Release(commands::release::Release),
    /// Withdraw what was released: partners stop serving it
    Withdraw(commands::release::Withdraw),
    /// Ask other members for information, and answer what they ask
    #[command(subcommand)]
    Request(commands::request::Request),
    /// Releases that wait for people: look at what would leave, approve, decline
    #[command(subcommand)]
    Approvals(commands::approvals::Approvals),
    /// The national policy: what is in force, tests, what a change would do, activation
    #[command(subcommand)]
    Policy(commands::policy::Policy),
    /// Draft, sign, show, check and install accords
    #[command(subcommand)]
    Accord(commands::accord::Accord),
    /// Explain labels, and bring them from and to ADatP-4774, MISP tags and STIX
    #[command(subcommand)]
    Label(commands::label::LabelCommand),
    /// Feeds: pull from outside servers, files and tables, push a channel to an outside server
    #[command(subcommand)]
    Feed(commands::feed::Feed),
    /// Partners: who they are and how pulling from them goes
    #[command(subcommand)]
    Peer(commands::peer::Peer),
    /// Logs by hand: files on a medium to members and from them, and public files
    #[command(subcommand)]
    Courier(commands::courier::Courier),
    /// What this node holds, and what needs a person
    Status(commands::status::Status),
    /// Evidence kept against logs that were refused
    Evidence(commands::evidence::Evidence),
    /// This node's own account of every act: look, export with proofs, check
    Audit(Box<commands::audit::Audit>),
    /// Check a log, an accord or a piece of evidence offline, believing nobody
    Verify(verify::Verify),
    /// Explain the effective configuration and what is wrong with it
    Doctor(commands::doctor::Doctor),
    /// The index that is derived from the journal
    #[command(subcommand)]
    Index(commands::index::Index),
    /// Print the OpenAPI description of TAXII and /api, as the national listener serves it
    Openapi(commands::openapi::Openapi),
    /// Users: their duties, tokens, sessions, and one's own password
    #[command(subcommand)]
    User(commands::user::User),
    /// Six sovereign nodes on this machine, with six proofs
    Demo(demo::Demo),
    /// Measure this machine and this program
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Where the node's data is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Data {
    /// The node's data folder [default: $KURULTAI_HOME, else ./kurultai-data]
    #[arg(long = "data", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Data {
    /// The folder: the flag, else the environment, else the default.
    pub(crate) fn folder(&self) -> PathBuf {
        match (&self.folder, std::env::var_os("KURULTAI_HOME")) {
            (Some(folder), _) => folder.clone(),
            (None, Some(folder)) if !folder.is_empty() => PathBuf::from(folder),
            _ => PathBuf::from("kurultai-data"),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    admin::act_as(arguments.user);
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            show::error(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::unavailable(format!(
                "cannot start worker threads: {error}; free some memory"
            ))
        })?;
    runtime.block_on(async {
        match command {
            Command::Init(command) => command.run(),
            Command::Serve(command) => command.run().await,
            Command::Add(command) => command.run().await,
            Command::Validate(command) => command.run(),
            Command::Objects(command) => command.run().await,
            Command::Release(command) => command.run().await,
            Command::Withdraw(command) => command.run().await,
            Command::Request(command) => command.run().await,
            Command::Approvals(command) => command.run().await,
            Command::Policy(command) => command.run().await,
            Command::Accord(command) => command.run().await,
            Command::Label(command) => command.run(),
            Command::Feed(command) => command.run().await,
            Command::Peer(command) => command.run().await,
            Command::Courier(command) => command.run().await,
            Command::Status(command) => command.run().await,
            Command::Evidence(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Doctor(command) => command.run().await,
            Command::Index(command) => command.run().await,
            Command::Openapi(command) => command.run(),
            Command::User(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Bench(command) => command.run().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
