//! Sources that hang, break, freeze or give rubbish, under whole generations; and stages that hang.

use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::preprocess::{SceneFault, SceneFaultKind, SceneStatistics};

/// A camera whose n-th opening does `open` first.
fn opened_by(
    name: &'static str,
    open: impl Fn(u32) -> Result<(), CaptureError> + Send + Sync + 'static,
    script: impl Fn(u32, u64) -> Result<Next, CaptureError> + Send + Sync + 'static,
) -> Camera<u64, Teller> {
    let mut camera = impatient(camera(name, true, |_, _| Ok(Next::End)));
    camera.opener = Box::new(Scripted {
        script: Arc::new(script),
        open: Arc::new(open),
        openings: AtomicU32::new(0),
        live: true,
    });
    camera
}

/// A place where threads wait until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<()>>);

impl Gate {
    /// Does not come back before the guard of [`Gate::shut`] is gone.
    fn pass(&self) {
        drop(self.0.lock());
    }

    fn shut(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.lock().unwrap()
    }
}

/// Frames from `from` on, one each few milliseconds.
fn steady(from: u64, step: u64) -> Result<Next, CaptureError> {
    thread::sleep(Duration::from_millis(5));
    frame(from + step)
}

pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn no_frames(reason: &str) -> Result<u64, Rejection> {
    Err(Rejection::NoFrames(reason.to_owned()))
}

/// What was told of `a`.
fn of_a(told: &[Told]) -> Vec<Result<u64, Rejection>> {
    let told = told.iter().filter(|(name, _)| *name == "a");
    told.map(|(_, told)| told.clone()).collect()
}

#[test]
fn a_step_learns_which_opening_a_frame_is_of() {
    // Each opening goes on counting, so that the numbers tell nothing.
    let script = |opening, step| match (opening, step) {
        (0 | 1, 2) => Err(CaptureError::Broken("unplugged".to_owned())),
        (2, 1) => Ok(Next::End),
        _ => frame(u64::from(opening) * 100 + step),
    };
    let mut camera = camera("a", false, script);
    let (tell, told) = crossbeam_channel::unbounded();
    let mut prepare = camera.prepare;
    camera.prepare = Box::new(move |opening, frame| {
        tell.send(opening).unwrap();
        prepare(opening, frame)
    });
    let running = run(vec![camera]);
    wait_for_the_end(&running);
    running.join(|_| Vec::new());
    assert_eq!(told.iter().collect::<Vec<_>>(), [1, 1, 2, 2, 3]);
}

#[test]
fn a_source_that_hangs_is_given_up_and_opened_anew_while_other_cameras_keep_their_pace() {
    let gate = Gate::default();
    let shut = gate.shut();
    let waits = gate.clone();
    let hangs_once = move |opening, step| match (opening, step) {
        (0, 1) => {
            waits.pass();
            Ok(Next::End)
        }
        (0, _) => frame(step),
        _ => steady(100, step),
    };
    let running = run(vec![
        impatient(camera("a", true, hangs_once)),
        camera("b", true, |_, step| steady(0, step)),
    ]);
    wait_until("a gives frames again", || counts(&running, 0).captured > 5);
    drop(shut);
    assert_eq!(counts(&running, 1).faults, 0);
    let told = running.join(|_| Vec::new()).published;
    let position = |wanted: Result<u64, Rejection>| {
        let is_it = |told: &Told| *told == ("a", wanted.clone());
        told.iter().position(is_it).unwrap()
    };
    let silent = position(no_frames("no frame for 0.1 s (deadline_s)"));
    let others = silent - position(Ok(0));
    assert!(others > 5, "{others} frames of b while a hung for 0.1 s");
}

#[test]
fn a_source_that_hangs_while_it_is_opened_is_given_up_and_opened_anew() {
    let gate = Gate::default();
    let shut = gate.shut();
    let waits = gate.clone();
    let hangs_once = move |opening| {
        if opening == 0 {
            waits.pass();
        }
        Ok(())
    };
    let running = run(vec![opened_by("a", hangs_once, |_, step| steady(0, step))]);
    wait_until("it gives frames", || counts(&running, 0).captured > 5);
    drop(shut);
    let told = of_a(&running.join(|_| Vec::new()).published);
    assert_eq!(
        told[0],
        no_frames("no first frame within 0.15 s of opening it")
    );
    assert!(told[1].is_ok(), "{told:?}");
}

