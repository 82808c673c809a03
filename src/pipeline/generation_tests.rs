//! Whole generations over sources of plain numbers: no image, no model, all threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::capture::{CaptureError, Next, Opener, Pixels, Source};
use crate::config::Retry;
use crate::pipeline::{CameraCounts, Decided, Outlet, Stamp};

#[path = "supervision_tests.rs"]
mod supervision;

#[path = "hanging_tests.rs"]
mod hanging;

/// What a source does at its n-th opening and step.
type Script = Arc<dyn Fn(u32, u64) -> Result<Next, CaptureError> + Send + Sync>;

struct Scripted {
    script: Script,
    /// What it does while it is opened for the n-th time.
    open: Arc<dyn Fn(u32) -> Result<(), CaptureError> + Send + Sync>,
    openings: AtomicU32,
    live: bool,
}

struct ScriptedSource {
    script: Script,
    opening: u32,
    step: u64,
}

impl Opener for Scripted {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        let opening = self.openings.fetch_add(1, Ordering::SeqCst);
        (self.open)(opening)?;
        Ok(Box::new(ScriptedSource {
            script: Arc::clone(&self.script),
            opening,
            step: 0,
        }))
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn is_footage(&self) -> bool {
        !self.live
    }
}

impl Source for ScriptedSource {
    fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
        self.step += 1;
        (self.script)(self.opening, self.step - 1)
    }
}

fn frame(seq: u64) -> Result<Next, CaptureError> {
    let pixels = Pixels::Encoded(seq.to_le_bytes().to_vec());
    Ok(Next::Frame(Frame {
        seq,
        at: clock(),
        name: None,
        pixels,
    }))
}

fn clock() -> Moment {
    let since_boot = Duration::from_secs(1);
    Moment {
        wall: jiff::Timestamp::UNIX_EPOCH,
        since_boot,
        synced: false,
    }
}

