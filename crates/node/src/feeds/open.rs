//! Opening files of others: never through a link, never one that makes the reader wait.
//!
//! Whoever may write into a feed's folder must not be able to lead the node to a file elsewhere, nor
//! to hold one of its threads with a pipe or a device. So what is looked at is what was opened.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// A plain file that is open.
#[derive(Debug)]
pub(crate) struct Plain {
    file: File,
    /// As it was when it was opened.
    pub(crate) meta: Metadata,
}

/// Why a file was not opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// It is a folder.
    Folder,
    /// It is a link, lies elsewhere than its path says, is a pipe or device, or cannot be read.
    Because(String),
}

impl std::fmt::Display for NotOpened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotOpened::Folder => f.write_str("it is a folder and no file"),
            NotOpened::Because(why) => f.write_str(why),
        }
    }
}

/// Opens a plain file at a path whose folders are real ones (see [`real`]).
///
/// # Errors
/// When it is none, or is reached through a link.
pub(crate) fn plain(path: &Path) -> Result<Plain, NotOpened> {
    let no = |why: String| NotOpened::Because(why);
    // A pipe without a writer would hold the thread without NONBLOCK.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags | OFlags::NOCTTY, Mode::empty());
    let file = File::from(opened.map_err(|errno| match errno {
        Errno::LOOP => no("it is a link, which is not followed; put the file itself there".into()),
        errno => no(format!("it cannot be read ({errno})")),
    })?);
    let unreadable = |error: std::io::Error| no(format!("it cannot be read ({error})"));
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(NotOpened::Folder);
    }
    if !meta.is_file() {
        return Err(no("it is no plain file".into()));
    }
    // A folder on the way may have been replaced by a link since the path was looked at.
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    let lies = fs::read_link(format!("/proc/self/fd/{number}")).map_err(unreadable)?;
    if lies != path {
        return Err(no(
            "it lies elsewhere than its path says; it is tried again".into(),
        ));
    }
    Ok(Plain { file, meta })
}

/// The path without any link in it.
///
/// # Errors
/// When nothing is there.
pub(crate) fn real(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize()
        .map_err(|error| format!("{} cannot be read ({error})", path.display()))
}

impl Plain {
    /// All of it, if that is not more than `most` bytes.
    ///
    /// # Errors
    /// When it is larger, or cannot be read.
    pub(crate) fn read(&self, most: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        (&self.file)
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("it cannot be read ({error})"))?;
        if bytes.len() > most {
            return Err(format!("it has more than {most} bytes; split it"));
        }
        Ok(bytes)
    }

    /// What is said of it now.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) fn now(&self) -> Result<Metadata, String> {
        self.file
            .metadata()
            .map_err(|error| format!("it cannot be read ({error})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = real(folder.path()).unwrap();
        (folder, path)
    }

    fn refused(path: &Path) -> String {
        plain(path).unwrap_err().to_string()
    }

    #[test]
    fn only_plain_files_are_opened_and_none_makes_the_reader_wait() {
        let (_held, at) = folder();
        fs::write(at.join("a"), "text").unwrap();
        assert_eq!(plain(&at.join("a")).unwrap().read(4).unwrap(), b"text");
        assert!(plain(&at.join("a")).unwrap().read(3).is_err());
        std::os::unix::fs::symlink(at.join("a"), at.join("link")).unwrap();
        assert!(refused(&at.join("link")).contains("a link"));
        // Nobody writes into it: opened as usual, it would hold the thread for ever.
        rustix::fs::mkfifoat(rustix::fs::CWD, at.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        assert!(refused(&at.join("pipe")).contains("no plain file"));
        assert!(refused(Path::new("/dev/zero")).contains("no plain file"));
        assert_eq!(plain(&at).unwrap_err(), NotOpened::Folder);
        assert!(refused(&at.join("none")).contains("cannot be read"));
    }

    #[test]
    fn a_folder_that_became_a_link_leads_nowhere() {
        let (_held, at) = folder();
        fs::create_dir(at.join("in")).unwrap();
        fs::create_dir(at.join("own")).unwrap();
        fs::write(at.join("own/key"), "secret").unwrap();
        let looked_at = real(&at.join("in")).unwrap().join("key");
        fs::remove_dir(at.join("in")).unwrap();
        std::os::unix::fs::symlink(at.join("own"), at.join("in")).unwrap();
        assert!(refused(&looked_at).contains("elsewhere"));
    }
}
