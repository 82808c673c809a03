//! The controls of the cameras, and their file: what was set over MQTT holds over a restart.
//!
//! `controls.json` in the state folder. A file that can't be read is set aside and costs the settings,
//! never the start. A mute with an end is not kept: after a restart nobody knows how much of it is left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::state_file;
use crate::config::Name;
use crate::score::threshold::Level;

const FILE: &str = "controls.json";

/// How the controls of one camera stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Knobs {
    /// Whether it is inspected.
    pub(super) enabled: bool,
    /// Where a frame becomes anomalous.
    pub(super) level: Level,
    /// Whether its alerts are kept back until that is taken back.
    pub(super) muted: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            enabled: true,
            level: Level::CALIBRATED,
            muted: false,
        }
    }
}

/// The controls of all cameras.
#[derive(Debug)]
pub(super) struct Controls {
    folder: PathBuf,
    cameras: BTreeMap<Name, Knobs>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    cameras: BTreeMap<Name, WrittenKnobs>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKnobs {
    enabled: bool,
    threshold: f64,
    muted: bool,
}

impl Controls {
    /// What `folder` remembers.
    pub(super) fn load(folder: &Path) -> Controls {
        let path = folder.join(FILE);
        let cameras = read(&path).unwrap_or_else(|fault| {
            let aside = folder.join(format!("{FILE}.corrupt"));
            let moved = fs::rename(&path, &aside);
            warn!(
                path = %path.display(),
                fault,
                set_aside = moved.is_ok(),
                "the controls can't be read; all cameras are on, unmuted, as calibrated"
            );
            BTreeMap::new()
        });
        Controls {
            folder: folder.to_owned(),
            cameras,
        }
    }

    /// How the controls of a camera stand.
    pub(super) fn of(&self, camera: &Name) -> Knobs {
        self.cameras.get(camera).copied().unwrap_or_default()
    }

    /// Turns the controls of a camera, and writes that down. They hold in this process even where
    /// they can't be written.
    pub(super) fn turn(&mut self, camera: &Name, turn: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.of(camera);
        turn(&mut knobs);
        if self.cameras.insert(camera.clone(), knobs) == Some(knobs) {
            return;
        }
        if let Err(fault) = self.save() {
            warn!(
                %camera,
                folder = %self.folder.display(),
                %fault,
                "the control is set, and will be forgotten with a restart: it can't be written; \
                 is there room, and may this user write there?"
            );
        }
    }

    fn save(&self) -> io::Result<()> {
        let cameras = self.cameras.iter().map(|(camera, knobs)| {
            let written = WrittenKnobs {
                enabled: knobs.enabled,
                threshold: knobs.level.get(),
                muted: knobs.muted,
            };
            (camera.clone(), written)
        });
        let written = Written {
            format: 1,
            cameras: cameras.collect(),
        };
        state_file::write(&self.folder, FILE, &written)
    }
}

/// What a file says; nothing where there is none. The error says why it can't be used.
fn read(path: &Path) -> Result<BTreeMap<Name, Knobs>, String> {
    let written: Option<Written> = state_file::read(path).map_err(|fault| fault.to_string())?;
    let Some(written) = written else {
        return Ok(BTreeMap::new());
    };
    if written.format != 1 {
        return Err(format!("its format is {}, known is 1", written.format));
    }
    let knobs = written.cameras.into_iter().map(|(camera, written)| {
        let level = Level::new(written.threshold)
            .ok_or_else(|| format!("the threshold of {camera} is {}", written.threshold))?;
        let knobs = Knobs {
            enabled: written.enabled,
            level,
            muted: written.muted,
        };
        Ok((camera, knobs))
    });
    knobs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_set_holds_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let mut controls = Controls::load(&folder);
        assert_eq!(controls.of(&name("cam0")), Knobs::default());
        controls.turn(&name("cam0"), |knobs| knobs.enabled = false);
        controls.turn(&name("cam1"), |knobs| {
            knobs.level = Level::new(0.62).unwrap()
        });
        controls.turn(&name("cam1"), |knobs| knobs.muted = true);
        let again = Controls::load(&folder);
        assert_eq!(again.cameras, controls.cameras);
        assert!(!again.of(&name("cam0")).enabled && again.of(&name("cam1")).muted);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no other file is left"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_set_aside_and_costs_the_settings_alone() {
        let knobs = r#""enabled":true,"threshold":0.5,"muted":false"#;
        for spoilt in [
            "",
            "{",
            "null",
            r#"{"format":2,"cameras":{}}"#,
            r#"{"format":1,"cameras":{},"more":1}"#,
            &format!(r#"{{"format":1,"cameras":{{"Cam 0":{{{knobs}}}}}}}"#),
            r#"{"format":1,"cameras":{"cam0":{"enabled":true,"threshold":7,"muted":false}}}"#,
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), spoilt).unwrap();
            let mut controls = Controls::load(folder.path());
            assert_eq!(controls.of(&name("cam0")), Knobs::default(), "{spoilt}");
            let aside = folder.path().join("controls.json.corrupt");
            assert_eq!(fs::read_to_string(aside).unwrap(), spoilt);
            controls.turn(&name("cam0"), |knobs| knobs.muted = true);
            assert!(Controls::load(folder.path()).of(&name("cam0")).muted);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_the_memory_alone() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("a-file");
        fs::write(&blocked, "").unwrap();
        let mut controls = Controls::load(&blocked.join("state"));
        controls.turn(&name("cam0"), |knobs| knobs.muted = true);
        assert!(controls.of(&name("cam0")).muted);
    }
}