/// Says which frame it saw, or why it did not, and repeats its orders.
struct Teller(&'static str);

type Told = (&'static str, Result<u64, Rejection>);

impl Decide for Teller {
    type Seen = u64;
    type Message = Told;
    type Order = u64;

    fn decide(&mut self, stamp: Stamp, seen: Result<u64, Rejection>) -> Decided<Told> {
        if self.0 == "slow" {
            thread::sleep(Duration::from_millis(400));
        }
        if let Ok(number) = &seen {
            assert_eq!(*number, stamp.seq, "items keep their stamps");
        }
        let verdict = seen.clone().map(|number| number % 2 == 1);
        Decided {
            is_repeated: false,
            messages: vec![(self.0, seen)],
            verdict,
        }
    }

    fn order(&mut self, order: u64) -> Vec<Told> {
        vec![(self.0, Ok(order))]
    }
}

fn camera(
    name: &'static str,
    live: bool,
    script: impl Fn(u32, u64) -> Result<Next, CaptureError> + Send + Sync + 'static,
) -> Camera<u64, Teller> {
    Camera {
        name: name.to_owned(),
        opener: Box::new(Scripted {
            script: Arc::new(script),
            open: Arc::new(|_| Ok(())),
            openings: AtomicU32::new(0),
            live,
        }),
        left_behind: LeftBehind::default(),
        // A machine that is busy must not look like a camera that is silent.
        deadline: Duration::from_secs(20),
        first_frame: Duration::from_secs(20),
        retry: Retry {
            min: Duration::from_millis(5),
            max: Duration::from_millis(10),
        },
        prepare: Box::new(|_, frame| match frame.pixels {
            Pixels::Encoded(bytes) => Ok(u64::from_le_bytes(bytes.try_into().unwrap())),
            Pixels::Rgb8 { .. } | Pixels::Raw(_) => Err(Rejection::Undecodable("raw".to_owned())),
        }),
        infer: Box::new(|_, number| Ok(number)),
        decide: Teller(name),
    }
}

/// The same with a deadline that tests can wait for.
fn impatient(mut camera: Camera<u64, Teller>) -> Camera<u64, Teller> {
    camera.deadline = Duration::from_millis(100);
    camera.first_frame = Duration::from_millis(150);
    camera
}

/// What is told when the footage of `a` has ended.
fn over() -> Told {
    let reason = "the footage has ended".to_owned();
    ("a", Err(Rejection::NoFrames(reason)))
}

/// A generation and its outlet, which collects.
struct Generation {
    running: Running<Teller>,
    outlet: Outlet<Told, Vec<Told>>,
}

/// What both give back.
struct Whole {
    deciders: Vec<Teller>,
    left_behind: Vec<LeftBehind>,
    result: Result<(), Failure>,
    published: Vec<Told>,
}

impl std::ops::Deref for Generation {
    type Target = Running<Teller>;

    fn deref(&self) -> &Running<Teller> {
        &self.running
    }
}

impl Generation {
    fn join(self, last: impl FnMut(&mut Teller) -> Vec<Told>) -> Whole {
        let Finished {
            deciders,
            left_behind,
            result,
        } = self.running.join(last);
        let published = self.outlet.close();
        Whole {
            deciders,
            left_behind,
            result,
            published,
        }
    }
}

/// A pipeline whose outlet collects.
fn run(cameras: Vec<Camera<u64, Teller>>) -> Generation {
    let outlet = Outlet::start(|inbox| inbox.iter().collect()).unwrap();
    let running = start(cameras, clock, outlet.sender()).unwrap();
    Generation { running, outlet }
}

fn wait_for_the_end(running: &Generation) {
    let end = running.ended().recv_timeout(Duration::from_secs(20));
    assert_eq!(end, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
}

fn counts(running: &Generation, index: usize) -> CameraCounts {
    running.meter().counts()[index].1.clone()
}

/// Footage of `length` frames.
fn footage(length: u64) -> impl Fn(u32, u64) -> Result<Next, CaptureError> {
    move |_, step| {
        if step < length {
            frame(step)
        } else {
            Ok(Next::End)
        }
    }
}

#[test]
fn footage_is_seen_whole_and_in_order_and_its_end_ends_the_pipeline() {
    let running = run(vec![
        camera("a", false, footage(500)),
        camera("b", false, footage(300)),
    ]);
    wait_for_the_end(&running);
    assert_eq!(counts(&running, 0).judged, 500);
    assert_eq!(counts(&running, 0).anomalous, 250);
    let finished = running.join(|teller| vec![(teller.0, Ok(999))]);
    finished.result.unwrap();
    for (name, length) in [("a", 500), ("b", 300)] {
        let told = finished.published.iter().filter(|told| told.0 == name);
        let told: Vec<Result<u64, Rejection>> = told.map(|told| told.1.clone()).collect();
        let expected = (0..length).map(Ok).chain([over().1, Ok(999)]);
        assert_eq!(told, expected.collect::<Vec<_>>(), "{name}");
    }
    assert_eq!(finished.deciders.len(), 2);
}

#[test]
fn a_live_source_faster_than_inference_loses_frames_at_one_place_and_counts_them() {
    let live = |_, step| {
        thread::sleep(Duration::from_millis(1));
        if step < 400 {
            frame(step)
        } else {
            Ok(Next::End)
        }
    };
    let mut camera = camera("a", true, live);
    camera.infer = Box::new(|_, number| {
        thread::sleep(Duration::from_millis(8));
        Ok(number)
    });
    let running = run(vec![camera]);
    wait_for_the_end(&running);
    let counts = counts(&running, 0);
    assert_eq!(counts.captured, 400);
    assert_eq!(counts.judged + counts.replaced, 400);
    assert!(counts.replaced > 100, "{counts:?}");
    let told = running.join(|_| Vec::new()).published;
    let last = &told[told.len() - 2..];
    assert_eq!(
        last,
        [("a", Ok(399)), over()],
        "the newest frame is always judged"
    );
}

#[test]
fn a_stop_under_load_loses_nothing_that_was_captured() {
    let endless = |_, step| frame(step);
    let running = run(vec![
        camera("a", false, endless),
        camera("b", false, endless),
    ]);
    supervision::wait_until("a hundred frames", || counts(&running, 0).captured > 100);
    let meter = Arc::clone(&running.meter);
    let finished = running.join(|_| Vec::new());
    finished.result.unwrap();
    let captured: u64 = meter
        .counts()
        .iter()
        .map(|(_, counts)| counts.captured)
        .sum();
    assert_eq!(finished.published.len() as u64, captured);
}

#[test]
fn a_source_that_fails_is_opened_anew_and_subscribers_learn_of_it() {
    let script = |opening, step| match (opening, step) {
        (0 | 1, 2) => Err(CaptureError::Broken("unplugged".to_owned())),
        (2, 2) => Ok(Next::End),
        _ => frame(step),
    };
    let running = run(vec![camera("a", false, script)]);
    wait_for_the_end(&running);
    let counts = counts(&running, 0);
    assert_eq!((counts.captured, counts.faults), (6, 2));
    assert_eq!(counts.rejected.get("no_frames"), Some(&3));
    let told = running.join(|_| Vec::new()).published;
    assert_eq!(
        told[2],
        ("a", Err(Rejection::NoFrames("unplugged".to_owned())))
    );
}

#[test]
fn a_source_that_gives_nothing_for_its_deadline_is_opened_anew() {
    let script = |opening, step| match (opening, step) {
        (1, 1) => Ok(Next::End),
        (_, 0) => frame(0),
        _ => {
            thread::sleep(Duration::from_millis(10));
            Ok(Next::Idle)
        }
    };
    let running = run(vec![impatient(camera("a", true, script))]);
    wait_for_the_end(&running);
    assert_eq!(
        (counts(&running, 0).captured, counts(&running, 0).faults),
        (2, 1)
    );
    let told = running.join(|_| Vec::new()).published;
    let reason = "no frame for 0.1 s (deadline_s)".to_owned();
    assert_eq!(told[1], ("a", Err(Rejection::NoFrames(reason))));
}

#[test]
fn a_panic_in_a_model_loses_one_frame() {
    let mut camera = camera("a", false, footage(10));
    camera.infer = Box::new(|_, number| {
        if number == 3 {
            panic!("bad tensor")
        } else {
            Ok(number)
        }
    });
    let running = run(vec![camera]);
    wait_for_the_end(&running);
    let finished = running.join(|_| Vec::new());
    finished.result.unwrap();
    let expected = Err(Rejection::Inference("panic: bad tensor".to_owned()));
    assert_eq!(finished.published[3], ("a", expected));
    assert_eq!(finished.published[4], ("a", Ok(4)));
}

#[test]
fn a_model_that_panics_on_every_frame_ends_the_pipeline_with_a_fault() {
    let mut broken = camera("a", false, |_, step| frame(step));
    broken.infer = Box::new(|_, _| panic!("bad model"));
    let running = run(vec![broken, camera("b", true, |_, step| frame(step))]);
    wait_for_the_end(&running);
    let finished = running.join(|_| Vec::new());
    let fault = finished.result.unwrap_err().to_string();
    assert!(
        fault.contains("infer panicked") && fault.contains("bad model"),
        "{fault}"
    );
    let survived = finished
        .published
        .iter()
        .filter(|told| told.0 == "a")
        .count();
    assert_eq!(survived, 5);
}

#[test]
fn a_publisher_that_gives_up_ends_the_pipeline() {
    let cameras = vec![camera("a", false, |_, step| frame(step))];
    let outlet = Outlet::start(|inbox| inbox.iter().take(5).count()).unwrap();
    let running = start(cameras, clock, outlet.sender()).unwrap();
    let end = running.ended().recv_timeout(Duration::from_secs(20));
    assert_eq!(end, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
    drop(running.join(|_| Vec::new()));
    assert_eq!(outlet.close(), 5);
}

#[test]
fn an_order_is_taken_between_the_frames_by_the_camera_that_it_is_for() {
    let endless = |_, _| {
        thread::sleep(Duration::from_millis(1));
        Ok(Next::Idle)
    };
    let running = run(vec![camera("a", true, endless), camera("b", true, endless)]);
    assert!(running.order(1, 77));
    thread::sleep(Duration::from_millis(50));
    let published = running.join(|_| Vec::new()).published;
    assert_eq!(published[0], ("b", Ok(77)));
}
