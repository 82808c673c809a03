//! Cameras made of files (`fake_camera/`), for the daemon as a process: each plays pictures of the
//! synthetic line and does what the word in its file says. The library that plays them is built once a
//! run by `gcc`; it reaches a program by LD_PRELOAD, and nothing else of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use inspectd::capture::synthetic::Synthetic;
use inspectd::capture::{Pixels, replay};

/// Pictures of the size that the Profile was calibrated on.
const PICTURES: u64 = 24;

/// A camera.
pub(crate) struct FakeCamera {
    device: PathBuf,
}

impl FakeCamera {
    /// One in `folder` that plays.
    pub(crate) fn new(folder: &Path, name: &str) -> FakeCamera {
        let camera = FakeCamera {
            device: folder.join(name),
        };
        std::os::unix::fs::symlink(pictures(), camera.beside("frames")).unwrap();
        camera.does("ok");
        camera
    }

    fn beside(&self, what: &str) -> PathBuf {
        self.device.with_extension(what)
    }

    /// What it does from the next frame on.
    pub(crate) fn does(&self, word: &str) {
        fs::write(&self.device, word).unwrap();
    }

    /// The table of this source, with `more` keys.
    pub(crate) fn source(&self, more: &str) -> String {
        let device = self.device.display();
        format!("{{ kind = \"v4l2\", device = \"{device}\", {more} }}")
    }

    /// What was done to it: opened, streamed, set.
    pub(crate) fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.beside("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Makes a program see these cameras.
pub(crate) fn plug_into(command: &mut Command, cameras: &[&FakeCamera]) {
    let devices: Vec<_> = cameras.iter().map(|c| c.device.to_str().unwrap()).collect();
    command
        .env("LD_PRELOAD", library())
        .env("FAKE_V4L2_DEVICE", devices.join(":"));
}

fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake_camera.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fake_camera/calls.c");
        let gcc = Command::new("gcc")
            .args(["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"])
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output()
            .expect("gcc is installed (make deps)");
        let words = String::from_utf8_lossy(&gcc.stderr);
        assert!(gcc.status.success(), "{words}");
        library
    });
    &LIBRARY
}

/// What all cameras play: the size of the Profile and a smaller one, as JPEG and as YUYV.
pub(crate) fn pictures() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("played");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        for number in 0..PICTURES {
            let picture = picture(number);
            write(&folder.join(format!("640x480-{number:03}")), &picture);
            if number < 4 {
                let small = image::imageops::thumbnail(&picture, 320, 240);
                write(&folder.join(format!("320x240-{number:03}")), &small);
            }
        }
        folder
    });
    &FOLDER
}

/// One frame of the line that the Profile of the daemon's tests was calibrated on.
fn picture(number: u64) -> RgbImage {
    let line = Synthetic {
        seed: 1,
        start: 500 + number,
        frames: Some(1),
        ..Synthetic::default()
    };
    let frame = replay(&line).unwrap().next().unwrap().unwrap();
    match frame.pixels {
        Pixels::Rgb8 {
            width,
            height,
            data,
        } => RgbImage::from_raw(width, height, data).unwrap(),
        Pixels::Encoded(_) | Pixels::Raw(_) => unreachable!("the scene is drawn, not decoded"),
    }
}

fn write(path: &Path, picture: &RgbImage) {
    let file = fs::File::create(path.with_extension("jpg")).unwrap();
    JpegEncoder::new_with_quality(file, 92)
        .encode_image(picture)
        .unwrap();
    fs::write(path.with_extension("yuyv"), yuyv(picture)).unwrap();
}

/// BT.601, limited range, the colour of each pair of pixels that of its first.
fn yuyv(picture: &RgbImage) -> Vec<u8> {
    let level = |[r, g, b]: [u8; 3], weights: [f64; 3], base: f64| {
        let sum = f64::from(r) * weights[0] + f64::from(g) * weights[1] + f64::from(b) * weights[2];
        (base + sum / 255.0).round().clamp(0.0, 255.0) as u8
    };
    let luma = |rgb| level(rgb, [65.481, 128.553, 24.966], 16.0);
    let pixels: Vec<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
    let pair = |pair: &[[u8; 3]]| {
        let blue = level(pair[0], [-37.797, -74.203, 112.0], 128.0);
        let red = level(pair[0], [112.0, -93.786, -18.214], 128.0);
        [luma(pair[0]), blue, luma(pair[1]), red]
    };
    pixels.chunks_exact(2).flat_map(pair).collect()
}
