//! The running node: one member's configuration, clock, keys, tasks and servers.
//!
//! Two journeys make up a node, and the files follow them. Out: `admin` or `taxii` take objects
//! in, `release` decides and appends to the own log, `members` publishes it. In: `pull` asks
//! partners (through `sync`, which verifies) and national tools read the result through `taxii`.
//! `accords` holds what the members agreed on; `serve` ties the tasks together.
//!
//! INVARIANT (I2): nothing leaves a node but through `release` (`feeds` pushes only what is in a channel), and nothing that a partner sends
//! reaches `release`, `accords` or the settings; `members` can only read own logs and keep
//! cosignatures.
//!
//! Left to others: bytes on disk (`store`), the rule (`policy`), verification (`sync`, `log`).

pub mod accords;
pub mod admin;
pub mod approvals;
pub mod audit;
pub mod auth;
pub mod clock;
pub mod config;
mod console;
mod courier;
mod error;
mod feeds;
mod http;
mod init;
mod intake;
pub mod keys;
pub mod limits;
mod members;
mod metrics;
mod node;
mod notices;
pub mod openapi;
mod outbound;
pub mod peers;
pub mod policies;
mod problem;
mod pull;
mod reads;
pub mod release;
mod removal;
mod requests;
pub mod serve;
pub mod taxii;
mod whatif;

pub use clock::Clock;
pub use config::{CONFIG_FILE, Config};
pub use error::{ErrorClass, NodeError};
pub use init::init;
pub use intake::Validation;
pub use metrics::Metrics;
pub use node::Node;
