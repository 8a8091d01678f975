//! What waits for somebody's answer: sign-ins between two steps, challenges, journeys to the provider.
//!
//! Each is named by a secret, answered at most once and given up after a while. Their number is
//! bounded altogether, and not for each place: a whole office may come from one address. Once there
//! is no room, whoever has most loses their oldest: a flood pushes out its own, and not the sign-ins
//! of others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::Seq;

use super::limits::PENDING_MAX;

/// Things that wait, by their names.
pub(super) struct Pending<T> {
    /// How long they wait, in seconds.
    secs: i64,
    held: Mutex<HashMap<String, Waiting<T>>>,
}

struct Waiting<T> {
    begun: Seq,
    /// Who caused it: a place, or a user.
    whose: String,
    what: T,
}

impl<T> Pending<T> {
    /// Nothing yet; each shall wait for so many seconds.
    pub(super) fn new(secs: i64) -> Pending<T> {
        Pending {
            secs,
            held: Mutex::default(),
        }
    }

    /// One more.
    pub(super) fn put(&self, name: String, whose: &str, now: Seq, what: T) {
        let mut held = self.held();
        if held.len() >= PENDING_MAX {
            held.retain(|_, waiting| self.is_open(waiting, now));
        }
        if held.len() >= PENDING_MAX {
            drop_one(&mut held);
        }
        let waiting = Waiting {
            begun: now,
            whose: whose.to_owned(),
            what,
        };
        held.insert(name, waiting);
    }

    /// Ends the waiting, whatever becomes of the answer.
    pub(super) fn take(&self, name: &str, now: Seq) -> Option<T> {
        let waiting = self.held().remove(name)?;
        self.is_open(&waiting, now).then_some(waiting.what)
    }

    /// Looks at, or changes, what goes on waiting.
    pub(super) fn with<R>(
        &self,
        name: &str,
        now: Seq,
        work: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut held = self.held();
        let waiting = held.get_mut(name)?;
        self.is_open(waiting, now).then(|| work(&mut waiting.what))
    }

    /// Also not when the clock has stepped back before its beginning.
    fn is_open(&self, waiting: &Waiting<T>, now: Seq) -> bool {
        let age = now.saturating_sub(waiting.begun);
        (0..self.secs.saturating_mul(1_000_000)).contains(&age)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Waiting<T>>> {
        // Each statement leaves the map whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the oldest of whoever has most; of equals, of whoever began first.
fn drop_one<T>(held: &mut HashMap<String, Waiting<T>>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for waiting in held.values() {
        *counts.entry(&waiting.whose).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or_default();
    let oldest = held
        .iter()
        .filter(|(_, waiting)| counts.get(waiting.whose.as_str()) == Some(&most))
        .min_by_key(|(_, waiting)| waiting.begun);
    if let Some(name) = oldest.map(|(name, _)| name.clone()) {
        held.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Seq = 1_000_000;

    #[test]
    fn a_flood_from_one_place_pushes_out_its_own() {
        let pending = Pending::new(300);
        pending.put("anna".into(), "home", 0, "hers");
        for number in 0..PENDING_MAX + 100 {
            pending.put(format!("flood {number}"), "attacker", number as Seq, "x");
            assert!(pending.held().len() <= PENDING_MAX);
        }
        assert_eq!(pending.take("anna", SECOND), Some("hers"));
        assert_eq!(pending.take("anna", SECOND), None, "once");
    }

    #[test]
    fn an_office_behind_one_address_signs_in_all_at_once() {
        let pending = Pending::new(300);
        for number in 0..PENDING_MAX {
            pending.put(format!("desk {number}"), "office", number as Seq, number);
        }
        for number in 0..PENDING_MAX {
            assert_eq!(
                pending.take(&format!("desk {number}"), SECOND),
                Some(number)
            );
        }
    }

    #[test]
    fn a_flood_from_many_places_is_bounded_and_spares_those_who_have_few() {
        let pending = Pending::new(300);
        pending.put("anna".into(), "home", 0, "hers");
        for number in 0..PENDING_MAX + 100 {
            let place = format!("attacker {}", number % (PENDING_MAX / 16));
            pending.put(format!("flood {number}"), &place, number as Seq, "x");
            assert!(pending.held().len() <= PENDING_MAX);
        }
        assert_eq!(pending.take("anna", SECOND), Some("hers"));
    }

    #[test]
    fn what_waits_too_long_or_began_later_than_now_is_gone() {
        let pending = Pending::new(300);
        for now in [300 * SECOND, -1] {
            pending.put("a".into(), "home", 0, 1);
            assert_eq!(pending.with("a", now, |what| *what), None);
            assert_eq!(pending.take("a", now), None);
        }
        pending.put("a".into(), "home", 0, 1);
        assert_eq!(pending.with("a", 299 * SECOND, |what| *what += 1), Some(()));
        assert_eq!(pending.take("a", 299 * SECOND), Some(2));
    }
}
