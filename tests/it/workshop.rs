//! A folder with a Profile and a configuration, and the daemon run in it.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Made once for all tests of this run; removed with the build's folder of temporary files.
static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("profile");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    crate::profile::make(&dir);
    dir
});

/// A folder with a configuration.
pub(crate) struct Workshop {
    pub(crate) folder: tempfile::TempDir,
    port: u16,
}

impl Workshop {
    /// For a broker on this port.
    pub(crate) fn new(port: u16) -> Workshop {
        Workshop {
            folder: tempfile::tempdir().unwrap(),
            port,
        }
    }

    /// Writes the configuration: one camera with this source, and `more` at the end.
    pub(crate) fn configure(&self, source: &str, more: &str) {
        let (port, profile) = (self.port, PROFILE.display());
        let text = format!(
            "[node]\nname = \"press\"\nstate_dir = \"state\"\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nclient_id = \"inspectd-{port}\"\n\
             keep_alive_s = 5\nretry_min_s = 0.05\nretry_max_s = 0.5\n\
             [incident]\nhits = 2\nwindow = 3\nrelease_after = 3\ncooldown_s = 0\n\
             [[camera]]\nname = \"cam0\"\nprofile = \"{profile}\"\nsource = {source}\n{more}\n"
        );
        std::fs::write(self.path(), text).unwrap();
    }

    /// The configuration's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("inspectd.toml")
    }

    /// Runs the program to its end.
    pub(crate) fn inspectd(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path())
            .output()
            .unwrap()
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) -> Daemon {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_inspectd"))
            .args(["run", "--config"])
            .arg(self.path())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Daemon {
            child,
            log: self.folder.path().join("log"),
        }
    }
}

/// A daemon that is killed with this value.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, seconds: u64) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end; its log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote to the journal.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
