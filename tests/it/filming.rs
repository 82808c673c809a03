//! `calibrate --camera`: filming, keeping footage, and calibrating on it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::broker::patience::wait_until;
use crate::fake_camera::{FakeCamera, plug_into};
use crate::studio::{boxes, calibration, draw, names, program, refused, stderr, stdout};

/// Parts on a belt, all of them good, as fast as asked.
pub(crate) const BELT: &str = "{ kind = \"synthetic\", seed = 3, defects = false }";

/// A folder with a configuration of one camera.
pub(crate) struct Set {
    folder: tempfile::TempDir,
}

impl Set {
    /// `more` is what else the camera's table holds, and other tables.
    pub(crate) fn new(source: &str, more: &str) -> Set {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[node]\nname = \"n\"\nstate_dir = \"state\"\n[[camera]]\nname = \"cam0\"\n\
             profile = \"profiles/cam0\"\nsource = {source}\n{more}\n"
        );
        fs::write(folder.path().join("config.toml"), text).unwrap();
        Set { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `inspectd calibrate --camera cam0 MORE...`
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = calibration(more);
        command.args(["--camera", "cam0", "--config"]);
        command.arg(self.path("config.toml"));
        if !more.contains(&"--epochs") && !more.contains(&"--film-only") {
            command.args(["--epochs", "1"]);
        }
        command
    }

