//! The folder that a demo leaves its results in. It is new, empty, or a former demo's; any other is
//! somebody's own, whose files of the same names would be lost, and is refused before any work.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::exit::DataError;
use super::super::output::make_folder;
use crate::evaluate::whole::WriteError;

/// The first line of a demo's configuration, by which the next demo knows the folder as its own.
pub(super) const FIRST_LINE: &str =
    "# Written by `inspectd demo`; the next demo into this folder overwrites it.\n";

/// The demo's configuration in this folder.
pub(super) fn configuration(out: &Path) -> PathBuf {
    out.join("inspectd.toml")
}

/// Refuses a folder that holds anything but a former demo.
pub(super) fn check(out: &Path) -> anyhow::Result<()> {
    let is_free = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(fault) if fault.kind() == ErrorKind::NotFound => true,
        Err(fault) if fault.kind() == ErrorKind::NotADirectory => false,
        Err(fault) => {
            return Err(WriteError {
                what: format!("can't look into {}", out.display()),
                source: fault,
            }
            .into());
        }
    };
    let is_ours =
        || fs::read(configuration(out)).is_ok_and(|text| text.starts_with(FIRST_LINE.as_bytes()));
    anyhow::ensure!(
        is_free || is_ours(),
        DataError(format!(
            "{} holds what is not of this demo, so it is left as it is: choose another --out, or remove it \
             where it is of a demo of an earlier version",
            out.display()
        ))
    );
    Ok(())
}

/// Makes the folder and marks it at once: a demo that is stopped early may be started again.
pub(super) fn make(out: &Path) -> anyhow::Result<()> {
    make_folder(out)?;
    let file = configuration(out);
    Ok(fs::write(&file, FIRST_LINE).map_err(WriteError::of(&file))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_takes_a_folder_that_is_absent_empty_or_a_former_demos_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("demo");
        check(&out).unwrap();
        fs::create_dir(&out).unwrap();
        check(&out).unwrap();
        make(&out).unwrap();
        fs::write(out.join("daemon.log"), "a line").unwrap();
        check(&out).unwrap();
        fs::write(configuration(&out), "[node]\nname = \"press\"\n").unwrap();
        let refusal = check(&out).unwrap_err();
        assert!(refusal.is::<DataError>(), "{refusal:?}");
        assert!(
            check(&out.join("daemon.log"))
                .unwrap_err()
                .is::<DataError>()
        );
    }
}
