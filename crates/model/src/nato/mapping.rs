//! Our label as an ADatP-4774 label of our own policy, and back without loss.
//!
//! | label | ADatP-4774 |
//! |---|---|
//! | TLP | `Classification` (`TLP:GREEN`) |
//! | PAP | RESTRICTIVE `PAP` |
//! | releasable to, one clause | PERMISSIVE `Releasable To`, a value each (`*` everyone, `-` nobody) |
//! | releasable to, several clauses | RESTRICTIVE `Releasable To All Of`, a clause each (`@pact/east,KZ`) |
//! | not releasable to | RESTRICTIVE `Not Releasable To` |
//! | caveats | RESTRICTIVE `Caveat` |
//! | purposes | RESTRICTIVE `Purpose`, one value that lists them |
//! | legal basis | INFORMATIVE `Legal Basis` |
//! | exercise | RESTRICTIVE `Exercise`, value `EXERCISE` |
//! | expires | `SuccessionHandling`: from then on the label for nobody |
//!
//! Several clauses, and purposes, stand in values that only our policy knows: a reader that does
//! not know it must withhold, where it would have read several permissive values as more openness.
//! A value is written as in a label's text, so that no character of it is lost in XML.

use std::collections::BTreeSet;

use super::{
    Category, CategoryKind, ConfidentialityLabel, Information, NatoError, Originator, Role,
    Succession,
};
use crate::label::is_word;
use crate::label::{Label, PartialLabel, Releasable, Tlp, decode_word, encode_word, is_recipient};
use crate::time::Timestamp;

/// The name of our own policy in a `PolicyIdentifier`.
pub const POLICY: &str = "KURULTAI";

/// The identifier of our own policy: an OID under the arc for UUIDs (2.25), made of the UUID of our
/// STIX marking extension.
pub const POLICY_URI: &str = "urn:oid:2.25.103887360964158666733493152439443728674";

/// Days after its creation by which a label without an expiry says it should be reviewed; the
/// standard asks for a date.
const REVIEW_DAYS: i128 = 365;

const RELEASABLE: &str = "Releasable To";
const RELEASABLE_ALL: &str = "Releasable To All Of";

impl ConfidentialityLabel {
    /// The label of our own policy that says what `label` says, created at `created` by
    /// `originator`.
    pub fn of_label(
        label: &Label,
        created: Timestamp,
        originator: Option<Originator>,
    ) -> ConfidentialityLabel {
        let succession = label.expires.map(|at| Succession {
            at,
            information: information(&Label::nobody()),
            originator: originator.clone(),
            created,
        });
        let review = created.unix_nanos() + REVIEW_DAYS * 86_400_000_000_000;
        let review = Timestamp::from_unix_nanos(review);
        // In the last year that can be written, there is no later date to name.
        let review = Timestamp::parse(&review.to_string()).unwrap_or(created);
        ConfidentialityLabel {
            role: Role::Originator,
            id: None,
            review: succession.is_none().then_some(review),
            information: information(label),
            originator,
            created,
            succession,
            unknown: Vec::new(),
        }
    }

    /// Whether the label speaks of our own policy, by name and, where it gives one, identifier.
    pub fn is_own(&self) -> bool {
        let information = &self.information;
        information.policy == POLICY
            && information
                .policy_uri
                .as_deref()
                .is_none_or(|uri| uri == POLICY_URI)
    }

    /// What a label of our own policy says.
    ///
    /// # Errors
    /// When it is of another policy, is the label of metadata, or says anything that is not
    /// understood to the last value: then the object is withheld.
    pub fn label(&self) -> Result<Label, NatoError> {
        if !self.is_own() {
            return Err(NatoError::value(
                "PolicyIdentifier",
                "another policy's label means what the equivalence table says of it",
            ));
        }
        if self.role == Role::Metadata {
            return Err(NatoError::value(
                "the label",
                "is that of metadata, not of an object",
            ));
        }
        if let Some(unknown) = self.unknown.first() {
            return Err(NatoError::value(unknown, "is not understood"));
        }
        let mut label = read_information(&self.information)?;
        // Whatever comes after: until it is labelled anew, the object ends there.
        label.expires = self.succession.as_ref().map(|succession| succession.at);
        Ok(label)
    }
}

fn category(kind: CategoryKind, tag: &str, values: Vec<String>) -> Option<Category> {
    (!values.is_empty()).then(|| Category {
        kind,
        tag: tag.to_owned(),
        uri: None,
        values,
    })
}

