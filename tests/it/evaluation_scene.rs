//! Sequences made from real pictures, played as live cameras: as it was calibrated, frozen, dimmed,
//! shifted, blocked, and with a defect. Each must raise one incident of its own cause and none of
//! another. Reads the folder that INSPECTD_DATA names; about a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, crop_imm, replace, resize};
use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::broker::{Broker, Subscriber};
use crate::evaluation::data;
use crate::studio::{names, program, stderr};
use crate::workshop::{self, Workshop};

/// Frames a second.
const FPS: usize = 5;
/// Frames before a fault, of the fault, and after it.
const CALM: usize = 5 * FPS;
const FAULTY: usize = 10 * FPS;
const AFTER: usize = 8 * FPS;
/// More of the world than the camera sees, on each side, in pixels.
const MARGIN: u32 = 80;

/// A table of six tiles, larger than what the camera sees of it.
fn world(defect: bool) -> RgbImage {
    let folder = data().join("magnetic-tile/normal");
    let files = names(&folder);
    let (width, height) = (640 + 2 * MARGIN, 480 + 2 * MARGIN);
    let mut world = RgbImage::new(width, height);
    for (place, file) in files.iter().step_by(files.len() / 6).take(6).enumerate() {
        let tile = image::open(folder.join(file)).unwrap().into_rgb8();
        let tile = resize(&tile, width / 3, height / 2, FilterType::Triangle);
        let (column, row) = (place as u32 % 3, place as u32 / 3);
        let (x, y) = (column * (width / 3), row * (height / 2));
        replace(&mut world, &tile, x.into(), y.into());
    }
    if defect {
        // The tile in the middle is another one, with a hole, and something bright lies on it.
        let folder = data().join("magnetic-tile/defect");
        let tile = image::open(folder.join(&names(&folder)[0])).unwrap();
        let tile = resize(
            &tile.into_rgb8(),
            width / 3,
            height / 2,
            FilterType::Triangle,
        );
        replace(&mut world, &tile, (width / 3).into(), 0);
        let thing = RgbImage::from_pixel(90, 60, Rgb([235, 235, 235]));
        replace(&mut world, &thing, (width / 2).into(), (height / 4).into());
    }
    world
}

/// One frame of the view that begins `shift` pixels right of where it was at calibration, brighter
/// by `gain`, with the noise of a sensor that differs from frame to frame.
fn frame(world: &RgbImage, shift: u32, gain: f32, seed: u32) -> RgbImage {
    let mut picture = crop_imm(world, MARGIN + shift, MARGIN, 640, 480).to_image();
    let flicker = 1.0 + 0.01 * (seed as f32 * 0.7).sin();
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    for value in picture.iter_mut() {
        // The sum of four uniform numbers is nearly normal: +-2 grey levels here.
        let mut noise = 0.0;
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            noise += (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        }
        let grey = f32::from(*value) * gain * flicker + 3.5 * noise;
        *value = grey.round().clamp(0.0, 255.0) as u8;
    }
    picture
}

fn write(folder: &Path, index: usize, picture: &RgbImage) {
    let file = fs::File::create(folder.join(format!("{index:05}.jpg"))).unwrap();
    JpegEncoder::new_with_quality(file, 92)
        .encode_image(picture)
        .unwrap();
}

/// What happens to the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scenario {
    Calm,
    Frozen,
    Dimmed,
    Shifted,
    Blocked,
    Defect,
}

impl Scenario {
    const ALL: [Scenario; 6] = [
        Scenario::Calm,
        Scenario::Frozen,
        Scenario::Dimmed,
        Scenario::Shifted,
        Scenario::Blocked,
        Scenario::Defect,
    ];

    /// Its camera.
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The cause of the incident that it must raise.
    fn cause(self) -> Option<&'static str> {
        match self {
            Scenario::Calm => None,
            Scenario::Frozen => Some("camera_frozen"),
            Scenario::Dimmed => Some("scene_changed"),
            Scenario::Shifted => Some("camera_moved"),
            Scenario::Blocked => Some("camera_blocked"),
            Scenario::Defect => Some("anomaly"),
        }
    }

    /// Writes its frames: calm, faulty, calm.
    fn draw(self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let (normal, defect) = (world(false), world(true));
        let still = frame(&normal, 0, 1.0, 4242);
        let dark = RgbImage::new(normal.width(), normal.height());
        for index in 0..CALM + FAULTY + AFTER {
            let seed = 10_000 + index as u32;
            let picture = match self {
                _ if !(CALM..CALM + FAULTY).contains(&index) => frame(&normal, 0, 1.0, seed),
                Scenario::Calm => frame(&normal, 0, 1.0, seed),
                Scenario::Frozen => still.clone(),
                Scenario::Dimmed => frame(&normal, 0, 0.55, seed),
                Scenario::Shifted => frame(&normal, 48, 1.0, seed),
                Scenario::Blocked => frame(&dark, 0, 1.0, seed),
                Scenario::Defect => frame(&defect, 0, 1.0, seed),
            };
            write(folder, index, &picture);
        }
    }
}

