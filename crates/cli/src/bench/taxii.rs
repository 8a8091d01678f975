//! `kurultai bench taxii`: one client and one corpus against any TAXII 2.1 server, so that servers
//! can be compared in one run. `bench/peers/run.sh` does so with the servers that others wrote.
//!
//! The server is told by its URL and its process: what it costs is read from /proc, so what the
//! client does does not count. Every step is bounded by requests and by time, since some servers
//! need minutes for what others do in a second; a rate says how much was done, not how much was
//! asked for.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use super::corpus::{Corpus, Random};
use super::load::{self, Got, Paths};
use super::measure::{Rate, Samples, Spread, between, rate_table};
use crate::admin::escape;
use crate::exit::Failure;
use crate::process::{Usage, usage};
use crate::show;
use crate::taxii::{Taxii, basic};

/// Measures any TAXII 2.1 server: adds the corpus, then reads it in the ways that clients do
#[derive(Args)]
pub(crate) struct Client {
    /// Host and port of the server
    #[arg(long, value_name = "HOST:PORT")]
    at: String,
    /// Path of the API root, such as /taxii2/kurultai
    #[arg(long, value_name = "PATH")]
    root: String,
    /// Id or alias of a collection that may be read and written
    #[arg(long, value_name = "ID")]
    collection: String,
    /// User of HTTP Basic authentication
    #[arg(long)]
    user: String,
    /// File with that user's password
    #[arg(long, value_name = "FILE")]
    password_file: std::path::PathBuf,
    /// The server's process, whose processor time and memory are read
    #[arg(long)]
    process: u32,
    /// Objects of the corpus
    #[arg(long, default_value_t = 1_000)]
    objects: u64,
    /// Seed of the corpus
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Objects in one envelope
    #[arg(long, default_value_t = 500)]
    envelope: u64,
    /// Connections at the same time
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests of one reading step at most
    #[arg(long, default_value_t = 400)]
    requests: usize,
    /// Seconds of one reading step at most
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds of adding at most
    #[arg(long, default_value_t = 600)]
    add_seconds: u64,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// What one step cost the server and how long its answers took.
#[derive(Serialize)]
struct Step {
    name: &'static str,
    requests: usize,
    requests_per_second: f64,
    requests_per_cpu_second: f64,
    request: Spread,
    #[serde(flatten)]
    rate: Rate,
}

#[derive(Serialize)]
struct Report {
    /// Objects that the server acknowledged before the time was up.
    held: u64,
    steps: Vec<Step>,
    resident_bytes: u64,
    peak_bytes: u64,
}

impl Client {
    /// Runs the benchmark.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let corpus = Corpus::new(self.seed);
        let (held, ingest) = self.add(corpus).await?;
        let mut steps = vec![ingest];
        for (name, limit) in [("pages of 1,000", 1_000), ("pages of 100", 100)] {
            let until = Duration::from_secs(self.seconds);
            let (clients, before) = (self.clients().await?, self.used());
            let got = load::walk(clients, (&self.collection, limit), self.requests, until).await?;
            steps.push(self.step(name, got, before));
        }
        let places = self.places().await?;
        let mut random = Random::new(self.seed);
        let mut draw = |make: &mut dyn FnMut(&mut Random) -> String| -> Paths {
            Arc::new((0..self.requests).map(|_| make(&mut random)).collect())
        };
        let ids = held.max(1);
        let asked: [(&'static str, u64, Paths); 4] = [
            (
                "match[type], pages of 100",
                100,
                draw(&mut |_| "objects/?limit=100&match[type]=malware".to_owned()),
            ),
            (
                "match[id]",
                1,
                draw(&mut |random| {
                    let id = corpus.id(random.below(ids));
                    format!("objects/?match[id]={}", escape(&id))
                }),
            ),
            (
                "one object",
                1,
                draw(&mut |random| {
                    let id = corpus.id(random.below(ids));
                    format!("objects/{}/", escape(&id))
                }),
            ),
            (
                "added_after, pages of 100",
                100,
                draw(&mut |random| match places.len() as u64 {
                    0 => "objects/?limit=100".to_owned(),
                    count => format!(
                        "objects/?limit=100&added_after={}",
                        escape(&places[random.below(count) as usize])
                    ),
                }),
            ),
        ];
        for (name, limit, paths) in asked {
            let until = Duration::from_secs(self.seconds);
            let (clients, before) = (self.clients().await?, self.used());
            let got = load::read(clients, (&self.collection, limit), &paths, until).await?;
            steps.push(self.step(name, got, before));
        }
        let used = self.used();
        let report = Report {
            held,
            steps,
            resident_bytes: used.resident,
            peak_bytes: used.peak,
        };
        if self.json {
            return show::json(&report);
        }
        let mut table = rate_table();
        let mut times = show::Table::new(&["work", "requests", "p50 ms", "p99 ms"]);
        for step in &report.steps {
            table.row(step.rate.row(step.name));
            times.row(vec![
                step.name.to_owned(),
                step.requests.to_string(),
                format!("{:.2}", step.request.p50_ms),
                format!("{:.2}", step.request.p99_ms),
            ]);
        }
        show::line(format!(
            "{} held, {} resident, {} at most",
            show::count(report.held, "object"),
            show::bytes(report.resident_bytes),
            show::bytes(report.peak_bytes)
        ));
        table.print();
        times.print();
        Ok(())
    }

