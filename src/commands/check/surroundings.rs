//! What lies around a configuration: the state folder, the sink's place, the sources. Looked at by name and by
//! right alone: no camera and no place is opened, written or locked, so a daemon that runs is not disturbed.
//!
//! The daemon may be another user, and start before its camera is there. So only what no time and no user mends is
//! a fault; what may come is a warning, and what this user can't write or judge, and another may, a note.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, access, major, minor};
use rustix::io::Errno;
use rustix::process::getuid;

use crate::capture::Absence;
use crate::config::{Config, Issue, Issues, Sink};

/// What was found.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) faults: Issues,
    pub(super) warnings: Vec<Issue>,
    pub(super) notes: Vec<Issue>,
    /// Whether a process has the state folder now.
    pub(super) is_in_use: bool,
}

/// What a look at a place shows.
enum Seen {
    Folder,
    Other,
    Nothing,
    /// This user may not look.
    Hidden,
    /// A link to nothing, or another answer of the system, in words.
    Odd(String),
}

/// A place that the daemon writes to.
struct Place {
    key: &'static str,
    /// What a daemon does that can't write there.
    otherwise: &'static str,
}

const STATE: Place = Place {
    key: "node.state_dir",
    otherwise: "it does not start",
};

const SINK: Place = Place {
    key: "sink.jsonl",
    otherwise: "alerts are lost there",
};

impl Surroundings {
    /// Looks at all that `config` names beside models and secrets.
    pub(super) fn of(config: &Config) -> Surroundings {
        let mut around = Surroundings::default();
        around.state(&config.node.state_dir);
        if let Some(Sink::File(file)) = &config.sink {
            around.sink(file);
        }
        for (index, camera) in config.cameras.iter().enumerate() {
            let key = format!("camera[{index}].source");
            match camera.source.absence() {
                Some(Absence::Missing(what)) => around.warn(&key, what),
                Some(Absence::Hidden(what)) => around.note(&key, what),
                None => {}
            }
        }
        // Who may do all of it.
        if getuid().is_root() {
            let what = "what another user may read and write is not judged as root: where the daemon is none of \
                        root's, check as its user, with the package `sudo -u inspectd inspectd check`";
            around.note(STATE.key, what.to_owned());
        }
        around
    }

    fn warn(&mut self, key: &str, message: String) {
        let key = key.to_owned();
        self.warnings.push(Issue { key, message });
    }

    fn note(&mut self, key: &str, message: String) {
        let key = key.to_owned();
        self.notes.push(Issue { key, message });
    }

    fn state(&mut self, folder: &Path) {
        self.is_in_use = is_locked(&folder.join("lock"));
        let shown = folder.display();
        // `run` makes it, and all above it: the nearest that is there counts.
        let above = folder.ancestors().map(|above| match above {
            // Of a relative path.
            above if above.as_os_str().is_empty() => Path::new("."),
            above => above,
        });
        let looked = above.map(|above| (above, seen(above)));
        let mut nearest = looked.skip_while(|(_, seen)| matches!(seen, Seen::Nothing));
        match nearest.next() {
            Some((place, Seen::Folder)) => self.judge(&STATE, place),
            Some((place, Seen::Other)) if place == folder => {
                self.faults.add(STATE.key, format!("{shown} is no folder"));
            }
            Some((place, Seen::Other)) => {
                let why = format!("{shown} can't be made: {} is no folder", place.display());
                self.faults.add(STATE.key, why);
            }
            Some((place, Seen::Hidden)) => self.note(STATE.key, unwritable(&STATE, place)),
            Some((_, Seen::Odd(words))) => self.warn(STATE.key, words),
            Some((_, Seen::Nothing)) | None => {}
        }
    }

    fn sink(&mut self, file: &Path) {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let (shown, above) = (file.display(), folder.display());
        match (seen(file), seen(folder)) {
            (Seen::Folder, _) => {
                let why =
                    format!("{shown} is a folder: name a file, which is made where there is none");
                self.faults.add(SINK.key, why);
            }
            (Seen::Other, _) => self.judge(&SINK, file),
            (Seen::Odd(words), _) | (_, Seen::Odd(words)) => self.warn(SINK.key, words),
            (Seen::Hidden, _) | (_, Seen::Hidden) => self.note(SINK.key, unwritable(&SINK, file)),
            (Seen::Nothing, Seen::Folder) => self.judge(&SINK, folder),
            (Seen::Nothing, Seen::Other) => {
                let why = format!("{shown} can't be made: {above} is no folder");
                self.faults.add(SINK.key, why);
            }
            // It may come, as on a disk that is mounted later; then it is written.
            (Seen::Nothing, Seen::Nothing) => {
                let why = format!(
                    "{shown} can't be written now: its folder {above} is not there, make it; alerts are lost there \
                     until it is"
                );
                self.warn(SINK.key, why);
            }
        }
    }

    /// Whether what is there can be written, as far as this user can tell.
    fn judge(&mut self, place: &Place, path: &Path) {
        let mut wanted = Access::WRITE_OK;
        if path.is_dir() {
            wanted |= Access::EXEC_OK;
        }
        let shown = path.display();
        match access(path, wanted) {
            Ok(()) => {}
            Err(Errno::ROFS) => self.warn(
                place.key,
                format!("{shown} is on a file system that can't be written to now"),
            ),
            Err(Errno::ACCESS) => self.note(place.key, unwritable(place, path)),
            Err(answer) => self.warn(place.key, format!("{shown} can't be written: {answer}")),
        }
    }
}

