//! What kind of STIX thing a type name stands for (STIX 2.1, sections 4 to 7).

/// The classes of STIX objects that differ in versioning and in required properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Domain object: versioned by `modified`.
    Sdo,
    /// Relationship object: versioned by `modified`.
    Sro,
    /// Cyber-observable object: no versions; the id follows from the content.
    Sco,
    /// `marking-definition`: never changes.
    Marking,
    /// `language-content` and `extension-definition`: versioned by `modified`.
    Meta,
    /// A type that STIX 2.1 does not define: versioned if it has `modified`.
    Extension,
}

impl Class {
    /// The class of a type name.
    pub fn of(type_name: &str) -> Class {
        match type_name {
            "attack-pattern" | "campaign" | "course-of-action" | "grouping" | "identity"
            | "incident" | "indicator" | "infrastructure" | "intrusion-set" | "location"
            | "malware" | "malware-analysis" | "note" | "observed-data" | "opinion" | "report"
            | "threat-actor" | "tool" | "vulnerability" => Class::Sdo,
            "relationship" | "sighting" => Class::Sro,
            "artifact"
            | "autonomous-system"
            | "directory"
            | "domain-name"
            | "email-addr"
            | "email-message"
            | "file"
            | "ipv4-addr"
            | "ipv6-addr"
            | "mac-addr"
            | "mutex"
            | "network-traffic"
            | "process"
            | "software"
            | "url"
            | "user-account"
            | "windows-registry-key"
            | "x509-certificate" => Class::Sco,
            "marking-definition" => Class::Marking,
            "language-content" | "extension-definition" => Class::Meta,
            _ => Class::Extension,
        }
    }

    /// Whether objects of this class must have `created` and `modified`.
    pub(crate) fn needs_version(self) -> bool {
        matches!(self, Class::Sdo | Class::Sro | Class::Meta)
    }

    /// Whether `modified` distinguishes versions of one object.
    pub(crate) fn has_versions(self) -> bool {
        !matches!(self, Class::Sco | Class::Marking)
    }
}

/// Whether STIX 2.1 defines `name` as a timestamp of some object of its own types.
pub(crate) fn is_timestamp(name: &[u8]) -> bool {
    matches!(
        name,
        b"account_created"
            | b"account_expires"
            | b"account_first_login"
            | b"account_last_login"
            | b"analysis_ended"
            | b"analysis_started"
            | b"atime"
            | b"created_time"
            | b"credential_last_changed"
            | b"ctime"
            | b"date"
            | b"end"
            | b"first_observed"
            | b"first_seen"
            | b"last_observed"
            | b"last_seen"
            | b"modified_time"
            | b"mtime"
            | b"object_modified"
            | b"published"
            | b"start"
            | b"start_time"
            | b"stop_time"
            | b"submitted"
            | b"valid_from"
            | b"validity_not_after"
            | b"validity_not_before"
    )
}

/// Whether STIX 2.1 defines `name` as a property that holds one identifier.
pub(crate) fn is_reference(name: &[u8]) -> bool {
    matches!(
        name,
        b"content_ref"
            | b"created_by_ref"
            | b"creator_user_ref"
            | b"dst_payload_ref"
            | b"dst_ref"
            | b"encapsulated_by_ref"
            | b"from_ref"
            | b"host_vm_ref"
            | b"image_ref"
            | b"object_ref"
            | b"operating_system_ref"
            | b"parent_directory_ref"
            | b"parent_ref"
            | b"raw_email_ref"
            | b"sample_ref"
            | b"sender_ref"
            | b"sighting_of_ref"
            | b"source_ref"
            | b"src_payload_ref"
            | b"src_ref"
            | b"target_ref"
    )
}

/// Whether STIX 2.1 defines `name` as a property that holds a list of identifiers.
pub(crate) fn is_reference_list(name: &[u8]) -> bool {
    matches!(
        name,
        b"analysis_sco_refs"
            | b"bcc_refs"
            | b"belongs_to_refs"
            | b"cc_refs"
            | b"child_refs"
            | b"contains_refs"
            | b"encapsulates_refs"
            | b"installed_software_refs"
            | b"object_marking_refs"
            | b"object_refs"
            | b"observed_data_refs"
            | b"opened_connection_refs"
            | b"operating_system_refs"
            | b"resolves_to_refs"
            | b"sample_refs"
            | b"to_refs"
            | b"where_sighted_refs"
    )
}
