//! The rules by name. `docs/validation.md` lists them, and a test keeps that list true.

/// How much a rule weighs, as the standard words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// SHOULD, an open vocabulary, a deprecated way: a warning in both modes.
    Should,
    /// MUST: an error in strict mode, a warning in lenient mode.
    Must,
    /// What no node takes in, in either mode (see `Refusal`): an error in both.
    Intake,
}

/// One rule of the standard that is checked here.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    /// The section of STIX 2.1 that states it; where an object's table states it, the finding
    /// names that table's section instead.
    pub section: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// What it asks for, in one clause.
    pub asks: &'static str,
}

macro_rules! rules {
    ($($constant:ident $id:literal $section:literal $weight:ident $asks:literal;)+) => {
        $(pub(super) static $constant: Rule = Rule {
            id: $id, section: $section, weight: Weight::$weight, asks: $asks,
        };)+

        /// Every rule, in the order of the standard's sections.
        pub static RULES: &[&Rule] = &[$(&$constant),+];
    };
}

rules! {
    INTAKE "intake" "2" Intake "a node can take the object in: JSON without double names, numbers that keep their value, a well-formed id and version";
    NULL "stix-2-null" "2" Must "no value is null";
    KIND "stix-2-kind" "2" Must "a value is of the type that its property is defined with";
    BINARY "stix-2.1-binary" "2.1" Must "binary values are Base64 with padding";
    DICTIONARY_EMPTY "stix-2.3-empty" "2.3" Must "dictionaries are not empty";
    DICTIONARY_KEY "stix-2.3-key" "2.3" Must "dictionary keys are 1 to 250 of letters, digits, hyphen and underscore";
    ENUMERATION "stix-2.4-enumeration" "2.4" Must "values of closed vocabularies come from their list";
    REFERENCE_CVE "stix-2.5-cve" "2.5" Must "source_name cve goes with an external_id of the form CVE-YYYY-NNNN, and in a vulnerability the other way round";
    REFERENCE_CAPEC "stix-2.5-capec" "2.5" Must "source_name capec goes with an external_id of the form CAPEC-N, and in an attack pattern the other way round";
    REFERENCE_HASH "stix-2.5-hashes" "2.5" Note "an external reference with a url should carry hashes of what it names";
    HASH_NAME "stix-2.7-name" "2.7" Must "names of hash algorithms are 3 to 250 of letters, digits, hyphen and underscore";
    HASH_VALUE "stix-2.7-value" "2.7" Must "a hash has the form of its algorithm";
    HASH_ALGORITHM "stix-2.7-algorithm" "2.7" Should "names of hash algorithms come from hash-algorithm-ov";
    HEX "stix-2.8-hex" "2.8" Must "hexadecimal values have an even number of hex digits";
    ID_FORM "stix-2.9-form" "2.9" Must "identifiers are type--UUID with a UUID of RFC 4122 in lower case";
    ID_TYPE "stix-2.9-type" "2.9" Must "the type in an object's id is its type";
    ID_VERSION "stix-2.9-version" "2.9" Should "ids are UUIDs of version 4, those of cyber observables of version 5";
    RANGE "stix-2.10-range" "2.10" Must "numbers lie within the bounds of their property";
    PHASE_NAME "stix-2.11-lower-case" "2.11" Should "names of kill chains and phases are in lower case with hyphens";
    LIST_EMPTY "stix-2.12-empty" "2.12" Must "lists are not empty";
    VOCABULARY "stix-2.13-vocabulary" "2.13" Should "values of open vocabularies come from their list";
    VOCABULARY_FORM "stix-2.13-lower-case" "2.13" Should "words of one's own are in lower case with hyphens";
    TIME "stix-2.15-timestamp" "2.15" Must "timestamps are RFC 3339 in UTC with Z";
    TYPE_NAME "stix-3.1-type-name" "3.1" Must "type names are 3 to 250 of a-z, 0-9 and single hyphens and begin with a letter";
    PROPERTY_NAME "stix-3.1-property-name" "3.1" Must "property names are 3 to 250 of a-z, 0-9 and underscore and begin with a letter";
    SUFFIX "stix-3.1-suffix" "3.1" Should "properties of one's own named _hex, _bin, _ref or _refs hold what the ending says";
    REQUIRED "stix-3.2-required" "3.2" Must "required properties are present";
    RECOMMENDED "stix-3.2-recommended" "3.2" Should "properties that the standard asks for are present";
    SOME_OF "stix-3.2-some-of" "3.2" Must "of properties that stand for each other at least one is present";
    SPEC_VERSION "stix-3.2-spec-version" "3.2" Must "spec_version is 2.1";
    SPEC_VERSION_OLD "stix-3.2-spec-version-old" "3.2" Should "objects are of STIX 2.1, not 2.0";
    MILLISECONDS "stix-3.2-milliseconds" "3.2" Must "created and modified have milliseconds or finer";
    CREATED_MODIFIED "stix-3.2-created-modified" "3.2" Must "modified is not before created";
    LANGUAGE_TAG "stix-3.2-language" "3.2" Must "languages are tags after RFC 5646";
    URL "stix-3.2-url" "2.5" Must "URLs are URIs with a scheme (RFC 3986)";
    NOT_APPLICABLE "stix-3.2-not-applicable" "3.2" Should "common properties stand only on types that have them";
    REFERENCE_TYPE "stix-3.2-reference" "3.3" Must "references name objects of the types that their property is defined for";
    DETERMINISTIC "stix-3.4-deterministic" "3.4" Should "a cyber observable's UUIDv5 follows from its id-contributing properties";
    RANDOM "stix-3.4-random" "3.4" Must "a cyber observable without id-contributing properties has a UUIDv4";
    RESERVED "stix-3.8-reserved" "3.8" Must "reserved names are not used";
    DEPRECATED "stix-4-deprecated" "4" Should "deprecated properties are not used in new data";
    ORDER "stix-4-order" "4" Must "the later of two times is not before the earlier (or is after it)";
    PATTERN_EMPTY "stix-4.7-pattern-empty" "4.7" Must "a pattern is not empty";
    PATTERN "stix-4.7-pattern" "9" Must "a STIX pattern is an expression over comparisons in square brackets";
    COORDINATES "stix-4.10-coordinates" "4.10" Must "latitude and longitude stand together, and precision only with both";
    COUNTRY "stix-4.10-country" "4.10" Should "a country is an ISO 3166-1 alpha-2 code";
    FAMILY_NAME "stix-4.11-family-name" "4.11" Must "a malware family has a name";
    PRODUCT "stix-4.12-product" "4.12" Should "a product's name is in lower case with hyphens";
    OBSERVED_ONE "stix-4.14-one-of" "4.14" Must "observed data has objects or object_refs, not both";
    OBSERVED_SCO "stix-4.14-observable" "4.14" Must "object_refs of observed data names at least one cyber observable";
    OBSERVED_KEY "stix-4.14-key" "4.14" Must "references inside objects name keys of objects";
    RELATIONSHIP_TYPE "stix-5.1-type" "5.1" Must "relationship types are of a-z, 0-9 and hyphen";
    RELATIONSHIP_ENDS "stix-5.1-ends" "5.1" Should "relationships connect types as the standard's summary of relationships lists them";
    ARTIFACT_ONE "stix-6.1-one-of" "6.1" Must "an artifact has payload_bin or url, not both, and hashes with a url";
    ARTIFACT_KEY "stix-6.1-decryption-key" "6.1" Must "decryption_key stands only with encryption_algorithm";
    MIME "stix-6.1-mime-type" "6.1" Should "media types have the form type/subtype of those that IANA registers";
    VALUE "stix-6-value" "6" Must "names and addresses have the form of their kind";
    CHARSET "stix-6.3-charset" "6.3" Must "character sets have names as IANA registers them";
    EMAIL_BODY "stix-6.6-body" "6.6" Must "body stands only in messages of one part, body_multipart only in those of several";
    MIME_PART "stix-6.6-part" "6.6.2" Must "a part of a message has body or body_raw_ref, not both";
    ACTIVE_END "stix-6.12-active" "6.12" Must "traffic that is active has no end";
    PROTOCOL "stix-6.12-protocol" "6.12" Should "protocols are in lower case";
    PRIORITY "stix-6.13-priority" "6.13.2" Should "a Windows priority ends in _CLASS";
    CPE "stix-6.14-cpe" "6.14" Must "a cpe is a CPE 2.3 formatted string";
    HIVE "stix-6.17-hive" "6.17" Must "the hive of a registry key is written out";
    CONTENTS "stix-7.1-contents" "7.1" Must "contents are dictionaries keyed by RFC 5646 tags, of properties with values";
    TRANSLATED "stix-7.1-target" "7.1" Must "what is translated is there in the object, of the same kind and length";
    MARKING_FORM "stix-7.2.1-definition" "7.2.1" Must "a marking has definition_type and definition, or extensions";
    MARKING_TLP "stix-7.2.1-tlp" "7.2.1" Must "TLP 1 markings are the four that the standard defines";
    MARKING_TYPE "stix-7.2.1-type" "7.2.1" Should "markings other than statement and tlp are defined by extensions";
    MARKING_SELF "stix-7.2-self" "7.2" Must "a marking does not mark itself";
    GRANULAR_ONE "stix-7.2.3-one-of" "7.2.3" Must "a granular marking has lang or marking_ref, not both";
    SELECTOR "stix-7.2.3-selector" "7.2.3" Must "selectors point at what is there in the object";
    EXTENSION_KEY "stix-7.3-key" "7.3" Must "keys of extensions are ids of extension definitions or names that end in -ext";
    EXTENSION_VALUE "stix-7.3-value" "7.3" Must "an extension is an object that is not empty and says its extension_type";
    EXTENSION_PROPERTIES "stix-7.3-properties" "7.3" Must "extension_properties stand only with toplevel-property-extension";
    EXTENSION_ASKED "stix-7.3-recommended" "7.3" Should "extension definitions describe themselves and list their top-level properties";
    BUNDLE_PROPERTY "stix-8-property" "8" Should "a bundle has type, id and objects only";
    BUNDLE_TWICE "stix-8-twice" "8" Should "one version of an object stands once in a bundle";
    CUSTOM_PROPERTY "stix-11.1-custom-property" "11.1" Should "properties of one's own are brought by an extension";
    CUSTOM_TYPE "stix-11.2-custom-type" "11.2" Should "types of one's own are brought by an extension";
    CUSTOM_EXTENSION "stix-11.3-custom-extension" "11.3" Should "extensions of one's own have an extension definition";
    MORE "more-findings" "2" Note "findings beyond the limit are counted, not listed";
}
