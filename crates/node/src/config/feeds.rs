//! `[feeds]`: what feeds of this node may do; each feed itself is added with `kurultai feed add`.

use serde::Deserialize;

/// What feeds of this node may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feeds {
    /// Whether feeds may speak to servers on this machine and its link. Off: a server outside
    /// cannot lead a feed to what only this machine can reach.
    pub local: bool,
}
