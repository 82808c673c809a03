//! What a camera's frame costs up to the tensor, beside ffmpeg on the same frames: `cargo bench --bench
//! capture`. A camera made of files (`tests/it/fake_camera`) plays motion JPEG, 4:2:2 as webcams send it,
//! and YUYV, as fast as either program asks; ours makes a normalised 224x224 f32 tensor and a look at the
//! scene of each frame, ffmpeg scales it to 224x224 RGB. Only ratios mean anything on a shared machine, so
//! both run in turn. The camera's own copy into the driver buffer is part of either's time.

#![allow(clippy::print_stdout, reason = "a measurement tells its figures")]

mod allocations;
mod ours;
mod rig;

use std::collections::BTreeMap;

use inspectd::capture::Layout;
use rig::Rig;

/// How often both programs are measured, in turn.
const ROUNDS: usize = 7;
/// Frames of a short run and of a long one: what a program costs at its start is in both.
const SHORT: u32 = 50;
const LONG: u32 = 350;
/// The side of the tensor.
const SIDE: u32 = 224;

/// What the camera is asked for.
const CASES: [(Layout, [u32; 2]); 4] = [
    (Layout::Mjpeg, [640, 480]),
    (Layout::Mjpeg, [1280, 720]),
    (Layout::Yuyv, [640, 480]),
    (Layout::Yuyv, [1280, 720]),
];

/// Figures of a run of ours, by name.
type Figures = BTreeMap<String, f64>;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // This program as it runs itself, with the camera plugged in.
        ["cost", device, case, frames] => ours::cost(device, case.parse()?, frames.parse()?),
        ["steps", device, case] => ours::steps(device, case.parse()?),
        _ => compare(),
    }
}

fn compare() -> anyhow::Result<()> {
    let rig = Rig::new()?;
    println!("CPU ms a frame, user and system; medians of {ROUNDS} rounds");
    println!("                    ours   ffmpeg    ratio (lowest to highest)");
    for (case, name) in names() {
        println!("{name:<16} {}", costs(&rig, case)?);
    }
    println!("\nour steps, ms a frame: with the camera's own copy ... with normalising");
    println!("                   fetch   decode   resize     look");
    for (case, name) in names() {
        let figures = rig.ours(&["steps", &case.to_string()], None)?;
        let steps = ours::STEPS.map(|step| figure(&figures, step));
        let [fetch, decode, resize, look] = steps;
        println!("{name:<16} {fetch:>7.3} {decode:>8.3} {resize:>8.3} {look:>8.3}");
    }
    println!(
        "\nkB a frame: as it comes, copied from then on, allocated by us in pieces from 64 kB on"
    );
    println!("                   frame     ours   ffmpeg  allocated");
    for (case, name) in names() {
        println!("{name:<16} {}", copies(&rig, case)?);
    }
    Ok(())
}

fn costs(rig: &Rig, case: usize) -> anyhow::Result<String> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((rig.our_cpu(case)?, rig.ffmpeg_cpu(case)?));
    }
    let ratios = sorted(rounds.iter().map(|(ours, ffmpeg)| ours / ffmpeg));
    Ok(format!(
        "{:>7.2} {:>8.2} {:>8.2} ({:.2} to {:.2})",
        median(rounds.iter().map(|round| round.0)),
        median(rounds.iter().map(|round| round.1)),
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    ))
}

fn copies(rig: &Rig, case: usize) -> anyhow::Result<String> {
    let frame = rig.frame_kilobytes(case)?;
    let ours = rig.copied(|frames, copies| rig.our_run(case, frames, copies))?;
    let ffmpeg = rig.copied(|frames, copies| rig.ffmpeg_run(case, frames, copies))?;
    let allocated = rig.ours(&["cost", &case.to_string(), &SHORT.to_string()], None)?;
    // The camera's own copy is in both.
    Ok(format!(
        "{frame:>7.0} {:>8.0} {:>8.0} {:>10.0} in {:.1} pieces",
        ours - frame,
        ffmpeg - frame,
        figure(&allocated, "bytes") / 1e3,
        figure(&allocated, "pieces")
    ))
}

fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).copied().unwrap_or(f64::NAN)
}

/// The cases with their names.
fn names() -> impl Iterator<Item = (usize, String)> {
    let name = |(layout, [width, height]): (Layout, [u32; 2])| {
        format!("{} {width}x{height}", layout.name().to_uppercase())
    };
    CASES.into_iter().map(name).enumerate()
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}
