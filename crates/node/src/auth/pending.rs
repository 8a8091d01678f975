//! What waits for somebody's answer: sign-ins between two steps, challenges, journeys to the provider.
//!
//! Each is named by a secret, answered at most once and given up after a while. Their number is
//! bounded for whoever causes them and altogether: a flood pushes out its own first, and once there
//! is no room at all, those of whoever has most, so that no flood ends the sign-ins of others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::Seq;

use super::limits::{PENDING_EACH_MAX, PENDING_MAX};

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
        let of = |held: &HashMap<String, Waiting<T>>, whose: &str| {
            held.values()
                .filter(|waiting| waiting.whose == whose)
                .count()
        };
        if held.len() >= PENDING_MAX || of(&held, whose) >= PENDING_EACH_MAX {
            held.retain(|_, waiting| self.is_open(waiting, now));
        }
        if of(&held, whose) >= PENDING_EACH_MAX {
            drop_oldest(&mut held, whose);
        }
        if held.len() >= PENDING_MAX {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for waiting in held.values() {
                *counts.entry(waiting.whose.clone()).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            if let Some((whose, _)) = most {
                drop_oldest(&mut held, &whose);
            }
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

fn drop_oldest<T>(held: &mut HashMap<String, Waiting<T>>, whose: &str) {
    let of = held.iter().filter(|(_, waiting)| waiting.whose == whose);
    let oldest = of.min_by_key(|(_, waiting)| waiting.begun);
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
        for number in 0..10 * PENDING_MAX {
            pending.put(format!("flood {number}"), "attacker", number as Seq, "x");
            assert!(pending.held().len() <= PENDING_EACH_MAX + 1);
        }
        assert_eq!(pending.take("anna", SECOND), Some("hers"));
        assert_eq!(pending.take("anna", SECOND), None, "once");
    }

    #[test]
    fn a_flood_from_many_places_is_bounded_and_spares_those_who_have_few() {
        let pending = Pending::new(300);
        pending.put("anna".into(), "home", 0, "hers");
        for number in 0..10 * PENDING_MAX {
            let place = format!("attacker {}", number % (2 * PENDING_MAX / PENDING_EACH_MAX));
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
