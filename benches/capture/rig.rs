//! A camera that plays frames of all cases, and the two programs with it plugged in.
//!
//! `gcc` builds the camera and what counts copies, ffmpeg makes the frames; all of it lies in a folder of
//! its own that goes at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use inspectd::capture::synthetic::Synthetic;
use inspectd::capture::{Layout, Pixels, replay};

use super::{CASES, Figures, LONG, SHORT, SIDE};

/// Different frames that the camera plays in a loop.
const FRAMES: u64 = 8;

/// A camera with frames of all cases, and what counts copies.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> anyhow::Result<Rig> {
        let rig = Rig {
            folder: tempfile::tempdir()?,
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        build(
            &root.join("tests/it/fake_camera/calls.c"),
            &rig.path("camera.so"),
        )?;
        build(
            &root.join("benches/capture/copies.c"),
            &rig.path("copies.so"),
        )?;
        fs::write(rig.path("camera"), "ok")?;
        fs::create_dir(rig.path("camera.frames"))?;
        fs::write(rig.path("scene.rgb"), scene()?)?;
        for size in [[640, 480], [1280, 720]] {
            rig.draw(size)?;
        }
        Ok(rig)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Frames of a size, with a little of a sensor's noise at that size, in both layouts.
    fn draw(&self, [width, height]: [u32; 2]) -> anyhow::Result<()> {
        let filter = format!("scale={width}:{height},noise=alls=6:allf=t");
        let jpeg = "-pix_fmt yuvj422p -c:v mjpeg -q:v 3 -huffman default";
        let yuyv = "-pix_fmt yuyv422 -c:v rawvideo -f image2";
        for (how, suffix) in [(jpeg, "jpg"), (yuyv, "yuyv")] {
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args("-v error -nostdin -f rawvideo -pix_fmt rgb24 -s 640x480 -i".split(' '));
            ffmpeg.arg(self.path("scene.rgb")).args(["-vf", &filter]);
            ffmpeg.args(how.split(' '));
            output(
                ffmpeg.arg(self.path(&format!("camera.frames/{width}x{height}-%03d.{suffix}"))),
            )?;
        }
        Ok(())
    }

    /// Kilobytes of a frame of a case, on average.
    pub(crate) fn frame_kilobytes(&self, case: usize) -> anyhow::Result<f64> {
        let (layout, [width, height]) = CASES[case];
        let (suffix, _) = names(layout);
        let lengths = (1..=FRAMES).map(|number| {
            let name = format!("camera.frames/{width}x{height}-{number:03}.{suffix}");
            Ok(fs::metadata(self.path(&name))?.len())
        });
        let total: u64 = lengths.sum::<std::io::Result<u64>>()?;
        Ok(total as f64 / FRAMES as f64 / 1e3)
    }

    /// Lets a program see the camera, and has its copies counted where it is told where to.
    fn plug(&self, command: &mut Command, copies: Option<&Path>) {
        let mut libraries = self.path("camera.so").into_os_string();
        if let Some(file) = copies {
            libraries.push(":");
            libraries.push(self.path("copies.so"));
            command.env("COPIES", file);
        }
        command
            .env("LD_PRELOAD", libraries)
            .env("FAKE_V4L2_DEVICE", self.path("camera"))
            .env("FAKE_V4L2_UNPACED", "1");
    }

    /// This program, which prints figures.
    pub(crate) fn ours(
        &self,
        arguments: &[&str],
        copies: Option<&Path>,
    ) -> anyhow::Result<Figures> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(arguments[0]).arg(self.path("camera"));
        self.plug(command.args(&arguments[1..]), copies);
        let figures = output(&mut command)?;
        let figure = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(figures.lines().filter_map(figure).collect())
    }

    pub(crate) fn our_run(
        &self,
        case: usize,
        frames: u32,
        copies: Option<&Path>,
    ) -> anyhow::Result<f64> {
        let figures = self.ours(&["cost", &case.to_string(), &frames.to_string()], copies)?;
        figures.get("cpu").copied().context("no time was told")
    }

    /// Its own start is not in it: it measures from its first frame after those to warm up.
    pub(crate) fn our_cpu(&self, case: usize) -> anyhow::Result<f64> {
        Ok(self.our_run(case, LONG - SHORT, None)? / f64::from(LONG - SHORT))
    }

    /// CPU milliseconds of ffmpeg for so many frames, its start included. One thread decodes, as ours;
    /// it copies no frame that it need not, and passes on each.
    pub(crate) fn ffmpeg_run(
        &self,
        case: usize,
        frames: u32,
        copies: Option<&Path>,
    ) -> anyhow::Result<f64> {
        let (layout, [width, height]) = CASES[case];
        let (_, format) = names(layout);
        let input = format!(
            "-nostdin -nostats -hide_banner -benchmark -y -threads 1 -f v4l2 -input_format {format} \
             -video_size {width}x{height} -i"
        );
        let outcome = format!(
            "-fps_mode passthrough -vf scale={SIDE}:{SIDE}:flags=bilinear -pix_fmt rgb24 -f rawvideo \
             -threads 1 -frames:v {frames} /dev/null"
        );
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(input.split_whitespace());
        ffmpeg.arg(self.path("camera"));
        ffmpeg.args(outcome.split_whitespace());
        self.plug(&mut ffmpeg, copies);
        let said = output(&mut ffmpeg)?;
        let seconds = |key: &str| -> Option<f64> {
            let (_, rest) = said.split_once(key)?;
            rest.split_once('s')?.0.parse().ok()
        };
        let times = seconds("utime=").zip(seconds("stime="));
        let (user, system) = times.with_context(|| format!("no times in: {said}"))?;
        Ok(1e3 * (user + system))
    }

    pub(crate) fn ffmpeg_cpu(&self, case: usize) -> anyhow::Result<f64> {
        let (short, long) = (
            self.ffmpeg_run(case, SHORT, None)?,
            self.ffmpeg_run(case, LONG, None)?,
        );
        Ok((long - short) / f64::from(LONG - SHORT))
    }

    /// Kilobytes that a program copies for a frame.
    pub(crate) fn copied(
        &self,
        run: impl Fn(u32, Option<&Path>) -> anyhow::Result<f64>,
    ) -> anyhow::Result<f64> {
        let file = self.path("copies");
        let bytes = |frames| -> anyhow::Result<f64> {
            run(frames, Some(&file))?;
            Ok(fs::read_to_string(&file)?.trim().parse()?)
        };
        Ok((bytes(LONG)? - bytes(SHORT)?) / f64::from(LONG - SHORT) / 1e3)
    }
}

/// How files of a layout end, and ffmpeg's name for it.
fn names(layout: Layout) -> (&'static str, &'static str) {
    match layout {
        Layout::Mjpeg => ("jpg", "mjpeg"),
        _ => ("yuyv", "yuyv422"),
    }
}

/// The synthetic line, frame behind frame.
fn scene() -> anyhow::Result<Vec<u8>> {
    let line = Synthetic {
        frames: Some(FRAMES),
        ..Synthetic::default()
    };
    let mut scene = Vec::new();
    for frame in replay(&line)? {
        match frame?.pixels {
            Pixels::Rgb8 { data, .. } => scene.extend(data),
            _ => bail!("the scene is drawn, not decoded"),
        }
    }
    Ok(scene)
}

fn build(source: &Path, library: &Path) -> anyhow::Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args("-std=gnu17 -O2 -fno-builtin -fno-tree-loop-distribute-patterns".split(' '));
    gcc.args(["-shared", "-fPIC", "-o"]);
    output(gcc.arg(library).arg(source))?;
    Ok(())
}

/// What a program wrote, to either output.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let done = command
        .output()
        .with_context(|| format!("can't start {} (make deps)", program.display()))?;
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(done.status.success(), "{}: {said}", program.display());
    Ok(said)
}
