//! The national equivalence table: foreign markings mean what every one of their terms is said to
//! mean, and nothing at all as soon as one is missing.

use model::nato::{Category, CategoryKind, ConfidentialityLabel, Information, Role, Succession};
use model::{Label, Object, PartialLabel, Releasable, Timestamp};
use policy::Equivalence;
use proptest::prelude::*;

const TABLE: &str = r#"format = "kurultai-equivalence/1"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
classification = "UNCLASSIFIED"
means = "TLP:GREEN"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
classification = "RESTRICTED"
means = "TLP:AMBER//PAP:AMBER//REL *"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
type = "PERMISSIVE"
tag = "Releasable To"
value = "KAZ"
means = "REL KZ"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
type = "PERMISSIVE"
tag = "Releasable To"
value = "KGZ"
means = "REL KG//CAVEAT KG-DESK"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
type = "RESTRICTIVE"
tag = "Additional Sensitivity"
value = "ORCON"
means = "CAVEAT ORCON//REL KZ,UZ"

[[nato]]
policy = "NATO"
uri = "urn:oid:1.3.26.1.3.1"
privacy_mark = "EXERCISE ONLY"
means = "EXERCISE"

[[stix]]
id = "marking-definition--0c2f5a52-1e1c-4d0e-8f4d-3a3f2b1f6c77"
means = "TLP:AMBER//REL KZ"

[[stix]]
extension = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
field = "control_set.classification"
value = "U"
means = "TLP:GREEN"

[[stix]]
extension = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
field = "control_set.permitted_nationalities"
value = "KAZ"
any_of = true
means = "REL KZ"

[[stix]]
extension = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
field = "control_set.permitted_nationalities"
value = "UZB"
any_of = true
means = "REL UZ"

[[stix]]
extension = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
field = "create_date_time"
value = "*"
means = ""

[[misp]]
tag = "osint:*"
means = ""

[[misp]]
tag = "osint:lifetime=\"ephemeral\""
means = "EXPIRES 2027-01-01T00:00:00Z"

[[misp]]
tag = "dissem:lion"
means = "REL KZ//LEGAL treaty"
"#;

fn table() -> Equivalence {
    Equivalence::parse(TABLE).unwrap_or_else(|error| panic!("{error}"))
}

