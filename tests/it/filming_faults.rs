//! Filming that does not go as planned: cameras that stop or hang, disks that fail, and signals.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::broker::patience::{patience, wait_until};
use crate::filming::{BELT, Set, notes, said, signal};
use crate::studio::{draw, names, refused, stderr};

#[test]
fn a_camera_that_stops_is_opened_anew_and_the_gap_is_told() {
    let here = tempfile::tempdir().unwrap();
    let (pictures, away) = (here.path().join("pictures"), here.path().join("away"));
    draw(&pictures, (0..200).step_by(10));
    let path = pictures.display();
    let source = format!("{{ kind = \"images\", path = \"{path}\", repeat = true }}");
    let set = Set::new(&source, "fps = 20");
    let child = set.start(&[
        "--film-only",
        "--minutes",
        "60",
        "--frames",
        "72000",
        "--json",
    ]);
    set.wait_for_pictures(1);
    fs::rename(&pictures, &away).unwrap();
    std::thread::sleep(patience(1) / 2);
    fs::rename(&away, &pictures).unwrap();
    let before = names(&set.footages()[0]).len();
    set.wait_for_pictures(before + 5);
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("opened anew"),
        "{}",
        stderr(&output)
    );
    let gaps = said(&output)["footage"]["gaps"].clone();
    assert_eq!(gaps.as_array().unwrap().len(), 1, "{gaps}");
    assert!(
        (1000..20_000).contains(&gaps[0]["ms"].as_u64().unwrap()),
        "{gaps}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_hangs_is_given_up_and_ctrl_c_is_heard() {
    use crate::fake_camera::{FakeCamera, plug_into};
    let here = tempfile::tempdir().unwrap();
    let camera = FakeCamera::new(here.path(), "camera");
    let set = Set::new(
        &camera.source("size = \"640x480\""),
        "fps = 4\ndeadline_s = 1.0",
    );
    let mut command = set.command(&["--film-only", "--minutes", "60", "--json"]);
    plug_into(&mut command, &[&camera]);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = pipes.spawn().unwrap();
    let streams = || {
        camera
            .journal()
            .iter()
            .any(|line| line.starts_with("stream"))
    };
    wait_until(60, || "no stream was started".to_owned(), streams);
    std::thread::sleep(Duration::from_secs(2));
    camera.does("hang");
    // They wait for the exposure to settle, or for the camera to be given up.
    set.wait_for_pictures(1);
    signal(&child, "INT");
    let output = ended_within(child, 20);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let words = stderr(&output);
    assert!(words.contains("no frame for 1 s (deadline_s)"), "{words}");
    let notes = notes(&set.footages()[0]);
    assert_eq!(notes["controls"]["brightness"], 128, "{notes}");
}

/// What a program said that ends by itself in time.
fn ended_within(mut child: Child, seconds: u64) -> Output {
    let deadline = Instant::now() + patience(seconds);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it hangs: {}", stderr(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn what_was_filmed_before_the_disk_failed_is_kept_with_its_notes() {
    let set = Set::new(BELT, "fps = 20");
    let child = set.start(&["--film-only", "--minutes", "60", "--frames", "72000"]);
    set.wait_for_pictures(5);
    let folder = set.footages().remove(0);
    // The first five seconds, a hundred frames, are written at once; one after them can't be.
    let next = 130;
    fs::create_dir(folder.join(format!("{next:06}.jpg"))).unwrap();
    let output = ended_within(child, 120);
    let kept = format!(
        "the {} frames until then are kept in {}",
        next - 1,
        folder.display()
    );
    refused(&output, 73, &[&kept, "can't write"]);
    let notes = notes(&folder);
    assert_eq!(notes["frames"], next - 1);
    assert!(
        notes["ended_by"]
            .as_str()
            .unwrap()
            .contains("writing failed"),
        "{notes}"
    );
}

#[test]
fn a_lost_session_ends_filming_and_what_is_there_is_learnt() {
    let set = Set::new(BELT, "fps = 20");
    let command = set.command(&["--minutes", "60", "--frames", "72000"]);
    // The tests themselves may run by nohup.
    let mut heeding = Command::new("env");
    heeding
        .arg("--default-signal=HUP")
        .arg(command.get_program())
        .args(command.get_args());
    let mut child = heeding
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    set.wait_for_pictures(25);
    // The terminal is gone, and says so twice: to the shell's jobs, and to what is in front.
    drop((child.stdout.take(), child.stderr.take()));
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "HUP");
    child.wait().unwrap();
    let notes = notes(&set.footages()[0]);
    assert_eq!(notes["ended_by"], "it was asked to end");
    assert!(set.path("profiles/cam0/profile.json").exists());
}

#[test]
fn whoever_starts_it_by_nohup_films_on() {
    let set = Set::new(BELT, "fps = 20");
    let command = set.command(&["--film-only", "--minutes", "60", "--frames", "72000"]);
    let mut nohup = Command::new("nohup");
    nohup.arg(command.get_program()).args(command.get_args());
    let child = nohup
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    set.wait_for_pictures(5);
    signal(&child, "HUP");
    let before = names(&set.footages()[0]).len();
    set.wait_for_pictures(before + 10);
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn sigterm_stops_and_leaves_the_footage_but_no_profile() {
    let set = Set::new(BELT, "fps = 20");
    let child = set.start(&["--minutes", "60", "--frames", "72000"]);
    set.wait_for_pictures(25);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    refused(&output, 75, &["stopped"]);
    let frames = notes(&set.footages()[0])["frames"].as_u64().unwrap();
    assert!(frames >= 25, "{frames}");
    assert!(!set.path("profiles/cam0").exists());

    // Nothing is filmed here: the first one stops.
    let child = set.start(&["--footage", "last", "--epochs", "5000"]);
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    refused(&output, 75, &["stopped"]);
    assert!(!set.path("profiles/cam0").exists());
}

#[test]
fn what_cannot_be_written_or_done_is_told_before_anything_is_filmed() {
    let set = Set::new(BELT, "");
    let [file, folder] = ["file", "folder"].map(|name| set.path(name));
    fs::write(&file, "").unwrap();
    fs::create_dir(&folder).unwrap();
    let inside = set.path("profiles/cam0/r.html");
    let below = file.join("below");
    let nowhere = set.path("none/r.html");
    for (option, value, code) in [
        ("--report", &nowhere, 73),
        ("--report", &folder, 73),
        ("--report", &inside, 65),
        ("--dump", &below, 73),
        ("--out", &below, 73),
    ] {
        let value = value.to_str().unwrap();
        let output = set.calibrate(&[option, value]);
        let named = if option == "--out" { "file" } else { value };
        refused(&output, code, &[named]);
    }
    let output = set.calibrate(&["--memory", "10MB"]);
    refused(&output, 64, &["--memory allows 10 MB"]);
    let output = set.calibrate(&["--footage", "last", "--minutes", "5"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(text.contains("--minutes") && text.contains("--footage"));
    assert!(set.footages().is_empty());
    assert!(!set.path("profiles/cam0.unfinished").exists());
}

#[test]
fn a_camera_that_the_configuration_does_not_have_is_a_matter_of_usage() {
    let set = Set::new(BELT, "");
    let mut command = crate::studio::program();
    command.args(["calibrate", "--camera", "cam1", "--config"]);
    let output = command.arg(set.path("config.toml")).output().unwrap();
    refused(&output, 64, &["has no camera cam1", "cam0"]);
}
