//! Golden frames: what calibration keeps of the footage, and machines that score it otherwise. A
//! Profile is altered here with all its hashes made to fit, as if that were what was calibrated:
//! nothing but the frames can tell.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::broker::{Broker, Subscriber};
use crate::studio::{
    calibrate, inspectd, labelled, names, normal, profile, program, refused, stderr, stdout,
};
use crate::teacher;
use crate::workshop::Workshop;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The good Profile, to be altered.
fn copy(folder: &Path) -> PathBuf {
    copy_as(&folder.join("p"))
}

/// The same as this folder.
pub(crate) fn copy_as(copy: &Path) -> PathBuf {
    fs::create_dir(copy).unwrap();
    for name in names(profile()) {
        fs::copy(profile().join(&name), copy.join(&name)).unwrap();
    }
    copy.to_owned()
}

/// Makes all hashes fit what the files are now, with `change` made to `profile.json`.
pub(crate) fn seal(dir: &Path, change: impl FnOnce(&mut Value)) {
    let mut manifest = read(&dir.join("profile.json"));
    let files = manifest["files"].as_object_mut().unwrap();
    for (name, hash) in files {
        *hash = sha256(&fs::read(dir.join(name)).unwrap()).into();
    }
    change(&mut manifest);
    let text = serde_json::to_vec_pretty(&manifest).unwrap();
    let mut receipt = read(&dir.join("receipt.json"));
    receipt["profile"] = format!("sha256:{}", sha256(&text)).into();
    fs::write(dir.join("profile.json"), text).unwrap();
    fs::write(dir.join("receipt.json"), receipt.to_string()).unwrap();
}

/// Makes it one of an earlier format, which no machine is tested by.
pub(crate) fn take_golden_away(dir: &Path) {
    for number in 1..=3 {
        fs::remove_file(dir.join(format!("golden-{number}.jpg"))).unwrap();
    }
    let mut manifest = read(&dir.join("profile.json"));
    manifest["format"] = json!(2);
    manifest.as_object_mut().unwrap().remove("golden");
    let files = manifest["files"].as_object_mut().unwrap();
    files.retain(|name, _| !name.starts_with("golden-"));
    fs::write(dir.join("profile.json"), manifest.to_string()).unwrap();
    seal(dir, |_| {});
}

/// Swaps halves of a stretch of a file, from a `share` of it on, within one array: the same numbers, elsewhere.
fn swap(path: &Path, share: usize, most: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = (bytes.len() / share) & !3;
    let length = (bytes.len() / 32).min(most) & !7;
    bytes[at..at + length].rotate_left(length / 2);
    fs::write(path, bytes).unwrap();
}

/// A configuration of one camera with this Profile, and what `check` says of it.
fn check(folder: &Path, profile: &Path, teacher: Option<PathBuf>) -> std::process::Output {
    let teacher = teacher::table(teacher);
    let text = format!(
        "[node]\nname = \"n\"\n{teacher}[[camera]]\nname = \"cam0\"\nprofile = \"{}\"\n\
         source = {{ kind = \"synthetic\" }}\n",
        profile.display()
    );
    let path = folder.join("inspectd.toml");
    fs::write(&path, text).unwrap();
    let mut command = program();
    command.args(["check", "--config"]).arg(path);
    command.output().unwrap()
}

fn score(profile: &Path) -> std::process::Output {
    let mut command = program();
    command.args(["score", "--profile"]).arg(profile);
    command.arg(labelled().normal.join("0300.jpg"));
    command.output().unwrap()
}

#[test]
fn calibrate_keeps_three_frames_of_the_footage_to_the_byte_with_what_the_engine_scores() {
    let golden = read(&profile().join("profile.json"))["golden"].take();
    let golden = golden.as_array().unwrap();
    assert_eq!(golden.len(), 3);
    let pictures: Vec<Vec<u8>> = names(normal())
        .iter()
        .map(|name| fs::read(normal().join(name)).unwrap())
        .collect();
    for frame in golden {
        let file = profile().join(frame["file"].as_str().unwrap());
        assert!(pictures.contains(&fs::read(&file).unwrap()), "{file:?}");
        let output = inspectd([
            "score".as_ref(),
            "--json".as_ref(),
            "--profile".as_ref(),
            profile().as_os_str(),
            file.as_os_str(),
        ]);
        let scored: Value = serde_json::from_slice(&output.stdout).unwrap();
        let scores = &frame["scores"];
        let values = ["image_value", "local_value"].map(|name| scores[name].as_f64().unwrap());
        assert_eq!(values[0].max(values[1]), scored["score"].as_f64().unwrap());
        for name in ["local", "pretrained", "discrepancy", "parts"] {
            assert_eq!(scores[name], scored[name], "{name}");
        }
    }
}

#[test]
fn an_honest_profile_passes_and_check_says_that_it_was_tested() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), profile(), teacher::named());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("its 3 golden frames score as calibrated"),
        "{text}"
    );
}

