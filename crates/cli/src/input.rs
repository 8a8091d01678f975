//! Reading STIX from files, folders and standard input, and cutting it into batches.
//!
//! A file is one JSON text (a bundle, a TAXII envelope, an array or one object), plain or zstd.
//! Objects are read here once to find the faults with their place in *this* file; the node reads
//! them again and believes nothing that this tool says.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::limits::{ADD_BYTES_MAX, ADD_OBJECTS_MAX, FILES_MAX, FOLDER_DEPTH_MAX, INPUT_BYTES_MAX};

/// How a zstd frame begins.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// One source of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input, written `-`.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// The name for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::Standard => "standard input".to_owned(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// The whole text, decompressed where it is compressed.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Failure> {
        let broken = |error: std::io::Error| match self {
            Input::Standard => Failure::unavailable(format!(
                "could not read standard input: {error}; give a file instead"
            )),
            Input::File(path) => Failure::file("read", path, &error),
        };
        let mut bytes = Vec::new();
        match self {
            Input::Standard => bounded(std::io::stdin().lock(), &mut bytes).map_err(broken)?,
            Input::File(path) => {
                let file = std::fs::File::open(path).map_err(broken)?;
                bounded(file, &mut bytes).map_err(broken)?;
            }
        }
        if bytes.starts_with(&ZSTD_MAGIC) {
            let mut plain = Vec::new();
            let decoder = zstd::stream::read::Decoder::new(&bytes[..]).map_err(broken)?;
            bounded(decoder, &mut plain).map_err(|error| {
                Failure::usage(format!(
                    "{} is not whole zstd data: {error}; fetch it again",
                    self.name()
                ))
            })?;
            bytes = plain;
        }
        if bytes.len() as u64 > INPUT_BYTES_MAX {
            return Err(Failure::usage(format!(
                "{} is larger than {} bytes; split it into several files",
                self.name(),
                INPUT_BYTES_MAX
            )));
        }
        Ok(bytes)
    }
}

/// Reads at most one byte more than permitted, so that too much is noticed and no more is held.
fn bounded(from: impl Read, into: &mut Vec<u8>) -> std::io::Result<()> {
    from.take(INPUT_BYTES_MAX + 1).read_to_end(into).map(|_| ())
}

/// The sources that the arguments name; folders give their `.json` and `.zst` files in order.
pub(crate) fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            found.push(Input::Standard);
        } else if path.is_dir() {
            let before = found.len();
            folder(path, 0, &mut found)?;
            if found.len() == before {
                return Err(Failure::usage(format!(
                    "{} holds no .json or .zst file; name the files themselves",
                    path.display()
                )));
            }
        } else {
            found.push(Input::File(path.clone()));
        }
    }
    Ok(found)
}

fn folder(path: &Path, depth: usize, found: &mut Vec<Input>) -> Result<(), Failure> {
    if depth > FOLDER_DEPTH_MAX {
        return Err(Failure::usage(format!(
            "{} is nested too deeply; name a folder within it",
            path.display()
        )));
    }
    let listing = std::fs::read_dir(path).map_err(|error| Failure::file("list", path, &error))?;
    let mut entries: Vec<PathBuf> = listing
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for entry in entries {
        if found.len() >= FILES_MAX {
            return Err(Failure::usage(format!(
                "{} holds more than {FILES_MAX} files; name a folder within it",
                path.display()
            )));
        }
        if entry.is_dir() && !entry.is_symlink() {
            folder(&entry, depth + 1, found)?;
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "json" || extension == "zst")
        {
            found.push(Input::File(entry));
        }
    }
    Ok(())
}

/// One object that this tool already refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The place in the file (RFC 6901).
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) reason: String,
}

/// The objects of one text, in envelopes that the node takes in one call each.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Each envelope with the indices (in the file) of its objects.
    pub(crate) envelopes: Vec<(Vec<usize>, Vec<u8>)>,
    /// What is refused for its form.
    pub(crate) refused: Vec<Refused>,
    /// How many objects there are in all.
    pub(crate) total: usize,
}

/// Cuts one text into batches.
///
/// The failure is about the text as a whole; single objects that are wrong are in `refused`.
pub(crate) fn batches(input: &Input, text: &[u8]) -> Result<Batches, Failure> {
    let mut out = Batches::default();
    let mut indices = Vec::new();
    let mut body: Vec<u8> = Vec::new();
    let total = model::bundle(text, |index, object| match object {
        Ok(object) => {
            if indices.len() == ADD_OBJECTS_MAX || (!body.is_empty() && body.len() + object.bytes().len() > ADD_BYTES_MAX) {
                close(&mut out, &mut indices, &mut body);
            }
            body.extend_from_slice(if indices.is_empty() { b"{\"objects\":[" } else { b"," });
            body.extend_from_slice(object.bytes());
            indices.push(index);
        }
        Err(refusal) => out.refused.push(Refused { pointer: refusal.pointer, reason: refusal.reason.to_string() }),
    })
    .map_err(|refusal| {
        let place = if refusal.pointer.is_empty() { String::new() } else { format!(" at {}", refusal.pointer) };
        Failure::usage(format!(
            "{} is no STIX bundle, envelope, array or object{place}: {}; correct it and add it again",
            input.name(),
            refusal.reason
        ))
    })?;
    close(&mut out, &mut indices, &mut body);
    out.total = total;
    Ok(out)
}

fn close(out: &mut Batches, indices: &mut Vec<usize>, body: &mut Vec<u8>) {
    if !indices.is_empty() {
        body.extend_from_slice(b"]}");
        out.envelopes
            .push((std::mem::take(indices), std::mem::take(body)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, batches, inputs};
    use crate::bench::corpus::Corpus;

    #[test]
    fn a_bundle_is_cut_and_faults_keep_their_place() {
        let mut text = Corpus::new(5).envelope(0, 1_200);
        let end = text.len() - 2;
        text.splice(end..end, *b",{\"type\":\"indicator\"}");
        let cut = batches(&Input::Standard, &text).unwrap();
        assert_eq!(cut.total, 1_201);
        assert_eq!(
            cut.envelopes
                .iter()
                .map(|(indices, _)| indices.len())
                .collect::<Vec<_>>(),
            [500, 500, 200]
        );
        assert_eq!(cut.envelopes[2].0.first(), Some(&1_000));
        assert_eq!(cut.refused.len(), 1);
        assert!(
            cut.refused[0].pointer.starts_with("/objects/1200"),
            "{:?}",
            cut.refused
        );
        for (indices, envelope) in &cut.envelopes {
            let again = batches(&Input::Standard, envelope).unwrap();
            assert_eq!((again.total, again.refused.len()), (indices.len(), 0));
        }
    }

    #[test]
    fn a_text_that_is_no_json_is_one_failure() {
        let failure = batches(&Input::Standard, b"{\"type\":\"bundle\",").unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().contains("standard input"), "{failure}");
    }

    #[test]
    fn folders_give_their_files_in_order_and_empty_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json.zst", "notes.txt"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let found = inputs(&[folder.path().to_owned()]).unwrap();
        let names: Vec<String> = found.iter().map(Input::name).collect();
        assert_eq!(found.len(), 2);
        assert!(
            names[0].ends_with("a.json.zst") && names[1].ends_with("b.json"),
            "{names:?}"
        );
        let empty = tempfile::tempdir().unwrap();
        assert!(inputs(&[empty.path().to_owned()]).is_err());
    }
}