fn label(text: &str) -> Label {
    Label::parse(text).expect(text)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

fn nato(
    classification: &str,
    categories: &[(CategoryKind, &str, &[&str])],
) -> ConfidentialityLabel {
    let categories = categories.iter().map(|(kind, tag, values)| Category {
        kind: *kind,
        tag: (*tag).to_owned(),
        uri: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    });
    ConfidentialityLabel {
        role: Role::Originator,
        id: None,
        review: None,
        information: Information {
            policy: "NATO".to_owned(),
            policy_uri: Some("urn:oid:1.3.26.1.3.1".to_owned()),
            classification: classification.to_owned(),
            privacy_mark: None,
            categories: categories.collect(),
        },
        originator: None,
        created: at("2026-01-01T00:00:00Z"),
        succession: None,
        unknown: Vec::new(),
    }
}

#[test]
fn a_nato_label_means_what_its_terms_mean() {
    use CategoryKind::{Permissive, Restrictive};
    let mean =
        |one: &ConfidentialityLabel| table().label_of_nato(one).map(|label| label.to_string());
    let says =
        |one: ConfidentialityLabel, text: &str| assert_eq!(mean(&one).as_deref(), Some(text));
    // Without a word on recipients: nobody.
    says(nato("UNCLASSIFIED", &[]), "TLP:GREEN");
    says(nato("unclassified", &[]), "TLP:GREEN");
    says(nato("RESTRICTED", &[]), "TLP:AMBER//PAP:AMBER//REL *");
    // Permissive values widen each other, and restrict the rest.
    let both: &[&str] = &["KAZ", "KGZ"];
    says(
        nato("RESTRICTED", &[(Permissive, "Releasable To", both)]),
        "TLP:AMBER//PAP:AMBER//REL KG,KZ//CAVEAT KG-DESK",
    );
    says(
        nato(
            "RESTRICTED",
            &[
                (Permissive, "Releasable To", both),
                (Restrictive, "Additional Sensitivity", &["ORCON"]),
            ],
        ),
        "TLP:AMBER//PAP:AMBER//REL KZ//CAVEAT KG-DESK,ORCON",
    );
    let mut ending = nato("UNCLASSIFIED", &[]);
    ending.succession = Some(Succession {
        at: at("2027-01-01T00:00:00Z"),
        information: ending.information.clone(),
        originator: None,
        created: ending.created,
    });
    ending.information.privacy_mark = Some("Exercise only".to_owned());
    says(ending, "TLP:GREEN//EXPIRES 2027-01-01T00:00:00Z//EXERCISE");
    let own = label("TLP:GREEN//REL KZ//LEGAL act");
    let own = ConfidentialityLabel::of_label(&own, at("2026-01-01T00:00:00Z"), None);
    says(own, "TLP:GREEN//REL KZ//LEGAL act");
}

#[test]
fn one_term_that_is_not_in_the_table_withholds() {
    use CategoryKind::{Informative, Permissive, Restrictive};
    let good = nato("RESTRICTED", &[(Permissive, "Releasable To", &["KAZ"])]);
    assert!(table().label_of_nato(&good).is_some());
    let mut cases = vec![
        nato("SECRET", &[]),
        nato("RESTRICTED ", &[]),
        nato(
            "RESTRICTED",
            &[(Permissive, "Releasable To", &["KAZ", "USA"])],
        ),
        nato("RESTRICTED", &[(Permissive, "Releasable To", &[])]),
        nato("RESTRICTED", &[(Restrictive, "Releasable To", &["KAZ"])]),
        nato("RESTRICTED", &[(Informative, "Releasable To", &["KAZ"])]),
        nato("RESTRICTED", &[(Permissive, "Eyes", &["KAZ"])]),
        nato(
            "RESTRICTED",
            &[(Restrictive, "Additional Sensitivity", &["ORCОN"])],
        ), // Cyrillic О
    ];
    let mut case = |change: &dyn Fn(&mut ConfidentialityLabel)| {
        let mut changed = good.clone();
        change(&mut changed);
        cases.push(changed);
    };
    case(&|one| one.information.policy = "ACME".to_owned());
    case(&|one| one.information.policy_uri = Some("urn:oid:9".to_owned()));
    case(&|one| one.information.privacy_mark = Some("x".to_owned()));
    case(&|one| one.unknown.push("x".to_owned()));
    case(&|one| one.role = Role::Metadata);
    for one in cases {
        assert_eq!(table().label_of_nato(&one), None, "{one:?}");
    }
    assert_eq!(Equivalence::default().label_of_nato(&good), None);
}

fn marking(rest: &str) -> Object {
    let text = format!(
        r#"{{"type":"marking-definition","spec_version":"2.1",
            "id":"marking-definition--11111111-1111-4111-8111-111111111111",
            "created":"2024-01-01T00:00:00Z"{rest}}}"#
    );
    Object::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
}

fn acs(fields: &str) -> Object {
    let id = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce";
    marking(&format!(
        r#","extensions":{{"{id}":{{"extension_type":"property-extension"{fields}}}}}"#
    ))
}

fn stated(text: &str) -> Option<PartialLabel> {
    Some(PartialLabel::parse(text).expect(text))
}

