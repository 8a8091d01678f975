//! Many reading requests over several connections at once, timed one by one.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::measure::Samples;
use crate::admin::escape;
use crate::exit::Failure;
use crate::taxii::Taxii;

/// What is asked for: paths below a collection.
pub(crate) type Paths = Arc<Vec<String>>;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Got {
    /// The time of each request.
    pub(crate) samples: Samples,
    /// Objects of the answers.
    pub(crate) objects: u64,
    /// Bytes of the answers.
    pub(crate) bytes: u64,
    /// On the clock, from the first request to the last answer.
    pub(crate) time: Duration,
}

/// Sends the requests over all clients, at most for the time given. An answer counts as a full page
/// of `limit` objects, without being read, when its bytes say that another follows.
pub(crate) async fn read(
    clients: Vec<Taxii>,
    (collection, limit): (&str, u64),
    paths: &Paths,
    until: Duration,
) -> Result<Got, Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    over_all(clients, |client, start| {
        let (paths, next) = (Arc::clone(paths), Arc::clone(&next));
        let of = (collection.to_owned(), limit);
        one(client, of, start, until, move |_| {
            paths.get(next.fetch_add(1, Ordering::Relaxed)).cloned()
        })
    })
    .await
}

/// Reads a collection page by page, each client from its beginning and again, until `requests` have
/// been sent or the time is up. For servers whose cursors are good for one request.
pub(crate) async fn walk(
    clients: Vec<Taxii>,
    (collection, limit): (&str, u64),
    requests: usize,
    until: Duration,
) -> Result<Got, Failure> {
    let sent = Arc::new(AtomicUsize::new(0));
    over_all(clients, |client, start| {
        let (of, sent) = ((collection.to_owned(), limit), Arc::clone(&sent));
        one(client, of, start, until, move |next| {
            if sent.fetch_add(1, Ordering::Relaxed) >= requests {
                return None;
            }
            let cursor = next.map_or(String::new(), |next| format!("&next={}", escape(next)));
            Some(format!("objects/?limit={limit}{cursor}"))
        })
    })
    .await
}

/// One client: asks for what `path` says, given the cursor of the answer before.
async fn one(
    mut client: Taxii,
    (collection, limit): (String, u64),
    start: Instant,
    until: Duration,
    path: impl Fn(Option<&str>) -> Option<String>,
) -> Result<Got, Failure> {
    let mut got = Got::default();
    let mut next: Option<String> = None;
    while start.elapsed() < until {
        let Some(path) = path(next.as_deref()) else {
            break;
        };
        let asked = Instant::now();
        let page = client.get(&collection, &path).await?;
        got.samples.add(asked.elapsed());
        got.bytes += page.body.len() as u64;
        got.objects += match page.next {
            Some(_) => limit,
            None => page.served(&path)?.len() as u64,
        };
        next = page.next;
    }
    Ok(got)
}

/// Runs all clients at once and sums up.
async fn over_all<F>(
    clients: Vec<Taxii>,
    task: impl Fn(Taxii, Instant) -> F,
) -> Result<Got, Failure>
where
    F: Future<Output = Result<Got, Failure>> + Send + 'static,
{
    let start = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(task(client, start)))
        .collect();
    let mut sum = Got::default();
    for task in tasks {
        let got = task.await.map_err(|error| {
            Failure::unavailable(format!("a client ended early ({error}); try again"))
        })??;
        sum.samples.merge(got.samples);
        sum.objects += got.objects;
        sum.bytes += got.bytes;
    }
    sum.time = start.elapsed();
    Ok(sum)
}

/// The paths again and again, until there are `count`.
pub(crate) fn repeated(paths: &[String], count: usize) -> Paths {
    Arc::new(paths.iter().cycle().take(count).cloned().collect())
}
