//! What source files and other texts may contain.
//!
//! The checks work on lines. Where a rule is about program code, comments and test code are taken
//! out first, keeping line numbers.

/// LIMIT: lines of one Rust file; a longer one has a second responsibility.
const LINES_MAX: usize = 600;

/// What a pure crate must not reach for.
const WORLD: [&str; 9] = [
    "tokio",
    "axum",
    "rusqlite",
    "SystemTime",
    "Instant::now",
    "std::net",
    "std::fs",
    "std::process",
    "std::thread",
];

/// Folders of somebody's machine.
const MACHINE: [&str; 4] = ["/home/", "/root/", "/Users/", "C:\\Users"];

/// Marks of unfinished work.
const STUBS: [&str; 5] = ["todo!", "unimplemented!", "#[ignore", "FIXME", "XXX"];

/// Uses of clock, files, network or a runtime in the program code of a pure crate.
pub(crate) fn impure(path: &str, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let code = without_tests(&without_comments(text));
    let mut findings = lines_with(path, &code, &WORLD, "a pure crate must not use");
    // The grouped form `use std::{fs, …}`.
    for (at, group) in code.match_indices("std::{") {
        let group = &code[at + group.len()..];
        let group = &group[..group.find('}').unwrap_or(group.len())];
        for part in group.split(',').map(str::trim) {
            let head = part.split("::").next().unwrap_or(part);
            if ["fs", "net", "process", "thread"].contains(&head) {
                let line = 1 + code[..at].matches('\n').count();
                findings.push(format!(
                    "{path}:{line}: a pure crate must not use std::{head}"
                ));
            }
        }
    }
    findings
}

/// A Rust file with too many lines.
pub(crate) fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX)
        .then(|| format!("{path}: {lines} lines; at most {LINES_MAX}, split by responsibility"))
}

/// Stubs and switched-off tests.
pub(crate) fn stubs(path: &str, text: &str) -> Vec<String> {
    lines_with(path, text, &STUBS, "unfinished:")
}

/// Paths of somebody's machine.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in MACHINE {
            let starts_path = line.match_indices(folder).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/".contains(c))
            });
            if starts_path {
                findings.push(format!(
                    "{path}:{}: a path of somebody's machine: {folder}",
                    number + 1
                ));
            }
        }
    }
    findings
}

/// A source file of a crate without a comment on top.
pub(crate) fn uncommented(path: &str, text: &str) -> Option<String> {
    let source = path.starts_with("crates/") && path.contains("/src/") && !is_test(path);
    (source && !text.starts_with("//! "))
        .then(|| format!("{path}:1: does not begin with a module comment"))
}

/// Bounds without the sentence that says why.
pub(crate) fn unexplained_limits(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(name) = line
            .split_once("const ")
            .filter(|(before, _)| before.trim().is_empty() || before.trim().starts_with("pub"))
            .and_then(|(_, after)| after.split(':').next())
        else {
            continue;
        };
        let docs = lines[..number]
            .iter()
            .rev()
            .take_while(|line| line.trim().starts_with("///") || line.trim().starts_with("#["));
        if name.ends_with("_MAX") && !docs.into_iter().any(|line| line.contains("LIMIT:")) {
            findings.push(format!(
                "{path}:{}: {name} has no LIMIT: reason",
                number + 1
            ));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

fn lines_with(path: &str, text: &str, words: &[&str], what: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in words.iter().filter(|word| has_word(line, word)) {
            findings.push(format!("{path}:{}: {what} {word}", number + 1));
        }
    }
    findings
}

/// Whether the word stands on its own, not inside a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let inside_before = word.starts_with(part) && line[..at].ends_with(part);
        let inside_after = word.ends_with(part) && line[at + word.len()..].starts_with(part);
        !inside_before && !inside_after
    })
}

/// Blanks line comments and keeps the lines. A `//` inside a string only hides what follows it on
/// that line, which is good enough for these words.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| &line[..line.find("//").unwrap_or(line.len())])
        .collect::<Vec<_>>()
        .join("\n")
}

/// Blanks every item under `#[cfg(test)]` and keeps the lines.
fn without_tests(text: &str) -> String {
    let mut out = Vec::new();
    let mut depth: Option<i64> = None;
    for line in text.lines() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            depth = Some(0);
        }
        let Some(open) = depth.as_mut() else {
            out.push(line);
            continue;
        };
        out.push("");
        let before = *open;
        for c in line.chars() {
            match c {
                '{' => *open += 1,
                '}' => *open -= 1,
                _ => {}
            }
        }
        let closed = *open == 0 && (before > 0 || line.contains('{'));
        let declared = *open == 0 && line.trim_end().ends_with(';');
        if closed || declared {
            depth = None;
        }
    }
    out.join("\n")
}

#[test]
fn finds_the_world_in_pure_code() {
    let bad = "use std::{collections::BTreeMap, fs};\nlet now = SystemTime::now();\n";
    let found = impure("crates/log/src/a.rs", bad);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("crates/log/src/a.rs:2:"), "{found:?}");
    assert_eq!(impure("x/src/a.rs", "use std::net::IpAddr;").len(), 1);
    assert!(impure("x/src/tests.rs", bad).is_empty());
    assert!(impure("x/src/a.rs", "// tokio is not used\nlet tokiosk = 1;").is_empty());
    let tested = "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn a() {}\n}\nuse std::fs;\n";
    let found = impure("x/src/a.rs", tested);
    assert_eq!(found, ["x/src/a.rs:6: a pure crate must not use std::fs"]);
    let declared = "#[cfg(test)]\nmod tests;\nuse std::fs;\n";
    assert_eq!(impure("x/src/a.rs", declared).len(), 1);
}

#[test]
fn finds_long_files() {
    assert!(too_long("a.rs", &"x\n".repeat(LINES_MAX)).is_none());
    assert!(too_long("a.rs", &"x\n".repeat(LINES_MAX + 1)).is_some());
}

#[test]
fn finds_stubs() {
    assert_eq!(
        stubs("a.rs", "fn f() { todo!() }\n#[ignore = \"slow\"]\n").len(),
        2
    );
    assert!(stubs("a.rs", "let todos = 1; // ignore case\n").is_empty());
}

#[test]
fn finds_machine_paths() {
    assert_eq!(machine_paths("a.md", "see /home/somebody/x\n").len(), 1);
    assert_eq!(machine_paths("a.md", "path = \"/root/x\"\n").len(), 1);
    assert!(machine_paths("a.md", "https://kz.example/root/x frame/home/x\n").is_empty());
}

#[test]
fn finds_bare_modules() {
    assert!(uncommented("crates/a/src/b.rs", "use std::fmt;\n").is_some());
    assert!(uncommented("crates/a/src/b.rs", "//! Meaning.\n").is_none());
    assert!(uncommented("crates/a/src/b/tests.rs", "use super::*;\n").is_none());
}

#[test]
fn finds_bare_limits() {
    let bad = "/// LIMIT: bytes, because.\npub const A_MAX: usize = 1;\n\n/// Bytes.\npub const B_MAX: usize = 1;\npub(crate) const C_MAX: u8 = 1;\n";
    let found = unexplained_limits("limits.rs", bad);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(":5: B_MAX"), "{found:?}");
}
