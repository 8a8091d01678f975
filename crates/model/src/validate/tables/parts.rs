//! Values that several types share: external references, kill chain phases, granular markings.

use super::super::shape::Kind::{Hashes, Language, Ref, Text, Url};
use super::super::shape::{Shape, TEXTS, To, may, must};

/// Section 2.5.
pub(super) static EXTERNAL_REFERENCE: Shape = Shape {
    some_of: &[&["description", "url", "external_id"]],
    ..Shape::new(
        "external-reference",
        "2.5",
        &[
            must("source_name", Text),
            may("description", Text),
            may("url", Url),
            may("hashes", Hashes),
            may("external_id", Text),
        ],
    )
};

/// Section 2.11.
pub(super) static KILL_CHAIN_PHASE: Shape = Shape::new(
    "kill-chain-phase",
    "2.11",
    &[must("kill_chain_name", Text), must("phase_name", Text)],
);

/// Section 7.2.3. That the selectors point into the object is checked elsewhere.
pub(super) static GRANULAR_MARKING: Shape = Shape {
    some_of: &[&["lang", "marking_ref"]],
    ..Shape::new(
        "granular-marking",
        "7.2.3",
        &[
            may("lang", Language),
            may("marking_ref", Ref(To::Types(&["marking-definition"]))),
            must("selectors", TEXTS),
        ],
    )
};
