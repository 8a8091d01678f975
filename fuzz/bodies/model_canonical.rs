//! Whatever bytes come in as JSON: the canonical form is refused or stable, and the two readers
//! agree about it.

/// One input.
pub fn run(data: &[u8]) {
    let was = model::is_canonical(data);
    match model::canonicalise(data) {
        Ok(canonical) => {
            assert_eq!(was, Ok(canonical == data));
            assert_eq!(model::is_canonical(&canonical), Ok(true));
            assert_eq!(
                model::canonicalise(&canonical).as_deref(),
                Ok(canonical.as_slice())
            );
        }
        Err(refusal) => {
            assert!(refusal.pointer.is_empty() || refusal.pointer.starts_with('/'));
            assert_eq!(was, Err(refusal));
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(label) = model::Label::parse(text) {
            assert_eq!(model::Label::parse(&label.to_string()).as_ref(), Ok(&label));
            assert_eq!(label.combine(&label), label);
        }
        if let Ok(instant) = model::Timestamp::parse(text) {
            assert_eq!(model::Timestamp::parse(&instant.to_string()), Ok(instant));
        }
        if let Ok(id) = model::Id::parse(text) {
            assert_eq!(model::Id::from_parts(id.type_name(), id.uuid()), Ok(id));
        }
    }
}

/// Valid inputs to start from.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\/"}"#,
        r#" { "b" : [ 1.50, -0, 9007199254740994, 1E3 ] , "a" : "\ud83d\ude00\/\u0041" } "#,
        "{\"\u{1f600}\":1,\"\u{fb33}\":2}",
        "9007199254740993",
        "TLP:AMBER//REL KG,KZ//CAVEAT ORCON//PURPOSE ct//EXERCISE",
        "2026-11-24T05:40:17.123456789Z",
        "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
