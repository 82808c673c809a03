//! Crop, mask and gate from end to end: calibrated with, checked, and inspected through.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::RgbImage;
use serde_json::Value;

use crate::studio::{
    calibrate, calibrate_seeing, calibration, frame, names, normal, program, refused, stderr,
    stdout,
};
use crate::teacher;
use crate::workshop::Workshop;

const CROP: &str = "0.1,0.05,0.85,0.9";
/// The upper left of the crop: pixels 64..256 and 24..216 of 640x480.
const MASK: &str = "0.1,0.05 0.4,0.05 0.4,0.45 0.1,0.45";
const MASK_IN_TOML: &str = "[[[0.1, 0.05], [0.4, 0.05], [0.4, 0.45], [0.1, 0.45]]]";

/// Left, top, width and height of what is painted.
const UNDER_THE_MASK: [u32; 4] = [64, 24, 192, 192];
const BESIDE_THE_CROP: [u32; 4] = [0, 100, 64, 300];
const IN_VIEW: [u32; 4] = [400, 200, 70, 70];

/// A Profile of the normal frames with crop and mask.
fn profile() -> &'static Path {
    static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("view");
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        let view = ["--crop", CROP, "--mask", MASK, "--false-alarms", "1%"];
        let output = calibrate_seeing(normal(), &dir, &view);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        dir
    });
    &PROFILE
}

/// A normal frame with a box of black and white chequers in it.
fn painted(place: [u32; 4]) -> RgbImage {
    chequered(place, [[0; 3], [255; 3]])
}

/// A normal frame with a box of chequers of two colours in it.
fn chequered([left, top, width, height]: [u32; 4], colours: [[u8; 3]; 2]) -> RgbImage {
    let mut picture = frame(5, false);
    for y in top..top + height {
        for x in left..left + width {
            let which = usize::from((x / 9 + y / 9) % 2 == 0);
            picture.put_pixel(x, y, image::Rgb(colours[which]));
        }
    }
    picture
}

