//! What manifests may say: which crate may use which, and that nothing declared is unused.
//!
//! Manifests here are written in one plain style (one dependency a line), so a line reader is
//! enough and this test needs no TOML parser.

/// Each crate and the crates of ours that it may use. Arrows only point downward.
const ARROWS: [(&str, &[&str]); 8] = [
    ("model", &[]),
    ("log", &[]),
    ("policy", &["model", "log"]),
    ("store", &["model", "log", "policy"]),
    ("sync", &["model", "log", "policy", "store"]),
    ("node", &["model", "log", "policy", "store", "sync"]),
    ("cli", &["model", "log", "policy", "store", "sync", "node"]),
    (
        "testkit",
        &["model", "log", "policy", "store", "sync", "node"],
    ),
];

/// Crates that take bytes and a `now` and return values.
pub(crate) const PURE: [&str; 3] = ["model", "log", "policy"];

/// Libraries that would bring a runtime, a database, a clock or a socket into a pure crate.
const WORLDLY: [&str; 9] = [
    "tokio",
    "axum",
    "hyper",
    "rusqlite",
    "rustix",
    "getrandom",
    "tempfile",
    "rustls",
    "tracing",
];

/// One line of a dependency table.
#[derive(Debug, PartialEq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether it is only for tests.
    pub(crate) dev: bool,
}

impl Dependency {
    /// Whether it is a crate of this project.
    pub(crate) fn is_ours(&self) -> bool {
        ARROWS.iter().any(|(name, _)| *name == self.name)
    }
}

/// All dependencies of a crate's manifest.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency> {
    table(text, |section| match section {
        "dependencies" | "build-dependencies" => Some(false),
        "dev-dependencies" => Some(true),
        other if other.starts_with("target.") && other.ends_with("dev-dependencies") => Some(true),
        other if other.starts_with("target.") && other.ends_with("dependencies") => Some(false),
        _ => None,
    })
}

fn table(text: &str, kind: impl Fn(&str) -> Option<bool>) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut dev = None;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            dev = kind(section);
            // The long form: [dependencies.name]
            if let Some((section, name)) = section.rsplit_once('.')
                && let Some(dev) = kind(section)
            {
                found.push(Dependency {
                    name: name.to_owned(),
                    dev,
                });
            }
        } else if let Some(dev) = dev
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['.', '=', ' '])
        {
            found.push(Dependency {
                name: name.to_owned(),
                dev,
            });
        }
    }
    found
}

/// Arrows that point upward or sideways.
pub(crate) fn arrows(name: &str, text: &str) -> Vec<String> {
    let path = format!("crates/{name}/Cargo.toml");
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{path}: a crate that the map of arrows does not have"
        )];
    };
    dependencies(text)
        .iter()
        .filter(|dependency| dependency.is_ours())
        .filter_map(|dependency| {
            let target = dependency.name.as_str();
            match target {
                "testkit" if dependency.dev => None,
                "testkit" => Some(format!("{path}: testkit is for dev-dependencies only")),
                _ if allowed.contains(&target) => None,
                _ => Some(format!("{path}: {name} may not depend on {target}")),
            }
        })
        .collect()
}

/// Libraries in a pure crate's manifest that a pure crate has no use for, tests included.
pub(crate) fn impure(name: &str, text: &str) -> Vec<String> {
    dependencies(text)
        .iter()
        .filter(|dependency| !dependency.dev)
        .filter(|dependency| WORLDLY.contains(&dependency.name.as_str()))
        .map(|dependency| {
            format!(
                "crates/{name}/Cargo.toml: a pure crate has no use for {}",
                dependency.name
            )
        })
        .collect()
}

/// Shared dependencies of the root manifest that no crate uses.
pub(crate) fn unused(root: &str, used: &[String]) -> Vec<String> {
    table(root, |section| {
        (section == "workspace.dependencies").then_some(false)
    })
    .iter()
    .filter(|dependency| !dependency.is_ours() && !used.contains(&dependency.name))
    .map(|dependency| format!("Cargo.toml: no crate uses {}", dependency.name))
    .collect()
}

#[test]
fn finds_bad_manifests() {
    let upward = "[dependencies]\nmodel.workspace = true\nstore.workspace = true\n";
    assert_eq!(
        arrows("policy", upward),
        ["crates/policy/Cargo.toml: policy may not depend on store"]
    );
    assert_eq!(arrows("sync", upward).len(), 0);
    assert_eq!(
        arrows("model", "[dependencies.log]\npath = \"x\"\n").len(),
        1
    );
    assert_eq!(
        arrows("model", "[dev-dependencies]\nlog = \"1\"\n").len(),
        1
    );
    assert_eq!(arrows("invented", "").len(), 1);
    let testkit = "[dependencies]\ntestkit.workspace = true\n";
    assert_eq!(arrows("node", testkit).len(), 1);
    let dev = "[dev-dependencies]\ntestkit.workspace = true\n";
    assert_eq!(arrows("node", dev).len(), 0);

    let worldly =
        "[dependencies]\ntokio = { version = \"1\" }\n[dev-dependencies]\ntempfile = \"3\"\n";
    assert_eq!(impure("log", worldly).len(), 1);

    let root = "[workspace.dependencies]\nmodel = { path = \"m\" }\nserde = \"1\"\nidle = \"1\"\n";
    assert_eq!(
        unused(root, &["serde".to_owned()]),
        ["Cargo.toml: no crate uses idle"]
    );
}