fn information(label: &Label) -> Information {
    use CategoryKind::{Informative, Permissive, Restrictive};
    let words = |list: &BTreeSet<String>| list.iter().map(|word| encode_word(word)).collect();
    let plain = |list: &BTreeSet<String>| list.iter().cloned().collect::<Vec<_>>();
    let (kind, tag, releasable) = match &label.releasable_to {
        Releasable::Everyone => (Permissive, RELEASABLE, vec!["*".to_owned()]),
        Releasable::Members(clause) if !clause.is_empty() => {
            (Permissive, RELEASABLE, plain(clause))
        }
        Releasable::AllOf(clauses) if !clauses.is_empty() => {
            let clauses = clauses.iter().map(|clause| plain(clause).join(","));
            (Restrictive, RELEASABLE_ALL, clauses.collect())
        }
        Releasable::Members(_) | Releasable::AllOf(_) => {
            (Permissive, RELEASABLE, vec!["-".to_owned()])
        }
    };
    let purposes: Vec<String> = words(&label.purposes);
    let purposes = (!purposes.is_empty()).then(|| purposes.join(","));
    let pap = (label.pap != crate::label::Pap::Clear).then(|| label.pap.to_string());
    let exercise = label.exercise.then(|| "EXERCISE".to_owned());
    let categories = [
        category(kind, tag, releasable),
        category(
            Restrictive,
            "Not Releasable To",
            plain(&label.not_releasable_to),
        ),
        category(Restrictive, "PAP", pap.into_iter().collect()),
        category(Restrictive, "Caveat", words(&label.caveats)),
        category(Restrictive, "Purpose", purposes.into_iter().collect()),
        category(Informative, "Legal Basis", words(&label.legal_basis)),
        category(Restrictive, "Exercise", exercise.into_iter().collect()),
    ];
    Information {
        policy: POLICY.to_owned(),
        policy_uri: Some(POLICY_URI.to_owned()),
        classification: label.tlp.to_string(),
        privacy_mark: None,
        categories: categories.into_iter().flatten().collect(),
    }
}

/// Reads what `information` writes; several categories of one tag are combined to the stricter.
fn read_information(information: &Information) -> Result<Label, NatoError> {
    let tlp = Tlp::ALL
        .into_iter()
        .find(|tlp| tlp.to_string() == information.classification)
        .ok_or_else(|| NatoError::value("Classification", "is none of our policy's"))?;
    if information.privacy_mark.is_some() {
        return Err(NatoError::value("PrivacyMark", "our policy has none"));
    }
    let mut stated = PartialLabel {
        tlp: Some(tlp),
        ..PartialLabel::default()
    };
    for category in &information.categories {
        let part = read_category(category).ok_or_else(|| {
            NatoError::value(
                format!(
                    "Category {:?}",
                    category.tag.chars().take(40).collect::<String>()
                ),
                "is none of our policy's, or has a value that it does not know",
            )
        })?;
        stated = stated.combine(&part);
    }
    Ok(stated.or_default(&Label::new(tlp, Releasable::nobody())))
}

/// `None`: not understood.
fn read_category(category: &Category) -> Option<PartialLabel> {
    use CategoryKind::{Informative, Permissive, Restrictive};
    let values = || category.values.iter().map(String::as_str);
    let mut part = PartialLabel::default();
    match (category.kind, category.tag.as_str()) {
        (Permissive, RELEASABLE) => {
            part.releasable_to = Some(match category.values.as_slice() {
                [one] if one == "*" => Releasable::Everyone,
                [one] if one == "-" => Releasable::nobody(),
                _ => Releasable::all_of([recipients(values())?]),
            });
        }
        (Restrictive, RELEASABLE_ALL) => {
            let clauses = values().map(|clause| recipients(clause.split(',')));
            part.releasable_to = Some(Releasable::all_of(clauses.collect::<Option<Vec<_>>>()?));
        }
        (Restrictive, "Not Releasable To") => part.not_releasable_to = Some(recipients(values())?),
        (Restrictive, "PAP") => {
            let [pap] = category.values.as_slice() else {
                return None;
            };
            part.pap = Some(pap.parse().ok()?);
        }
        (Restrictive, "Caveat") => part.caveats = Some(words(values())?),
        (Restrictive, "Purpose") => {
            let [list] = category.values.as_slice() else {
                return None;
            };
            part.purposes = Some(words(list.split(','))?);
        }
        (Informative, "Legal Basis") => part.legal_basis = Some(words(values())?),
        (Restrictive, "Exercise") if category.values == ["EXERCISE"] => part.exercise = Some(true),
        _ => return None,
    }
    Some(part)
}

fn recipients<'v>(values: impl Iterator<Item = &'v str>) -> Option<BTreeSet<String>> {
    values
        .map(|one| is_recipient(one).then(|| one.to_owned()))
        .collect()
}

fn words<'v>(values: impl Iterator<Item = &'v str>) -> Option<BTreeSet<String>> {
    values
        .map(|word| decode_word(word).filter(|word| is_word(word)))
        .collect()
}
