//! Tests against ffmpeg as the camera's program, and shell scripts that play its faults.

use std::os::unix::fs::PermissionsExt;

use super::super::{Frame, Pixels};
use super::*;

const PATIENT: Duration = Duration::from_secs(30);

fn shell(text: &str, output: Output) -> Command {
    let arguments = ["-c".to_owned(), text.to_owned()];
    Command::new("sh", &arguments, output, [64, 48], None)
}

/// A pattern without end, as `form` says.
fn pattern(form: &str) -> String {
    format!("exec ffmpeg -loglevel error -f lavfi -i testsrc=size=64x48:rate=10 {form} -")
}

fn frame(source: &mut dyn Source) -> Frame {
    match source.next(PATIENT) {
        Ok(Next::Frame(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn failure(source: &mut dyn Source) -> String {
    loop {
        match source.next(PATIENT) {
            Ok(Next::Frame(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => return error.to_string(),
        }
    }
}

#[test]
fn every_form_of_output_gives_frames() {
    for (form, output, length) in [
        ("-f mjpeg", Output::Mjpeg, 0),
        ("-f image2pipe -c:v ppm", Output::Ppm, 0),
        ("-f rawvideo -pix_fmt yuyv422", Output::Yuyv, 64 * 48 * 2),
        ("-f rawvideo -pix_fmt nv12", Output::Nv12, 64 * 72),
        ("-f rawvideo -pix_fmt gray", Output::Grey, 64 * 48),
        ("-f rawvideo -pix_fmt rgb24", Output::Rgb24, 64 * 48 * 3),
    ] {
        let mut source = shell(&pattern(form), output).open().unwrap();
        for seq in 0..12 {
            let frame = frame(&mut *source);
            assert_eq!(frame.seq, seq);
            match frame.pixels {
                Pixels::Encoded(jpeg) => {
                    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
                    let picture = image::load_from_memory(&jpeg).unwrap();
                    assert_eq!((picture.width(), picture.height()), (64, 48));
                }
                Pixels::Rgb8 { width, height, .. } => assert_eq!((width, height), (64, 48)),
                Pixels::Raw(raw) => assert_eq!(raw.data.len(), length, "{form}"),
            }
        }
    }
}

#[test]
fn a_program_that_dies_is_a_fault_with_its_last_words() {
    let text = "ffmpeg -loglevel error -f lavfi -i testsrc=duration=1 -f mjpeg -; \
                echo 'ERROR: dequeue timer expired' >&2; exit 3";
    let mut source = shell(text, Output::Mjpeg).open().unwrap();
    let error = failure(&mut *source);
    assert!(error.contains("dequeue timer"), "{error}");
    assert!(error.contains("exit status: 3"), "{error}");
}

#[test]
fn a_program_that_ends_politely_is_a_fault_too() {
    let text = "ffmpeg -loglevel error -f lavfi -i testsrc=duration=1 -f mjpeg -";
    let mut source = shell(text, Output::Mjpeg).open().unwrap();
    assert!(failure(&mut *source).contains("ended by itself"));
    assert!(failure(&mut *source).contains("ended by itself"));
}

#[test]
fn a_program_that_stalls_lets_the_timeout_pass() {
    let mut source = shell("exec sleep 600", Output::Mjpeg).open().unwrap();
    let answer = source.next(Duration::from_millis(50));
    assert!(matches!(answer, Ok(Next::Idle)));
}

/// The number of the process that wrote it to `path`.
fn number_in(path: &Path) -> String {
    let deadline = Instant::now() + PATIENT;
    while Instant::now() < deadline {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing was written to {}", path.display());
}

/// Whether a process ends soon. Reaping it is not ours to do: it was left to the system's first process.
fn is_gone(process: &str) -> bool {
    let state = PathBuf::from(format!("/proc/{process}/stat"));
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if std::fs::read_to_string(&state).map_or(true, |state| state.contains(") Z ")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn what_a_wrapper_started_is_killed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("number");
    let text = format!("sh -c 'echo $$ > {}; exec sleep 600' | cat", note.display());
    let source = shell(&text, Output::Mjpeg).open().unwrap();
    let camera = number_in(&note);
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(is_gone(&camera), "{camera} still holds the camera");
}

#[test]
fn what_outlives_a_wrapper_that_ended_is_killed_too() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("number");
    let text = format!(
        "sleep 600 >/dev/null 2>&1 & echo $! > {}; exit 3",
        note.display()
    );
    let mut source = shell(&text, Output::Mjpeg).open().unwrap();
    let error = failure(&mut *source);
    assert!(error.contains("exit status: 3"), "{error}");
    let camera = number_in(&note);
    assert!(is_gone(&camera), "{camera} still holds the camera");
}

#[test]
fn no_thread_waits_for_a_process_that_can_not_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("number");
    let text = format!(
        "setsid sh -c 'echo $$ > {}; exec sleep 600'; true",
        note.display()
    );
    let source = shell(&text, Output::Mjpeg).open().unwrap();
    let escaped = number_in(&note);
    let start = Instant::now();
    drop(source);
    let took = start.elapsed();
    // Others than this test can't end it.
    let killed = std::process::Command::new("kill").arg(escaped).status();
    assert!(killed.unwrap().success(), "it should have escaped");
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn nothing_secret_in_a_url_is_repeated() {
    let text = "echo 'ERROR: no route to rtsp://me:hush1@cam:554/a?pwd=hush2: timeout' >&2; exit 1";
    let error = failure(&mut *shell(text, Output::Mjpeg).open().unwrap());
    assert!(
        error.contains("rtsp://***@cam:554/a?***: timeout"),
        "{error}"
    );
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn garbage_breaks_the_source() {
    let mut source = shell("echo hello; exec sleep 600", Output::Mjpeg)
        .open()
        .unwrap();
    let error = failure(&mut *source);
    assert!(error.contains("where a JPEG must start"), "{error}");
    assert!(error.contains("by hand"), "{error}");
}

#[test]
fn a_csi_camera_is_read_through_the_program_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("libcamera-vid");
    let log = folder.path().join("arguments");
    let text = format!(
        "#!/bin/sh\necho \"$@\" > {}\n{}\n",
        log.display(),
        pattern("-f mjpeg")
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let fps = Some(Fps::new(5.0).unwrap());
    let locked = ["--gain", "1"].map(str::to_owned);
    let mut spec = Command::csi(None, 1, Some([640, 480]), fps, &locked);
    // As if only the second name were found in PATH.
    spec.programs = vec![folder.path().join("rpicam-vid"), program];
    assert_eq!(spec.describe(), "csi camera 1");
    frame(&mut *spec.open().unwrap());
    let arguments = std::fs::read_to_string(log).unwrap();
    assert_eq!(
        arguments.trim(),
        "--nopreview --timeout 0 --codec mjpeg --flush --camera 1 --width 640 --height 480 \
         --framerate 5 --gain 1 --output -"
    );
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let spec = Command::csi(Some("rpicam-vid-not-there"), 0, None, None, &[]);
    let error = spec.open().err().unwrap().to_string();
    assert!(
        error.contains("`rpicam-vid-not-there` was not found"),
        "{error}"
    );
    assert!(error.contains("rpicam-apps"), "{error}");
}

#[test]
fn a_missing_program_that_is_not_the_pis_is_named_without_its_package() {
    let spec = Command::new("grab-not-there", &[], Output::Mjpeg, [0, 0], None);
    let error = spec.open().err().unwrap().to_string();
    let words = "`grab-not-there` was not found; install it or name it by its whole path to read";
    assert!(error.contains(words), "{error}");
    assert!(!error.contains("rpicam"), "{error}");
}

#[test]
fn frames_above_the_pace_are_passed_over() {
    let mut thinning = Thinning::new(Some(Fps::new(2.0).unwrap()));
    let mut passed = Vec::new();
    for i in 0..21u64 {
        let mut frame = Frame {
            seq: i,
            at: super::super::Moment::now(),
            name: None,
            pixels: Pixels::Encoded(Vec::new()),
        };
        frame.at.since_boot = Duration::from_millis(1000 + i * 100);
        if thinning.passes(&frame) {
            passed.push(i);
        }
    }
    assert_eq!(passed, [0, 5, 10, 15, 20]);
}