#[test]
fn no_more_than_four_threads_of_a_camera_hang_and_all_goes_on_when_they_come_back() {
    let gate = Gate::default();
    let shut = gate.shut();
    let (waits, openings) = (gate.clone(), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&openings);
    let hangs = move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        waits.pass();
        Ok(())
    };
    let running = run(vec![opened_by("a", hangs, |_, step| steady(0, step))]);
    wait_until("four hang", || openings.load(Ordering::SeqCst) == 4);
    // Longer than a fifth one would take to come: its deadline, its closing and its pause.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(openings.load(Ordering::SeqCst), 4);
    assert_eq!(counts(&running, 0).faults, 4);
    drop(shut);
    wait_until("it gives frames", || counts(&running, 0).captured > 5);
    running.join(|_| Vec::new()).result.unwrap();
}

#[test]
fn a_source_that_hangs_in_its_driver_does_not_keep_the_pipeline_from_ending() {
    let gate = Gate::default();
    let shut = gate.shut();
    let waits = gate.clone();
    let hanging = camera("a", true, move |_, _| {
        waits.pass();
        Ok(Next::End)
    });
    let running = run(vec![hanging, camera("b", false, footage(3))]);
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    let finished = running.join(|_| Vec::new());
    assert!(start.elapsed() < Duration::from_secs(10));
    finished.result.unwrap();
    assert_eq!(finished.published.len(), 4, "three frames and their end");
    drop(shut);
}

/// Holds a device, and takes its time to let go of it.
struct Held(Arc<Mutex<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(300));
        *self.0.lock().unwrap() = false;
    }
}

/// A device for one; it breaks after so many frames.
struct Exclusive(Arc<Mutex<bool>>, u64);

struct ExclusiveSource {
    _held: Held,
    given: u64,
    last: u64,
}

impl Opener for Exclusive {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        let mut is_held = self.0.lock().unwrap();
        if std::mem::replace(&mut *is_held, true) {
            return Err(CaptureError::Broken("busy".to_owned()));
        }
        Ok(Box::new(ExclusiveSource {
            _held: Held(Arc::clone(&self.0)),
            given: 0,
            last: self.1,
        }))
    }

    fn describe(&self) -> String {
        "a device for one".to_owned()
    }

    fn is_live(&self) -> bool {
        true
    }
}

impl Source for ExclusiveSource {
    fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
        if self.given == self.last {
            return Err(CaptureError::Broken("unplugged".to_owned()));
        }
        self.given += 1;
        steady(0, self.given)
    }
}

#[test]
fn a_stop_closes_the_source_before_the_pipeline_has_ended() {
    let is_held = Arc::default();
    let mut camera = camera("a", true, |_, _| Ok(Next::End));
    camera.opener = Box::new(Exclusive(Arc::clone(&is_held), u64::MAX));
    let running = run(vec![camera]);
    wait_until("frames come", || counts(&running, 0).captured > 2);
    assert!(*is_held.lock().unwrap());
    drop(running.join(|_| Vec::new()));
    assert!(!*is_held.lock().unwrap(), "the next generation can open it");
}

#[test]
fn a_source_is_closed_before_it_is_opened_again() {
    let mut camera = camera("a", true, |_, _| Ok(Next::End));
    camera.opener = Box::new(Exclusive(Arc::default(), 2));
    let running = run(vec![camera]);
    wait_until("three openings", || counts(&running, 0).faults >= 3);
    let told = of_a(&running.join(|_| Vec::new()).published);
    assert!(told.contains(&no_frames("unplugged")));
    assert!(!told.contains(&no_frames("busy")), "{told:?}");
}

#[test]
fn a_panic_in_a_drivers_library_is_a_fault_of_the_source() {
    let script = |opening, step| match (opening, step) {
        (0, 1) => panic!("unwrap on ENODEV"),
        (1, 2) => Ok(Next::End),
        _ => frame(step),
    };
    let running = run(vec![camera("a", false, script)]);
    wait_for_the_end(&running);
    let told = of_a(&running.join(|_| Vec::new()).published);
    assert_eq!(told[1], no_frames("panic: unwrap on ENODEV"));
    assert_eq!(told[2..4], [Ok(0), Ok(1)]);
}

/// Can't use frames from 1000 on.
fn picky(mut camera: Camera<u64, Teller>) -> Camera<u64, Teller> {
    let mut decode = camera.prepare;
    camera.prepare = Box::new(move |opening, frame| match decode(opening, frame)? {
        number if number >= 1000 => Err(Rejection::Undecodable("no EOI".to_owned())),
        number => Ok(number),
    });
    camera
}

