//! What STIX 2.1 says of each of its types, as data: one row a property.

mod extensions;
mod meta;
mod observables;
mod parts;
mod sdo;

use super::shape::Shape;

pub(super) use extensions::PREDEFINED;
pub(super) use meta::{CORE, CORE_SCO, DEFINITION_STATEMENT};

/// Every type that STIX 2.1 defines, with its table.
pub(super) static SHAPES: &[&[Shape]] = &[sdo::SHAPES, meta::SHAPES, observables::SHAPES];

/// The table of a type, where STIX 2.1 defines it.
pub(super) fn shape(type_name: &str) -> Option<&'static Shape> {
    SHAPES
        .iter()
        .flat_map(|shapes| shapes.iter())
        .find(|shape| shape.name == type_name)
}
