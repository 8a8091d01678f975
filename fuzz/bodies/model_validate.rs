//! Whatever bytes come in: validated in both modes without a panic, with the same findings, each
//! with a place and one sentence.

use model::validate::{Mode, Validator};

/// One input.
pub fn run(data: &[u8]) {
    let (strict, lenient) = match (
        Validator::new(Mode::Strict).text(data),
        Validator::new(Mode::Lenient).text(data),
    ) {
        (Ok(strict), Ok(lenient)) => (strict, lenient),
        (strict, lenient) => {
            assert!(strict.is_err() && lenient.is_err());
            return;
        }
    };
    assert_eq!(strict.objects, lenient.objects);
    assert_eq!(strict.findings.len(), lenient.findings.len());
    for (one, other) in strict.findings.iter().zip(&lenient.findings) {
        assert_eq!((one.rule, &one.pointer), (other.rule, &other.pointer));
        assert!(one.severity >= other.severity);
        assert!(one.pointer.is_empty() || one.pointer.starts_with('/'));
        assert!(!one.sentence.is_empty() && !one.sentence.contains('\n'));
    }
}

/// Valid inputs to start from.
pub fn seeds() -> Vec<Vec<u8>> {
    let examples = include_str!("../../crates/model/tests/examples/stix.json");
    let mut seeds: Vec<Vec<u8>> = examples
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| line.starts_with('{'))
        .map(|line| line.as_bytes().to_vec())
        .collect();
    let bundle = format!(
        r#"{{"type":"bundle","id":"bundle--5e000000-0000-4000-8000-000000000001","objects":{}}}"#,
        "[{\"type\":\"observed-data\",\"objects\":{\"0\":{\"type\":\"file\",\"name\":\"a\",\"contains_refs\":[\"0\"]}}}]"
    );
    seeds.push(bundle.into_bytes());
    seeds
}
