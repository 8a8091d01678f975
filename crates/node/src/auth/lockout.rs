//! Slowing down whoever guesses, without letting them shut anybody out.
//!
//! Failures are counted for each user and place together, for each user over places that this user
//! never signed in from, and for each place. Past a few, the next attempt has to wait, longer each
//! time up to a bound; an attempt in that time is turned away before any password is hashed, and
//! the same whether or not the user exists. A place from which the user has signed in before is
//! judged only by its own failures with that user: whoever guesses elsewhere cannot keep a person
//! out of their own office. Nothing here lasts: counts are in memory and forgotten in an hour.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use store::Seq;

use super::limits::{
    COUNTERS_MAX, FAILURES_FREE, FAILURES_PLACE, FAILURES_SECS, FAILURES_UNKNOWN, PAUSE_SECS_MAX,
    PAUSE_SECS_MIN, PAUSE_UNKNOWN_SECS,
};

/// Where a request comes from: an IPv4 address, an IPv6 network of 64 bits (one customer has all
/// of it), or this machine's unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// The place of a client with this address.
    pub fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        })
    }

    /// The unix socket, or this process.
    pub fn local() -> Source {
        Source("this machine".into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, Source),
    Unknown(String),
    Place(Source),
}

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: Seq,
    until: Seq,
}

/// Failures enough to be written down: how many, and over what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Burst {
    /// Of this user from this place.
    User(u32),
    /// Of all users from this place.
    Place(u32),
}

/// What was tried in vain lately.
#[derive(Default)]
pub(super) struct Guards(HashMap<Key, Count>);

impl Guards {
    /// Whether an attempt may be looked at now; otherwise after how many seconds. `known`: the user
    /// has signed in from there before.
    pub(super) fn admit(
        &mut self,
        name: &str,
        source: &Source,
        known: bool,
        now: Seq,
    ) -> Result<(), i64> {
        let unknown = Key::Unknown(name.into());
        let mut wait = self.wait(&Key::Pair(name.into(), source.clone()), now);
        if !known {
            wait = wait
                .max(self.wait(&unknown, now))
                .max(self.wait(&Key::Place(source.clone()), now));
        }
        if wait > 0 {
            return Err(wait);
        }
        // One attempt from all unknown places together: the others wait for its outcome.
        if !known
            && let Some(count) = self.0.get_mut(&unknown)
            && count.failures >= FAILURES_UNKNOWN
        {
            count.until = now.saturating_add(PAUSE_UNKNOWN_SECS * 1_000_000);
        }
        Ok(())
    }

    /// Counts a failure.
    pub(super) fn failed(
        &mut self,
        name: &str,
        source: &Source,
        known: bool,
        now: Seq,
    ) -> Vec<Burst> {
        let mut bursts = Vec::new();
        let of_pair = self.count(Key::Pair(name.into(), source.clone()), now);
        if notable(of_pair, FAILURES_FREE) {
            bursts.push(Burst::User(of_pair));
        }
        if !known {
            self.count(Key::Unknown(name.into()), now);
            let of_place = self.count(Key::Place(source.clone()), now);
            if notable(of_place, FAILURES_PLACE) {
                bursts.push(Burst::Place(of_place));
            }
        }
        bursts
    }

    /// Forgets the failures of somebody who has now signed in from there.
    pub(super) fn passed(&mut self, name: &str, source: &Source) {
        self.0.remove(&Key::Pair(name.into(), source.clone()));
    }

    /// Forgets every failure of a user.
    pub(super) fn unlock(&mut self, name: &str) {
        self.0.retain(|key, _| match key {
            Key::Pair(of, _) | Key::Unknown(of) => of != name,
            Key::Place(_) => true,
        });
    }

    /// Seconds that attempts of this kind still have to wait.
    fn wait(&mut self, key: &Key, now: Seq) -> i64 {
        let Some(count) = self.0.get(key) else {
            return 0;
        };
        if !fresh(count, now) {
            self.0.remove(key);
            return 0;
        }
        let left = count.until.saturating_sub(now).max(0);
        (left.saturating_add(999_999) / 1_000_000).min(PAUSE_SECS_MAX)
    }

