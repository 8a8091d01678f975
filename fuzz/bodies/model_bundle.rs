//! Whatever bytes come in as a bundle: each object is accepted or refused, never a panic, and what
//! is accepted is canonical and accepted again with the same hash.

/// One input.
pub fn run(data: &[u8]) {
    let result = model::bundle(data, |_, object| match object {
        Ok(object) => {
            assert_eq!(model::is_canonical(object.bytes()), Ok(true));
            let again =
                model::Object::parse(object.bytes()).expect("accepted once, accepted again");
            assert_eq!(again.hash(), object.hash());
            assert_eq!(again.refs(), object.refs());
            assert_eq!(again.marking_refs(), object.marking_refs());
            assert!(object.version().is_none_or(|version| version.fits_index()));
            let label = model::Label::parse("TLP:CLEAR").expect("a label");
            let lookup = |_: &model::Id| Some(model::MarkingMeaning::of(&object));
            let label = model::label_of(object.marking_refs(), &lookup, &label);
            assert!(label.to_string().starts_with("TLP:"));
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    });
    if let Err(refusal) = result {
        assert!(!refusal.to_string().is_empty());
    }
}

/// Valid inputs to start from.
pub fn seeds() -> Vec<Vec<u8>> {
    let indicator = r#"{"created":"2024-01-01T00:00:00.000Z","created_by_ref":"identity--f431f809-377b-45e0-aa1c-6a4751cae5ff","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","modified":"2024-01-02T00:00:00.5Z","object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],"pattern":"[url:value = 'x']","type":"indicator","valid_until":"2025-01-01T00:00:00Z"}"#;
    let marking = format!(
        r#"{{"type":"marking-definition","id":"marking-definition--00000000-0000-4000-8000-000000000001","granular_markings":[{{"marking_ref":"marking-definition--00000000-0000-4000-8000-000000000001"}}],"extensions":{{"{}":{{"extension_type":"property-extension","releasable_to":["KZ"],"caveats":["ORCON"],"exercise":true}}}}}}"#,
        model::EXTENSION_MARKING
    );
    [
        indicator.to_owned(),
        format!("[{indicator},{marking}]"),
        format!(
            "{{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[{marking}, {indicator}]}}"
        ),
        format!("{{\"more\":false,\"objects\":[{indicator}]}}"),
    ]
    .map(String::into_bytes)
    .into()
}