    fn used(&self) -> Usage {
        usage(&self.process.to_string())
    }

    async fn connect(&self) -> Result<Taxii, Failure> {
        let secret = std::fs::read_to_string(&self.password_file)
            .map_err(|error| Failure::file("read", &self.password_file, &error))?;
        let authorization = basic(&self.user, secret.trim_end());
        Taxii::at_root(&self.at, &self.root, authorization).await
    }

    /// Adds the corpus, at most for the time given. Answers with how many objects are held.
    async fn add(&self, corpus: Corpus) -> Result<(u64, Step), Failure> {
        let mut client = self.connect().await?;
        let limit = Duration::from_secs(self.add_seconds);
        let (mut samples, mut bytes, mut held) = (Samples::default(), 0, 0);
        let (mut time, mut cpu) = (Duration::ZERO, Duration::ZERO);
        while held < self.objects && time < limit {
            let to = (held + self.envelope.max(1)).min(self.objects);
            let envelope = Bytes::from(corpus.envelope(held, to));
            bytes += envelope.len() as u64;
            let (before, start) = (self.used(), Instant::now());
            client.add(&self.collection, envelope).await?;
            let took = start.elapsed();
            time += took;
            cpu += between(before, self.used());
            samples.add(took);
            held = to;
        }
        Ok((held, step("add", samples, (held, bytes), (time, cpu))))
    }

    /// Times at which pages end, as far as the bounds allow.
    async fn places(&self) -> Result<Vec<String>, Failure> {
        let mut client = self.connect().await?;
        let start = Instant::now();
        let mut query = "limit=100".to_owned();
        let mut places = Vec::new();
        loop {
            let page = client.page(&self.collection, &query).await?;
            let in_time = start.elapsed() < Duration::from_secs(self.seconds);
            match page.next {
                Some(next) if in_time && places.len() < self.requests => {
                    query = format!("limit=100&next={}", escape(&next));
                    places.extend(page.last);
                }
                _ => return Ok(places),
            }
        }
    }

    async fn clients(&self) -> Result<Vec<Taxii>, Failure> {
        let mut clients = Vec::new();
        for _ in 0..self.connections.max(1) {
            clients.push(self.connect().await?);
        }
        Ok(clients)
    }

    fn step(&self, name: &'static str, got: Got, before: Usage) -> Step {
        let cost = (got.time, between(before, self.used()));
        step(name, got.samples, (got.objects, got.bytes), cost)
    }
}

fn step(
    name: &'static str,
    mut samples: Samples,
    (objects, bytes): (u64, u64),
    (time, cpu): (Duration, Duration),
) -> Step {
    let request = samples.spread();
    let per = |seconds: f64| request.samples as f64 / seconds.max(1e-9);
    Step {
        name,
        requests: request.samples,
        requests_per_second: per(time.as_secs_f64()),
        // Linux tells a process's time in hundredths of a second.
        requests_per_cpu_second: per(cpu.as_secs_f64().max(0.01)),
        request,
        rate: Rate::new(objects, bytes, time, cpu),
    }
}
