//! Whose turn it is: one run of a feed at a time, and none while somebody decides about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, Notify, Semaphore, watch};

use super::limits::WHOLE_FILES_MAX;

/// What the process knows of its feeds.
pub(crate) struct Feeds {
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    /// Held by whoever decides about feeds: two who pause, remove or add one at the same moment would
    /// write over each other.
    pub(super) deciding: Turn<()>,
    /// Somebody decided something about a feed.
    pub(super) changed: Notify,
    /// Turns for those that hold a whole file in memory.
    pub(super) whole: Semaphore,
}

/// One feed's turn.
pub(super) struct Lane {
    /// Held by a run.
    pub(super) turn: Turn<()>,
    /// How many want no run to be under way: one that is ends.
    holds: watch::Sender<u32>,
}

/// While it lives, no run of the feed begins or goes on.
pub(super) struct Hold(Arc<Lane>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.send_modify(|holds| *holds -= 1);
    }
}

impl Lane {
    /// Ends the run that is under way, and lets none begin.
    pub(super) fn hold(self: &Arc<Lane>) -> Hold {
        self.holds.send_modify(|holds| *holds += 1);
        Hold(Arc::clone(self))
    }

    /// Whether a run is under way or none may begin.
    pub(super) fn is_busy(&self) -> bool {
        *self.holds.borrow() > 0 || self.turn.try_lock().is_err()
    }

    /// Ends when a run is to end.
    pub(super) async fn held(&self) {
        // The sender lives as long as the lane.
        let _ = self.holds.subscribe().wait_for(|holds| *holds > 0).await;
    }
}

impl Default for Feeds {
    fn default() -> Feeds {
        Feeds {
            lanes: Mutex::default(),
            deciding: Turn::default(),
            changed: Notify::new(),
            whole: Semaphore::new(WHOLE_FILES_MAX),
        }
    }
}

impl Feeds {
    /// Something was withdrawn: feeds that pushed it are not to wait for their time.
    pub(crate) fn withdrawn(&self) {
        self.changed.notify_one();
    }

    /// The turn of the feed of this name.
    pub(super) fn lane(&self, name: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Lane {
                turn: Turn::default(),
                holds: watch::Sender::new(0),
            })
        });
        Arc::clone(lane)
    }

    /// Whether this is still the feed's turn: whoever waited for that of a feed that was removed must
    /// not run beside one that was added since.
    pub(super) fn is_current(&self, name: &str, lane: &Arc<Lane>) -> bool {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes
            .get(name)
            .is_some_and(|current| Arc::ptr_eq(current, lane))
    }

    /// Forgets a feed that was removed; the caller holds its turn.
    pub(super) fn forget(&self, name: &str) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn while_somebody_holds_it_no_run_begins_or_goes_on() {
        let feeds = Feeds::default();
        let lane = feeds.lane("a");
        assert!(!lane.is_busy());
        let (one, other) = (lane.hold(), lane.hold());
        lane.held().await;
        drop(one);
        assert!(lane.is_busy(), "somebody else holds it still");
        drop(other);
        assert!(!lane.is_busy());
        let turn = lane.turn.lock().await;
        assert!(lane.is_busy());
        drop(turn);
        assert!(feeds.is_current("a", &lane));
        feeds.forget("a");
        assert!(!feeds.is_current("a", &lane));
        let new = feeds.lane("a");
        assert!(!feeds.is_current("a", &lane) && feeds.is_current("a", &new));
    }
}
