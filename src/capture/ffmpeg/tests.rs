//! Tests against the installed ffmpeg; its faults are played by shell scripts in its place.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::super::{Frame, Pixels};
use super::*;

const PATIENT: Duration = Duration::from_secs(30);

/// 2 s of ffmpeg's test picture, 64x48, 10 frames a second, each another.
fn video(folder: &Path, name: &str, seconds: u32) -> PathBuf {
    let path = folder.join(name);
    let pattern = format!("testsrc=size=64x48:rate=10:duration={seconds}");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
        .args([&pattern, "-c:v", "mpeg4", "-g", "5"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    path
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("ffmpeg.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A source that runs `text` in the place of ffmpeg.
fn played(folder: &Path, input: Input, text: &str) -> Ffmpeg {
    Ffmpeg {
        program: script(folder, text),
        ..Ffmpeg::new(input, None)
    }
}

fn drained(source: &mut dyn Source) -> (Vec<Frame>, Result<(), CaptureError>) {
    let mut frames = Vec::new();
    loop {
        match source.next(PATIENT) {
            Ok(Next::Frame(frame)) => frames.push(frame),
            Ok(Next::Idle) => panic!("no frame for {PATIENT:?}"),
            Ok(Next::Damaged(how)) => panic!("{how}"),
            Ok(Next::End) => return (frames, Ok(())),
            Err(error) => return (frames, Err(error)),
        }
    }
}

fn refusal(spec: &Ffmpeg) -> String {
    let error = match spec.open() {
        Ok(mut source) => drained(&mut *source).1.unwrap_err(),
        Err(error) => error,
    };
    error.to_string()
}

#[test]
fn every_frame_of_a_file_comes_in_order_and_then_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Ffmpeg::new(Input::File(video(folder.path(), "a: b.avi", 2)), None);
    assert!(!spec.is_live());
    let mut source = spec.open().unwrap();
    let (frames, end) = drained(&mut *source);
    end.unwrap();
    assert_eq!(frames.len(), 20);
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame.seq, i as u64);
        let Pixels::Rgb8 { width, height, .. } = frame.pixels else {
            panic!("ffmpeg's frames are raw");
        };
        assert_eq!((width, height), (64, 48));
    }
    assert_ne!(frames[0].pixels, frames[19].pixels);
    assert!(matches!(source.next(PATIENT), Ok(Next::End)));
}

#[test]
fn a_slow_taker_loses_no_frame_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Ffmpeg::new(Input::File(video(folder.path(), "a.avi", 1)), None);
    let mut source = spec.open().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let (frames, end) = drained(&mut *source);
    end.unwrap();
    assert_eq!(frames.len(), 10);
}

#[test]
fn the_pace_holds_back_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let fps = Some(Fps::new(40.0).unwrap());
    let spec = Ffmpeg::new(Input::File(video(folder.path(), "a.avi", 1)), fps);
    assert!(spec.is_live());
    let mut source = spec.open().unwrap();
    let start = Instant::now();
    let (frames, end) = drained(&mut *source);
    end.unwrap();
    assert_eq!(frames.len(), 10);
    assert!(start.elapsed() >= Duration::from_millis(225));
}

#[test]
fn a_truncated_video_gives_its_whole_frames_and_no_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = video(folder.path(), "a.avi", 2);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let (frames, _) = drained(&mut *Ffmpeg::new(Input::File(path), None).open().unwrap());
    assert!(
        (5..20).contains(&frames.len()),
        "{} frames of 20",
        frames.len()
    );
}

#[test]
fn what_is_no_video_is_named_with_ffmpegs_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.mp4");
    for content in ["not a video, ".repeat(100), String::new()] {
        std::fs::write(&path, content).unwrap();
        let error = refusal(&Ffmpeg::new(Input::File(path.clone()), None));
        assert!(error.contains("notes.mp4"), "{error}");
        assert!(
            error.contains("Invalid data") || error.contains("moov"),
            "{error}"
        );
    }
}

#[test]
fn sound_without_a_picture_is_an_error_and_no_empty_footage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hum.wav");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi"])
        .args(["-i", "sine=duration=1"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let error = refusal(&Ffmpeg::new(Input::File(path), None));
    assert!(error.contains("hum.wav"), "{error}");
}

#[test]
fn a_missing_file_is_named_before_anything_is_started() {
    let missing = Input::File("/nowhere/a.mp4".into());
    let error = Ffmpeg::new(missing, None).open().err().unwrap().to_string();
    assert!(error.contains("/nowhere/a.mp4"), "{error}");
}

#[test]
fn a_missing_program_names_the_package() {
    let spec = Ffmpeg {
        program: "ffmpeg-that-is-not-there".into(),
        ..Ffmpeg::new(Input::parse("rtsp://cam.local/1"), None)
    };
    let error = refusal(&spec);
    assert!(error.contains("install the package `ffmpeg`"), "{error}");
}

#[test]
fn a_stream_that_refuses_is_an_error_without_the_password() {
    // Port 1 of this machine: nobody listens.
    let spec = Ffmpeg::new(Input::parse("tcp://user:secret@127.0.0.1:1"), None);
    let error = refusal(&spec);
    assert!(error.contains("Connection refused"), "{error}");
    assert!(error.contains("***@127.0.0.1:1"), "{error}");
    let everything = format!("{error} {} {spec:?}", spec.describe());
    assert!(!everything.contains("secret"), "{everything}");
}

/// A server that sends `footage`, or until the other side hangs up, and its address. ffmpeg passes over
/// what it needs to learn the format: about five seconds.
fn server(footage: Vec<u8>) -> (Input, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let input = Input::parse(&format!("tcp://{}", listener.local_addr().unwrap()));
    let thread = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.write_all(&footage);
    });
    (input, thread)
}

