//! Pictures drawn from the synthetic scene, and the file commands run on them. What several tests
//! read is made once a run, in the build's folder of temporary files, and never changed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma, RgbImage};
use inspectd::capture::synthetic::{HEIGHT, Product, Synthetic, WIDTH, truth};

use crate::teacher;

/// The scene of all pictures here.
const SEED: u64 = 3;
/// Normal frames to calibrate on.
pub(crate) const NORMAL_FRAMES: u64 = 80;

/// A folder of [`NORMAL_FRAMES`] normal frames, JPEG.
pub(crate) fn normal() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = made("normal");
        draw(&folder, 0..NORMAL_FRAMES);
        folder
    });
    &FOLDER
}

/// A Profile of [`normal`] by the default recipe.
pub(crate) fn profile() -> &'static Path {
    static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = made("calibrated").join("profile");
        let mut command = calibration(&[]);
        command.arg("--footage").arg(normal());
        let output = command.arg("--out").arg(&dir).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        dir
    });
    &PROFILE
}

/// The same by a teacher that sees.
pub(crate) fn seeing() -> &'static Path {
    static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
        if teacher::that_sees().is_none() {
            return profile().to_owned();
        }
        let dir = made("seeing").join("profile");
        let mut command = program();
        command.args(["calibrate", "--footage"]).arg(normal());
        command.args(teacher::options(teacher::that_sees()));
        let output = command.arg("--out").arg(&dir).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        dir
    });
    &PROFILE
}

/// Labelled pictures that calibration did not see.
pub(crate) struct Labelled {
    pub(crate) normal: PathBuf,
    pub(crate) anomalous: PathBuf,
    /// A mask for each of the anomalous: the box around the defect.
    pub(crate) masks: PathBuf,
}

/// Thirty normal frames, and as many with a defect.
pub(crate) fn labelled() -> &'static Labelled {
    static LABELLED: LazyLock<Labelled> = LazyLock::new(|| {
        let folder = made("labelled");
        let labelled = Labelled {
            normal: folder.join("normal"),
            anomalous: folder.join("anomalous"),
            masks: folder.join("masks"),
        };
        draw(&labelled.normal, (300..).step_by(7).take(30));
        draw_defects(&labelled, 30);
        labelled
    });
    &LABELLED
}

/// An empty folder that outlives this run.
fn made(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Draws normal frames as JPEG files named by their number.
pub(crate) fn draw(folder: &Path, numbers: impl IntoIterator<Item = u64>) {
    fs::create_dir_all(folder).unwrap();
    for number in numbers {
        write_jpeg(
            &folder.join(format!("{number:04}.jpg")),
            &frame(number, false),
        );
    }
}

fn draw_defects(labelled: &Labelled, count: usize) {
    fs::create_dir_all(&labelled.anomalous).unwrap();
    fs::create_dir_all(&labelled.masks).unwrap();
    let with_defect =
        (1000..).filter_map(|number| Some((number, truth(SEED, Product::default(), number)?)));
    // A part takes some ten frames to pass: many parts, each seen a few times.
    for (number, defect) in with_defect.step_by(4).take(count) {
        let picture = frame(number, true);
        let [left, top, width, height] = defect.bbox;
        let mask = GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
            let inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
            Luma([if inside { 255 } else { 0 }])
        });
        write_jpeg(
            &labelled.anomalous.join(format!("{number:04}.jpg")),
            &picture,
        );
        mask.save(labelled.masks.join(format!("{number:04}.png")))
            .unwrap();
    }
}

/// Makes a video of [`normal`].
pub(crate) fn film(video: &Path, codec: &str) {
    let ffmpeg = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-framerate",
            "10",
            "-pattern_type",
            "glob",
            "-i",
        ])
        .arg(normal().join("*.jpg"))
        .args(["-c:v", codec, "-q:v", "2", "-pix_fmt", "yuv420p"])
        .arg(video)
        .output()
        .unwrap();
    assert!(ffmpeg.status.success(), "{}", stderr(&ffmpeg));
}

