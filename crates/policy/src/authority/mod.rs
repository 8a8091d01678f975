//! A nation's own authority over what leaves: its people and their duties.

mod duty;

pub use duty::{Duty, NoDuty};
