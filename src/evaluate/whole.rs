//! Results as whole files: written beside their place and moved there when complete, so that neither
//! a full disk nor a failed command leaves half of one, or harms the former.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// A result that is yet to be written. Dropped before that, it leaves nothing.
pub struct WholeFile<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl WholeFile<'_> {
    /// Begins `path`, so that a bad one is told before the work that leads to its content.
    ///
    /// # Errors
    /// The folder is missing or may not be written; the text names the file.
    pub fn create(path: &Path) -> anyhow::Result<WholeFile<'_>> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".inspectd-new-")
            .permissions(fs::Permissions::from_mode(0o666)) // less the umask, as for any new file
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(WholeFile { path, file })
    }

    /// Writes all of it, and puts it in its place.
    ///
    /// # Errors
    /// No room, or something else in its place; the text names the file.
    pub fn finish(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| {
            let moved = self.file.persist(self.path);
            moved.map(drop).map_err(|error| error.error)
        });
        written.with_context(|| format!("can't write {}", self.path.display()))
    }
}

/// Writes `bytes` to `path`.
///
/// # Errors
/// As of [`WholeFile`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
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
