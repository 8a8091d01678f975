//! Many reading requests over several connections at once, timed one by one.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::measure::Samples;
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
    let start = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (paths, next) = (Arc::clone(paths), Arc::clone(&next));
            let collection = collection.to_owned();
            tokio::spawn(async move {
                let mut got = Got::default();
                while start.elapsed() < until {
                    let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    let asked = Instant::now();
                    let page = client.get(&collection, path).await?;
                    got.samples.add(asked.elapsed());
                    got.bytes += page.body.len() as u64;
                    got.objects += match page.next {
                        Some(_) => limit,
                        None => page.served(path)?.len() as u64,
                    };
                }
                Ok::<_, Failure>(got)
            })
        })
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
