//! Our side, as a process of its own that was started with the camera plugged in; it prints figures.

use std::time::{Duration, Instant};

use anyhow::bail;
use inspectd::capture::v4l2::V4l2;
use inspectd::capture::{Frame, Moment, Next, Opener as _, Pixels, Source};
use inspectd::preprocess::{Interpolation, Preprocessing, Preprocessor, decode};
use rustix::time::{ClockId, clock_gettime};

use super::{CASES, LONG, SHORT, SIDE, allocations, median};

/// The steps that are timed, in their order.
pub(crate) const STEPS: [&str; 4] = ["fetch", "decode", "resize", "look"];

/// A camera and what makes tensors of its frames.
struct Ours {
    source: Box<dyn Source>,
    preprocessor: Preprocessor,
}

impl Ours {
    fn open(device: &str, case: usize) -> anyhow::Result<Ours> {
        let (layout, size) = CASES[case];
        let camera = V4l2 {
            device: Some(device.into()),
            size: Some(size),
            format: Some(layout),
            ..V4l2::default()
        };
        let preprocessing = Preprocessing {
            width: SIDE,
            height: SIDE,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            interpolation: Interpolation::Bilinear,
        };
        let mut ours = Ours {
            source: camera.open()?,
            preprocessor: Preprocessor::new(&preprocessing),
        };
        for _ in 0..SHORT {
            ours.frame()?;
        }
        Ok(ours)
    }

    fn fetch(&mut self) -> anyhow::Result<Frame> {
        match self.source.next(Duration::from_secs(5))? {
            Next::Frame(frame) => Ok(frame),
            other => bail!("no frame but {other:?}"),
        }
    }

    /// One frame up to its tensor.
    fn frame(&mut self) -> anyhow::Result<()> {
        let frame = self.fetch()?;
        self.preprocessor.prepare(&frame)?;
        Ok(())
    }
}

/// CPU time and large allocations of `frames` frames, after those to warm up.
pub(crate) fn cost(device: &str, case: usize, frames: u32) -> anyhow::Result<()> {
    let mut ours = Ours::open(device, case)?;
    let (allocated, started) = (allocations::large(), cpu_ms());
    for _ in 0..frames {
        ours.frame()?;
    }
    let cpu = cpu_ms() - started;
    let a_frame = |i: usize| (allocations::large()[i] - allocated[i]) as f64 / f64::from(frames);
    println!("cpu {cpu}\npieces {}\nbytes {}", a_frame(0), a_frame(1));
    Ok(())
}

/// Medians of the steps, by the clock.
pub(crate) fn steps(device: &str, case: usize) -> anyhow::Result<()> {
    let mut ours = Ours::open(device, case)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..LONG {
        let (fetch, frame) = timed(|| ours.fetch());
        let frame = frame?;
        let (decode, picture) = timed(|| decode(&frame.pixels));
        let picture = picture?;
        // What is left of `prepare` where nothing is decoded, and then where nothing is resized.
        let full = rgb(
            frame.at,
            picture.width,
            picture.height,
            picture.data.to_vec(),
        );
        let (all, prepared) = timed(|| ours.preprocessor.prepare(&full));
        prepared?;
        let small = rgb(frame.at, SIDE, SIDE, ours.preprocessor.resized().to_vec());
        let (look, prepared) = timed(|| ours.preprocessor.prepare(&small));
        prepared?;
        for (times, time) in times.iter_mut().zip([fetch, decode, all - look, look]) {
            times.push(time);
        }
    }
    for (name, times) in STEPS.into_iter().zip(times) {
        println!("{name} {}", median(times));
    }
    Ok(())
}

fn rgb(at: Moment, width: u32, height: u32, data: Vec<u8>) -> Frame {
    Frame {
        seq: 0,
        at,
        name: None,
        pixels: Pixels::Rgb8 {
            width,
            height,
            data,
        },
    }
}

/// User and system time of this process.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    1e3 * time.tv_sec as f64 + time.tv_nsec as f64 / 1e6
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let outcome = work();
    (1e3 * started.elapsed().as_secs_f64(), outcome)
}
