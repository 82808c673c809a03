//! The report of `calibrate`: two files in the Profile, for people and for programs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::studio::{calibrate, inspectd, names, normal, stderr, stdout};

fn read(dir: &Path) -> (String, Value) {
    let html = fs::read_to_string(dir.join("report.html")).unwrap();
    let json = fs::read(dir.join("report.json")).unwrap();
    (html, serde_json::from_slice(&json).unwrap())
}

#[test]
fn a_calibration_leaves_its_report_in_the_profile_and_where_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let (out, copy) = (folder.path().join("press"), folder.path().join("copy.html"));
    let output = calibrate(normal(), &out, &["--report", copy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = out.join("report.html");
    assert!(stdout(&output).contains(&format!("report: {}", path.display())));
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&path).unwrap());
    let (html, json) = read(&out);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());

    let manifest: Value =
        serde_json::from_slice(&fs::read(out.join("profile.json")).unwrap()).unwrap();
    assert!(html.contains(json["profile"].as_str().unwrap()));
    assert_eq!(json["name"], "press");
    let [image, local] = [&json["scores"][0], &json["scores"][1]];
    assert_eq!(image["lines"]["threshold"], manifest["deciding"]["raw"]);
    assert_eq!(local["lines"]["alarm"], manifest["local"]["alarm"]);
    assert_eq!(image["raw"].as_array().unwrap().len(), 80);
    assert_eq!(json["frames"][7]["name"], "0007.jpg");
    let worst = json["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 10);
    for shown in worst {
        let frame = &json["frames"][shown["frame"].as_u64().unwrap() as usize];
        assert!(html.contains(frame["name"].as_str().unwrap()));
    }
    assert!(json["advice"][0].as_str().unwrap().contains("too short"));
}

#[test]
fn the_page_holds_all_that_it_shows() {
    let (html, _) = read(crate::studio::profile());
    for outside in ["http://", "https://", "<script", "<link", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    let sources: Vec<&str> = html.split(" src=").skip(1).collect();
    // Ten frames, each with its heat map, and the kinds.
    assert!(sources.len() > 20, "{} pictures", sources.len());
    let is_inside = |source: &&str| source.starts_with("\"data:image/jpeg;base64,/9j/");
    assert!(sources.iter().all(is_inside));
}

#[test]
fn a_files_name_is_no_markup_and_a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("<b>footage");
    fs::create_dir(&footage).unwrap();
    for name in names(normal()).iter().take(24) {
        let evil = format!("{name}<script>alert(1)<!--.jpg");
        fs::copy(normal().join(name), footage.join(evil)).unwrap();
    }
    fs::write(footage.join("0005-damaged.jpg"), "no picture").unwrap();
    let out = folder.path().join("<i>p");
    let output = calibrate(&footage, &out, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (html, json) = read(&out);
    assert!(html.contains("0000.jpg&lt;script&gt;") || html.contains("&lt;script&gt;alert"));
    for markup in ["<script", "<!--", "<b>footage", "<i>p"] {
        assert!(!html.contains(markup), "{markup}");
    }
    assert_eq!(json["footage"]["left_out"], 1);
    assert_eq!(json["footage"]["left_out_first"][0][0], "0005-damaged.jpg");
    assert!(html.contains("0005-damaged.jpg"));
}

#[test]
fn a_profile_needs_no_report_and_is_replaced_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let former = calibrate(normal(), &out, &["--frames", "20"]);
    assert_eq!(former.status.code(), Some(0), "{}", stderr(&former));
    let page = fs::read(out.join("report.html")).unwrap();
    let again = calibrate(normal(), &out, &["--frames", "30", "--seed", "1"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    let previous = folder.path().join("p.previous/report.html");
    assert!(
        fs::read(previous).unwrap() == page,
        "it goes with its Profile"
    );

    fs::remove_file(out.join("report.html")).unwrap();
    fs::write(out.join("report.json"), "changed").unwrap();
    let picture = normal().join("0000.jpg");
    let arguments = ["score", "--profile"].map(AsRef::as_ref);
    let arguments = arguments
        .into_iter()
        .chain([out.as_os_str(), picture.as_os_str()]);
    let score = inspectd(arguments);
    assert_eq!(score.status.code(), Some(0), "{}", stderr(&score));
}
