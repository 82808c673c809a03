//! Sequences made from real pictures, as a fixed camera would see them: as it was calibrated,
//! frozen, dimmed, shifted, blocked, and with a defect. Each must raise incidents of its own cause
//! and of no other. Reads the folder that INSPECTD_DATA names; about two minutes.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, crop_imm, resize};
use image::{GrayImage, RgbImage};

use crate::broker::{Broker, Subscriber};
use crate::evaluation::data;
use crate::studio::{names, program, stderr};
use crate::workshop::Workshop;

/// What the camera sees, before and after each fault.
const CALM: usize = 30;
/// Frames of a fault.
const FAULTY: usize = 60;
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
        image::imageops::replace(&mut world, &tile, x.into(), y.into());
    }
    if defect {
        // A real one, from a picture that shows it, in the middle of the view.
        let folder = data().join("magnetic-tile/defect");
        let file = names(&folder).into_iter().find(|name| name.contains("exp")).unwrap();
        let tile: GrayImage = image::open(folder.join(file)).unwrap().into_luma8();
        let tile = image::DynamicImage::ImageLuma8(tile).into_rgb8();
        let tile = resize(&tile, width / 3, height / 2, FilterType::Triangle);
        image::imageops::replace(&mut world, &tile, (width / 3).into(), 0);
        let stain = image::RgbImage::from_pixel(90, 60, image::Rgb([235, 235, 235]));
        image::imageops::replace(&mut world, &stain, (width / 2).into(), (height / 4).into());
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
    JpegEncoder::new_with_quality(file, 92).encode_image(picture).unwrap();
}

/// What happens to the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scenario {
    Unfrozen,
    Frozen,
    Dimmed,
    Shifted,
    Blocked,
    Defect,
}

impl Scenario {
    const ALL: [Scenario; 6] = [
        Scenario::Unfrozen,
        Scenario::Frozen,
        Scenario::Dimmed,
        Scenario::Shifted,
        Scenario::Blocked,
        Scenario::Defect,
    ];

    /// The causes of the incidents that it must raise.
    fn causes(self) -> &'static [&'static str] {
        match self {
            Scenario::Unfrozen => &[],
            Scenario::Frozen => &["camera_frozen"],
            Scenario::Dimmed => &["scene_changed"],
            Scenario::Shifted => &["camera_moved"],
            Scenario::Blocked => &["camera_blocked"],
            Scenario::Defect => &["anomaly"],
        }
    }

    /// Its frames: calm, faulty, calm.
    fn draw(self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let (normal, defect) = (world(false), world(true));
        let still = frame(&normal, 0, 1.0, 4242);
        for index in 0..CALM + FAULTY + CALM {
            let seed = 10_000 + index as u32;
            let is_faulty = (CALM..CALM + FAULTY).contains(&index);
            let picture = match self {
                _ if !is_faulty => frame(&normal, 0, 1.0, seed),
                Scenario::Unfrozen => frame(&normal, 0, 1.0, seed),
                Scenario::Frozen => still.clone(),
                Scenario::Dimmed => frame(&normal, 0, 0.55, seed),
                Scenario::Shifted => frame(&normal, 48, 1.0, seed),
                Scenario::Blocked => frame(&RgbImage::new(800, 640), 0, 1.0, seed),
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
    command.args(["calibrate", "--footage"]).arg(footage).arg("--out").arg(&out);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    out
}

#[test]
#[ignore = "needs INSPECTD_DATA and two minutes"]
fn each_fault_of_the_camera_raises_incidents_of_its_own_cause_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let profile = calibrated(folder.path());
    println!("scenario   incidents opened");
    for scenario in Scenario::ALL {
        let footage = folder.path().join(format!("{scenario:?}"));
        scenario.draw(&footage);
        let broker = Broker::start();
        let mut subscriber = Subscriber::new(broker.port);
        let workshop = Workshop::new(broker.port);
        workshop.configure(
            &format!("{{ kind = \"images\", path = \"{}\" }}", footage.display()),
            "fps = 10\nsettle_s = 0.5\nfrozen_after_s = 2",
        );
        workshop.profile(&profile);
        let mut daemon = workshop.start();
        let status = daemon.wait(120);
        assert_eq!(status.code(), Some(0), "{}", daemon.log());
        subscriber.wait_for(10, "inspectd/press/availability", "offline").unwrap();
        let alerts = subscriber.alerts();
        let causes = |phase: &str| -> Vec<String> {
            let of_phase = alerts.iter().filter(|alert| alert["data"]["phase"] == phase);
            of_phase.map(|alert| alert["data"]["cause"].as_str().unwrap().to_owned()).collect()
        };
        println!("{scenario:<10?} {:?}", causes("opened"));
        assert_eq!(causes("opened"), scenario.causes(), "{scenario:?}: {}", daemon.log());
        assert_eq!(causes("closed"), scenario.causes(), "{scenario:?}: {}", daemon.log());
    }
}
