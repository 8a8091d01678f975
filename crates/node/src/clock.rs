//! The node's clock: the only reader of the system's time.
//!
//! Everything that needs to know the time gets it from a [`Clock`], so that a test can stand in
//! its own. The store makes its positions strictly increasing from it; nothing else may assume
//! that it never steps back.

use std::fmt;
use std::sync::Arc;

use model::Timestamp;

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(Arc::new(system_micros))
    }

    /// A clock that tells what `micros` answers: microseconds since 1970.
    pub fn from_fn(micros: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(micros))
    }

    /// Microseconds since 1970.
    pub fn micros(&self) -> i64 {
        (self.0)()
    }

    /// Whole seconds since 1970; what a cosignature states.
    pub fn secs(&self) -> u64 {
        u64::try_from(self.micros().div_euclid(1_000_000)).unwrap_or(0)
    }

    /// The time as an instant.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.micros())
    }

    /// The same clock in the form that the store takes.
    pub fn as_fn(&self) -> Arc<dyn Fn() -> i64 + Send + Sync> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the system's clock"
)]
fn system_micros() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
