//! `inspectd demo`: the main job from end to end on made-up footage. It calibrates on a normal line,
//! runs the daemon as a process of its own on the same line with seeded defects, listens at a real
//! broker as any subscriber would, and tells what was caught and what was missed.

mod broker;
mod folder;
mod outcome;

use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use broker::{Broker, Subscriber};
use outcome::{Alert, Outcome};

use super::calibrate::{self, Order};
use super::judge::{Judge, heat_scale, load_teacher};
use super::output::{make_folder, say};
use super::progress;
use super::signals;
use crate::capture::synthetic::{Product, Synthetic, truth};
use crate::capture::{Frame, replay};
use crate::cli::DemoArgs;
use crate::evaluate::heatmap::{overlay, write_png};
use crate::evaluate::whole::WriteError;
use crate::preprocess::{SceneRules, View, decode};
use crate::score::Scoring;
use crate::score::budget::Budget;
use crate::train::calibrate::Wishes;
use crate::train::memory::Memory;

/// Normal frames to learn from.
const NORMAL_FRAMES: u64 = 240;
/// Where they lie in the scene: far from what the daemon sees.
const NORMAL_START: u64 = 100_000;
/// Frames that the daemon sees.
const LIVE_FRAMES: u64 = 420;
/// Their pace.
const FPS: f64 = 10.0;
/// Anomalous frames that open an incident, and of how many.
const HITS: (usize, usize) = (2, 4);
/// Of frames: what is caught in 42 seconds is to be seen, and 24 seconds of footage support no incident a day.
const BUDGET: Budget = Budget::Share(0.005);
/// How long the daemon may take beyond the footage's own length.
const PATIENCE: Duration = Duration::from_secs(120);

/// The user stopped the demo while the daemon ran: no verdict on what it would have caught.
#[derive(Debug, thiserror::Error)]
#[error("stopped before the footage had ended; the daemon's log is {}", .0.display())]
pub(super) struct DemoStopped(PathBuf);

/// Runs the whole of it.
pub(super) fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let out = absolute(&args.out)?;
    folder::check(&out)?;
    if let Some(address) = &args.broker {
        broker::reach(address)?;
    }
    if args.teacher.is_some() {
        // A wrong one would leave a folder with a broker's files and nothing else.
        load_teacher(args.teacher.as_deref())?;
    }
    folder::make(&out)?;
    let profile = out.join("profile");
    let stop = signals::stop_flag().context("can't listen for signals")?;
    // Without --json for people, with it for programs alone.
    let tell = |text: &str| if args.json { Ok(()) } else { say!("{text}") };
    let broker = Broker::start(args.broker.as_ref(), &out)?;

    tell("1. Learning what is normal: 240 frames of good parts on a belt")?;
    learn(args, &profile, &stop)?;

    tell("\n2. Running the daemon on the same line, now with some bad parts")?;
    tell(&format!("   broker: {}", broker.describe()))?;
    let subscriber = Subscriber::start(&broker, &out.join("messages.log"))?;
    let started = Instant::now();
    watch(args, &out, &broker, &stop)?;
    let seconds = started.elapsed().as_secs_f64();
    let messages = subscriber.finish()?;

    tell("\n3. What a subscriber got")?;
    let alerts: Vec<Alert> = messages
        .iter()
        .filter_map(|line| Alert::parse(line))
        .collect();
    alerts
        .iter()
        .try_for_each(|alert| tell(&format!("   {alert}")))?;
    let outcome = Outcome::new(&alerts, LIVE_FRAMES, |i| {
        truth(args.seed, Product::default(), i)
    });

    tell("\n4. What was caught")?;
    tell(&outcome.to_string())?;
    let pictures = draw(args, &profile, &outcome, &out)?;
    if args.json {
        let report = json!({
            "frames": LIVE_FRAMES, "seconds": seconds, "messages": messages.len(),
            "alerts": alerts.len(), "defects": outcome.defects.len(), "caught": outcome.caught(),
            "missed": outcome.missed(), "false_alarms": outcome.false_alarms,
            "out": out.to_string_lossy(),
        });
        say!("{report}")?;
    }
    tell(&format!(
        "\n{} messages and {pictures} heat maps are in {}",
        messages.len(),
        out.display()
    ))?;
    anyhow::ensure!(
        !alerts.is_empty(),
        "no alert arrived; the daemon's log is {}/daemon.log",
        out.display()
    );
    Ok(())
}

fn learn(args: &DemoArgs, profile: &Path, stop: &AtomicBool) -> anyhow::Result<()> {
    let footage = scene(args.seed, NORMAL_START, NORMAL_FRAMES, false);
    let order = Order {
        out: profile.to_owned(),
        teacher: args.teacher.clone(),
        wishes: Wishes {
            scoring: Scoring::Default,
            bank: false,
            epochs: None,
            seed: args.seed,
            budget: BUDGET,
            fps: Some(FPS),
            hits: HITS,
            cache_bytes: 500_000_000,
            most_frames: NORMAL_FRAMES as usize,
            view: View::default(),
            memory: Memory::default(),
        },
        dump: None,
        report: None,
        camera: None,
        scene: SceneRules::default(),
        accepts_missed: false,
        is_reviewed: false,
    };
    let made = calibrate::carry_out(&footage, &order, stop)?;
    if !args.json {
        made.print()?;
    }
    Ok(())
}

