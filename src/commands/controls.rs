//! The controls of the cameras, and their file: what was set over MQTT holds over a restart.
//!
//! `controls.json` in the state folder. A file that can't be read is set aside and costs the settings,
//! never the start. A mute with an end is not kept: after a restart nobody knows how much of it is left.
//!
//! It is written at most once a second, since an automation may set a control in a loop and wear out a memory
//! card, and at each end of a generation, so that a stop costs nothing. A `kill -9` or a power cut costs at most
//! what was set in the last second, or while one request was done; no answer promises more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::state_file;
use crate::config::Name;
use crate::score::threshold::Level;

const FILE: &str = "controls.json";
/// The shortest time between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// From a write that failed to the next.
const AGAIN: Duration = Duration::from_secs(60);

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
    /// When the file was last written, in this process.
    written: Option<Instant>,
    /// When it is to be written, where it is not as they stand.
    due: Option<Instant>,
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
            written: None,
            due: None,
        }
    }

    /// How the controls of a camera stand.
    pub(super) fn of(&self, camera: &Name) -> Knobs {
        self.cameras.get(camera).copied().unwrap_or_default()
    }

    /// Turns the controls of a camera, and writes that down once it is time. They hold in this process even
    /// where they can't be written.
    pub(super) fn turn(&mut self, camera: &Name, turn: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.of(camera);
        turn(&mut knobs);
        if self.cameras.insert(camera.clone(), knobs) == Some(knobs) {
            return;
        }
        // One that is set alone is written at once.
        let earliest = self.written.map_or_else(Instant::now, |at| at + PAUSE);
        self.due.get_or_insert(earliest);
        self.save_in_time();
    }

    /// When to [`Controls::save_in_time`]; `None` where nothing was set since the last time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes down what was set, where it is time for that.
    pub(super) fn save_in_time(&mut self) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.save();
        }
    }

    /// Writes down what was set, if anything was.
    pub(super) fn save(&mut self) {
        if self.due.take().is_none() {
            return;
        }
        if let Err(fault) = self.write() {
            warn!(
                folder = %self.folder.display(),
                %fault,
                "what was set is obeyed, and will be forgotten with a restart until it can be written; \
                 is there room, and may this user write there?"
            );
            self.due = Some(Instant::now() + AGAIN);
        }
        // After it: a card that takes a second for it has a second's rest all the same.
        self.written = Some(Instant::now());
    }

    fn write(&self) -> io::Result<()> {
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
        controls.save();
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
    fn what_is_set_in_a_loop_is_written_once_a_second_and_at_the_end_as_it_was_set_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut controls = Controls::load(folder.path());
        let camera = name("cam0");
        let set = |controls: &mut Controls, level: f64| {
            let level = Level::new(level).unwrap();
            controls.turn(&camera, |knobs| knobs.level = level);
        };
        let written = || Controls::load(folder.path()).of(&camera).level.get();
        assert_eq!(controls.due(), None);
        set(&mut controls, 0.1);
        assert_eq!((written(), controls.due()), (0.1, None), "at once");
        // As if it had just been written, however slow this machine is.
        let now = Instant::now() + PAUSE;
        controls.written = Some(now);
        for n in 20..90 {
            set(&mut controls, f64::from(n) / 100.0);
            controls.save_in_time();
        }
        assert_eq!(written(), 0.1);
        assert_eq!(controls.due(), Some(now + PAUSE), "not put off");
        controls.due = Some(Instant::now());
        controls.save_in_time();
        assert_eq!((written(), controls.due()), (0.89, None));
        controls.written = Some(Instant::now() + PAUSE);
        set(&mut controls, 0.3);
        assert_eq!(written(), 0.89);
        controls.save();
        assert_eq!((written(), controls.due()), (0.3, None));
        fs::remove_file(folder.path().join(FILE)).unwrap();
        controls.save();
        assert_eq!(written(), 0.5, "nothing was set since");
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
