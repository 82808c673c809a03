//! `calibrate --refine --camera`: what was told of a camera's alerts, judged as the daemon judges that camera.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::refine::{Bench, json};
use crate::studio::{draw, frame, program, refused, stderr};

/// A camera with the bench's Profile, and what was told of its alerts.
struct Told {
    bench: Bench,
    fine: PathBuf,
    bad: PathBuf,
}

impl Told {
    /// Nothing was told. `more` is what else the camera's table holds.
    fn new(more: &str) -> Told {
        let bench = Bench::new();
        let text = format!(
            "[node]\nname = \"n\"\nstate_dir = \"{}\"\n[[camera]]\nname = \"press\"\nprofile = \"{}\"\n\
             source = {{ kind = \"synthetic\" }}\n{more}\n",
            bench.path("state").display(),
            bench.dir.display()
        );
        fs::write(bench.path("inspectd.toml"), text).unwrap();
        let verdicts = bench.path("state/feedback/press");
        let [fine, bad] = ["fine", "bad"].map(|verdict| verdicts.join(verdict));
        Told { bench, fine, bad }
    }

    fn refine(&self) -> Output {
        let mut command = program();
        let wish = ["calibrate", "--refine", "--json", "--camera", "press"];
        command.args(wish).arg("--config");
        command.arg(self.bench.path("inspectd.toml"));
        command.output().unwrap()
    }
}

#[test]
fn a_camera_is_refined_by_what_was_told_of_its_alerts() {
    let told = Told::new("");
    let words = ["nobody has told of an alert of press", "request/feedback"];
    refused(&told.refine(), 65, &words);
    fs::create_dir_all(&told.bad).unwrap();
    draw(&told.bad, []);
    fs::rename(&told.bench.fine, &told.fine).unwrap();
    let refined = json(&told.refine());
    assert_eq!(
        (&refined["fine"]["new"], &refined["bad"]["new"]),
        (&12.into(), &0.into())
    );
}

#[test]
fn a_bad_frame_in_another_light_is_scored_where_nobody_looks_at_the_scene_and_left_out_elsewhere() {
    for (more, new) in [("scene = \"off\"", 1_usize), ("", 0)] {
        let told = Told::new(more);
        fs::create_dir_all(&told.bad).unwrap();
        let dark = image::imageops::brighten(&frame(500, false), -70);
        dark.save(told.bad.join("dark.png")).unwrap();
        let output = told.refine();
        let code = if new > 0 { 0 } else { 65 };
        assert_eq!(
            output.status.code(),
            Some(code),
            "{more}: {}",
            stderr(&output)
        );
        let refined: Value = serde_json::from_slice(&output.stdout).unwrap();
        let heard = refined["bad"]["new"].as_u64().unwrap_or_default();
        assert_eq!(heard, new as u64, "{more}: {refined}");
        let manifest = fs::read(told.bench.dir.join("profile.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let kept = manifest["recall"].as_array().map_or(0, Vec::len);
        assert_eq!(kept, new, "{more}: {manifest}");
        assert_ne!(manifest["recall"][0]["is_scene_fault"], true, "{manifest}");
    }
}
