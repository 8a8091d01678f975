//! `kurultai serve`: runs the node until it is told to stop.

use clap::Args;
use node::serve::{Listeners, log_to_stderr, run};

use crate::Data;
use crate::admin::open_node;
use crate::exit::Failure;

/// Runs the node: answers members and national tools, pulls from partners. Stops on SIGTERM or
/// Ctrl-C after finishing what is under way.
#[derive(Args)]
pub(crate) struct Serve {
    /// Ends with the process of this id (for `demo` and `bench`, which start nodes)
    #[arg(long, hide = true, value_name = "PID")]
    with_parent: Option<i32>,
    #[command(flatten)]
    data: Data,
}

impl Serve {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if let Some(parent) = self.with_parent {
            follow(parent)?;
        }
        let node = open_node(&self.data.folder())?;
        log_to_stderr(node.config().log_format);
        let listeners = Listeners::bind(node.config())
            .await
            .map_err(Failure::unavailable)?;
        run(node, listeners).await.map_err(Failure::unavailable)
    }
}

/// Asks the kernel to end this process with its parent, so that no node outlives a demonstration
/// that was killed.
fn follow(parent: i32) -> Result<(), Failure> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
        Failure::unavailable(format!(
            "the kernel does not tie processes together ({error}); start `serve` by hand"
        ))
    })?;
    // The parent may have gone before the request took effect.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(Failure::unavailable(
            "the process that started this node has ended; start it again",
        ));
    }
    Ok(())
}
