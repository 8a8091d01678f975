//! The tree checks itself: what no compiler enforces and what a reader would otherwise have to
//! remember.
//!
//! Each test here reads the whole tree and lists every finding with its file and line. The checks
//! are plain functions over text in `tidy/`, each tried on a small bad input there, so that a
//! check that finds nothing because it is broken is found out.

#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/manifest.rs"]
mod manifest;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use tree::Tree;

/// Ends the test with every finding, one a line.
fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn crate_arrows_point_downward() {
    let tree = Tree::read();
    report(
        tree.manifests()
            .flat_map(|(name, file)| manifest::arrows(name, &file.text))
            .collect(),
    );
}

#[test]
fn pure_crates_touch_no_world() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for name in manifest::PURE {
        for file in tree.sources(name) {
            findings.extend(source::impure(&file.path, &file.text));
        }
        let file = tree.file(&format!("crates/{name}/Cargo.toml"));
        findings.extend(manifest::impure(name, &file.text));
    }
    report(findings);
}

#[test]
fn files_are_short() {
    let tree = Tree::read();
    report(
        tree.rust()
            .flat_map(|file| source::too_long(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn nothing_is_left_undone() {
    let tree = Tree::read();
    report(
        tree.rust()
            .filter(|file| !tree::is_checker(&file.path))
            .flat_map(|file| source::stubs(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn texts_speak_of_the_project_only() {
    let tree = Tree::read();
    report(
        tree.files
            .iter()
            .filter(|file| !tree::is_checker(&file.path))
            .flat_map(|file| source::machine_paths(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn modules_say_what_they_are_for() {
    let tree = Tree::read();
    report(
        tree.rust()
            .flat_map(|file| source::uncommented(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn limits_carry_their_reason() {
    let tree = Tree::read();
    report(
        tree.rust()
            .filter(|file| file.path.ends_with("/limits.rs"))
            .flat_map(|file| source::unexplained_limits(&file.path, &file.text))
            .collect(),
    );
}

#[test]
fn dependencies_are_used_and_explained() {
    let tree = Tree::read();
    let doc = tree.file("docs/dependencies.md");
    let root = tree.file("Cargo.toml");
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for (name, file) in tree.manifests() {
        for dependency in manifest::dependencies(&file.text) {
            findings.extend(docs::unexplained(name, &dependency, &doc.text));
            used.push(dependency.name);
        }
    }
    findings.extend(manifest::unused(&root.text, &used));
    report(findings);
}

#[test]
fn fuzz_targets_are_wired() {
    let tree = Tree::read();
    let names: Vec<&str> = tree
        .rust()
        .filter_map(|file| file.path.strip_prefix("fuzz/fuzz_targets/"))
        .filter_map(|name| name.strip_suffix(".rs"))
        .collect();
    assert!(!names.is_empty(), "there are no fuzz targets");
    let manifest = &tree.file("fuzz/Cargo.toml").text;
    let smoke = &tree.file("crates/testkit/tests/fuzz_smoke.rs").text;
    let mut findings = Vec::new();
    for name in names {
        let body = format!("fuzz/bodies/{name}.rs");
        findings.extend(docs::unwired(name, manifest, smoke));
        if !tree.files.iter().any(|file| file.path == body) {
            findings.push(format!("{body}: missing, the target {name} has no body"));
        }
    }
    report(findings);
}