/// What `score --json` says of a picture, but for its name.
fn scored(folder: &Path, picture: &RgbImage) -> Value {
    let path = folder.join("picture.png");
    picture.save(&path).unwrap();
    let mut command = program();
    command
        .args(["score", "--json", "--profile"])
        .arg(profile());
    let output = command.arg(path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// A workshop without a broker, whose camera looks at `pictures` with [`profile`].
fn workshop(pictures: &[RgbImage], more: &str) -> Workshop {
    let workshop = Workshop::new(1);
    let footage = workshop.folder.path().join("footage");
    fs::create_dir(&footage).unwrap();
    for (number, picture) in pictures.iter().enumerate() {
        let path = footage.join(format!("{number:03}.png"));
        picture.save(path).unwrap();
    }
    let (profile, footage) = (profile().display(), footage.display());
    let teacher = teacher::table(teacher::that_sees());
    let text = format!(
        "[node]\nname = \"press\"\nstate_dir = \"state\"\n[mqtt]\nenabled = false\n\
         {teacher}[sink]\njsonl = \"alerts.jsonl\"\n[log]\nformat = \"json\"\n\
         [incident]\nhits = 2\nwindow = 3\nrelease_after = 3\ncooldown_s = 0\n\
         [[camera]]\nname = \"cam0\"\nprofile = \"{profile}\"\n\
         source = {{ kind = \"images\", path = \"{footage}\" }}\n{more}\n"
    );
    fs::write(workshop.path(), text).unwrap();
    workshop
}

/// Runs the daemon until its footage has ended; its alerts and the counters of its camera.
fn inspected(workshop: &Workshop) -> (Vec<Value>, Value) {
    let mut daemon = workshop.start();
    assert_eq!(daemon.wait(120).code(), Some(0), "{}", daemon.log());
    let alerts = workshop.folder.path().join("alerts.jsonl");
    let alerts = fs::read_to_string(alerts).unwrap_or_default();
    let lines = alerts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let log = daemon.log();
    let mut journal = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let counts = journal.rfind(|line: &Value| line["message"] == "frames since start");
    (lines.collect(), counts.unwrap_or_else(|| panic!("{log}")))
}

#[test]
fn a_defect_under_the_mask_or_beside_the_crop_changes_no_number_and_one_in_view_does() {
    let folder = tempfile::tempdir().unwrap();
    let normal = scored(folder.path(), &frame(5, false));
    let red_and_blue = [[255, 0, 0], [0, 0, 255]];
    for place in [UNDER_THE_MASK, BESIDE_THE_CROP] {
        assert_eq!(scored(folder.path(), &painted(place)), normal);
        assert_eq!(
            scored(folder.path(), &chequered(place, red_and_blue)),
            normal
        );
    }
    let anomalous = scored(folder.path(), &painted(IN_VIEW));
    let coloured = scored(folder.path(), &chequered(IN_VIEW, red_and_blue));
    assert_eq!(anomalous["anomalous"], true, "{anomalous}");
    assert_eq!(coloured["anomalous"], true, "{coloured}");
    assert_eq!(normal["anomalous"], false, "{normal}");
    let local = |line: &Value| line["local"].as_f64().unwrap();
    assert!(local(&anomalous) > local(&normal));
}

#[test]
fn the_profile_remembers_its_view_and_a_heat_map_darkens_the_rest() {
    let manifest = fs::read(profile().join("profile.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let view = &manifest["origin"]["view"];
    assert_eq!(view["crop"], serde_json::json!([0.1, 0.05, 0.85, 0.9]));
    assert_eq!(view["mask"].as_array().unwrap().len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let picture = frame(5, false);
    picture.save(folder.path().join("part.png")).unwrap();
    let mut command = program();
    command.args(["score", "--profile"]).arg(profile());
    command.arg("--heatmap").arg(folder.path());
    let output = command.arg(folder.path().join("part.png")).output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    let map = image::open(folder.path().join("part.heatmap.png")).unwrap();
    let map = map.into_rgb8();
    for (x, y) in [(10, 10), (630, 470), (100, 100)] {
        let brightest = picture.get_pixel(x, y).0.into_iter().max().unwrap();
        let shown = map.get_pixel(x, y).0;
        assert!(
            shown[0] <= brightest / 2,
            "{x} {y}: {shown:?} of {brightest}"
        );
    }
}

#[test]
fn the_daemon_alerts_in_pixels_of_the_whole_frame_and_not_for_what_is_masked() {
    let masked = [painted(UNDER_THE_MASK), painted(BESIDE_THE_CROP)];
    let masked: Vec<RgbImage> = masked.into_iter().cycle().take(8).collect();
    let (alerts, counts) = inspected(&workshop(&masked, ""));
    assert_eq!(alerts, [Value::Null; 0], "{counts}");
    assert_eq!(counts["anomalous"], 0, "{counts}");

    let (alerts, counts) = inspected(&workshop(&vec![painted(IN_VIEW); 8], ""));
    assert_eq!(
        (&counts["judged"], &counts["gated"]),
        (&8.into(), &0.into())
    );
    assert!(!alerts.is_empty(), "{counts}");
    let bbox = &alerts[0]["data"]["region"]["bbox"];
    let [x, y, width, height] = [0, 1, 2, 3].map(|i| bbox[i].as_u64().unwrap() as u32);
    let (middle_x, middle_y) = (IN_VIEW[0] + IN_VIEW[2] / 2, IN_VIEW[1] + IN_VIEW[3] / 2);
    assert!((x..x + width).contains(&middle_x), "{bbox}");
    assert!((y..y + height).contains(&middle_y), "{bbox}");
    assert!(
        x >= 64 && y >= 24 && x + width <= 608 && y + height <= 456,
        "{bbox}"
    );
    assert!(width <= 200 && height <= 200, "{bbox}");
}

#[test]
fn a_view_that_is_not_the_profiles_is_refused_with_78_and_its_own_is_not() {
    let exit = |more: &str| {
        let workshop = workshop(&[frame(5, false)], more);
        let output = workshop.inspectd(&["check"]);
        (output.status.code().unwrap(), stderr(&output))
    };
    let own = format!("crop = [{CROP}]\nmask = {MASK_IN_TOML}");
    let (code, text) = exit(&own);
    assert_eq!(code, 0, "{text}");
    let (code, text) = exit("crop = [0.1, 0.05, 0.85, 0.8]\nmask = []");
    assert_eq!(code, 78, "{text}");
    for key in ["camera[0].crop: ", "camera[0].mask: "] {
        assert!(text.contains(key), "{text}");
    }
    assert!(text.contains("calibrate again with --crop"), "{text}");
    let (code, text) = exit("crop = [0.9, 0.05, 0.85, 0.8]\nmask = [[[0, 0], [1, 1]]]\ngate = -1");
    assert_eq!(code, 78, "{text}");
    for fault in ["camera[0].crop: ", "camera[0].mask: ", "camera[0].gate: "] {
        assert!(text.contains(fault), "{text}");
    }
}

#[test]
fn a_view_that_makes_no_sense_is_refused_before_the_footage_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let output = calibrate(normal(), &out, &["--crop", "0.5,0,0.6,1"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    assert!(stderr(&output).contains("reaches beyond the frame"));
    let most = "0,0 1,0 1,1 0,0.9";
    let output = calibrate(normal(), &out, &["--mask", most, "--mask", "0,0 1,1 0,1"]);
    refused(&output, 64, &["the mask leaves", "a quarter is the least"]);
    assert!(!out.exists());
}

#[test]
fn a_still_scene_is_scored_once_and_a_change_at_once() {
    let noisy = |number: u32| {
        let mut picture = frame(5, false);
        let pixels = picture.pixels_mut().zip(number..);
        pixels.for_each(|(pixel, n)| pixel.0 = pixel.0.map(|v| v.saturating_add((n % 3) as u8)));
        picture
    };
    let mut pictures: Vec<RgbImage> = (0..12).map(noisy).collect();
    pictures.extend(vec![painted(IN_VIEW); 5]);
    pictures.push(painted(UNDER_THE_MASK));
    let (alerts, counts) = inspected(&workshop(&pictures, "gate = 2"));
    // The first, the first with the box, and the one without it.
    assert_eq!(counts["judged"], 3, "{counts}");
    assert_eq!(counts["gated"], 15, "{counts}");
    assert_eq!(counts["anomalous"], 5, "{counts}");
    // The second hit of the two that are needed is a repeated verdict.
    assert_eq!(alerts[0]["data"]["phase"], "opened");
    assert_eq!(alerts[0]["data"]["frame"]["seq"], 13);
}

#[test]
fn a_new_calibration_of_a_camera_keeps_the_view_that_nothing_else_is_said_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("press")).unwrap();
    for name in names(profile()) {
        fs::copy(profile().join(&name), path("press").join(&name)).unwrap();
    }
    let text = format!(
        "[node]\nname = \"n\"\nstate_dir = \"state\"\n[[camera]]\nname = \"press\"\nprofile = \"press\"\n\
         source = {{ kind = \"images\", path = \"{}\" }}\n",
        normal().display()
    );
    fs::write(path("inspectd.toml"), text).unwrap();
    let view_after = |more: &[&str]| {
        let mut command = calibration(&["--camera", "press", "--epochs", "1"]);
        command.arg("--config").arg(path("inspectd.toml"));
        command.arg("--footage").arg(normal()).args(more);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let manifest = fs::read(path("press/profile.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        (manifest["origin"]["view"].clone(), stderr(&output))
    };
    let (kept, said) = view_after(&[]);
    assert_eq!(
        kept["crop"],
        serde_json::json!([0.1, 0.05, 0.85, 0.9]),
        "{said}"
    );
    assert_eq!(kept["mask"].as_array().unwrap().len(), 1, "{said}");
    let (whole, said) = view_after(&["--crop", "0,0,1,1"]);
    assert_eq!(whole, Value::Null, "{said}");
    assert!(
        said.contains("looks at another part of the frame"),
        "{said}"
    );
}

#[test]
fn a_mask_that_is_kept_and_does_not_go_with_a_configured_crop_is_told_with_its_profile() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("inspectd.toml");
    let text = format!(
        "[node]\nname = \"n\"\n[[camera]]\nname = \"a\"\nprofile = \"{}\"\n\
         source = {{ kind = \"synthetic\" }}\ncrop = [0.1, 0.05, 0.3, 0.4]\n",
        profile().display()
    );
    fs::write(&config, text).unwrap();
    let mut command = program();
    command.args(["calibrate", "--camera", "a", "--footage"]);
    command.arg(normal()).arg("--config").arg(&config);
    let of = format!("the mask of the Profile {}", profile().display());
    let words = [&of, "the mask leaves", "--crop and --mask"];
    refused(&command.output().unwrap(), 64, &words);
}