fn calibrated(folder: &Path) -> PathBuf {
    let footage = folder.join("footage");
    fs::create_dir(&footage).unwrap();
    let normal = world(false);
    for index in 0..120 {
        write(&footage, index, &frame(&normal, 0, 1.0, index as u32));
    }
    let out = folder.join("profile");
    let mut command = program();
    command.args(["calibrate", "--footage"]).arg(footage);
    let output = command.arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    out
}

/// A source that plays the pictures of a folder in their time, as a live camera, and then waits. Opened
/// again, it goes on where the time is: a frozen camera is opened anew by the daemon.
fn live(folder: &Path) -> String {
    let play = format!(
        "cd {} && {{ [ -f begun ] || date +%s > begun; }} && \
         passed=$(( ($(date +%s) - $(cat begun)) * {FPS} )) && \
         ffmpeg -v error -re -framerate {FPS} -start_number $passed -i %05d.jpg -c copy -f mjpeg - ; \
         exec sleep 600",
        folder.display()
    );
    format!(
        "{{ kind = \"command\", command = [\"sh\", \"-c\", \"{play}\"], format = \"mjpeg\", \
         size = \"640x480\" }}"
    )
}

/// The alerts of a camera in this phase.
fn of(alerts: &[Value], camera: &str, phase: &str) -> Vec<Value> {
    let source = format!("inspectd/press/{camera}");
    let wanted = |alert: &&Value| alert["source"] == source && alert["data"]["phase"] == phase;
    let alerts = alerts.iter().filter(wanted);
    alerts.map(|alert| alert["data"].clone()).collect()
}

#[test]
#[ignore = "needs INSPECTD_DATA, see README"]
fn evaluation_finds_each_fault_of_a_live_camera_by_its_own_cause_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let profile = calibrated(folder.path());
    let cameras = Scenario::ALL.map(|scenario| {
        let pictures = folder.path().join(scenario.name());
        scenario.draw(&pictures);
        (scenario.name(), live(&pictures))
    });
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let keys = "frozen_after_s = 3\ndeadline_s = 120";
    let cameras = cameras
        .each_ref()
        .map(|(name, source)| (name.as_str(), source.as_str(), keys));
    workshop.configure_all(&cameras);
    let usual = workshop::profile().display().to_string();
    workshop.replace(&usual, &profile.display().to_string());
    let mut daemon = workshop.start();
    let started = Instant::now();
    subscriber
        .wait_for_alerts(120, 2 * (Scenario::ALL.len() - 1))
        .unwrap_or_else(|text| panic!("{text}\n{}", daemon.log()));
    // The rest of the sequences is calm: nothing else may come.
    let whole = Duration::from_secs(((CALM + FAULTY + AFTER) / FPS + 3) as u64);
    std::thread::sleep(whole.saturating_sub(started.elapsed()));
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait_for(10, "inspectd/press/availability", "offline")
        .unwrap();

    let alerts = subscriber.alerts();
    println!(
        "{:<10} {:<16} frames of the fault until it opened",
        "sequence", "cause"
    );
    for scenario in Scenario::ALL {
        let camera = scenario.name();
        let opened = of(&alerts, &camera, "opened");
        let causes: Vec<&str> = opened
            .iter()
            .filter_map(|data| data["cause"].as_str())
            .collect();
        assert_eq!(
            causes,
            Vec::from_iter(scenario.cause()),
            "{camera}\n{}",
            daemon.log()
        );
        let Some(opened) = opened.first() else {
            println!("{camera:<10} none");
            continue;
        };
        let frame = opened["frame"]["seq"].as_u64().unwrap() as usize;
        println!(
            "{camera:<10} {:<16} {}",
            causes[0],
            frame as i64 - CALM as i64
        );
        assert!(
            (CALM..CALM + FAULTY).contains(&frame),
            "{camera}: frame {frame}"
        );
        assert_eq!(
            of(&alerts, &camera, "closed").len(),
            1,
            "{camera}\n{}",
            daemon.log()
        );
    }
}
