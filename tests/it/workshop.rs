//! A folder with a Profile and a configuration, and the daemon run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::broker::patience::{patience, wait_until};
use crate::broker::{Received, schema};
use crate::teacher;

/// The picture of noise.
const NOISE: &str = "noise.png";

/// Made once for all tests of this run; removed with the build's folder of temporary files.
static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("profile");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    crate::profile::make(&dir, false);
    dir
});

/// The Profile of all cameras here.
pub(crate) fn profile() -> &'static Path {
    &PROFILE
}

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
        self.configure_all(&[("cam0", source, more)]);
    }

    /// Writes the configuration: cameras by name, source and what else their tables hold.
    pub(crate) fn configure_all(&self, cameras: &[(&str, &str, &str)]) {
        let (port, profile) = (self.port, PROFILE.display());
        let teacher = teacher::table(teacher::named());
        let mut text = format!(
            "[node]\nname = \"press\"\nstate_dir = \"state\"\n{teacher}[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nclient_id = \"inspectd-{port}\"\n\
             keep_alive_s = 5\nretry_min_s = 0.05\nretry_max_s = 0.5\n\
             [incident]\nhits = 2\nwindow = 3\nrelease_after = 3\ncooldown_s = 0\nhourly_cap = 3600\n"
        );
        for (name, source, more) in cameras {
            // Made-up pictures have no exposure that settles, and noise is no scene.
            let watch = match source.contains(NOISE) {
                true => "settle_s = 0\nscene = \"off\"\nfrozen_after_s = 0",
                false => "settle_s = 0",
            };
            text += &format!(
                "[[camera]]\nname = \"{name}\"\nprofile = \"{profile}\"\nsource = {source}\n{watch}\n\
                 {more}\n"
            );
        }
        std::fs::write(self.path(), text).unwrap();
    }

    /// Changes the configuration's text.
    pub(crate) fn replace(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        std::fs::write(self.path(), text.replace(from, to)).unwrap();
    }

    /// A source that shows nothing but noise, without end: every frame is anomalous, since
    /// `configure` turns off what would find that this is another scene.
    pub(crate) fn noise(&self) -> String {
        let picture = image::RgbImage::from_fn(640, 480, |x, y| {
            let mix = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
            image::Rgb([(mix >> 24) as u8, (mix >> 16) as u8, (mix >> 8) as u8])
        });
        let path = self.folder.path().join(NOISE);
        picture.save(&path).unwrap();
        format!(
            "{{ kind = \"images\", path = \"{}\", repeat = true }}",
            path.display()
        )
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command.args(["run", "--config"]).arg(self.path());
        self.start_by(command)
    }

    /// Starts the daemon by a command of its own, in this folder; `$INSPECTD` is the program.
    pub(crate) fn start_by(&self, mut command: Command) -> Daemon {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = command
            .current_dir(self.folder.path())
            .env("INSPECTD", env!("CARGO_BIN_EXE_inspectd"))
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

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, however it ends.
    pub(crate) fn ended(mut self) -> Daemon {
        self.child.wait().unwrap();
        self
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, seconds: u64) -> ExitStatus {
        let deadline = Instant::now() + patience(seconds);
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

    /// Waits until what it wrote to the journal is as `wanted`.
    #[track_caller]
    pub(crate) fn wait_for_journal(&self, seconds: u64, wanted: impl Fn(&str) -> bool) {
        wait_until(seconds, || self.log(), || wanted(&self.log()));
    }

    /// The ids of the events that it reported, by its journal in JSON.
    pub(crate) fn reported(&self) -> Vec<String> {
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let incidents = lines.filter(|line: &serde_json::Value| line["message"] == "incident");
        let ids =
            incidents.map(|line| format!("{}-{}", line["alert"].as_str().unwrap(), line["report"]));
        ids.collect()
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

/// Fails where a line of a sink is no alert of the workshop's camera as the contract has it.
#[track_caller]
pub(crate) fn check_alert(line: &str) {
    schema::check(&Received {
        topic: "inspectd/press/cam0/alert".to_owned(),
        payload: line.to_owned(),
        bytes: line.as_bytes().to_vec(),
        retained: false,
        qos: 1,
    });
}
