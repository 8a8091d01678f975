//! Numbers out of samples: percentiles, rates, and what a server used meanwhile.

use std::time::Duration;

use serde::Serialize;

use crate::process::Usage;
use crate::show;

/// Durations of single requests.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

/// The spread of samples, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Spread {
    /// How many samples there are.
    pub(crate) samples: usize,
    /// Half are at most this.
    pub(crate) p50_ms: f64,
    /// 99 of 100 are at most this.
    pub(crate) p99_ms: f64,
    /// The largest.
    pub(crate) max_ms: f64,
}

impl Samples {
    /// Adds a sample.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds all of another set.
    pub(crate) fn merge(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    /// The spread; zeros when there is no sample.
    pub(crate) fn spread(&mut self) -> Spread {
        self.0.sort_unstable();
        let at = |share: f64| {
            // The nearest-rank percentile: the smallest sample that `share` of all do not exceed.
            let rank = (share * self.0.len() as f64).ceil().max(1.0) as usize;
            self.0
                .get(rank - 1)
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Spread {
            samples: self.0.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }
}

/// What some work on objects cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Rate {
    /// Objects handled.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Seconds on the clock.
    pub(crate) seconds: f64,
    /// Processor seconds of the process that did the work.
    pub(crate) cpu_seconds: f64,
    /// Objects a second on the clock.
    pub(crate) objects_per_second: f64,
    /// Objects a processor second.
    pub(crate) objects_per_cpu_second: f64,
}

impl Rate {
    /// The rate of `objects` of `bytes` in all.
    pub(crate) fn new(objects: u64, bytes: u64, time: Duration, cpu: Duration) -> Rate {
        let per = |seconds: f64| {
            if seconds > 0.0 {
                objects as f64 / seconds
            } else {
                0.0
            }
        };
        Rate {
            objects,
            bytes,
            seconds: time.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            objects_per_second: per(time.as_secs_f64()),
            objects_per_cpu_second: per(cpu.as_secs_f64()),
        }
    }

    /// The cells of a table row.
    pub(crate) fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            show::thousands(self.objects_per_second.round() as u64),
            if self.cpu_seconds > 0.0 {
                show::thousands(self.objects_per_cpu_second.round() as u64)
            } else {
                "-".to_owned()
            },
            format!("{:.1}", self.bytes as f64 / 1e6 / self.seconds.max(1e-9)),
            format!("{:.2}", self.seconds),
            format!("{:.2}", self.cpu_seconds),
        ]
    }
}

/// The headings that belong to [`Rate::row`].
pub(crate) fn rate_table() -> show::Table {
    show::Table::new(&[
        "work",
        "objects/s",
        "objects/CPU-s",
        "MB/s",
        "seconds",
        "CPU-s",
    ])
}

/// What a process used between two looks.
pub(crate) fn between(before: Usage, after: Usage) -> Duration {
    after.cpu.saturating_sub(before.cpu)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Rate, Samples};

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut samples = Samples::default();
        for ms in (1..=100).rev() {
            samples.add(Duration::from_millis(ms));
        }
        let spread = samples.spread();
        assert_eq!(
            (spread.samples, spread.p50_ms, spread.p99_ms, spread.max_ms),
            (100, 50.0, 99.0, 100.0)
        );
        assert_eq!(Samples::default().spread().p99_ms, 0.0);
    }

    #[test]
    fn rates_divide_by_clock_and_processor_time() {
        let rate = Rate::new(1_000, 0, Duration::from_secs(2), Duration::from_millis(500));
        assert_eq!(
            (rate.objects_per_second, rate.objects_per_cpu_second),
            (500.0, 2_000.0)
        );
        assert_eq!(
            Rate::new(1, 0, Duration::ZERO, Duration::ZERO).objects_per_cpu_second,
            0.0
        );
    }
}