#[test]
fn an_unknown_marking_is_understood_field_by_field() {
    let meaning = |object: &Object| table().meaning(object);
    let classification = r#","control_set":{"classification":"U"}"#;
    assert_eq!(meaning(&acs(classification)), stated("TLP:GREEN"));
    assert_eq!(
        meaning(&acs(r#","create_date_time":"2024-01-01T00:00:00Z",
               "control_set":{"classification":"u","permitted_nationalities":["UZB","KAZ"]}"#)),
        stated("TLP:GREEN//REL KZ,UZ")
    );
    for fields in [
        r#","control_set":{"classification":"S"}"#,
        r#","control_set":{"classification":"U","caveat":["FISA"]}"#,
        r#","control_set":{"classification":["U","S"]}"#,
        r#","control_set":{"classification":"U","permitted_nationalities":[]}"#,
        r#","control_set":{"classification":"U","permitted_nationalities":["KAZ","USA"]}"#,
        r#","control_set":{"classification":{"U":true}}"#,
        r#","control_set":{"classification":"U","formal":null}"#,
        r#","control_set.classification":"S""#,
        r#","privilege_default":"permit""#,
    ] {
        assert_eq!(meaning(&acs(fields)), None, "{fields}");
        assert_eq!(Equivalence::default().meaning(&acs(fields)), None);
    }
    // Beside what is understood without the table, nothing opens.
    let ours = model::EXTENSION_MARKING;
    let acs_id = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce";
    let two = |other: &str| {
        marking(&format!(
            r#","extensions":{{"{acs_id}":{{"control_set":{{"classification":"U"}}}},{other}}}"#
        ))
    };
    assert_eq!(
        meaning(&two(&format!(
            r#""{ours}":{{"extension_type":"property-extension","releasable_to":["KG"]}}"#
        ))),
        stated("TLP:GREEN//REL KG")
    );
    let other = "extension-definition--22222222-2222-4222-8222-222222222222";
    assert_eq!(meaning(&two(&format!(r#""{other}":{{}}"#))), None);
    let statement = r#","definition_type":"statement","definition":{"statement":"x"}"#;
    assert_eq!(meaning(&marking(statement)), Some(PartialLabel::default()));
    assert_eq!(
        meaning(&marking(r#","definition_type":"iep","definition":{}"#)),
        None
    );
}

#[test]
fn a_whole_marking_is_understood_by_its_id() {
    let object = |rest: &str| {
        let id = "marking-definition--0c2f5a52-1e1c-4d0e-8f4d-3a3f2b1f6c77";
        let text = format!(
            r#"{{"type":"marking-definition","id":"{id}","created":"2024-01-01T00:00:00Z"{rest}}}"#
        );
        Object::parse(text.as_bytes()).expect("an object")
    };
    assert_eq!(table().meaning(&object("")), stated("TLP:AMBER//REL KZ"));
    // What the marking itself says stays: the table can only add.
    let tlp = r#","definition_type":"tlp","definition":{"tlp":"red"}"#;
    assert_eq!(table().meaning(&object(tlp)), stated("TLP:RED//REL KZ"));
}

#[test]
fn tags_mean_what_the_table_says() {
    let mean = |tags: &[&str]| {
        let label = table().label_of_tags(tags.iter().copied());
        label.map(|label| label.to_string())
    };
    assert_eq!(mean(&["tlp:green"]).as_deref(), Some("TLP:GREEN"));
    assert_eq!(
        mean(&["tlp:green", "Dissem:Lion", "osint:source=\"x\""]).as_deref(),
        Some("TLP:GREEN//REL KZ//LEGAL treaty")
    );
    assert_eq!(
        mean(&[
            "tlp:green",
            "osint:lifetime=\"ephemeral\"",
            "exercise:generic=\"a\""
        ])
        .as_deref(),
        Some("TLP:GREEN//EXPIRES 2027-01-01T00:00:00Z//EXERCISE")
    );
    assert_eq!(mean(&[]).as_deref(), Some("TLP:RED"));
    for tags in [
        &["tlp:green", "dissem:tiger"][..],
        &["tlp:pink"],
        &["osintx:a"],
    ] {
        assert_eq!(mean(tags), None, "{tags:?}");
    }
}

#[test]
fn faults_of_the_table_have_their_line() {
    let line_of = |part: &str| {
        let at = TABLE.find(part).expect(part);
        1 + TABLE[..at].matches('\n').count()
    };
    let cases = [
        ("equivalence/1", "equivalence/2", "format", 1),
        ("means = \"TLP:GREEN\"", "means = \"TLP:PINK\"", "TLP", 7),
        ("means = \"TLP:GREEN\"", "mean = \"TLP:GREEN\"", "mean", 7),
        (
            "classification = \"UNCLASSIFIED\"",
            "classification = \"restricted\"",
            "already",
            9,
        ),
        (
            "policy = \"NATO\"",
            "policy = \"KURULTAI\"",
            "another's policy",
            3,
        ),
        (
            "policy = \"NATO\"",
            "policy = \" NATO\"",
            "another's policy",
            3,
        ),
        ("uri = \"urn:oid:1.3.26.1.3.1\"\n", "", "same uri", 8),
        (
            "type = \"PERMISSIVE\"",
            "type = \"permissive\"",
            "PERMISSIVE",
            line_of("[[nato]]\npolicy = \"NATO\"\nuri = \"urn:oid:1.3.26.1.3.1\"\ntype"),
        ),
        (
            "value = \"KAZ\"\n",
            "",
            "tag and value",
            line_of("[[nato]]\npolicy = \"NATO\"\nuri = \"urn:oid:1.3.26.1.3.1\"\ntype"),
        ),
        (
            "means = \"REL KZ\"",
            "means = \"REL KZ,@a/b & UZ,@a/c\"",
            "without &",
            line_of("means = \"REL KZ\""),
        ),
        (
            "marking-definition--0c2f5a52-1e1c-4d0e-8f4d-3a3f2b1f6c77",
            "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
            "no TLP",
            line_of("[[stix]]"),
        ),
        (
            "marking-definition--0c2f5a52",
            "indicator--0c2f5a52",
            "marking definition",
            line_of("[[stix]]"),
        ),
        (
            "tag = \"osint:*\"",
            "tag = \"*\"",
            "namespace",
            line_of("[[misp]]"),
        ),
        (
            "tag = \"osint:*\"",
            "tag = \"TLP:*\"",
            "namespace",
            line_of("[[misp]]"),
        ),
        (
            "tag = \"osint:*\"",
            "tag = \"kurultai:*\"",
            "namespace",
            line_of("[[misp]]"),
        ),
    ];
    for (from, to, word, line) in cases {
        let text = TABLE.replacen(from, to, 1);
        assert_ne!(text, TABLE, "{from}");
        let error = Equivalence::parse(&text).expect_err(to);
        assert_eq!(
            (error.file.as_str(), error.line),
            ("equivalence.toml", line),
            "{to}: {error}"
        );
        assert!(error.why.contains(word), "{to}: {error}");
    }
    assert!(Equivalence::parse("").is_err());
    let large = format!("{TABLE}#{}", " ".repeat(policy::EQUIVALENCE_BYTES_MAX));
    assert!(Equivalence::parse(&large).is_err());
    assert_eq!(table().len(), 14);
}

proptest! {
    /// Whatever label the table makes of a NATO one, nobody may have it whom the label's own
    /// permissive values do not name, and a further term never opens it.
    #[test]
    fn a_further_term_never_opens_a_label(
        classification in prop::sample::select(vec!["UNCLASSIFIED", "RESTRICTED", "SECRET"]),
        values in prop::collection::vec(prop::sample::select(vec!["KAZ", "KGZ", "USA"]), 1..3),
        sensitive in any::<bool>(),
    ) {
        let permissive = (CategoryKind::Permissive, "Releasable To", &values[..]);
        let restrictive = (CategoryKind::Restrictive, "Additional Sensitivity", &["ORCON"][..]);
        let bare = table().label_of_nato(&nato(classification, &[]));
        let mut categories = vec![permissive];
        if sensitive {
            categories.push(restrictive);
        }
        let full = table().label_of_nato(&nato(classification, &categories));
        let unmapped = classification == "SECRET" || values.contains(&"USA");
        prop_assert_eq!(full.is_none(), unmapped);
        if let (Some(full), Some(bare)) = (full, bare) {
            let Releasable::Members(named) = &full.releasable_to else {
                return Err(TestCaseError::fail("a permissive list names members"));
            };
            let word = |code: &String| if code == "KZ" { "KAZ" } else { "KGZ" };
            prop_assert!(named.iter().all(|code| values.contains(&word(code))));
            prop_assert!(full.tlp >= bare.tlp && full.caveats.is_superset(&bare.caveats));
        }
    }
}
