//! Common properties (section 3.2), relationships (section 5) and meta objects (section 7).

use super::super::shape::Kind::{
    Any, Closed, Flag, Language, List, Part, Ref, Text, Time, VersionTime, Whole,
};
use super::super::shape::{Kind, Property, Shape, TEXTS, To, may, must};
use super::super::vocabulary::EXTENSION_TYPE;
use super::parts::{EXTERNAL_REFERENCE, GRANULAR_MARKING};

const TYPE: Property = must("type", Any);
const ID: Property = must("id", Any);
const SPEC_VERSION: Property = must("spec_version", Any);
const CREATED_BY: Property = may("created_by_ref", Ref(To::Types(&["identity"])));
const CREATED: Property = must("created", VersionTime);
const MODIFIED: Property = must("modified", VersionTime);
const REVOKED: Property = may("revoked", Flag);
const LABELS: Property = may("labels", TEXTS);
const CONFIDENCE: Property = may("confidence", Whole(0, 100));
const LANG: Property = may("lang", Language);
const REFERENCE_LIST: Kind = List(&Part(&EXTERNAL_REFERENCE));
const REFERENCES: Property = may("external_references", REFERENCE_LIST);
const MARKINGS: Property = may(
    "object_marking_refs",
    List(&Ref(To::Types(&["marking-definition"]))),
);
const GRANULAR_LIST: Kind = List(&Part(&GRANULAR_MARKING));
const GRANULAR: Property = may("granular_markings", GRANULAR_LIST);
const EXTENSIONS: Property = may("extensions", Any);

/// The common properties of domain and relationship objects, and of types that are unknown here.
pub(in super::super) static CORE: &[Property] = &[
    TYPE,
    SPEC_VERSION,
    ID,
    CREATED_BY,
    CREATED,
    MODIFIED,
    REVOKED,
    LABELS,
    CONFIDENCE,
    LANG,
    REFERENCES,
    MARKINGS,
    GRANULAR,
    EXTENSIONS,
];

/// The common properties of cyber observables.
pub(in super::super) static CORE_SCO: &[Property] = &[
    TYPE,
    may("spec_version", Any),
    ID,
    MARKINGS,
    GRANULAR,
    may("defanged", Flag),
    EXTENSIONS,
];

static CORE_LANGUAGE: &[Property] = &[
    TYPE,
    SPEC_VERSION,
    ID,
    CREATED_BY,
    CREATED,
    MODIFIED,
    REVOKED,
    LABELS,
    CONFIDENCE,
    REFERENCES,
    MARKINGS,
    GRANULAR,
    EXTENSIONS,
];

static CORE_MARKING: &[Property] = &[
    TYPE,
    SPEC_VERSION,
    ID,
    CREATED_BY,
    CREATED,
    REFERENCES,
    MARKINGS,
    GRANULAR,
    EXTENSIONS,
];

static CORE_EXTENSION: &[Property] = &[
    TYPE,
    SPEC_VERSION,
    ID,
    must("created_by_ref", Ref(To::Types(&["identity"]))),
    CREATED,
    MODIFIED,
    REVOKED,
    LABELS,
    REFERENCES,
    MARKINGS,
    GRANULAR,
];

static STATEMENT: Shape = Shape::new("statement marking", "7.2.1", &[must("statement", Text)]);

/// What a statement marking's `definition` holds.
pub(in super::super) static DEFINITION_STATEMENT: &Shape = &STATEMENT;

/// The types of sections 5 and 7.
pub(super) static SHAPES: &[Shape] = &[
    Shape {
        common: Some(CORE),
        order: &[("start_time", "stop_time", false)],
        ..Shape::new(
            "relationship",
            "5.1",
            &[
                must("relationship_type", Text),
                may("description", Text),
                must("source_ref", Ref(To::End)),
                must("target_ref", Ref(To::End)),
                may("start_time", Time),
                may("stop_time", Time),
            ],
        )
    },
    Shape {
        common: Some(CORE),
        order: &[("first_seen", "last_seen", true)],
        ..Shape::new(
            "sighting",
            "5.2",
            &[
                may("description", Text),
                may("first_seen", Time),
                may("last_seen", Time),
                may("count", Whole(0, 999_999_999)),
                must("sighting_of_ref", Ref(To::Sdo)),
                may(
                    "observed_data_refs",
                    List(&Ref(To::Types(&["observed-data"]))),
                ),
                may(
                    "where_sighted_refs",
                    List(&Ref(To::Types(&["identity", "location"]))),
                ),
                may("summary", Flag),
            ],
        )
    },
    Shape {
        common: Some(CORE_LANGUAGE),
        ..Shape::new(
            "language-content",
            "7.1",
            &[
                must("object_ref", Ref(To::Any)),
                may("object_modified", Time),
                must("contents", Any),
            ],
        )
    },
    Shape {
        common: Some(CORE_MARKING),
        ..Shape::new(
            "marking-definition",
            "7.2.1",
            &[
                may("name", Text),
                may("definition_type", Text),
                may("definition", Any),
            ],
        )
    },
    Shape {
        common: Some(CORE_EXTENSION),
        ..Shape::new(
            "extension-definition",
            "7.3",
            &[
                must("name", Text),
                may("description", Text),
                must("schema", Text),
                must("version", Text),
                must("extension_types", List(&Closed(&EXTENSION_TYPE))),
                may("extension_properties", TEXTS),
            ],
        )
    },
];
