//! Cyber observables: section 6 of STIX 2.1, in its order.

use super::super::shape::Kind::{
    Binary, Closed, Dictionary, Flag, Hashes, Hex, Language, List, Open, Part, Ref, Text,
    TextOrWhole, Time, Url, Whole,
};
use super::super::shape::{COUNT, Property, Shape, TEXTS, To, WHOLE, may, must};
use super::super::vocabulary as v;
use super::extensions as x;
use super::meta::CORE_SCO;

const ADDRESS: To = To::Types(&["ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"]);
const ARTIFACT: To = To::Types(&["artifact"]);
const EMAIL: To = To::Types(&["email-addr"]);
const ACCOUNT: To = To::Types(&["user-account"]);
const SYSTEM: To = To::Types(&["autonomous-system"]);
const MAC: To = To::Types(&["mac-addr"]);
const TRAFFIC: To = To::Types(&["network-traffic"]);
const PROCESS: To = To::Types(&["process"]);

const fn sco(
    name: &'static str,
    section: &'static str,
    identity: &'static [&'static str],
    properties: &'static [Property],
) -> Shape {
    Shape {
        common: Some(CORE_SCO),
        identity,
        ..Shape::new(name, section, properties)
    }
}

static MIME_PART: Shape = Shape {
    some_of: &[&["body", "body_raw_ref"]],
    ..Shape::new(
        "email-mime-part-type",
        "6.6.2",
        &[
            may("body", Text),
            may("body_raw_ref", Ref(To::Types(&["artifact", "file"]))),
            may("content_type", Text),
            may("content_disposition", Text),
        ],
    )
};

static REGISTRY_VALUE: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "windows-registry-value-type",
        "6.17.2",
        &[
            may("name", Text),
            may("data", Text),
            may("data_type", Closed(&v::REGISTRY_TYPE)),
        ],
    )
};

static X509_V3: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "x509-v3-extensions-type",
        "6.18.2",
        &[
            may("basic_constraints", Text),
            may("name_constraints", Text),
            may("policy_constraints", Text),
            may("key_usage", Text),
            may("extended_key_usage", Text),
            may("subject_key_identifier", Text),
            may("authority_key_identifier", Text),
            may("subject_alternative_name", Text),
            may("issuer_alternative_name", Text),
            may("subject_directory_attributes", Text),
            may("crl_distribution_points", Text),
            may("inhibit_any_policy", Text),
            may("private_key_usage_period_not_before", Time),
            may("private_key_usage_period_not_after", Time),
            may("certificate_policies", Text),
            may("policy_mappings", Text),
        ],
    )
};

