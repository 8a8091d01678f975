//! Nodes as child processes, for `demo` and `bench`: real servers, started from this very binary.
//!
//! A child never outlives its parent: dropping the handle kills it, and the kernel does so when the
//! parent dies by any other way (`serve --with-parent`). Children stand in their own process group
//! so that Ctrl-C reaches the parent alone, which then stops them in order.

// Starting processes, waiting for them and reading their clocks is what this module is for.
#![allow(clippy::disallowed_methods)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use node::admin::types::Status;
use rustix::process::{Pid, Signal, kill_process};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::limits::{POLL_TIME, START_TIME_MAX, STOP_TIME_MAX};

/// The unit of process times in /proc: Linux has told user space 100 a second on every
/// architecture for as long as /proc has existed.
const TICKS_PER_SECOND: u32 = 100;

/// A running node.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time in user and system mode.
    pub(crate) cpu: Duration,
    /// The largest resident set so far, in bytes.
    pub(crate) peak: u64,
    /// The resident set now, in bytes.
    pub(crate) resident: u64,
}

impl Server {
    /// Starts the node of `folder` and waits until it answers. Its log goes to `<folder>.log`.
    ///
    /// To be called on the main thread: the kernel ties the child to the thread that starts it.
    pub(crate) async fn start(folder: &Path) -> Result<Server, Failure> {
        let mut server = Server::spawn(folder)?;
        server.wait_ready().await?;
        Ok(server)
    }

    /// Starts the node of `folder` without waiting.
    pub(crate) fn spawn(folder: &Path) -> Result<Server, Failure> {
        let log = log_file(folder);
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|error| Failure::file("write", &log, &error))?;
        let err = out
            .try_clone()
            .map_err(|error| Failure::file("write", &log, &error))?;
        let program = std::env::current_exe().map_err(|error| {
            Failure::unavailable(format!(
                "this program cannot find its own file ({error}); start it by its path"
            ))
        })?;
        let child = Command::new(program)
            .args([
                "serve",
                "--with-parent",
                &std::process::id().to_string(),
                "--data",
            ])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|error| {
                Failure::unavailable(format!(
                    "a node could not be started ({error}); close other programs"
                ))
            })?;
        Ok(Server {
            child,
            folder: folder.to_owned(),
        })
    }

    /// Waits until the node answers.
    pub(crate) async fn wait_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::unavailable(format!(
                    "the node of {} ended at once ({status}): {}",
                    self.folder.display(),
                    self.last_words()
                )));
            }
            if let Ok(mut admin) = Admin::running(&self.folder).await
                && let Ok(status) = admin.get::<Status>("/status").await
                && status.listen_members.is_some()
                && status.listen_national.is_some()
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::unavailable(format!(
                    "the node of {} does not answer after {} s; read {}",
                    self.folder.display(),
                    START_TIME_MAX.as_secs(),
                    log_file(&self.folder).display()
                )));
            }
            tokio::time::sleep(POLL_TIME).await;
        }
    }

    /// The last line of its log.
    fn last_words(&self) -> String {
        let log = log_file(&self.folder);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        match text.lines().last() {
            Some(line) => line.to_owned(),
            None => format!("read {}", log.display()),
        }
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits; kills it when it does not.
    pub(crate) async fn stop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIME_MAX;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => tokio::time::sleep(POLL_TIME).await,
                _ => return,
            }
        }
        self.kill();
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        usage(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the log of the node in `folder` goes.
pub(crate) fn log_file(folder: &Path) -> PathBuf {
    folder.with_added_extension("log")
}

/// What a process (`self` or a number) has used so far; zeros when it is gone.
pub(crate) fn usage(process: &str) -> Usage {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let status = read("status");
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    Usage {
        cpu: cpu_of(&read("stat")),
        peak: kilobytes("VmHWM:"),
        resident: kilobytes("VmRSS:"),
    }
}

/// The processor time of this process so far, finer than /proc tells it.
pub(crate) fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// User and system time from the text of `/proc/<pid>/stat`. The name before them is in parentheses
/// and may hold spaces, so fields are counted from the last parenthesis.
fn cpu_of(stat: &str) -> Duration {
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return Duration::ZERO;
    };
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1_000 / u64::from(TICKS_PER_SECOND))
}

/// Ports of this machine that nothing uses just now, all different.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let none = |error: std::io::Error| {
        Failure::unavailable(format!(
            "no free port on 127.0.0.1 ({error}); close other programs"
        ))
    };
    let held = (0..count)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<Vec<_>, _>>()
        .map_err(none)?;
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()
        .map_err(none)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{cpu_of, free_ports, usage};

    #[test]
    fn times_are_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a ) (b) S 1 42 42 0 -1 4194304 500 0 0 0 123 45 0 0 20 0 4 0 100 1 2 3";
        assert_eq!(cpu_of(stat), Duration::from_millis(1_680));
        assert_eq!(cpu_of(""), Duration::ZERO);
    }

    #[test]
    fn this_process_has_a_peak() {
        let usage = usage("self");
        assert!(usage.peak >= usage.resident && usage.resident > 0);
    }

    #[test]
    fn free_ports_differ() {
        let mut ports = free_ports(12).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 12);
    }
}
