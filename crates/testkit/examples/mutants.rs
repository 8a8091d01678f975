//! Breaks the program on purpose, one rule at a time, and demands that a test notices.
//!
//! `cargo run -p kurultai-testkit --example mutants [NAME…]` reads `crates/testkit/mutants.toml`. Each
//! mutant is one edit of one source file and the tests that must fail because of it. The runner
//! works in a copy of the tree under the target folder, shows first that those tests pass without
//! the edit, and counts a mutant as caught only when the edited program still compiles and a test
//! fails. It ends with an error if any mutant survives, so a rule that no test guards is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// One breakage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// What is broken, in words.
    name: String,
    /// The invariant or rule that it breaks.
    breaks: String,
    /// The source file, from the root of the tree.
    file: String,
    /// A text that occurs exactly once in it.
    find: String,
    /// What stands there instead.
    replace: String,
    /// Arguments of `cargo test` that run the tests which must fail.
    test: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("mutants: {problem}");
            ExitCode::from(2)
        }
    }
}

/// The number of mutants that survived.
fn run() -> Result<usize, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("crates/testkit/mutants.toml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let list: List = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let wanted: BTreeSet<String> = std::env::args().skip(1).collect();
    let mutants: Vec<Mutant> = list
        .mutant
        .into_iter()
        .filter(|mutant| wanted.is_empty() || wanted.contains(&mutant.name))
        .collect();
    if mutants.is_empty() {
        return Err("no mutant has such a name".into());
    }
    let lab = Lab::new(&root)?;
    let commands: BTreeSet<&[String]> = mutants.iter().map(|m| m.test.as_slice()).collect();
    for command in commands {
        let ran = lab.test(command, false)?;
        if !ran.status.success() {
            return Err(format!(
                "`cargo test {}` fails without any edit; put that right first\n{}{}",
                command.join(" "),
                String::from_utf8_lossy(&ran.stdout),
                String::from_utf8_lossy(&ran.stderr)
            ));
        }
    }
    let mut survivors = 0;
    for mutant in &mutants {
        let verdict = lab.judge(mutant)?;
        survivors += usize::from(verdict.is_some());
        println!(
            "{} [{}] {}",
            match &verdict {
                None => "caught  ",
                Some(_) => "SURVIVED",
            },
            mutant.breaks,
            match &verdict {
                None => mutant.name.clone(),
                Some(why) => format!("{}: {why}", mutant.name),
            }
        );
    }
    println!("{} of {} caught", mutants.len() - survivors, mutants.len());
    Ok(survivors)
}

/// A copy of the tree in which files may be broken.
struct Lab {
    tree: PathBuf,
    target: PathBuf,
}

impl Lab {
    fn new(root: &Path) -> Result<Lab, String> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let lab = Lab {
            tree: target.join("mutants/tree"),
            target: target.join("mutants/build"),
        };
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .map_err(|e| format!("git ls-files: {e}"))?;
        let names = String::from_utf8(listed.stdout).map_err(|e| e.to_string())?;
        let mut present = BTreeMap::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            // A file that was removed and not yet committed is still listed.
            if let Ok(bytes) = fs::read(root.join(name)) {
                present.insert(name.to_owned(), bytes);
            }
        }
        for (name, bytes) in present {
            lab.write(&name, &bytes)?;
        }
        Ok(lab)
    }

    /// Writes a file if it differs, so that cargo builds again only what changed.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.tree.join(name);
        if fs::read(&path).is_ok_and(|held| held == bytes) {
            return Ok(());
        }
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(told)?;
        }
        fs::write(&path, bytes).map_err(told)
    }

    /// `None`: caught. Otherwise why it is not.
    fn judge(&self, mutant: &Mutant) -> Result<Option<String>, String> {
        let path = self.tree.join(&mutant.file);
        let whole = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let places = whole.matches(&mutant.find).count();
        if places != 1 {
            return Err(format!(
                "{}: the text to replace occurs {places} times in {}; it must occur once",
                mutant.name, mutant.file
            ));
        }
        let broken = whole.replacen(&mutant.find, &mutant.replace, 1);
        self.write(&mutant.file, broken.as_bytes())?;
        let verdict = self.verdict(&mutant.test);
        self.write(&mutant.file, whole.as_bytes())?;
        verdict
    }

    fn verdict(&self, command: &[String]) -> Result<Option<String>, String> {
        let built = self.test(command, true)?;
        if !built.status.success() {
            return Ok(Some(format!(
                "the edit does not compile: {}",
                first_error(&built)
            )));
        }
        let ran = self.test(command, false)?;
        Ok(ran
            .status
            .success()
            .then(|| format!("`cargo test {}` passes", command.join(" "))))
    }

    fn test(&self, command: &[String], only_build: bool) -> Result<Output, String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg("test").arg("--locked");
        if only_build {
            cargo.arg("--no-run");
        }
        cargo
            .args(command)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .map_err(|e| format!("cargo test: {e}"))
    }
}

fn first_error(built: &Output) -> String {
    let said = String::from_utf8_lossy(&built.stderr);
    said.lines()
        .find(|line| line.starts_with("error"))
        .unwrap_or("no error was printed")
        .to_owned()
}
