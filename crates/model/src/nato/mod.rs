//! Confidentiality labels as ADatP-4774 (STANAG 4774) writes them, and their binding to an object
//! after ADatP-4778.
//!
//! A [`ConfidentialityLabel`] is such a label as a value: every part that the standard's schema
//! names, whoever's policy it speaks of. `parse` reads one from XML and refuses what is not
//! understood, with its place; `to_xml` writes it so that it reads back equal. What the label
//! *means* is another question:
//!
//! - labels of our own policy ([`POLICY`]) carry a [`Label`](crate::Label) without loss
//!   (`of_label`, `label`; the table is in `mapping`);
//! - labels of other policies mean what the nation's equivalence table says, and nothing without it.

mod binding;
mod mapping;
mod read;
mod write;
mod xml;

use std::fmt;

use crate::time::Timestamp;

pub use mapping::{POLICY, POLICY_URI};

/// The namespace of ADatP-4774 labels.
pub const NAMESPACE_LABEL: &str = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0";

/// The namespace of ADatP-4778 bindings.
pub const NAMESPACE_BINDING: &str = "urn:nato:stanag:4778:bindinginformation:1:0";

/// What a label is to the information that it stands on: the standard's element names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `originatorConfidentialityLabel`: as the originator labelled it.
    Originator,
    /// `alternativeConfidentialityLabel`: an equivalent under another policy.
    Alternative,
    /// `metadataConfidentialityLabel`: the label of the metadata itself.
    Metadata,
    /// `ConfidentialityLabel`: the older name, without a role.
    Plain,
}

/// How a category's values limit: the standard's `Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CategoryKind {
    /// `RESTRICTIVE`: every value has to be satisfied.
    Restrictive,
    /// `PERMISSIVE`: one value has to be satisfied.
    Permissive,
    /// `INFORMATIVE`: says something and limits nothing.
    Informative,
}

/// One `Category`: a tag of a policy with the values that the label gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Category {
    /// `Type`.
    pub kind: CategoryKind,
    /// `TagName`.
    pub tag: String,
    /// `URI` of the tag, where it is given.
    pub uri: Option<String>,
    /// The `GenericValue`s, in their order.
    pub values: Vec<String>,
}

/// `ConfidentialityInformation`: what the label says under its policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Information {
    /// `PolicyIdentifier`.
    pub policy: String,
    /// Its `URI` (`urn:oid:…`), where it is given.
    pub policy_uri: Option<String>,
    /// `Classification`.
    pub classification: String,
    /// `PrivacyMark`, where it is given.
    pub privacy_mark: Option<String>,
    /// The categories, in their order.
    pub categories: Vec<Category>,
}

/// `OriginatorID`: who labelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Originator {
    /// `IDType`, one of [`ORIGINATOR_KINDS`].
    pub kind: String,
    /// The identifier.
    pub value: String,
}

/// The standard's words for `IDType`.
pub const ORIGINATOR_KINDS: [&str; 8] = [
    "rfc822Name",
    "dNSName",
    "directoryName",
    "uniformResourceIdentifier",
    "iPAddress",
    "x400Address",
    "userPrincipalName",
    "jID",
];

/// The label that takes over at a given time: what `SuccessionHandling` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Succession {
    /// `SuccessionDateTime`.
    pub at: Timestamp,
    /// What the successor says. The standard allows a successor no succession of its own.
    pub information: Information,
    /// Who labelled the successor, where it is given.
    pub originator: Option<Originator>,
    /// When the successor was made.
    pub created: Timestamp,
}

/// An ADatP-4774 label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConfidentialityLabel {
    /// Which of the standard's label elements it is.
    pub role: Role,
    /// `Id`, an XML name.
    pub id: Option<String>,
    /// `ReviewDateTime`. The standard asks for one where there is no succession.
    pub review: Option<Timestamp>,
    /// What it says.
    pub information: Information,
    /// `OriginatorID`, where it is given.
    pub originator: Option<Originator>,
    /// `CreationDateTime`.
    pub created: Timestamp,
    /// `SuccessionHandling`, where it is given.
    pub succession: Option<Succession>,
    /// Names of elements and attributes of other namespaces, which the standard lets anybody add.
    /// They are read as names only and not written again; a label with one is not understood.
    pub unknown: Vec<String>,
}

impl Role {
    const ALL: [Role; 4] = [
        Role::Originator,
        Role::Alternative,
        Role::Metadata,
        Role::Plain,
    ];

    /// The element's name.
    fn element(self) -> &'static str {
        match self {
            Role::Originator => "originatorConfidentialityLabel",
            Role::Alternative => "alternativeConfidentialityLabel",
            Role::Metadata => "metadataConfidentialityLabel",
            Role::Plain => "ConfidentialityLabel",
        }
    }
}

impl CategoryKind {
    /// All three.
    pub const ALL: [CategoryKind; 3] = [
        CategoryKind::Restrictive,
        CategoryKind::Permissive,
        CategoryKind::Informative,
    ];

    /// The standard's word.
    pub fn word(self) -> &'static str {
        match self {
            CategoryKind::Restrictive => "RESTRICTIVE",
            CategoryKind::Permissive => "PERMISSIVE",
            CategoryKind::Informative => "INFORMATIVE",
        }
    }
}

/// Why an ADatP-4774 label was not read, not written or not understood.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatoError {
    /// At a place in the document.
    Xml {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// In a value that should be written, or in a label of our own policy.
    Value {
        /// Which part: `Category "Caveat"`.
        place: String,
        /// What is wrong with it.
        why: String,
    },
}

impl NatoError {
    /// At a byte of the document.
    fn at(text: &str, at: usize, why: impl Into<String>) -> NatoError {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        NatoError::Xml {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            why: why.into(),
        }
    }

    fn value(place: impl Into<String>, why: impl Into<String>) -> NatoError {
        NatoError::Value {
            place: place.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for NatoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NatoError::Xml { line, column, why } => {
                write!(
                    f,
                    "line {line}, column {column} of the ADatP-4774 label: {why}"
                )
            }
            NatoError::Value { place, why } => write!(f, "{place}: {why}"),
        }
    }
}

impl std::error::Error for NatoError {}

#[cfg(test)]
mod tests;