fn scene(seed: u64, start: u64, frames: u64, defects: bool) -> Synthetic {
    Synthetic {
        seed,
        start,
        frames: Some(frames),
        defects,
        ..Synthetic::default()
    }
}

/// Runs `inspectd run` until the footage has ended.
fn watch(args: &DemoArgs, out: &Path, broker: &Broker, stop: &AtomicBool) -> anyhow::Result<()> {
    let config = folder::configuration(out);
    // A new one each time: alerts of a former demo are none of this one's.
    let state = tempfile::tempdir().map_err(|source| WriteError {
        what: "can't make a folder for the daemon's state".to_owned(),
        source,
    })?;
    let text = configuration(args, broker, state.path())?;
    fs::write(&config, text).map_err(WriteError::of(&config))?;
    let log = out.join("daemon.log");
    let file = fs::File::create(&log).map_err(WriteError::of(&log))?;
    let mut daemon = Command::new(std::env::current_exe()?)
        .args(["run", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stderr(file)
        .spawn()
        .context("can't start the daemon")?;
    let length = Duration::from_secs_f64(LIVE_FRAMES as f64 / FPS);
    let bar = progress::seconds("   the daemon inspects", length);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = daemon.try_wait()? {
            break status;
        }
        let asked = stop.load(Ordering::Relaxed);
        if asked || started.elapsed() > length + PATIENCE {
            daemon.kill()?;
            daemon.wait()?;
            anyhow::ensure!(!asked, DemoStopped(log));
            anyhow::bail!(
                "the daemon did not end with its footage; its log is {}",
                log.display()
            );
        }
        bar.set_position(started.elapsed().as_secs());
        std::thread::sleep(Duration::from_millis(100));
    };
    bar.finish_and_clear();
    // Ctrl-C reaches the daemon too, which then ends well: what it saw is not the whole footage.
    anyhow::ensure!(!stop.load(Ordering::Relaxed), DemoStopped(log));
    anyhow::ensure!(
        status.success(),
        "the daemon failed ({status}); its log is {}",
        log.display()
    );
    Ok(())
}

/// The daemon's configuration: what differs from the defaults. A part takes ten frames to pass, so
/// two anomalous frames of four make an incident, and the next part may have one of its own.
fn configuration(args: &DemoArgs, broker: &Broker, state: &Path) -> anyhow::Result<String> {
    let teacher = match &args.teacher {
        Some(path) => format!("[teacher]\npath = {:?}\n\n", absolute(path)?),
        None => String::new(),
    };
    let (hits, window) = HITS;
    let first_line = folder::FIRST_LINE;
    Ok(format!(
        "{first_line}[node]\nname = \"demo\"\nstate_dir = {state:?}\n\n{teacher}[mqtt]\nhost = {:?}\nport = {}\n\n\
         [incident]\nhits = {hits}\nwindow = {window}\nrelease_after = 3\ncooldown_s = 0\n\n\
         [[camera]]\nname = \"belt\"\nprofile = \"profile\"\nfps = {FPS:?}\nsettle_s = 0\n\
         source = {{ kind = \"synthetic\", seed = {}, frames = {LIVE_FRAMES}, defects = true }}\n",
        broker.host, broker.port, args.seed
    ))
}

/// Draws a heat map of the middle frame of each defect.
fn draw(args: &DemoArgs, profile: &Path, outcome: &Outcome, out: &Path) -> anyhow::Result<usize> {
    let folder = out.join("heatmaps");
    make_folder(&folder)?;
    let mut judge = Judge::open(profile, args.teacher.as_deref())?;
    for defect in &outcome.defects {
        let middle = defect.first + (defect.last - defect.first) / 2;
        let frame = frame(args.seed, middle)?;
        let score = judge.judge(&frame)?.score;
        let scale = heat_scale(&score);
        let picture = decode(&frame.pixels)?;
        let grid = score.patches.grid();
        let drawn = overlay(&picture, &score.map, grid, scale, &View::default());
        let verdict = if defect.caught { "caught" } else { "missed" };
        let name = format!(
            "{middle:04}-{}-{verdict}.png",
            defect.kind.replace(' ', "-")
        );
        write_png(
            &drawn.context("the map does not fit its own grid")?,
            &folder.join(name),
        )?;
    }
    Ok(outcome.defects.len())
}

/// One frame of what the daemon saw.
fn frame(seed: u64, number: u64) -> anyhow::Result<Frame> {
    let scene = scene(seed, number, 1, true);
    let frame = replay(&scene)?.next().context("the scene is empty")?;
    Ok(frame?)
}