fn seen(place: &Path) -> Seen {
    let shown = place.display();
    match fs::metadata(place) {
        Ok(found) if found.is_dir() => Seen::Folder,
        Ok(_) => Seen::Other,
        Err(answer) => match answer.kind() {
            ErrorKind::PermissionDenied => Seen::Hidden,
            ErrorKind::NotFound | ErrorKind::NotADirectory => match fs::symlink_metadata(place) {
                Ok(_) => Seen::Odd(format!("{shown} is a link to what is not there: {answer}")),
                Err(_) => Seen::Nothing,
            },
            _ => Seen::Odd(format!("{shown} can't be looked at: {answer}")),
        },
    }
}

/// Of what this user can't write: another one may.
fn unwritable(place: &Place, path: &Path) -> String {
    format!(
        "this user can't write {}: where the daemon runs as this user, {}; where it runs as another, check as that \
         one, with the package `sudo -u inspectd inspectd check`",
        path.display(),
        place.otherwise
    )
}

/// Whether a process has locked this file, by the kernel's list: to try the lock could keep a daemon from
/// starting. A kernel or a file system that does not tell has none.
fn is_locked(file: &Path) -> bool {
    let Ok(found) = fs::metadata(file) else {
        return false;
    };
    let (device, inode) = (found.dev(), found.ino());
    let locked = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let list = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut held = list.lines().filter(|line| !line.contains("->"));
    held.any(|line| line.split_whitespace().any(|word| word == locked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(issues: &[Issue]) -> Vec<&str> {
        issues.iter().map(|issue| issue.key.as_str()).collect()
    }

    fn of_state(folder: &Path) -> Surroundings {
        let mut around = Surroundings::default();
        around.state(folder);
        around
    }

    fn of_sink(file: &Path) -> Surroundings {
        let mut around = Surroundings::default();
        around.sink(file);
        around
    }

    #[test]
    fn a_state_folder_that_is_there_or_can_be_made_is_as_it_should_be() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["", "state", "a/b/state"] {
            let around = of_state(&folder.path().join(place));
            assert!(around.faults.is_empty() && around.warnings.is_empty());
            assert_eq!(keys(&around.notes), [""; 0]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_a_fault_and_so_is_a_folder_in_that_of_the_sink() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for around in [
            of_state(&file),
            of_state(&file.join("state")),
            of_sink(&file.join("alerts.jsonl")),
            of_sink(folder.path()),
        ] {
            assert_eq!(around.faults.iter().count(), 1, "{}", around.faults);
            assert_eq!(keys(&around.notes), [""; 0]);
        }
        assert!(
            of_sink(&folder.path().join("alerts.jsonl"))
                .faults
                .is_empty()
        );
        assert!(of_sink(&file).faults.is_empty());
    }

    #[test]
    fn a_folder_that_a_process_has_is_known_without_trying_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!of_state(folder.path()).is_in_use);
        let lock = fs::File::create(&path).unwrap();
        assert!(!of_state(folder.path()).is_in_use);
        lock.try_lock().unwrap();
        // Some sandboxes show no locks.
        let own = std::process::id().to_string();
        let shown = fs::read_to_string("/proc/locks").unwrap_or_default();
        let is_own = |line: &str| line.split_whitespace().any(|word| word == own);
        if shown.lines().any(is_own) {
            assert!(of_state(folder.path()).is_in_use, "{shown}");
        }
    }

    #[test]
    fn a_sink_whose_folder_may_come_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let around = of_sink(&folder.path().join("none/alerts.jsonl"));
        assert!(around.faults.is_empty(), "{}", around.faults);
        assert_eq!(keys(&around.warnings), ["sink.jsonl"]);
        assert!(around.warnings[0].message.contains("make it"));
    }

    #[test]
    fn a_link_to_nothing_and_a_loop_of_links_are_warnings_in_the_words_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let [dangling, looped] = ["dangling", "looped"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink(folder.path().join("none"), &dangling).unwrap();
        std::os::unix::fs::symlink(&looped, &looped).unwrap();
        for (place, words) in [
            (&dangling, "a link to what is not there: No such file"),
            (&looped, "can't be looked at: Too many levels"),
        ] {
            for around in [
                of_state(place),
                of_state(&place.join("a/b")),
                of_sink(place),
            ] {
                assert!(around.faults.is_empty(), "{}", around.faults);
                assert_eq!(around.warnings.len(), 1);
                let said = &around.warnings[0].message;
                assert!(said.contains(words), "{said}");
            }
        }
    }

    #[test]
    fn what_this_user_cannot_write_is_said_with_what_follows_for_either_user() {
        for (place, words) in [
            (&STATE, "as this user, it does not start; where"),
            (&SINK, "as this user, alerts are lost there; where"),
        ] {
            let said = unwritable(place, Path::new("/srv/x"));
            assert!(said.starts_with("this user can't write /srv/x"), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }
}
