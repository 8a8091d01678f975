//! What the node counts, for Prometheus.
//!
//! Labels are closed sets (a surface, an outcome, a member of an accord), never ids, paths or
//! payloads, so that the number of series is bounded by the accords.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::admin::types::{FeedHealth, FeedInfo};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    surface: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Surface {
    surface: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Peer {
    peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feed {
    feed: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedOutcome {
    feed: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Log {
    accord: String,
    channel: String,
    origin: String,
}

/// The node's counters.
pub struct Metrics {
    registry: Registry,
    added: Counter,
    warnings: Counter,
    releases: Family<Outcome, Counter>,
    withdrawn: Counter,
    answers: Family<Answer, Counter>,
    reads: Family<Peer, Counter>,
    pulls: Family<Outcome, Counter>,
    connections: Family<Surface, Gauge>,
    turned_away: Family<Surface, Counter>,
    sizes: Family<Log, Gauge>,
    refused_logs: Gauge,
    writable: Gauge,
    feed_healthy: Family<Feed, Gauge>,
    feed_age: Family<Feed, Gauge>,
    feed_failures: Family<Feed, Gauge>,
    feed_objects: Family<FeedOutcome, Gauge>,
    disk: Gauge<u64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("kurultai"),
            added: Counter::default(),
            warnings: Counter::default(),
            releases: Family::default(),
            withdrawn: Counter::default(),
            answers: Family::default(),
            reads: Family::default(),
            pulls: Family::default(),
            connections: Family::default(),
            turned_away: Family::default(),
            sizes: Family::default(),
            refused_logs: Gauge::default(),
            writable: Gauge::default(),
            feed_healthy: Family::default(),
            feed_age: Family::default(),
            feed_failures: Family::default(),
            feed_objects: Family::default(),
            disk: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "objects_added",
            "Objects taken into the national collection",
            metrics.added.clone(),
        );
        registry.register(
            "intake_warnings",
            "Warnings about the STIX of objects given by hand and by feeds",
            metrics.warnings.clone(),
        );
        registry.register(
            "releases",
            "Release decisions by outcome",
            metrics.releases.clone(),
        );
        registry.register(
            "withdrawals",
            "Object versions withdrawn",
            metrics.withdrawn.clone(),
        );
        registry.register(
            "http_answers",
            "Answers by surface and status",
            metrics.answers.clone(),
        );
        registry.register(
            "partner_reads",
            "Requests of partners for logs",
            metrics.reads.clone(),
        );
        registry.register(
            "pulls",
            "Pulls of partners' logs by outcome",
            metrics.pulls.clone(),
        );
        registry.register(
            "connections",
            "Open connections by surface",
            metrics.connections.clone(),
        );
        registry.register(
            "connections_turned_away",
            "Connections refused because too many were open, by surface",
            metrics.turned_away.clone(),
        );
        registry.register(
            "log_entries",
            "Entries held of each log",
            metrics.sizes.clone(),
        );
        registry.register(
            "logs_refused",
            "Partners' logs that are no longer accepted",
            metrics.refused_logs.clone(),
        );
        registry.register(
            "store_writable",
            "1 while the store accepts, 0 after a failed write",
            metrics.writable.clone(),
        );
        registry.register(
            "feed_healthy",
            "1 while a feed works, 0 when it does not, is new or is paused",
            metrics.feed_healthy.clone(),
        );
        registry.register(
            "feed_last_success_age_seconds",
            "Seconds since a feed last succeeded, or was added if it never did",
            metrics.feed_age.clone(),
        );
        registry.register(
            "feed_consecutive_failures",
            "Runs of a feed that failed since it last succeeded",
            metrics.feed_failures.clone(),
        );
        registry.register(
            "feed_objects",
            "Objects that a feed brought or pushed so far, by outcome",
            metrics.feed_objects.clone(),
        );
        registry.register("disk_bytes", "Bytes on disk", metrics.disk.clone());
        metrics
    }

    /// Objects came into the national collection.
    pub fn added(&self, objects: usize) {
        self.added.inc_by(objects as u64);
    }

    /// Objects that were given differ from what STIX 2.1 asks for in so many places.
    pub(crate) fn warned(&self, warnings: u64) {
        self.warnings.inc_by(warnings);
    }

    pub(crate) fn released(&self, outcome: &'static str, objects: usize) {
        if objects > 0 {
            self.releases
                .get_or_create(&Outcome { outcome })
                .inc_by(objects as u64);
        }
    }

    pub(crate) fn withdrawn(&self, versions: usize) {
        self.withdrawn.inc_by(versions as u64);
    }

    /// A surface (`taxii`, `members`, `admin`) answered.
    pub fn answered(&self, surface: &'static str, status: u16) {
        self.answers
            .get_or_create(&Answer { surface, status })
            .inc();
    }

    pub(crate) fn partner_read(&self, peer: &str) {
        self.reads
            .get_or_create(&Peer {
                peer: peer.to_owned(),
            })
            .inc();
    }

    pub(crate) fn pulled(&self, ok: bool) {
        self.pulls
            .get_or_create(&Outcome {
                outcome: if ok { "ok" } else { "failed" },
            })
            .inc();
    }

    pub(crate) fn connections(&self, surface: &'static str, change: i64) {
        self.connections
            .get_or_create(&Surface { surface })
            .inc_by(change);
    }

    pub(crate) fn turned_away(&self, surface: &'static str) {
        self.turned_away.get_or_create(&Surface { surface }).inc();
    }

    /// How the feeds do at present.
    pub(crate) fn feeds(&self, feeds: &[FeedInfo]) {
        // Those that were removed are gone from here, too.
        self.feed_healthy.clear();
        self.feed_age.clear();
        self.feed_failures.clear();
        self.feed_objects.clear();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for info in feeds {
            let feed = || info.spec.name.clone();
            let healthy = info.health == FeedHealth::Healthy;
            let of = Feed { feed: feed() };
            self.feed_healthy.get_or_create(&of).set(i64::from(healthy));
            self.feed_age
                .get_or_create(&of)
                .set(number(info.success_age_secs));
            self.feed_failures
                .get_or_create(&of)
                .set(i64::from(info.failures));
            for (outcome, count) in [
                ("accepted", info.accepted),
                ("known", info.known),
                ("refused", info.refused),
            ] {
                let of = FeedOutcome {
                    feed: feed(),
                    outcome,
                };
                self.feed_objects.get_or_create(&of).set(number(count));
            }
        }
    }

    /// The metrics as text, with the present state of the store.
    ///
    /// # Errors
    /// Never in practice: formatting into memory.
    pub(crate) fn render(
        &self,
        heads: &[(store::LogName, store::Head)],
        writable: bool,
        disk: u64,
    ) -> Result<String, fmt::Error> {
        for (name, head) in heads {
            let labels = Log {
                accord: name.accord.clone(),
                channel: name.channel.clone(),
                origin: name.origin.clone(),
            };
            self.sizes
                .get_or_create(&labels)
                .set(i64::try_from(head.size).unwrap_or(i64::MAX));
        }
        self.refused_logs.set(
            heads
                .iter()
                .filter(|(_, head)| head.refused.is_some())
                .count() as i64,
        );
        self.writable.set(i64::from(writable));
        self.disk.set(disk);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
