//! Domain objects: section 4 of STIX 2.1, in its order.

use super::super::shape::Kind::{
    Any, Closed, Flag, List, Open, Part, Real, Ref, Text, Time, Whole,
};
use super::super::shape::{REAL, Shape, TEXTS, To, deprecated, may, must, should};
use super::super::vocabulary as v;
use super::meta::CORE;
use super::parts::KILL_CHAIN_PHASE;

const PHASES: super::super::shape::Kind = List(&Part(&KILL_CHAIN_PHASE));
const SOFTWARE: To = To::Types(&["software"]);
const SEEN: &[(&str, &str, bool)] = &[("first_seen", "last_seen", true)];

const fn sdo(
    name: &'static str,
    section: &'static str,
    properties: &'static [super::super::shape::Property],
) -> Shape {
    Shape {
        common: Some(CORE),
        ..Shape::new(name, section, properties)
    }
}

/// The nineteen domain objects.
pub(super) static SHAPES: &[Shape] = &[
    sdo(
        "attack-pattern",
        "4.1",
        &[
            must("name", Text),
            may("description", Text),
            may("aliases", TEXTS),
            may("kill_chain_phases", PHASES),
        ],
    ),
    Shape {
        order: SEEN,
        ..sdo(
            "campaign",
            "4.2",
            &[
                must("name", Text),
                may("description", Text),
                may("aliases", TEXTS),
                may("first_seen", Time),
                may("last_seen", Time),
                may("objective", Text),
            ],
        )
    },
    sdo(
        "course-of-action",
        "4.3",
        &[must("name", Text), may("description", Text)],
    ),
    sdo(
        "grouping",
        "4.4",
        &[
            may("name", Text),
            may("description", Text),
            must("context", Open(&v::GROUPING_CONTEXT)),
            must("object_refs", List(&Ref(To::Any))),
        ],
    ),
    sdo(
        "identity",
        "4.5",
        &[
            must("name", Text),
            may("description", Text),
            may("roles", TEXTS),
            should("identity_class", Open(&v::IDENTITY_CLASS)),
            may("sectors", List(&Open(&v::INDUSTRY_SECTOR))),
            may("contact_information", Text),
        ],
    ),
    sdo(
        "incident",
        "4.6",
        &[must("name", Text), may("description", Text)],
    ),
    Shape {
        order: &[("valid_from", "valid_until", false)],
        ..sdo(
            "indicator",
            "4.7",
            &[
                should("name", Text),
                should("description", Text),
                may("indicator_types", List(&Open(&v::INDICATOR_TYPE))),
                must("pattern", Text),
                must("pattern_type", Open(&v::PATTERN_TYPE)),
                may("pattern_version", Text),
                must("valid_from", Time),
                may("valid_until", Time),
                may("kill_chain_phases", PHASES),
            ],
        )
    },
    Shape {
        order: SEEN,
        ..sdo(
            "infrastructure",
            "4.8",
            &[
                must("name", Text),
                may("description", Text),
                may("infrastructure_types", List(&Open(&v::INFRASTRUCTURE_TYPE))),
                may("aliases", TEXTS),
                may("kill_chain_phases", PHASES),
                may("first_seen", Time),
                may("last_seen", Time),
            ],
        )
    },
    Shape {
        order: SEEN,
        ..sdo(
            "intrusion-set",
            "4.9",
            &[
                must("name", Text),
                may("description", Text),
                may("aliases", TEXTS),
                may("first_seen", Time),
                may("last_seen", Time),
                may("goals", TEXTS),
                may("resource_level", Open(&v::ATTACK_RESOURCE_LEVEL)),
                may("primary_motivation", Open(&v::ATTACK_MOTIVATION)),
                may("secondary_motivations", List(&Open(&v::ATTACK_MOTIVATION))),
            ],
        )
    },
    Shape {
        some_of: &[&["region", "country", "latitude", "longitude"]],
        ..sdo(
            "location",
            "4.10",
            &[
                may("name", Text),
                may("description", Text),
                may("latitude", Real(-90.0, 90.0)),
                may("longitude", Real(-180.0, 180.0)),
                may("precision", REAL),
                may("region", Open(&v::REGION)),
                may("country", Text),
                may("administrative_area", Text),
                may("city", Text),
                may("street_address", Text),
                may("postal_code", Text),
            ],
        )
    },
    Shape {
        order: SEEN,
        ..sdo(
            "malware",
            "4.11",
            &[
                may("name", Text),
                may("description", Text),
                may("malware_types", List(&Open(&v::MALWARE_TYPE))),
                must("is_family", Flag),
                may("aliases", TEXTS),
                may("kill_chain_phases", PHASES),
                may("first_seen", Time),
                may("last_seen", Time),
                may("operating_system_refs", List(&Ref(SOFTWARE))),
                may(
                    "architecture_execution_envs",
                    List(&Open(&v::PROCESSOR_ARCHITECTURE)),
                ),
                may(
                    "implementation_languages",
                    List(&Open(&v::IMPLEMENTATION_LANGUAGE)),
                ),
                may("capabilities", List(&Open(&v::MALWARE_CAPABILITIES))),
                may("sample_refs", List(&Ref(To::Types(&["artifact", "file"])))),
            ],
        )
    },
    Shape {
        some_of: &[&["result", "analysis_sco_refs"]],
        ..sdo(
            "malware-analysis",
            "4.12",
            &[
                must("product", Text),
                may("version", Text),
                may("host_vm_ref", Ref(SOFTWARE)),
                may("operating_system_ref", Ref(SOFTWARE)),
                may("installed_software_refs", List(&Ref(SOFTWARE))),
                may("configuration_version", Text),
                may("modules", TEXTS),
                may("analysis_engine_version", Text),
                may("analysis_definition_version", Text),
                may("submitted", Time),
                may("analysis_started", Time),
                may("analysis_ended", Time),
                may("result_name", Text),
                may("result", Open(&v::MALWARE_RESULT)),
                may("analysis_sco_refs", List(&Ref(To::Sco))),
                may(
                    "sample_ref",
                    Ref(To::Types(&["artifact", "file", "network-traffic"])),
                ),
            ],
        )
    },
    sdo(
        "note",
        "4.13",
        &[
            may("abstract", Text),
            must("content", Text),
            may("authors", TEXTS),
            must("object_refs", List(&Ref(To::Any))),
        ],
    ),
    Shape {
        some_of: &[&["objects", "object_refs"]],
        order: &[("first_observed", "last_observed", true)],
        ..sdo(
            "observed-data",
            "4.14",
            &[
                must("first_observed", Time),
                must("last_observed", Time),
                must("number_observed", Whole(1, 999_999_999)),
                deprecated("objects", Any),
                may("object_refs", List(&Ref(To::ScoOrSro))),
            ],
        )
    },
    sdo(
        "opinion",
        "4.15",
        &[
            may("explanation", Text),
            may("authors", TEXTS),
            must("opinion", Closed(&v::OPINION)),
            must("object_refs", List(&Ref(To::Any))),
        ],
    ),
    sdo(
        "report",
        "4.16",
        &[
            must("name", Text),
            may("description", Text),
            may("report_types", List(&Open(&v::REPORT_TYPE))),
            must("published", Time),
            must("object_refs", List(&Ref(To::Any))),
        ],
    ),
    Shape {
        order: SEEN,
        ..sdo(
            "threat-actor",
            "4.17",
            &[
                must("name", Text),
                may("description", Text),
                may("threat_actor_types", List(&Open(&v::THREAT_ACTOR_TYPE))),
                may("aliases", TEXTS),
                may("first_seen", Time),
                may("last_seen", Time),
                may("roles", List(&Open(&v::THREAT_ACTOR_ROLE))),
                may("goals", TEXTS),
                may("sophistication", Open(&v::THREAT_ACTOR_SOPHISTICATION)),
                may("resource_level", Open(&v::ATTACK_RESOURCE_LEVEL)),
                may("primary_motivation", Open(&v::ATTACK_MOTIVATION)),
                may("secondary_motivations", List(&Open(&v::ATTACK_MOTIVATION))),
                may("personal_motivations", List(&Open(&v::ATTACK_MOTIVATION))),
            ],
        )
    },
    sdo(
        "tool",
        "4.18",
        &[
            must("name", Text),
            may("description", Text),
            may("tool_types", List(&Open(&v::TOOL_TYPE))),
            may("aliases", TEXTS),
            may("kill_chain_phases", PHASES),
            may("tool_version", Text),
        ],
    ),
    sdo(
        "vulnerability",
        "4.19",
        &[must("name", Text), may("description", Text)],
    ),
];