/// One frame of the scene.
pub(crate) fn frame(number: u64, defects: bool) -> RgbImage {
    let scene = Synthetic {
        seed: SEED,
        defects,
        ..Synthetic::default()
    };
    RgbImage::from_raw(WIDTH, HEIGHT, scene.picture(number)).unwrap()
}

fn write_jpeg(path: &Path, picture: &RgbImage) {
    let file = fs::File::create(path).unwrap();
    JpegEncoder::new_with_quality(file, 92)
        .encode_image(picture)
        .unwrap();
}

/// Runs the program to its end.
pub(crate) fn inspectd<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    program().args(arguments).output().unwrap()
}

/// The program, yet to be run.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
    // A panic would show as one, not as its backtrace; the folder is where a test looks for files
    // left behind.
    command.env("RUST_BACKTRACE", "0");
    command
}

/// `inspectd calibrate MORE...`, yet to be run; with the teacher of the tests, where it learns by no other.
pub(crate) fn calibration(more: &[&str]) -> Command {
    let mut command = program();
    command.arg("calibrate");
    let is_settled = |argument: &&str| ["--teacher", "--film-only"].contains(argument);
    if !more.iter().any(is_settled) {
        command.args(teacher::options(teacher::named()));
    }
    command.args(more);
    command
}

/// Boxes of many sizes that stand `dx` pixels from their place, and a little noise.
pub(crate) fn boxes(dx: i64, noise: u64) -> RgbImage {
    let of = |block: u64, what: u64| {
        let mut z = (block * 8 + what + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 31)) >> 40) as i64
    };
    let mut picture = RgbImage::from_pixel(640, 480, image::Rgb([110, 105, 100]));
    for block in 0..90 {
        let (left, top) = (of(block, 0) % 700 - 60 + dx, of(block, 1) % 540 - 60);
        let (width, height) = (20 + of(block, 2) % 120, 20 + of(block, 3) % 90);
        let shade = image::Rgb([40 + (of(block, 4) % 200) as u8; 3]);
        for y in top.max(0)..(top + height).min(480) {
            for x in left.max(0)..(left + width).min(640) {
                picture.put_pixel(x as u32, y as u32, shade);
            }
        }
    }
    for (i, value) in picture.iter_mut().enumerate() {
        *value = value.saturating_add((of(i as u64, noise) % 5) as u8);
    }
    picture
}

/// `inspectd calibrate --footage FOOTAGE --out OUT --epochs 1 MORE...`: fast, and as good as any for
/// what is wrong.
pub(crate) fn calibrate(footage: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = calibration(more);
    command.args(["--epochs", "1", "--footage"]);
    command.arg(footage).arg("--out").arg(out);
    command.output().unwrap()
}

/// The same by a teacher that sees.
pub(crate) fn calibrate_seeing(footage: &Path, out: &Path, more: &[&str]) -> Output {
    let sight = teacher::options(teacher::that_sees());
    let sight = sight.iter().map(String::as_str);
    calibrate(
        footage,
        out,
        &Vec::from_iter(more.iter().copied().chain(sight)),
    )
}

/// What it said to people.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it said to programs.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks that the program failed with `code`, in one line that contains all of `words`, and gives
/// that line.
#[track_caller]
pub(crate) fn refused(output: &Output, code: i32, words: &[&str]) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    let mut verdicts = text.lines().filter(|line| line.starts_with("inspectd: "));
    let verdict = verdicts
        .next()
        .unwrap_or_else(|| panic!("no verdict in: {text}"));
    assert_eq!(verdicts.next(), None, "it says one thing once: {text}");
    assert_eq!(
        text.lines().last(),
        Some(verdict),
        "the verdict comes last and takes one line"
    );
    for word in words {
        assert!(verdict.contains(word), "{word:?} in {verdict}");
    }
    verdict.to_owned()
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// Cuts a file off after a share of its length.
pub(crate) fn truncate(path: &Path, share: f64) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..(share * bytes.len() as f64) as usize]).unwrap();
}
