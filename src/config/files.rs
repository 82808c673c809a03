//! Where the files are that the configuration names, and who may read those that hold secrets.
//!
//! A relative path is meant from the folder of the configuration. `$CREDENTIALS_DIRECTORY/` at the
//! start of a path is where systemd put what LoadCredential= names; no other variable is known.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What may stand at the start of a path, before a slash.
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";
/// The permission of everybody to read.
const OTHERS_READ: u32 = 0o004;

/// What is read of a secret at most: above this it is none.
const LARGEST: u64 = 128 * 1024;

/// The folders that paths are meant from.
pub(super) struct Files {
    folder: PathBuf,
    credentials: Option<PathBuf>,
}

impl Files {
    /// The name of the variable for [`Files::new`].
    pub(super) const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

    /// Paths from the folder of the configuration, or from systemd's folder of credentials.
    pub(super) fn new(folder: PathBuf, credentials: Option<String>) -> Files {
        let credentials = credentials.filter(|path| !path.is_empty());
        Files {
            folder,
            credentials: credentials.map(PathBuf::from),
        }
    }

    /// The folder of the configuration.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path that a text means.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let Some(rest) = text.strip_prefix(CREDENTIALS) else {
            return Ok(self.folder.join(text));
        };
        let Some(name) = rest.strip_prefix('/') else {
            return Err(format!("is no path: write {CREDENTIALS}/<name>"));
        };
        match &self.credentials {
            Some(folder) => Ok(folder.join(name)),
            None => Err(format!(
                "{CREDENTIALS} is not set: systemd sets it for a service with LoadCredential=; by hand: \
                 systemd-run -qPG -p User=inspectd -p LoadCredential=mqtt:/etc/inspectd/credentials \
                 inspectd check"
            )),
        }
    }

    /// The path of a file that others must not be able to read.
    pub(super) fn secret(&self, text: &str) -> Result<PathBuf, String> {
        let path = self.path(text)?;
        let shown = path.display();
        let meta = fs::metadata(&path).map_err(|e| format!("{shown}: {e}"))?;
        if meta.permissions().mode() & OTHERS_READ != 0 {
            return Err(format!(
                "{shown} may be read by everybody on this machine: chmod 640 {shown}"
            ));
        }
        Ok(path)
    }

    /// The text of such a file.
    pub(super) fn secret_text(&self, text: &str) -> Result<String, String> {
        let path = self.secret(text)?;
        let mut text = String::new();
        let file = fs::File::open(&path);
        let read = file.and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        read.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(text)
    }
}
