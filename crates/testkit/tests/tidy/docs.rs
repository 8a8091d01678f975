//! What documents and lists must mention, because a reader relies on their being complete.

use crate::manifest::Dependency;

/// A dependency that docs/dependencies.md does not name in back quotes.
pub(crate) fn unexplained(name: &str, dependency: &Dependency, doc: &str) -> Option<String> {
    if dependency.is_ours() || doc.contains(&format!("`{}`", dependency.name)) {
        return None;
    }
    Some(format!(
        "docs/dependencies.md: does not say why {name} uses `{}`",
        dependency.name
    ))
}

/// A fuzz target that its manifest or the stable smoke test leaves out.
pub(crate) fn unwired(name: &str, manifest: &str, smoke: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !manifest.contains(&format!("name = \"{name}\"")) {
        findings.push(format!("fuzz/Cargo.toml: does not list {name}"));
    }
    if !smoke.contains(&format!("bodies/{name}.rs")) {
        findings.push(format!("fuzz_smoke.rs: does not run {name}"));
    }
    findings
}

#[test]
fn finds_gaps() {
    let dependency = |name: &str| Dependency {
        name: name.to_owned(),
        dev: false,
    };
    let doc = "| `serde` | derives |\nand toml in passing";
    assert_eq!(unexplained("policy", &dependency("serde"), doc), None);
    assert_eq!(unexplained("policy", &dependency("model"), doc), None);
    assert!(unexplained("policy", &dependency("toml"), doc).is_some());

    let manifest = "[[bin]]\nname = \"one\"\n";
    let smoke = "#[path = \"../../../fuzz/bodies/one.rs\"]";
    assert!(unwired("one", manifest, smoke).is_empty());
    assert_eq!(unwired("two", manifest, smoke).len(), 2);
}
