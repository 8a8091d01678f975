use super::*;

fn marking(rest: &str) -> Object {
    let text = format!(
        r#"{{"type":"marking-definition","id":"marking-definition--00000000-0000-4000-8000-000000000001",
            "created":"2024-01-01T00:00:00Z"{rest}}}"#
    );
    Object::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
}

fn ours(properties: &str) -> MarkingMeaning {
    MarkingMeaning::of(&marking(&format!(
        r#","extensions":{{"{EXTENSION_MARKING}":{{"extension_type":"property-extension"{properties}}}}}"#
    )))
}

fn label(text: &str) -> Label {
    Label::parse(text).expect(text)
}

fn id(text: &str) -> Id {
    Id::parse(text).expect(text)
}

fn level(tlp: Tlp) -> MarkingMeaning {
    MarkingMeaning::Label(PartialLabel {
        tlp: Some(tlp),
        ..Default::default()
    })
}

#[test]
fn ids_are_well_formed_and_distinct() {
    let mut ids: Vec<Id> = TLP_MARKINGS.iter().map(|(known, _)| id(known)).collect();
    ids.push(id(EXTENSION_MARKING));
    ids.push(id(EXTENSION_TLP2));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 11);
    for tlp in [
        Tlp::Clear,
        Tlp::Green,
        Tlp::Amber,
        Tlp::AmberStrict,
        Tlp::Red,
    ] {
        assert_eq!(tlp_of_marking(&id(tlp_marking(tlp))), Some(tlp));
    }
}

