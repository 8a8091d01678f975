//! Many members in one test process, and one number that decides all they do.
//!
//! A [`World`] holds one real store for each member of a real accord; nothing is mocked but the
//! network, the clock and chance. [`Wire`] is the network: it serves another member's published
//! log and can drop, cut, flip, stall or replay what it serves. [`Images`] stands between a store
//! and its files and keeps what a crash at each step would leave on disk.
//!
//! INVARIANT: the same seed gives the same choices. Where threads make the order of events free
//! (several fetches in flight), a choice depends on what is asked for, not on when.
//!
//! This crate is for tests: it is a dev-dependency and nothing in the program links it. It panics
//! where a test would have to, with the seed in the message.

#![expect(
    clippy::missing_panics_doc,
    reason = "every function here may panic: that is how a test fails"
)]

mod checks;
mod crash;
mod damage;
mod draw;
mod rng;
mod wire;
mod world;

pub use checks::{State, assert_converged, assert_releasable, state};
pub use crash::{Image, Images};
pub use damage::damage;
pub use draw::{label, object, revision};
pub use rng::Rng;
pub use wire::{Fault, Faults, Wire};
pub use world::{KINDS, Party, SIX, World, accord, channel, key, label_allows, random_accord};