    fn count(&mut self, key: Key, now: Seq) -> u32 {
        if self.0.len() >= COUNTERS_MAX {
            self.0.retain(|_, count| fresh(count, now));
        }
        if self.0.len() >= COUNTERS_MAX {
            self.0.retain(|_, count| count.failures > 1);
        }
        if self.0.len() >= COUNTERS_MAX {
            self.0.clear();
        }
        let pause = |failures: u32| match &key {
            Key::Pair(..) => growing(failures, FAILURES_FREE),
            Key::Place(_) => growing(failures, FAILURES_PLACE),
            Key::Unknown(_) if failures >= FAILURES_UNKNOWN => PAUSE_UNKNOWN_SECS,
            Key::Unknown(_) => 0,
        };
        let mut count = self.0.get(&key).copied().unwrap_or_default();
        if !fresh(&count, now) {
            count = Count::default();
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
        count.until = now.saturating_add(pause(count.failures) * 1_000_000);
        let failures = count.failures;
        self.0.insert(key, count);
        failures
    }
}

/// Also not when the clock has stepped back before it.
fn fresh(count: &Count, now: Seq) -> bool {
    let age = now.saturating_sub(count.last);
    (0..FAILURES_SECS * 1_000_000).contains(&age)
}

fn growing(failures: u32, free: u32) -> i64 {
    match failures.checked_sub(free) {
        None => 0,
        Some(over) => (PAUSE_SECS_MIN << over.min(16)).min(PAUSE_SECS_MAX),
    }
}

/// At the first pause, and whenever the failures have doubled since: a long attack leaves few
/// records.
fn notable(failures: u32, free: u32) -> bool {
    failures.is_multiple_of(free) && (failures / free).is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Seq = 1_795_000_000_000_000;
    const SECOND: Seq = 1_000_000;

    fn at(place: u32) -> Source {
        Source::of(IpAddr::from(place.to_be_bytes()))
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end() {
        let mut guards = Guards::default();
        let mut now = NOW;
        let mut pauses = Vec::new();
        for _ in 0..20 {
            while let Err(secs) = guards.admit("anna", &at(1), true, now) {
                pauses.push(secs);
                now += secs * SECOND;
            }
            guards.failed("anna", &at(1), true, now);
        }
        assert_eq!(pauses[..9], [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert!(pauses.iter().all(|secs| *secs <= PAUSE_SECS_MAX));
        assert_eq!(
            guards.admit("anna", &at(1), true, now + FAILURES_SECS * SECOND),
            Ok(())
        );
    }

    #[test]
    fn failures_elsewhere_do_not_keep_a_person_out_of_a_known_place() {
        let mut guards = Guards::default();
        for place in 2..2_000 {
            guards.failed("anna", &at(place), false, NOW);
        }
        assert_eq!(guards.admit("anna", &at(1), true, NOW), Ok(()));
        assert!(
            guards.admit("anna", &at(1), false, NOW).is_err(),
            "unknown places wait"
        );
        let later = NOW + PAUSE_UNKNOWN_SECS * SECOND;
        assert_eq!(guards.admit("anna", &at(1), false, later), Ok(()));
        assert!(
            guards.admit("anna", &at(9_999), false, later).is_err(),
            "one at a time"
        );
    }

    #[test]
    fn one_password_tried_on_everybody_is_noticed() {
        let mut guards = Guards::default();
        let mut bursts = Vec::new();
        for user in 0..200 {
            bursts.extend(guards.failed(&format!("user{user}"), &at(1), false, NOW));
        }
        assert_eq!(
            bursts,
            [Burst::Place(50), Burst::Place(100), Burst::Place(200)]
        );
        assert!(guards.admit("another", &at(1), false, NOW).is_err());
        assert_eq!(guards.admit("another", &at(2), false, NOW), Ok(()));
        assert_eq!(guards.admit("at-home-there", &at(1), true, NOW), Ok(()));
    }

    #[test]
    fn a_success_or_the_operator_ends_the_pause_and_a_clock_that_steps_back_too() {
        let mut guards = Guards::default();
        let lock = |guards: &mut Guards| {
            for _ in 0..FAILURES_FREE {
                guards.failed("anna", &at(1), true, NOW);
            }
            assert!(guards.admit("anna", &at(1), true, NOW).is_err());
        };
        lock(&mut guards);
        guards.passed("anna", &at(1));
        assert_eq!(guards.admit("anna", &at(1), true, NOW), Ok(()));
        lock(&mut guards);
        guards.unlock("anna");
        assert_eq!(guards.admit("anna", &at(1), true, NOW), Ok(()));
        lock(&mut guards);
        assert_eq!(guards.admit("anna", &at(1), true, NOW - 1), Ok(()));
    }

    #[test]
    fn counters_are_bounded() {
        let mut guards = Guards::default();
        for place in 0..COUNTERS_MAX as u32 {
            guards.failed(&format!("u{place}"), &at(place), false, NOW);
            assert!(guards.0.len() <= COUNTERS_MAX + 2);
        }
    }

    #[test]
    fn places_are_what_one_client_can_have() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
