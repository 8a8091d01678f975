//! Logs that travel by hand: courier files.
//!
//! A courier file is a CAR (`log::car`) with the material that an origin serves over a connection:
//! checkpoint, tiles, entries, bodies. [`pack`] writes one from the store, [`Shelf`] finds the
//! blocks of files that came, and [`LogFile`] is the [`crate::Source`] that answers the one state
//! machine from them. So a file is believed exactly as much as a peer is: not at all.
//!
//! Three things differ from a connection, and each has its place here:
//! - what a file shows is what the origin signed once, not what it serves now
//!   ([`crate::Source::live`]);
//! - a file may lack anything, and what it lacks must be brought later, not be taken for withdrawn:
//!   a body is left out only where an authenticated entry of the file takes it back ([`LogFile`]);
//! - a file may be for named readers only ([`seal`]).
//!
//! Left to others: who may have what (node), and what is public (node).

mod file;
mod import;
pub mod limits;
mod pack;
mod public;
pub mod seal;
mod shelf;

pub use file::LogFile;
pub use import::{Imported, Outcome, import};
pub use pack::{Order, OrderedLog, PackError, Packed, Summary, pack};
pub use public::publication;
pub use shelf::{FileReport, Medium, Shelf, ShelfError};
