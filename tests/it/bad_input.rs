//! What the file commands say of input that is wrong: it names the thing and the way out, has the
//! exit code of its kind, and nothing half-written stays.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;

use crate::studio::{
    calibrate, draw, film, frame, labelled, names, normal, profile, program, refused, stderr,
    stdout, truncate,
};
use crate::workshop::Workshop;

#[test]
fn damaged_footage_is_left_out_by_name_and_the_rest_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("footage");
    draw(&footage, 0..24);
    fs::write(footage.join("0003.jpg"), "not a picture").unwrap();
    truncate(&footage.join("0005.jpg"), 0.5);
    fs::write(footage.join("0007.jpg"), "").unwrap();
    let output = calibrate(&footage, &folder.path().join("p"), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&made["frames"], &made["used"]), (&24.into(), &21.into()));
    assert_eq!(made["rejected"], 3);
    for name in ["0003.jpg", "0005.jpg", "0007.jpg"] {
        let said = stderr(&output);
        assert!(said.contains(&format!("{name} is left out: ")), "{said}");
    }
}

#[test]
fn footage_of_damaged_pictures_only_is_refused_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("footage");
    draw(&footage, 0..22);
    for name in names(&footage) {
        truncate(&footage.join(name), 0.7);
    }
    let output = calibrate(&footage, &folder.path().join("p"), &[]);
    let words = [
        "only 0 frames",
        "of 22 in the footage",
        "such as 0000.jpg",
        "cut off",
    ];
    refused(&output, 65, &words);
    assert_eq!(names(folder.path()), ["footage"]);
}

#[test]
fn footage_that_is_missing_or_empty_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let missing = folder.path().join("missing");
    let way_out = "give a folder of images or a video file";
    refused(
        &calibrate(&missing, &out, &[]),
        66,
        &[missing.to_str().unwrap(), way_out],
    );
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let way_out = "put .jpg or .png files there";
    refused(
        &calibrate(&empty, &out, &[]),
        66,
        &[empty.to_str().unwrap(), way_out],
    );
    assert_eq!(names(folder.path()), ["empty"]);
}

#[test]
fn a_video_that_is_none_is_refused_in_the_words_of_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("line.mp4");
    fs::write(&video, "this is a text".repeat(100)).unwrap();
    let output = calibrate(&video, &folder.path().join("p"), &[]);
    refused(
        &output,
        66,
        &[video.to_str().unwrap(), "ffmpeg", "Invalid data"],
    );
    assert_eq!(names(folder.path()), ["line.mp4"]);
}

#[test]
fn a_truncated_video_without_its_index_is_refused_and_one_with_it_is_used_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let video = |name: &str, codec: &str| {
        let video = folder.path().join(name);
        film(&video, codec);
        truncate(&video, 0.6);
        video
    };
    // The index of an MP4 file stands at its end.
    let output = calibrate(&video("cut.mp4", "libx264"), &folder.path().join("p"), &[]);
    refused(&output, 66, &["cut.mp4", "moov atom not found"]);
    let output = calibrate(
        &video("cut.ts", "mpeg2video"),
        &folder.path().join("p"),
        &["--json"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let frames = made["frames"].as_u64().unwrap();
    assert!((20..80).contains(&frames), "{frames}");
}

#[test]
fn pictures_that_cannot_be_judged_get_a_line_each_and_the_others_their_scores() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path(), 0..3);
    let picture = |number: u32| folder.path().join(format!("{number:04}.jpg"));
    truncate(&picture(1), 0.5);
    fs::write(picture(2), "not a picture").unwrap();
    let mut command = program();
    command.args(["score", "--profile"]).arg(profile());
    command.args((0..4).map(picture));
    let output = command.output().unwrap();
    refused(&output, 65, &["3 of 4 images could not be judged"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(!lines[0].starts_with("unjudged"), "{text}");
    let reasons = ["cut off", "neither JPEG nor PNG", "No such file"];
    for ((line, reason), number) in lines[1..].iter().zip(reasons).zip(1..) {
        assert!(line.starts_with("unjudged"), "{line}");
        assert!(line.contains(picture(number).to_str().unwrap()), "{line}");
        assert!(line.contains(reason), "{line}");
    }
    let output = command.arg("--json").output().unwrap();
    let text = stdout(&output);
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let judged: Vec<bool> = lines
        .iter()
        .map(|l| l["judged"].as_bool().unwrap())
        .collect();
    assert_eq!(judged, [true, false, false, false]);
    assert!(lines[1]["reason"].as_str().unwrap().contains("cut off"));
}

#[test]
fn a_name_that_is_no_text_is_scored_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"p\xffrt.png"));
    let bytes = frame(0, false);
    bytes.save(folder.path().join("part.png")).unwrap();
    fs::rename(folder.path().join("part.png"), &path).unwrap();
    let mut command = program();
    command
        .args(["score", "--json", "--profile"])
        .arg(profile())
        .arg(&path);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        line["file"].as_str().unwrap().ends_with("p\u{fffd}rt.png"),
        "{line}"
    );
    let out = folder.path().join(std::ffi::OsStr::from_bytes(b"o\xffut"));
    let output = calibrate(normal(), &out, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn evaluation_leaves_out_what_cannot_be_judged_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let [good, bad] = ["good", "bad"].map(|name| folder.path().join(name));
    draw(&good, 0..3);
    draw(&bad, 3..6);
    truncate(&bad.join("0004.jpg"), 0.4);
    let table = folder.path().join("table.json");
    let mut command = program();
    command.args(["evaluate", "--profile"]).arg(profile());
    command
        .arg("--normal")
        .arg(&good)
        .arg("--anomalous")
        .arg(&bad);
    let output = command.arg("--json").arg(&table).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("bad/0004.jpg is left out: "),
        "{}",
        stderr(&output)
    );
    let table: Value = serde_json::from_slice(&fs::read(table).unwrap()).unwrap();
    assert_eq!(
        (&table["normal"], &table["anomalous"]),
        (&3.into(), &2.into())
    );
    assert!(
        table["unjudged"][0]
            .as_str()
            .unwrap()
            .ends_with("bad/0004.jpg")
    );

    for name in names(&bad) {
        fs::write(bad.join(name), "").unwrap();
    }
    refused(
        &command.output().unwrap(),
        65,
        &["both folders must hold at least one image"],
    );
}