#[test]
fn no_frame_of_a_stream_is_lost_before_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let footage = std::fs::read(video(folder.path(), "a.ts", 60)).unwrap();
    let (input, server) = server(footage);
    let spec = Ffmpeg::new(input, None);
    assert!(spec.is_live());
    let mut source = spec.open().unwrap();
    for seq in 0..200 {
        let Ok(Next::Frame(frame)) = source.next(PATIENT) else {
            panic!("the stream does not end");
        };
        assert_eq!(frame.seq, seq);
        if seq % 50 == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    drop(source);
    server.join().unwrap();
}

#[test]
fn a_stream_that_its_server_closes_politely_is_broken_and_not_over() {
    let folder = tempfile::tempdir().unwrap();
    let footage = std::fs::read(video(folder.path(), "a.ts", 25)).unwrap();
    let (input, server) = server(footage);
    let mut source = Ffmpeg::new(input, None).open().unwrap();
    let (frames, end) = drained(&mut *source);
    assert!(!frames.is_empty());
    let error = end.unwrap_err().to_string();
    assert!(error.contains("closed by its server"), "{error}");
    assert!(matches!(source.next(PATIENT), Err(CaptureError::Broken(_))));
    server.join().unwrap();
}

#[test]
fn a_stream_is_thinned_to_its_pace() {
    let folder = tempfile::tempdir().unwrap();
    let path = video(folder.path(), "a.avi", 2);
    // The filter alone, on a file: a stream's own frames depend on how fast they are taken.
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(path)
        .args(["-vf", &thinning(Fps::new(5.0).unwrap())])
        .args(["-fps_mode", "passthrough", "-f", "framecrc", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let frames = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, 10, "{text}");
}

#[test]
fn a_child_that_is_killed_breaks_the_source_after_its_last_frame() {
    let folder = tempfile::tempdir().unwrap();
    let text = "printf 'P6\\n1 1\\n255\\nabc'; echo '[error] the end is near' >&2; kill -9 $$";
    let spec = played(folder.path(), Input::File("/dev/null".into()), text);
    let (frames, end) = drained(&mut *spec.open().unwrap());
    assert_eq!(frames.len(), 1);
    let error = end.unwrap_err().to_string();
    assert!(error.contains("SIGKILL"), "{error}");
    assert!(error.contains("the end is near"), "{error}");
}

#[test]
fn a_last_frame_that_is_cut_off_is_an_error_and_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let text = "printf 'P6\\n1 1\\n255\\nabcP6\\n9 9\\n255\\nabc'";
    let spec = played(folder.path(), Input::File("/dev/null".into()), text);
    let (frames, end) = drained(&mut *spec.open().unwrap());
    assert_eq!(frames.len(), 1);
    let error = end.unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn a_silent_child_lets_the_timeout_pass_and_is_gone_after_the_drop() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "printf 'P6\\n1 1\\n255\\nabcP6\\n1 1\\n255\\ndefP6\\n1 1\\n255\\nghi'; exec sleep 600";
    let spec = played(folder.path(), Input::File("/dev/null".into()), text);
    let decoder = Decoder::start(&spec.task()).unwrap();
    let process = PathBuf::from(format!("/proc/{}", decoder.process_id()));
    let mut source = OpenFfmpeg {
        input: spec.input.clone(),
        decoder: Some(decoder),
        pace: Pace::new(None),
    };
    // The reader now waits to hand over the second frame.
    assert!(matches!(source.next(PATIENT), Ok(Next::Frame(_))));
    std::thread::sleep(Duration::from_millis(50));
    assert!(process.exists());
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(!process.exists(), "a zombie is left");

    let mut source = spec.open().unwrap();
    for _ in 0..3 {
        assert!(matches!(source.next(PATIENT), Ok(Next::Frame(_))));
    }
    let start = Instant::now();
    let answer = source.next(Duration::from_millis(80));
    assert!(matches!(answer, Ok(Next::Idle)));
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[test]
fn text_with_a_scheme_is_a_stream_and_other_text_a_file() {
    for file in [
        "a.mp4",
        "/srv/a: b.mp4",
        "file:///srv/a.mp4",
        "a b://c",
        "x://",
    ] {
        assert!(matches!(Input::parse(file), Input::File(_)), "{file}");
    }
    for stream in ["rtsp://cam/1", "http://u:p@h:80/x?y@z", "tcp://127.0.0.1:1"] {
        assert!(matches!(Input::parse(stream), Input::Stream(_)), "{stream}");
    }
}

#[test]
fn a_stream_is_shown_without_what_it_keeps_secret() {
    for (url, shown) in [
        ("rtsp://u:p@ss@h:80/x?y@z", "rtsp://***@h:80/x?***"),
        (
            "http://cam/video.cgi?user=admin&pwd=s3cret",
            "http://cam/video.cgi?***",
        ),
        ("http://cam?pwd=s3cret", "http://cam?***"),
        ("http://h/x@y", "http://h/x@y"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
    ] {
        let input = Input::parse(url);
        assert_eq!(input.to_string(), shown);
        assert!(!format!("{input:?}").contains("s3cret"), "{input:?}");
    }
}

#[test]
fn ffmpegs_words_do_not_quote_the_query_of_a_url() {
    let folder = tempfile::tempdir().unwrap();
    // What it says of a redirection is not the text that we gave it.
    let text = "echo '[error] http://cam/b?user=me&pwd=s3cret: 404' >&2; exit 1";
    let input = Input::parse("http://cam/a?user=me&pwd=s3cret");
    let error = refusal(&played(folder.path(), input, text));
    assert!(error.contains("http://cam/b?***: 404"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}
