//! The benchmarks' nodes: made, started, loaded, and removed again.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::admin::types::{TokenReply, TokenRequest, UserInfo, UserRequest};
use policy::Duty;
use tokio::sync::Mutex;

use super::Common;
use super::corpus::Corpus;
use super::measure::{Samples, between};
use crate::admin::Admin;
use crate::commands::init::{NewMember, empty, make};
use crate::exit::Failure;
use crate::process::{Server, Usage, free_ports};
use crate::show;
use crate::taxii::Taxii;

/// The user that loads and reads.
const USER: &str = "bench";

/// How many objects are made ahead of the clock: enough to time, little enough to hold.
const CHUNK: u64 = 50_000;

/// The folder of one benchmark. Removed at the end unless it is to be kept.
pub(crate) struct Lab {
    folder: PathBuf,
    keep: bool,
}

/// A node of the lab.
pub(crate) struct Bed {
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// Host and port of its national server.
    pub(crate) national: String,
    /// What an accord says about it.
    pub(crate) member: policy::Member,
    /// The process, while it runs.
    pub(crate) server: Option<Server>,
    token: String,
}

/// What loading cost the server.
pub(crate) struct Load {
    /// Objects acknowledged.
    pub(crate) objects: u64,
    /// Bytes of their envelopes.
    pub(crate) bytes: u64,
    /// On the clock, while envelopes were being sent.
    pub(crate) time: Duration,
    /// Processor time of the server meanwhile.
    pub(crate) cpu: Duration,
    /// The time of each request.
    pub(crate) requests: Samples,
}

impl Lab {
    /// Prepares the folder.
    pub(crate) fn open(common: &Common) -> Result<Lab, Failure> {
        empty(&common.folder, "--folder")?;
        std::fs::create_dir_all(&common.folder)
            .map_err(|error| Failure::file("make", &common.folder, &error))?;
        Ok(Lab {
            folder: common.folder.clone(),
            keep: common.keep,
        })
    }

    /// Makes a node; it does not run yet.
    pub(crate) async fn bed(&self, code: &str) -> Result<Bed, Failure> {
        let ports = free_ports(2)?;
        let folder = self.folder.join(code);
        let national = format!("127.0.0.1:{}", ports[1]);
        let new = NewMember {
            code,
            name: &format!("Bench {code}"),
            domain: &format!("{}.example", code.to_lowercase()),
            url: None,
            members: &format!("127.0.0.1:{}", ports[0]),
            national: &national,
        };
        let member = make(&folder, &new)?;
        let mut admin = Admin::open(&folder).await?;
        let request = UserRequest {
            name: USER.to_owned(),
            password: None,
            duties: Some([Duty::Analyst].into()),
            ..UserRequest::default()
        };
        let _: UserInfo = admin.post("/users", &request).await?;
        let reply: TokenReply = admin
            .post(&format!("/users/{USER}/token"), &TokenRequest::default())
            .await?;
        Ok(Bed {
            folder,
            national,
            member,
            server: None,
            token: reply.token,
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            show::notice(format!(
                "{} could not be removed ({error}); remove it by hand",
                self.folder.display()
            ));
        }
    }
}

impl Bed {
    /// Starts the process. To be called on the main thread.
    pub(crate) async fn start(&mut self) -> Result<(), Failure> {
        self.server = Some(Server::start(&self.folder).await?);
        Ok(())
    }

    /// Its TAXII server.
    pub(crate) async fn taxii(&self) -> Result<Taxii, Failure> {
        Taxii::connect(&self.national, format!("Bearer {}", self.token)).await
    }

    /// Its admin API.
    pub(crate) async fn admin(&self) -> Result<Admin, Failure> {
        Admin::running(&self.folder).await
    }

    /// What the process has used.
    pub(crate) fn usage(&self) -> Usage {
        self.server.as_ref().map(Server::usage).unwrap_or_default()
    }

    /// Adds objects `from..to` of a corpus to the national collection, in envelopes of `envelope`,
    /// over `connections` connections. The clock stands while envelopes are made.
    pub(crate) async fn load(
        &self,
        corpus: Corpus,
        from: u64,
        to: u64,
        envelope: u64,
        connections: usize,
    ) -> Result<Load, Failure> {
        let mut sum = Load {
            objects: 0,
            bytes: 0,
            time: Duration::ZERO,
            cpu: Duration::ZERO,
            requests: Samples::default(),
        };
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(self.taxii().await?);
        }
        let mut start = from;
        while start < to {
            let end = (start + CHUNK).min(to);
            let mut envelopes = Vec::new();
            for first in (start..end).step_by(envelope.max(1) as usize) {
                envelopes.push(Bytes::from(
                    corpus.envelope(first, (first + envelope).min(end)),
                ));
            }
            sum.objects += end - start;
            sum.bytes += envelopes
                .iter()
                .map(|envelope| envelope.len() as u64)
                .sum::<u64>();
            envelopes.reverse();
            let queue = Arc::new(Mutex::new(envelopes));
            let (before, clock) = (self.usage(), Instant::now());
            let tasks: Vec<_> = clients
                .drain(..)
                .map(|client| tokio::spawn(send(client, Arc::clone(&queue))))
                .collect();
            for task in tasks {
                let (client, samples) = task.await.map_err(|error| {
                    Failure::unavailable(format!("a client ended early ({error})"))
                })??;
                clients.push(client);
                sum.requests.merge(samples);
            }
            sum.time += clock.elapsed();
            sum.cpu += between(before, self.usage());
            start = end;
        }
        Ok(sum)
    }
}

async fn send(
    mut client: Taxii,
    queue: Arc<Mutex<Vec<Bytes>>>,
) -> Result<(Taxii, Samples), Failure> {
    let mut samples = Samples::default();
    loop {
        let Some(envelope) = queue.lock().await.pop() else {
            return Ok((client, samples));
        };
        let start = Instant::now();
        client.add("national", envelope).await?;
        samples.add(start.elapsed());
    }
}

/// Bytes of all files below a folder.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
