//! Replication: how one member gets another member's log, and believes nothing on the way.
//!
//! [`machine::pull`] is the one state machine: checkpoint, consistency, entries, bodies, accord,
//! store, cosignature. It asks a [`Source`] for bytes by path and checks every one of them, so a
//! transport can delay or refuse but not deceive. [`https`] is the transport between nodes and
//! [`tls`] what both of its ends pin; [`events`] only says when to pull. [`courier`] is the transport
//! by hand.
//!
//! INVARIANT (I4): nothing reaches the store but entries that a signed, consistent checkpoint
//! commits to and objects whose canonical bytes hash to such an entry and which the accord in
//! force allows.
//!
//! Left to others: when to pull and from whom (node), what is durable and shown (store), what an
//! accord allows (policy).

#![forbid(unsafe_code)]

pub mod courier;
pub mod events;
pub mod https;
pub mod limits;
pub mod machine;
pub mod tls;

mod error;
mod source;

pub use error::PullError;
pub use machine::{Clock, Moved, Progress, Spent, View, pull, pull_into};
pub use source::{FetchError, Source};
