//! Results as whole files: written beside their place and moved there when complete, so that neither
//! a full disk nor a failed command leaves half of one, or harms the former.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct WriteError {
    /// What was tried, on what.
    pub what: String,
    /// The system's answer.
    pub source: io::Error,
}

impl WriteError {
    /// Of a file.
    pub fn of(path: &Path) -> impl Fn(io::Error) -> WriteError + '_ {
        move |source| WriteError {
            what: format!("can't write {}", path.display()),
            source,
        }
    }
}

/// A result that is yet to be written. Dropped before that, it leaves nothing.
pub struct WholeFile<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl WholeFile<'_> {
    /// Begins `path`, so that a bad one is told before the work that leads to its content.
    ///
    /// # Errors
    /// The folder is missing or may not be written, or a folder has the file's name; the text names it.
    pub fn create(path: &Path) -> Result<WholeFile<'_>, WriteError> {
        if path.is_dir() {
            return Err(WriteError::of(path)(io::ErrorKind::IsADirectory.into()));
        }
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".inspectd-new-")
            .permissions(fs::Permissions::from_mode(0o666)) // less the umask, as for any new file
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(WriteError::of(path))?;
        Ok(WholeFile { path, file })
    }

    /// Writes all of it, and puts it in its place.
    ///
    /// # Errors
    /// No room, or something else in its place; the text names the file.
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.file.as_file_mut().write_all(bytes).and_then(|()| {
            let moved = self.file.persist(self.path);
            moved.map(drop).map_err(|error| error.error)
        });
        written.map_err(WriteError::of(self.path))
    }
}

/// Writes `bytes` to `path`.
///
/// # Errors
/// As of [`WholeFile`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    WholeFile::create(path)?.finish(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        for bytes in [&b"first"[..], b"2"] {
            write_whole(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_begun_and_not_finished_leaves_the_former_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        fs::write(&path, "former").unwrap();
        drop(WholeFile::create(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"former");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        let error = write_whole(&path, b"bytes").unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
