//! Slowing down whoever guesses, without letting them shut anybody out.
//!
//! Failures are counted for each user and place together, for each user over places that this user
//! never signed in from, and for each place. Past a few, the next attempt has to wait, longer each
//! time up to a bound; an attempt in that time is turned away before any password is hashed, and
//! the same whether or not the user exists. Attempts under way count as if they had failed already,
//! so a burst of them gets no further than one after the other. A place from which the user has signed in before is
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

impl Key {
    /// Failures that cost nothing yet.
    fn free(&self) -> u32 {
        match self {
            Key::Pair(..) => FAILURES_FREE,
            Key::Unknown(_) => FAILURES_UNKNOWN,
            Key::Place(_) => FAILURES_PLACE,
        }
    }
}

/// What an attempt is counted by.
fn keys(name: &str, source: &Source, known: bool) -> Vec<Key> {
    let mut keys = vec![Key::Pair(name.into(), source.clone())];
    if !known {
        keys.extend([Key::Unknown(name.into()), Key::Place(source.clone())]);
    }
    keys
}

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    /// Attempts under way.
    open: u32,
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
    /// Begins an attempt, if one may be looked at now; otherwise answers after how many seconds.
    /// `known`: the user has signed in from there before. It is under way until [`Guards::release`].
    pub(super) fn admit(
        &mut self,
        name: &str,
        source: &Source,
        known: bool,
        now: Seq,
    ) -> Result<(), i64> {
        let wait = self.wait(name, source, known, now);
        if wait > 0 {
            return Err(wait);
        }
        let keys = keys(name, source, known);
        // Past the free failures one attempt at a time, and before them no more than are left: the
        // others wait for the outcome of those.
        let crowded = |key: &Key| {
            let count = self.0.get(key);
            count.is_some_and(|count| {
                count.open > 0 && count.failures.saturating_add(count.open) >= key.free()
            })
        };
        if keys.iter().any(crowded) {
            return Err(1);
        }
        for key in keys {
            self.make_room(now);
            self.0.entry(key).or_default().open += 1;
        }
        Ok(())
    }

    /// Ends an attempt that was admitted, whatever came of it.
    pub(super) fn release(&mut self, name: &str, source: &Source, known: bool) {
        for key in keys(name, source, known) {
            if let Some(count) = self.0.get_mut(&key) {
                count.open = count.open.saturating_sub(1);
                if count.open == 0 && count.failures == 0 {
                    self.0.remove(&key);
                }
            }
        }
    }

    /// Seconds that an attempt still has to wait; 0: none.
    pub(super) fn wait(&mut self, name: &str, source: &Source, known: bool, now: Seq) -> i64 {
        let keys = keys(name, source, known).into_iter();
        keys.map(|key| self.pause(&key, now)).max().unwrap_or(0)
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
        self.forget(&Key::Pair(name.into(), source.clone()));
    }

    /// Forgets every failure of a user.
    pub(super) fn unlock(&mut self, name: &str) {
        let of = |key: &&Key| match key {
            Key::Pair(of, _) | Key::Unknown(of) => of == name,
            Key::Place(_) => false,
        };
        let keys: Vec<Key> = self.0.keys().filter(of).cloned().collect();
        for key in keys {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        let open = self.0.get(key).map_or(0, |count| count.open);
        if open == 0 {
            self.0.remove(key);
        } else {
            let count = Count {
                open,
                ..Count::default()
            };
            self.0.insert(key.clone(), count);
        }
    }

    /// Seconds that attempts of this kind still have to wait.
    fn pause(&mut self, key: &Key, now: Seq) -> i64 {
        let Some(count) = self.0.get(key) else {
            return 0;
        };
        if !fresh(count, now) {
            self.forget(key);
            return 0;
        }
        let left = count.until.saturating_sub(now).max(0);
        (left.saturating_add(999_999) / 1_000_000).min(PAUSE_SECS_MAX)
    }

    /// Drops counters until there is room for one more; never those of attempts under way, which
    /// are few (each holds a request).
    fn make_room(&mut self, now: Seq) {
        let kept: [&dyn Fn(&Count) -> bool; 3] = [
            &|count| fresh(count, now),
            &|count| count.failures > 1,
            &|_| false,
        ];
        for kept in kept {
            if self.0.len() < COUNTERS_MAX {
                return;
            }
            self.0.retain(|_, count| count.open > 0 || kept(count));
        }
    }

    fn count(&mut self, key: Key, now: Seq) -> u32 {
        self.make_room(now);
        let pause = |failures: u32| match &key {
            Key::Pair(..) => growing(failures, FAILURES_FREE),
            Key::Place(_) => growing(failures, FAILURES_PLACE),
            Key::Unknown(_) if failures >= FAILURES_UNKNOWN => PAUSE_UNKNOWN_SECS,
            Key::Unknown(_) => 0,
        };
        let mut count = self.0.get(&key).copied().unwrap_or_default();
        if !fresh(&count, now) {
            count = Count {
                open: count.open,
                ..Count::default()
            };
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
            guards.release("anna", &at(1), true);
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
        let may = |guards: &mut Guards, now| {
            assert_eq!(guards.admit("anna", &at(1), true, now), Ok(()));
            guards.release("anna", &at(1), true);
        };
        may(&mut guards, NOW);
        lock(&mut guards);
        guards.unlock("anna");
        may(&mut guards, NOW);
        lock(&mut guards);
        may(&mut guards, NOW - 1);
    }

    #[test]
    fn a_burst_gets_no_further_than_one_after_the_other() {
        for known in [true, false] {
            let mut guards = Guards::default();
            let admit = |guards: &mut Guards| guards.admit("anna", &at(1), known, NOW);
            let admitted = (0..100).filter(|_| admit(&mut guards).is_ok()).count();
            assert_eq!(admitted, FAILURES_FREE as usize);
            for _ in 0..admitted {
                guards.failed("anna", &at(1), known, NOW);
                guards.release("anna", &at(1), known);
            }
            assert_eq!(admit(&mut guards), Err(PAUSE_SECS_MIN));
            let later = NOW + PAUSE_SECS_MIN * SECOND;
            assert_eq!(guards.admit("anna", &at(1), known, later), Ok(()));
            assert_eq!(
                guards.admit("anna", &at(1), known, later),
                Err(1),
                "one at a time"
            );
            guards.passed("anna", &at(1));
            guards.release("anna", &at(1), known);
            let again = (0..100).filter(|_| guards.admit("anna", &at(1), known, later).is_ok());
            assert!(again.count() > 1, "the right password ends it");
        }
    }

    #[test]
    fn attempts_from_many_places_at_once_are_bounded_for_the_user() {
        let mut guards = Guards::default();
        let burst = |guards: &mut Guards| {
            let places =
                (2..2_000).filter(|place| guards.admit("anna", &at(*place), false, NOW).is_ok());
            places.count()
        };
        assert_eq!(burst(&mut guards), FAILURES_UNKNOWN as usize);
        assert_eq!(
            guards.admit("anna", &at(1), true, NOW),
            Ok(()),
            "a known place"
        );
        for place in 2..2_000 {
            guards.release("anna", &at(place), false);
        }
        guards.release("anna", &at(1), true);
        assert!(
            guards.0.is_empty(),
            "what ended without a failure leaves nothing"
        );
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