#[test]
fn a_mask_that_is_missing_or_damaged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let masks = folder.path().join("masks");
    fs::create_dir(&masks).unwrap();
    let pictures = labelled();
    let mut command = program();
    command.args(["evaluate", "--profile"]).arg(profile());
    command.arg("--normal").arg(&pictures.normal);
    command.arg("--anomalous").arg(&pictures.anomalous);
    command.arg("--masks").arg(&masks);
    let first = names(&pictures.anomalous).remove(0);
    let words = [first.as_str(), "has no mask", masks.to_str().unwrap()];
    refused(&command.output().unwrap(), 65, &words);
    let mask = masks.join(&first).with_extension("png");
    fs::write(&mask, "not a picture").unwrap();
    refused(
        &command.output().unwrap(),
        65,
        &["the mask", mask.to_str().unwrap()],
    );
}

#[test]
fn an_out_that_is_no_profile_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("photos");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("holiday.jpg"), "precious").unwrap();
    let output = calibrate(normal(), &out, &[]);
    refused(
        &output,
        65,
        &["photos", "holds holiday.jpg", "choose another --out"],
    );
    assert_eq!(fs::read(out.join("holiday.jpg")).unwrap(), b"precious");
    let file = out.join("holiday.jpg");
    refused(
        &calibrate(normal(), &file, &[]),
        65,
        &["holiday.jpg", "choose another --out"],
    );
    let orphan = folder.path().join("no/such/p");
    let words = [folder.path().join("no/such").to_str().unwrap().to_owned()];
    let words = [words[0].as_str(), "choose another --out"];
    refused(&calibrate(normal(), &orphan, &[]), 73, &words);
    assert_eq!(names(folder.path()), ["photos"]);
}

#[test]
fn a_daemon_whose_footage_is_all_cut_off_warns_and_ends_with_65() {
    let workshop = Workshop::new(1);
    let footage = workshop.folder.path().join("footage");
    draw(&footage, 0..7);
    for name in names(&footage) {
        truncate(&footage.join(name), 0.5);
    }
    let source = format!("{{ kind = \"images\", path = \"{}\" }}", footage.display());
    workshop.configure(&source, "");
    workshop.replace("[incident]", "[sink]\njsonl = \"alerts.jsonl\"\n[incident]");
    workshop.replace("[mqtt]", "[mqtt]\nenabled = false");
    let mut daemon = workshop.start();
    assert_eq!(daemon.wait(60).code(), Some(65), "{}", daemon.log());
    let log = daemon.log();
    let warned = |words: &str| {
        let of = |line: &&str| line.contains("WARN") && line.contains(words);
        log.lines().filter(of).count()
    };
    assert_eq!(warned("it was never online"), 1, "{log}");
    assert_eq!(warned("no frame could be judged"), 1, "{log}");
    assert!(log.contains("cut off"), "{log}");
}

#[test]
fn a_profile_that_cannot_be_read_is_a_missing_input() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("my press");
    let mut command = program();
    command.args(["score", "--profile"]).arg(&dir).arg("x.jpg");
    // The command that is suggested can be pasted.
    let quoted = format!("--out '{}'", dir.display());
    refused(&command.output().unwrap(), 66, &["is no Profile", &quoted]);
    fs::create_dir_all(dir.join("profile.json")).unwrap();
    refused(&command.output().unwrap(), 66, &["profile.json failed"]);
}
