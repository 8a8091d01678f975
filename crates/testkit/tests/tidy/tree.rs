//! The files of the project, read once for one test.
//!
//! Only text that people write counts: sources, manifests, documents and scripts. Build output,
//! version control and the demo's data are left out by name.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file; the path is relative to the project and has forward slashes.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files of the project.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

const SKIPPED: [&str; 6] = [
    ".git",
    "target",
    "demo",
    "corpus",
    "artifacts",
    "node_modules",
];
const TEXT: [&str; 13] = [
    "rs", "toml", "md", "sh", "py", "yml", "yaml", "json", "html", "css", "js", "ftl", "sql",
];

/// Whether a file is part of these checks and so has to spell out what it looks for.
pub(crate) fn is_checker(path: &str) -> bool {
    path.starts_with("crates/testkit/tests/tidy")
}

impl Tree {
    /// Reads the project that this crate is part of.
    pub(crate) fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let listing = fs::read_dir(root.join(&folder)).expect("a folder of the project opens");
            for entry in listing {
                let entry = entry.expect("a folder of the project lists");
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = folder.join(&name);
                let kind = entry.file_type().expect("a file of the project has a type");
                if kind.is_dir() {
                    if !SKIPPED.contains(&name.as_str()) {
                        folders.push(path);
                    }
                } else if kind.is_file() && is_text(&path) {
                    let bytes = fs::read(root.join(&path)).expect("a file of the project reads");
                    files.push(File {
                        path: path.to_string_lossy().replace('\\', "/"),
                        text: String::from_utf8(bytes)
                            .unwrap_or_else(|_| panic!("{} is not UTF-8", path.display())),
                    });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { files }
    }

    /// A file that must be there.
    pub(crate) fn file(&self, path: &str) -> &File {
        self.files
            .iter()
            .find(|file| file.path == path)
            .unwrap_or_else(|| panic!("{path} is missing"))
    }

    /// All Rust files, tests and fuzz targets included.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The sources of one crate.
    pub(crate) fn sources(&self, name: &str) -> impl Iterator<Item = &File> {
        let prefix = format!("crates/{name}/src/");
        self.rust()
            .filter(move |file| file.path.starts_with(&prefix))
    }

    /// The manifest of every crate, with the crate's folder name.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().filter_map(|file| {
            let name = file.path.strip_prefix("crates/")?;
            Some((name.strip_suffix("/Cargo.toml")?, file))
        })
    }
}

fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(end) => TEXT.iter().any(|text| end == *text),
        None => path.starts_with(".ci"),
    }
}
