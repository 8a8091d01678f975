//! ADatP-4774 labels, alone or in an ADatP-4778 binding.
//!
//! Nothing panics the reader; what it understood entirely is written and read back equal; and a
//! label of our own policy is one that can be written again.

use model::nato::{ConfidentialityLabel, Role};
use model::{Label, Object, Timestamp};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(labels) = ConfidentialityLabel::parse_all(data) else {
        return;
    };
    assert!(!labels.is_empty());
    for label in labels {
        if let Ok(own) = label.label() {
            let again = ConfidentialityLabel::of_label(&own, label.created, None);
            assert_eq!(again.label(), Ok(own));
        }
        if label.unknown.is_empty() {
            // Escapes may make a document larger than the reader takes; all else is written.
            let Ok(xml) = label.to_xml() else {
                assert!(data.len() > 4096, "a small label that was read can be written");
                continue;
            };
            assert_eq!(ConfidentialityLabel::parse(xml.as_bytes()), Ok(label));
        }
    }
}

/// A label of ours, one of another policy, and both bound to an object.
pub fn seeds() -> Vec<Vec<u8>> {
    let label = "TLP:AMBER//PAP:RED//REL KZ,@pact/east & UZ,@pact/west//NOT KG//CAVEAT ORCON//EXPIRES 2027-01-01T00:00:00Z";
    let label = Label::parse(label).expect("a label");
    let created = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let own = ConfidentialityLabel::of_label(&label, created, None);
    let foreign = r#"<?xml version="1.0" encoding="UTF-8"?>
<s:alternativeConfidentialityLabel xmlns:s="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0" Id="a1" ReviewDateTime="2031-09-26T02:30:00+02:30">
 <s:ConfidentialityInformation>
  <s:PolicyIdentifier URI="urn:oid:1.2.3">STEPPE</s:PolicyIdentifier><s:Classification>SECRET</s:Classification>
  <s:PrivacyMark>keep &amp; hold &#x20;</s:PrivacyMark>
  <s:Category Type="PERMISSIVE" TagName="Releasable To"><s:GenericValue>KAZ</s:GenericValue></s:Category>
 </s:ConfidentialityInformation>
 <s:OriginatorID IDType="rfc822Name">desk@kz.example</s:OriginatorID>
 <s:CreationDateTime>2026-09-26T12:00:00Z</s:CreationDateTime>
</s:alternativeConfidentialityLabel>"#;
    let other = ConfidentialityLabel::parse(foreign.as_bytes()).expect("it reads");
    assert_eq!(other.role, Role::Alternative);
    let object = Object::parse(
        br#"{"type":"note","id":"note--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11","created":"2026-02-01T00:00:00.000Z","modified":"2026-02-01T00:00:00.000Z"}"#,
    )
    .expect("an object");
    let bound = ConfidentialityLabel::bind(&[own.clone(), other], &object).expect("it binds");
    vec![
        own.to_xml().expect("it writes").into_bytes(),
        foreign.as_bytes().to_vec(),
        bound.into_bytes(),
    ]
}