/// The eighteen cyber observables.
pub(super) static SHAPES: &[Shape] = &[
    Shape {
        some_of: &[&["payload_bin", "url"]],
        ..sco(
            "artifact",
            "6.1",
            &["hashes", "payload_bin"],
            &[
                may("mime_type", Text),
                may("payload_bin", Binary),
                may("url", Url),
                may("hashes", Hashes),
                may("encryption_algorithm", Closed(&v::ENCRYPTION_ALGORITHM)),
                may("decryption_key", Text),
            ],
        )
    },
    sco(
        "autonomous-system",
        "6.2",
        &["number"],
        &[must("number", WHOLE), may("name", Text), may("rir", Text)],
    ),
    sco(
        "directory",
        "6.3",
        &["path"],
        &[
            must("path", Text),
            may("path_enc", Text),
            may("ctime", Time),
            may("mtime", Time),
            may("atime", Time),
            may(
                "contains_refs",
                List(&Ref(To::Types(&["file", "directory"]))),
            ),
        ],
    ),
    sco(
        "domain-name",
        "6.4",
        &["value"],
        &[
            must("value", Text),
            may(
                "resolves_to_refs",
                List(&Ref(To::Types(&["ipv4-addr", "ipv6-addr", "domain-name"]))),
            ),
        ],
    ),
    sco(
        "email-addr",
        "6.5",
        &["value"],
        &[
            must("value", Text),
            may("display_name", Text),
            may("belongs_to_ref", Ref(ACCOUNT)),
        ],
    ),
    sco(
        "email-message",
        "6.6",
        &["from_ref", "subject", "body"],
        &[
            must("is_multipart", Flag),
            may("date", Time),
            may("content_type", Text),
            may("from_ref", Ref(EMAIL)),
            may("sender_ref", Ref(EMAIL)),
            may("to_refs", List(&Ref(EMAIL))),
            may("cc_refs", List(&Ref(EMAIL))),
            may("bcc_refs", List(&Ref(EMAIL))),
            may("message_id", Text),
            may("subject", Text),
            may("received_lines", TEXTS),
            may("additional_header_fields", Dictionary(&TEXTS)),
            may("body", Text),
            may("body_multipart", List(&Part(&MIME_PART))),
            may("raw_email_ref", Ref(ARTIFACT)),
        ],
    ),
    Shape {
        some_of: &[&["hashes", "name"]],
        extensions: &[
            &x::ARCHIVE,
            &x::NTFS,
            &x::PDF,
            &x::RASTER_IMAGE,
            &x::WINDOWS_PEBINARY,
        ],
        ..sco(
            "file",
            "6.7",
            &["hashes", "name", "parent_directory_ref", "extensions"],
            &[
                may("hashes", Hashes),
                may("size", COUNT),
                may("name", Text),
                may("name_enc", Text),
                may("magic_number_hex", Hex),
                may("mime_type", Text),
                may("ctime", Time),
                may("mtime", Time),
                may("atime", Time),
                may("parent_directory_ref", Ref(To::Types(&["directory"]))),
                may("contains_refs", List(&Ref(To::Sco))),
                may("content_ref", Ref(ARTIFACT)),
            ],
        )
    },
    sco(
        "ipv4-addr",
        "6.8",
        &["value"],
        &[
            must("value", Text),
            may("resolves_to_refs", List(&Ref(MAC))),
            may("belongs_to_refs", List(&Ref(SYSTEM))),
        ],
    ),
    sco(
        "ipv6-addr",
        "6.9",
        &["value"],
        &[
            must("value", Text),
            may("resolves_to_refs", List(&Ref(MAC))),
            may("belongs_to_refs", List(&Ref(SYSTEM))),
        ],
    ),
    sco("mac-addr", "6.10", &["value"], &[must("value", Text)]),
    sco("mutex", "6.11", &["name"], &[must("name", Text)]),
    Shape {
        some_of: &[&["src_ref", "dst_ref"]],
        order: &[("start", "end", true)],
        extensions: &[&x::HTTP_REQUEST, &x::ICMP, &x::SOCKET, &x::TCP],
        ..sco(
            "network-traffic",
            "6.12",
            &[
                "start",
                "end",
                "src_ref",
                "dst_ref",
                "src_port",
                "dst_port",
                "protocols",
                "extensions",
            ],
            &[
                may("start", Time),
                may("end", Time),
                may("is_active", Flag),
                may("src_ref", Ref(ADDRESS)),
                may("dst_ref", Ref(ADDRESS)),
                may("src_port", Whole(0, 65_535)),
                may("dst_port", Whole(0, 65_535)),
                must("protocols", TEXTS),
                may("src_byte_count", COUNT),
                may("dst_byte_count", COUNT),
                may("src_packets", COUNT),
                may("dst_packets", COUNT),
                may("ipfix", Dictionary(&TextOrWhole)),
                may("src_payload_ref", Ref(ARTIFACT)),
                may("dst_payload_ref", Ref(ARTIFACT)),
                may("encapsulates_refs", List(&Ref(TRAFFIC))),
                may("encapsulated_by_ref", Ref(TRAFFIC)),
            ],
        )
    },
    Shape {
        some_of: &[&[]],
        extensions: &[&x::WINDOWS_PROCESS, &x::WINDOWS_SERVICE],
        ..sco(
            "process",
            "6.13",
            &[],
            &[
                may("is_hidden", Flag),
                may("pid", WHOLE),
                may("created_time", Time),
                may("cwd", Text),
                may("command_line", Text),
                may("environment_variables", Dictionary(&Text)),
                may("opened_connection_refs", List(&Ref(TRAFFIC))),
                may("creator_user_ref", Ref(ACCOUNT)),
                may("image_ref", Ref(To::Types(&["file"]))),
                may("parent_ref", Ref(PROCESS)),
                may("child_refs", List(&Ref(PROCESS))),
            ],
        )
    },
    sco(
        "software",
        "6.14",
        &["name", "cpe", "swid", "vendor", "version"],
        &[
            must("name", Text),
            may("cpe", Text),
            may("swid", Text),
            may("languages", List(&Language)),
            may("vendor", Text),
            may("version", Text),
        ],
    ),
    sco("url", "6.15", &["value"], &[must("value", Url)]),
    Shape {
        some_of: &[&[]],
        extensions: &[&x::UNIX_ACCOUNT],
        ..sco(
            "user-account",
            "6.16",
            &["account_type", "user_id", "account_login"],
            &[
                may("user_id", Text),
                may("credential", Text),
                may("account_login", Text),
                may("account_type", Open(&v::ACCOUNT_TYPE)),
                may("display_name", Text),
                may("is_service_account", Flag),
                may("is_privileged", Flag),
                may("can_escalate_privs", Flag),
                may("is_disabled", Flag),
                may("account_created", Time),
                may("account_expires", Time),
                may("credential_last_changed", Time),
                may("account_first_login", Time),
                may("account_last_login", Time),
            ],
        )
    },
    Shape {
        some_of: &[&[]],
        ..sco(
            "windows-registry-key",
            "6.17",
            &["key", "values"],
            &[
                may("key", Text),
                may("values", List(&Part(&REGISTRY_VALUE))),
                may("modified_time", Time),
                may("creator_user_ref", Ref(ACCOUNT)),
                may("number_of_subkeys", COUNT),
            ],
        )
    },
    Shape {
        some_of: &[&[]],
        ..sco(
            "x509-certificate",
            "6.18",
            &["hashes", "serial_number"],
            &[
                may("is_self_signed", Flag),
                may("hashes", Hashes),
                may("version", Text),
                may("serial_number", Text),
                may("signature_algorithm", Text),
                may("issuer", Text),
                may("validity_not_before", Time),
                may("validity_not_after", Time),
                may("subject", Text),
                may("subject_public_key_algorithm", Text),
                may("subject_public_key_modulus", Text),
                may("subject_public_key_exponent", WHOLE),
                may("x509_v3_extensions", Part(&X509_V3)),
            ],
        )
    },
];