#[test]
fn reads_statements_tlp_and_our_extension() {
    let statement = r#","definition_type":"statement","definition":{"statement":"Copyright"}"#;
    assert_eq!(
        MarkingMeaning::of(&marking(statement)),
        MarkingMeaning::Statement
    );
    let tlp1 = r#","definition_type":"tlp","definition":{"tlp":"amber"}"#;
    assert_eq!(MarkingMeaning::of(&marking(tlp1)), level(Tlp::Amber));
    let tlp2 = format!(
        r#","extensions":{{"{EXTENSION_TLP2}":{{"extension_type":"property-extension","tlp_2_0":"amber+strict"}}}}"#
    );
    assert_eq!(MarkingMeaning::of(&marking(&tlp2)), level(Tlp::AmberStrict));
    assert_eq!(
        ours(
            r#","releasable_to":["KZ","KG"],"caveats":["ORCON"],"purposes":["ct"],"exercise":true"#
        ),
        MarkingMeaning::Label(PartialLabel {
            tlp: None,
            releasable_to: Some(label("TLP:RED//REL KG,KZ").releasable_to),
            caveats: Some(BTreeSet::from(["ORCON".into()])),
            purposes: Some(BTreeSet::from(["ct".into()])),
            exercise: Some(true),
            ..Default::default()
        })
    );
    let everyone = PartialLabel {
        releasable_to: Some(Releasable::Everyone),
        ..Default::default()
    };
    assert_eq!(
        ours(r#","releasable_to":["*"]"#),
        MarkingMeaning::Label(everyone)
    );
    let nobody = PartialLabel {
        releasable_to: Some(Releasable::nobody()),
        ..Default::default()
    };
    assert_eq!(
        ours(r#","releasable_to":[]"#),
        MarkingMeaning::Label(nobody.clone())
    );
    for empty in [
        r#","releasable_to_all":[]"#,
        r#","releasable_to_all":[[]]"#,
        r#","releasable_to":["KZ"],"releasable_to_all":[[],["@pact/east"]]"#,
    ] {
        assert_eq!(
            ours(empty),
            MarkingMeaning::Label(nobody.clone()),
            "{empty}"
        );
    }
}

#[test]
fn what_is_not_understood_to_the_last_property_is_unknown() {
    for properties in [
        r#","releasable_to":["kz"]"#,
        r#","releasable_to":["KZ","*"]"#,
        r#","releasable_to":"KZ""#,
        r#","releasable_to":[7]"#,
        r#","caveats":[""]"#,
        r#","caveats":{}"#,
        r#","exercise":"yes""#,
        r#","releasable_too":["KZ"]"#,
        r#","releasable_to":["@pact"]"#,
        r#","releasable_to":["КZ"]"#, // a Cyrillic К
        r#","releasable_to":["*"],"releasable_to_all":[["KZ"]]"#,
        r#","releasable_to_all":["KZ"]"#,
        r#","releasable_to_all":[["*"]]"#,
        r#","not_releasable_to":["*"]"#,
        r#","not_releasable_to":[""]"#,
        r#","pap":"TLP:RED""#,
        r#","pap":"pink""#,
        r#","legal_basis":[""]"#,
        r#","expires":"tomorrow""#,
        r#","expires":null,"pap":7"#,
    ] {
        assert_eq!(ours(properties), MarkingMeaning::Unknown, "{properties}");
    }
    let foreign = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce";
    for rest in [
        String::new(),
        format!(r#","extensions":{{"{foreign}":{{"extension_type":"property-extension"}}}}"#),
        format!(
            r#","definition_type":"statement","definition":{{"statement":"x"}},"extensions":{{"{foreign}":{{}}}}"#
        ),
        r#","definition_type":"statement""#.into(),
        r#","definition_type":"statement","definition":{"statement":7}"#.into(),
        r#","definition_type":"iep","definition":{"policy":"x"}"#.into(),
        r#","definition_type":"tlp","definition":{"tlp":"pink"}"#.into(),
        r#","extensions":[]"#.into(),
        format!(
            r#","extensions":{{"{EXTENSION_MARKING}":{{"extension_type":"new-sdo","releasable_to":["*"]}}}}"#
        ),
    ] {
        assert_eq!(
            MarkingMeaning::of(&marking(&rest)),
            MarkingMeaning::Unknown,
            "{rest}"
        );
    }
}

#[test]
fn labels_combine_markings_and_fall_back_field_by_field() {
    let [statement, handling, exercise, unheld] = [1, 2, 3, 4].map(|n| {
        id(&format!(
            "marking-definition--00000000-0000-4000-8000-{n:012}"
        ))
    });
    let lookup = |wanted: &Id| {
        let stated = if *wanted == statement {
            return Some(MarkingMeaning::Statement);
        } else if *wanted == handling {
            PartialLabel {
                releasable_to: Some(label("TLP:RED//REL KG,KZ").releasable_to),
                caveats: Some(BTreeSet::from(["ORCON".into()])),
                ..Default::default()
            }
        } else if *wanted == exercise {
            PartialLabel {
                exercise: Some(true),
                ..Default::default()
            }
        } else {
            return None;
        };
        Some(MarkingMeaning::Label(stated))
    };
    let default = label("TLP:AMBER//REL KG,KZ,UZ//PURPOSE ct");
    let of = |markings: &[&Id]| {
        let markings: Vec<Id> = markings.iter().copied().cloned().collect();
        label_of(&markings, &lookup, &default).to_string()
    };
    let [clear, green, red1] = [
        tlp_marking(Tlp::Clear),
        tlp_marking(Tlp::Green),
        "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
    ]
    .map(id);
    assert_eq!(of(&[]), default.to_string());
    assert_eq!(of(&[&statement]), default.to_string());
    assert_eq!(of(&[&green]), "TLP:GREEN//REL KG,KZ,UZ//PURPOSE ct");
    assert_eq!(of(&[&clear]), "TLP:CLEAR//REL KG,KZ,UZ//PURPOSE ct");
    assert_eq!(of(&[&clear, &red1]), "TLP:RED//REL KG,KZ,UZ//PURPOSE ct");
    assert_eq!(
        of(&[&handling]),
        "TLP:AMBER//REL KG,KZ//CAVEAT ORCON//PURPOSE ct"
    );
    assert_eq!(
        of(&[&exercise, &handling, &green]),
        "TLP:GREEN//REL KG,KZ//CAVEAT ORCON//PURPOSE ct//EXERCISE"
    );
    assert_eq!(of(&[&clear, &unheld]), "TLP:RED//PURPOSE ct");
    assert_eq!(of(&[&unheld, &exercise]), "TLP:RED//PURPOSE ct//EXERCISE");
    assert_eq!(
        label_of(
            std::slice::from_ref(&unheld),
            &|_| Some(MarkingMeaning::Unknown),
            &label("TLP:CLEAR")
        ),
        Label::nobody()
    );
    // A default that says exercise cannot be unsaid.
    let real = PartialLabel {
        exercise: Some(false),
        ..Default::default()
    };
    let label = label_of(
        &[unheld],
        &|_| Some(MarkingMeaning::Label(real.clone())),
        &label("TLP:CLEAR//EXERCISE"),
    );
    assert!(label.exercise);
}

#[test]
fn builds_the_marking_that_says_so() {
    let created = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let stated = PartialLabel {
        tlp: None,
        pap: Some(Pap::Amber),
        releasable_to: Some(label("TLP:RED//REL KG,@pact/east & KZ,@pact/west").releasable_to),
        not_releasable_to: Some(BTreeSet::from(["@pact/observers".into(), "UZ".into()])),
        caveats: Some(BTreeSet::from(["ORCON".into()])),
        purposes: None,
        legal_basis: Some(BTreeSet::from(["act 12-3".into()])),
        expires: Some(Timestamp::parse("2026-12-01T00:00:00Z").expect("a time")),
        exercise: Some(true),
    };
    let object = marking_object(&stated, created).expect("a good label");
    assert_eq!(
        MarkingMeaning::of(&object),
        MarkingMeaning::Label(stated.clone())
    );
    assert_eq!(marking_object(&stated, created), Ok(object.clone()));
    let other = PartialLabel {
        exercise: None,
        ..stated.clone()
    };
    assert_ne!(
        marking_object(&other, created).expect("a good label").id(),
        object.id()
    );
    let bad = PartialLabel {
        caveats: Some(BTreeSet::from([String::new()])),
        ..stated
    };
    assert!(marking_object(&bad, created).is_err());
}
