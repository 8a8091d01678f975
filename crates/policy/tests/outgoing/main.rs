//! What leaves a node: redaction, non-attribution, the leak check.

#[path = "../support/mod.rs"]
mod support;

mod attribution;
mod hostile;
mod leak;
mod names;
mod observer;
mod real;
mod redaction;
mod scrubbing;
mod sources;
