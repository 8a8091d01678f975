//! `kurultai openapi`: what the national listener answers, for tools that read OpenAPI.

use clap::Args;

use crate::exit::Failure;
use crate::show;

/// Prints the description as JSON. A running node serves it as `/openapi.json`.
#[derive(Args)]
pub(crate) struct Openapi {}

impl Openapi {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        show::json(&node::openapi::document())
    }
}