    pub(crate) fn calibrate(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// Starts it.
    pub(crate) fn start(&self, more: &[&str]) -> Child {
        let mut command = self.command(more);
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        pipes.spawn().unwrap()
    }

    /// The folders of the camera's footage, oldest first.
    pub(crate) fn footages(&self) -> Vec<PathBuf> {
        let shelf = self.path("state/footage/cam0");
        if !shelf.exists() {
            return Vec::new();
        }
        let names = names(&shelf).into_iter();
        names.map(|name| shelf.join(name)).collect()
    }

    /// Waits until so many pictures are kept.
    pub(crate) fn wait_for_pictures(&self, count: usize) {
        let pictures = || {
            self.footages()
                .first()
                .map_or(0, |folder| names(folder).len())
        };
        let only = || format!("only {} pictures", pictures());
        wait_until(60, only, || pictures() >= count);
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let kill = Command::new("kill").args(["-s", name, &id]).status();
    assert!(kill.unwrap().success());
}

pub(crate) fn said(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

pub(crate) fn notes(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("footage.json")).unwrap()).unwrap()
}

#[test]
fn a_camera_is_filmed_and_learnt_and_kept_footage_gives_the_same_profile_again() {
    let set = Set::new(BELT, "");
    let output = set.calibrate(&["--frames", "40", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made = said(&output);
    assert_eq!(
        (&made["used"], &made["footage"]["frames"]),
        (&40.into(), &40.into())
    );
    assert!(
        made["footage"]["different"].as_u64().unwrap() > 20,
        "{made}"
    );
    let [folder] = &set.footages()[..] else {
        panic!("{:?}", set.footages());
    };
    assert_eq!(made["footage"]["path"], folder.to_str().unwrap());
    assert_eq!(names(folder).len(), 41);
    let notes = notes(folder);
    assert_eq!(notes["source"], "synthetic scene, seed 3");
    assert_eq!(notes["times_ms"].as_array().unwrap().len(), 40);
    let manifest = fs::read(set.path("profiles/cam0/profile.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        manifest["origin"]["camera"]["controls"],
        Value::Object(Default::default())
    );

    for footage in ["last", folder.to_str().unwrap()] {
        let again = set.calibrate(&["--footage", footage, "--frames", "40", "--json"]);
        assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
        assert_eq!(said(&again)["profile"], made["profile"]);
    }
    assert_eq!(set.footages().len(), 1, "nothing was filmed again");
}

#[test]
fn footages_of_day_and_night_are_learnt_together_and_those_of_a_camera_set_otherwise_are_not() {
    let set = Set::new(BELT, "");
    for _ in 0..2 {
        let output = set.calibrate(&["--film-only", "--frames", "20"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let folders = set.footages();
    // Rates are measured, and an automatic moves the exposure.
    let write = |folder: &Path, fps: f64, exposure: i64, contrast: i64| {
        let mut notes = notes(folder);
        notes["fps"] = fps.into();
        notes["controls"] = serde_json::json!({
            "auto_exposure": 3, "exposure_time_absolute": exposure, "contrast": contrast,
        });
        fs::write(folder.join("footage.json"), notes.to_string()).unwrap();
    };
    let paths = [&folders[0], &folders[1]].map(|folder| folder.to_str().unwrap());
    let learn = || set.calibrate(&["--footage", paths[0], "--footage", paths[1], "--json"]);
    write(&folders[0], 25.01, 157, 32);
    write(&folders[1], 24.98, 1200, 32);
    let together = learn();
    assert_eq!(together.status.code(), Some(0), "{}", stderr(&together));
    assert_eq!(said(&together)["used"], 40);
    write(&folders[1], 25.01, 157, 40);
    let words = ["contrast is 40, it was 32", "film all", paths[1]];
    refused(&learn(), 65, &words);
}

#[test]
fn three_pictures_over_and_over_are_told_as_three() {
    let pictures = tempfile::tempdir().unwrap();
    draw(pictures.path(), [0, 20, 40]);
    let path = pictures.path().display();
    let source = format!("{{ kind = \"images\", path = \"{path}\", repeat = true }}");
    let set = Set::new(&source, "");
    let output = set.calibrate(&["--film-only", "--frames", "120", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warning = "120 frames, 3 different ones";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    let made = said(&output);
    for footage in [&made["footage"], &notes(&set.footages()[0])] {
        let first = footage["warnings"][0].as_str().unwrap();
        assert!(first.starts_with(warning), "{first}");
        assert_eq!(footage["different"], 3);
    }
    assert!(!set.path("profiles").exists(), "it only films");
    // A JPEG is kept as it came.
    let kept = fs::read(set.footages()[0].join("000002.jpg")).unwrap();
    assert!(kept == fs::read(pictures.path().join("0020.jpg")).unwrap());
}

#[test]
fn the_first_ctrl_c_ends_filming_and_what_is_there_is_learnt() {
    let set = Set::new(BELT, "fps = 20");
    let child = set.start(&["--minutes", "60", "--frames", "72000", "--json"]);
    set.wait_for_pictures(30);
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made = said(&output);
    assert_eq!(made["footage"]["ended_by"], "it was asked to end");
    assert!(made["used"].as_u64().unwrap() >= 30, "{made}");
    let fps = made["footage"]["fps"].as_f64().unwrap();
    assert!((1.0..20.5).contains(&fps), "{fps}");
    assert_eq!(made["footage"]["fps_asked"], 20.0);
}

#[test]
fn too_few_frames_make_no_profile_and_the_footage_is_named() {
    let set = Set::new("{ kind = \"synthetic\", frames = 12 }", "");
    let output = set.calibrate(&[]);
    let folder = set.footages()[0].display().to_string();
    refused(
        &output,
        65,
        &["only 12 frames", "20 are the least", &folder],
    );
    assert_eq!(notes(&set.footages()[0])["ended_by"], "the footage ended");
}

#[test]
fn footage_knows_the_format_and_the_settings_of_its_camera() {
    let folder = tempfile::tempdir().unwrap();
    let camera = FakeCamera::new(folder.path(), "line");
    let set = Set::new(&camera.source("size = \"640x480\""), "");
    let mut film = set.command(&["--film-only", "--frames", "20", "--minutes", "0.1"]);
    plug_into(&mut film, &[&camera]);
    let output = film.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let notes = notes(&set.footages()[0]);
    assert_eq!(notes["layout"], "yuyv", "{notes}");
    assert_eq!(notes["controls"]["sharpness"], 3, "{notes}");
}

#[test]
fn the_quota_ends_filming_and_older_footage_makes_room() {
    let set = Set::new(BELT, "[footage]\nmegabytes = 1");
    let film = ["--film-only", "--frames", "200", "--json"];
    let first = set.calibrate(&film);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let ended = said(&first)["footage"]["ended_by"].clone();
    assert!(ended.as_str().unwrap().contains("quota"), "{ended}");
    assert!(
        stderr(&first).contains("not room for all of it"),
        "{}",
        stderr(&first)
    );
    let former = set.footages();
    let second = set.calibrate(&film);
    let removed = said(&second)["footage"]["removed"].clone();
    assert_eq!(removed[0], former[0].to_str().unwrap());
    assert!(!former[0].exists());
    let bytes: u64 = names(&set.footages()[0])
        .iter()
        .filter(|name| name.ends_with("jpg"))
        .map(|name| fs::metadata(set.footages()[0].join(name)).unwrap().len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
}

#[test]
fn a_camera_that_never_opens_is_told_and_leaves_no_folder() {
    let set = Set::new("{ kind = \"images\", path = \"nowhere\" }", "");
    let output = set.calibrate(&["--film-only"]);
    refused(&output, 66, &["can't film cam0", "nowhere"]);
    assert_eq!(names(set.folder.path()), ["config.toml"]);
}

#[test]
fn a_camera_that_is_not_in_the_configuration_is_told_with_those_that_are() {
    let set = Set::new(BELT, "");
    let mut command = program();
    command.args(["calibrate", "--camera", "door", "--config"]);
    let output = command.arg(set.path("config.toml")).output().unwrap();
    refused(&output, 64, &["no camera door", "cam0"]);
}

#[test]
fn two_films_of_one_camera_do_not_run_at_once() {
    let set = Set::new(BELT, "fps = 20");
    let first = set.start(&["--film-only", "--minutes", "60", "--frames", "72000"]);
    set.wait_for_pictures(1);
    let second = set.calibrate(&["--film-only", "--frames", "20", "--minutes", "0.1"]);
    refused(&second, 75, &["cam0 is being filmed by another"]);
    signal(&first, "INT");
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(set.footages().len(), 1);
}

#[test]
fn a_camera_that_was_pushed_while_filming_is_told() {
    let pictures = tempfile::tempdir().unwrap();
    for i in 0..60 {
        let dx = if i < 30 { 0 } else { 24 };
        let path = pictures.path().join(format!("{i:02}.png"));
        boxes(dx, i).save(path).unwrap();
    }
    let source = format!(
        "{{ kind = \"images\", path = \"{}\" }}",
        pictures.path().display()
    );
    let set = Set::new(&source, "");
    let output = set.calibrate(&["--film-only", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warning = "the view moved by 4 % of its width while filming";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    let warnings = notes(&set.footages()[0])["warnings"].to_string();
    assert!(warnings.contains(warning), "{warnings}");
}

#[test]
fn programs_get_a_line_of_progress_and_footage_is_described_without_its_password() {
    let set = Set::new(
        "{ kind = \"ffmpeg\", input = \"rtsp://me:secret@127.0.0.1:9/a\" }",
        "",
    );
    let output = set.calibrate(&["--film-only"]);
    let verdict = refused(&output, 66, &["can't film cam0"]);
    assert!(!verdict.contains("secret"), "{verdict}");
    let set = Set::new(BELT, "");
    let output = set.calibrate(&["--film-only", "--frames", "20"]);
    let text = stderr(&output);
    assert!(text.contains("s left, 1 frames, 1 different"), "{text}");
    assert!(
        stdout(&output).contains("--footage last"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn options_that_say_nothing_to_filming_alone_are_refused() {
    let set = Set::new(BELT, "");
    for option in [
        ["--false-alarms", "1%"],
        ["--epochs", "3"],
        ["--seed", "1"],
        ["--scoring", "paper"],
        ["--cache", "100"],
        ["--memory", "500MB"],
        ["--fps", "5"],
        ["--crop", "0,0,1,0.5"],
        ["--mask", "0,0 0.3,0 0,0.2"],
    ] {
        let output = set.calibrate(&["--film-only", option[0], option[1]]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(
            text.contains("--film-only") && text.contains(option[0]),
            "{text}"
        );
    }
    let output = set.calibrate(&["--film-only", "--memory-bank"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    assert!(set.footages().is_empty());
}