#[test]
fn a_camera_that_gives_five_bad_frames_in_a_row_is_opened_anew() {
    let script = |opening, step| match (opening, step) {
        (0, 0 | 1) => steady(0, step),
        (0, _) => steady(1000, step),
        (1, 0..4) => Ok(Next::Damaged("cut short".to_owned())),
        _ => steady(0, step),
    };
    let running = run(vec![picky(camera("a", true, script))]);
    wait_until("it recovers", || counts(&running, 0).judged > 10);
    assert_eq!(counts(&running, 0).faults, 1);
    let told = of_a(&running.join(|_| Vec::new()).published);
    let reason =
        "five frames in a row could not be used; the last: the picture can't be decoded: no EOI";
    let fault = told
        .iter()
        .position(|told| *told == no_frames(reason))
        .unwrap();
    let judged_before = told[..fault].iter().filter(|told| told.is_ok()).count();
    assert!(judged_before <= 2, "{told:?}");
}

#[test]
fn bad_frames_of_footage_are_no_reason_to_begin_it_again() {
    let script = |_, step| match step {
        0..20 => frame(1000 + step),
        20..30 => frame(step),
        _ => Ok(Next::End),
    };
    let running = run(vec![picky(camera("a", false, script))]);
    wait_for_the_end(&running);
    assert_eq!(
        (counts(&running, 0).captured, counts(&running, 0).faults),
        (30, 0)
    );
    drop(running.join(|_| Vec::new()));
}

#[test]
fn a_frozen_camera_is_opened_anew_until_it_is_not_and_never_said_to_give_no_frames() {
    let script = |opening, step| steady(u64::from(opening) * 1000, step);
    let mut camera = camera("a", true, script);
    camera.infer = Box::new(|_, number| match number {
        // From its fourth frame on, and at once when it is opened for the second time.
        4..2000 => Err(Rejection::Scene(SceneFault {
            kind: SceneFaultKind::Frozen,
            scene: SceneStatistics::default(),
            width: 1,
            height: 1,
            severity: 1.0,
            detail: "the same picture for 3 frames".to_owned(),
        })),
        number => Ok(number),
    });
    let running = run(vec![camera]);
    wait_until("it recovers", || counts(&running, 0).judged > 10);
    assert_eq!(counts(&running, 0).faults, 2);
    let told = of_a(&running.join(|_| Vec::new()).published);
    let is_absence = |told: &&Result<u64, Rejection>| matches!(told, Err(Rejection::NoFrames(_)));
    assert_eq!(told.iter().find(is_absence), None);
}

#[test]
fn a_stage_that_hangs_is_known_by_name_and_the_others_are_not_blamed() {
    for hanging in ["prepare", "infer", "decide"] {
        let name = if hanging == "decide" { "slow" } else { "a" };
        let mut camera = camera(name, true, |_, step| steady(0, step));
        let slowly = |_: u32, number| {
            thread::sleep(Duration::from_millis(400));
            Ok(number)
        };
        match hanging {
            "prepare" => {
                camera.prepare = Box::new(move |opening, frame| slowly(opening, frame.seq))
            }
            "infer" => camera.infer = Box::new(slowly),
            _ => {}
        }
        let running = run(vec![camera]);
        let long = Duration::from_millis(200);
        let busy = || {
            let stages = running.meter().heartbeats().into_iter();
            let busy = stages.filter(|(_, beat)| beat.busy_for().is_some_and(|busy| busy > long));
            busy.map(|(name, _)| name).collect::<Vec<_>>()
        };
        wait_until("it is noticed", || !busy().is_empty());
        assert_eq!(busy(), [hanging]);
        drop(running.join(|_| Vec::new()));
    }
}

/// A line of this process's status: threads, or kilobytes of memory.
fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "measures this process, so it must run alone: cargo test --release --lib thousand -- --ignored --nocapture"]
fn a_thousand_openings_leave_no_thread_and_no_memory_behind() {
    let script = |_, step| match step {
        0..5 => frame(step),
        _ => Err(CaptureError::Broken("unplugged".to_owned())),
    };
    let mut camera = camera("a", true, script);
    camera.retry.min = Duration::from_micros(10);
    camera.retry.max = Duration::from_micros(20);
    let outlet = Outlet::start(|inbox| inbox.iter().count()).unwrap();
    let running = start(vec![camera], clock, outlet.sender()).unwrap();
    let faults = |wanted| {
        wait_until("faults", || running.meter().counts()[0].1.faults >= wanted);
        (status("Threads:"), status("VmRSS:"))
    };
    let before = faults(100);
    let after = faults(1100);
    println!("threads and kB after 100 and after 1,100 openings: {before:?}, {after:?}");
    assert!(after.0 <= before.0 + 1, "one may be on its way");
    assert!(after.1 < before.1 + 1024);
    drop(running.join(|_| Vec::new()));
    outlet.close();
}
