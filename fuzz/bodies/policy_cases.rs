//! Files of test cases for a policy set, from outside.
//!
//! A file either runs, and then every failure says what came instead, or is refused with a place
//! inside it.

use policy::PolicySet;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let authority = PolicySet::shipped()
        .expect("the shipped set loads")
        .authority(0);
    match policy::authority::test(&authority, "cases/a.toml", text) {
        Ok(report) => {
            assert!(report.failures.len() <= report.cases);
            assert!(report.failures.iter().all(|one| !one.words.is_empty()));
        }
        Err(fault) => assert!(fault.line <= 1 + text.matches('\n').count(), "{fault}"),
    }
}

/// The shipped cases, and the first of them alone.
pub fn seeds() -> Vec<Vec<u8>> {
    let set = PolicySet::shipped().expect("the shipped set loads");
    let mut seeds: Vec<Vec<u8>> = set
        .cases()
        .map(|(_, text)| text.as_bytes().to_vec())
        .collect();
    seeds.push(
        b"[[channel]]\nname = \"c\"\nmembers = [\"KG\", \"KZ\"]\nceiling = \"TLP:AMBER\"\n\
          groups = { \"@a/b\" = [\"KG\"] }\nauto = { kinds = [\"report\"], ceiling = \"TLP:GREEN\" }\n\
          [[case]]\nname = \"n\"\nchannel = \"c\"\nlabel = \"TLP:GREEN//REL @a/b\"\n\
          kind = \"report\"\nprincipal = { duties = [\"releaser\"], clearance = \"TLP:RED\" }\n\
          now = \"2026-03-02T20:30:00Z\"\nutc_offset_minutes = 300\nobjects = 7\n\
          expect = \"refuse\"\nrule = \"hard-rule\"\n"
            .to_vec(),
    );
    seeds
}