#[test]
fn a_model_a_preprocessing_or_a_statistic_that_is_not_the_calibrated_one_is_refused() {
    type Alter<'a> = &'a dyn Fn(&Path, &Path);
    let alterations: [(&str, Alter<'_>); 6] = [
        ("weights of the student in another order", &|dir, _| {
            // Within the first and largest array.
            swap(&dir.join("student.onnx"), 3, 32_768);
            seal(dir, |_| {});
        }),
        (
            "weights of the teacher in another order",
            &|dir, teacher| {
                swap(teacher, 2, 4096);
                let hash = sha256(&fs::read(teacher).unwrap());
                seal(dir, |manifest| {
                    manifest["origin"]["teacher"]["sha256"] = hash.into()
                });
            },
        ),
        ("another mean", &|dir, teacher| {
            let sidecar = teacher.with_extension("toml");
            let text = fs::read_to_string(&sidecar).unwrap();
            fs::write(&sidecar, text.replace("mean = [0.5", "mean = [0.45")).unwrap();
            seal(dir, |manifest| {
                let mean = &mut manifest["origin"]["teacher"]["preprocessing"]["mean"];
                // As the program writes an f32.
                mean[0] = json!(0.45);
            });
        }),
        ("another filter of the resize", &|dir, teacher| {
            let sidecar = teacher.with_extension("toml");
            let text = fs::read_to_string(&sidecar).unwrap();
            let rest = text
                .lines()
                .filter(|line| !line.starts_with("interpolation"));
            let rest: Vec<&str> = rest.collect();
            let text = rest.join("\n") + "\ninterpolation = \"bicubic\"\n";
            fs::write(&sidecar, text).unwrap();
            seal(dir, |manifest| {
                manifest["origin"]["teacher"]["preprocessing"]["interpolation"] = json!("bicubic");
            });
        }),
        ("a statistic", &|dir, _| {
            let path = dir.join("statistics.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            let arrays: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
            let at = header + arrays["part.z.mean"]["data_offsets"][0].as_u64().unwrap() as usize;
            bytes[at..at + 8].copy_from_slice(&9f64.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            seal(dir, |_| {});
        }),
        ("a scale", &|dir, _| {
            seal(dir, |manifest| {
                let scale = &mut manifest["deciding"]["scale"];
                *scale = json!(1.2 * scale.as_f64().unwrap());
            });
        }),
    ];
    for (what, alter) in alterations {
        let folder = tempfile::tempdir().unwrap();
        let dir = copy(folder.path());
        let teacher = folder.path().join("teacher.onnx");
        for end in ["onnx", "toml"] {
            fs::copy(
                teacher::file().with_extension(end),
                teacher.with_extension(end),
            )
            .unwrap();
        }
        let output = check(folder.path(), &dir, Some(teacher.clone()));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        alter(&dir, &teacher);
        let output = check(folder.path(), &dir, Some(teacher.clone()));
        let text = stderr(&output);
        assert_eq!(
            output.status.code(),
            Some(78),
            "{what}: {}{text}",
            stdout(&output)
        );
        let fault = "camera[0].profile: the Profile in ";
        assert!(text.contains(fault), "{what}: {text}");
        let words = [
            "does not score here as it did",
            "golden-1.",
            "may be 0",
            "calibrate again",
        ];
        assert!(
            words.iter().all(|word| text.contains(word)),
            "{what}: {text}"
        );
        println!("{what}: {}", text.split("of golden").nth(1).unwrap().trim());
    }
}

#[test]
fn score_refuses_what_run_would_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let dir = copy(folder.path());
    seal(&dir, |manifest| {
        let value = &mut manifest["golden"][2]["scores"]["image_value"];
        *value = json!(value.as_f64().unwrap() + 0.02);
    });
    refused(
        &score(&dir),
        65,
        &[
            "does not score here",
            "of golden-3.jpg, the value of the image is",
        ],
    );
}

#[test]
fn a_profile_of_an_earlier_format_is_used_untested_and_check_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let dir = copy(folder.path());
    take_golden_away(&dir);
    let output = check(folder.path(), &dir, teacher::named());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("no golden frames to test it by"), "{text}");
    assert_eq!(score(&dir).status.code(), Some(0));
}

#[test]
fn a_reload_to_a_profile_that_scores_otherwise_is_refused_and_the_daemon_goes_on() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let dir = copy(workshop.folder.path());
    workshop.configure("{ kind = \"synthetic\", seed = 3 }", "fps = 10");
    let own = crate::workshop::profile().display().to_string();
    workshop.replace(&own, &dir.display().to_string());
    let mut daemon = workshop.start();
    let online = subscriber.wait_for(60, "inspectd/press/cam0/availability", "online");
    online.unwrap_or_else(|_| panic!("{}", daemon.log()));
    let tested = "golden frames score as calibrated";
    assert_eq!(daemon.log().matches(tested).count(), 1, "{}", daemon.log());

    seal(&dir, |manifest| {
        manifest["golden"][0]["scores"]["local"] = json!(77)
    });
    daemon.signal("HUP");
    let topic = "inspectd/press/info";
    let is_told = |text: &str| {
        text.contains("camera[0].profile")
            && text.contains("the local score is")
            && text.contains("77")
    };
    let told = subscriber.wait(30, |seen| {
        seen.iter().any(|r| r.topic == topic && is_told(&r.payload))
    });
    told.unwrap_or_else(|_| panic!("{}", daemon.log()));
    assert!(daemon.is_running());
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    // And a start with it is refused.
    let output = workshop.inspectd(&["run"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
}

#[test]
fn calibrate_says_where_a_golden_frame_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("footage");
    crate::studio::draw(&footage, 0..20);
    // What stands after its end is no part of a picture, but of its file.
    for name in names(&footage) {
        let path = footage.join(name);
        let large = [fs::read(&path).unwrap(), vec![0; 4 << 20]].concat();
        fs::write(path, large).unwrap();
    }
    let out = folder.path().join("p");
    let output = calibrate(&footage, &out, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["golden"], 0);
    let said = stderr(&output);
    assert_eq!(said.matches("one golden frame less").count(), 3, "{said}");
    assert!(!names(&out).iter().any(|name| name.starts_with("golden")));
}
