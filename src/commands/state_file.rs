//! Small files of JSON in the state folder: written beside their place, synced and moved there, so that a power
//! cut leaves the former one or the new one.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Far more than any of them has; what is larger is none of ours.
const MAX_SIZE: u64 = 1 << 20;

/// What a file says; nothing where there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Writes the file of this name.
pub(super) fn write(folder: &Path, name: &str, content: &impl Serialize) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(content)?)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_no_other_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let path = state.join("numbers.json");
        assert_eq!(read::<Vec<u8>>(&path).unwrap(), None);
        for content in [vec![1, 2], vec![3]] {
            write(&state, "numbers.json", &content).unwrap();
            assert_eq!(read(&path).unwrap(), Some(content));
        }
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_damaged_or_endless_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.json");
        let endless = " ".repeat(MAX_SIZE as usize) + "[1]";
        for spoilt in ["", "[1", "{}", &endless] {
            fs::write(&path, spoilt).unwrap();
            assert!(read::<Vec<u8>>(&path).is_err());
        }
    }
}
