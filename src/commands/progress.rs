//! Progress bars on a terminal. Where there is none, a calibration says a line now and then: it may take an hour on a
//! board, and its journal is read.

use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::board::Heat;
use crate::train::Step;

/// Lines of a calibration where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// A counter for work of unknown length.
pub(super) fn counter(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<28} {human_pos:>8}  {elapsed}")
        .expect("the template is well-formed");
    let bar = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over a span of time.
pub(super) fn seconds(what: &str, span: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<28} {wide_bar} {pos:>3} of {len} s")
        .expect("the template is well-formed");
    ProgressBar::new(span.as_secs())
        .with_style(style)
        .with_message(what.to_owned())
}

/// A bar over the time that a camera is filmed; its message follows the bar.
pub(super) fn filming(camera: &str, span: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:<28} {wide_bar} {eta} left  {msg}")
        .expect("the template is well-formed");
    ProgressBar::new(span.as_secs())
        .with_style(style)
        .with_prefix(format!("filming {camera}"))
}

/// The bars of a calibration: one a step, made when the step begins. Behind each stands how hot the
/// machine is, where it says so.
#[derive(Default)]
pub(super) struct Bars {
    current: Mutex<Option<Shown>>,
    heat: Mutex<Heat>,
}

/// The bar of a step, and when it was told by a line.
struct Shown {
    step: Step,
    bar: ProgressBar,
    said: Option<Instant>,
}

impl Bars {
    /// Shows that `done` of `total` of `step` are done.
    pub(super) fn at(&self, step: Step, done: usize, total: usize) {
        let mut current = self
            .current
            .lock()
            .expect("nothing panics while the bars are held");
        if current.as_ref().is_none_or(|shown| shown.step != step) {
            if let Some(shown) = current.take() {
                shown.bar.finish();
            }
            *current = Some(Shown {
                step,
                bar: bar_of(step, total),
                said: None,
            });
        }
        let heat = self
            .heat
            .lock()
            .expect("nothing panics while it is held")
            .now();
        if let Some(shown) = current.as_mut() {
            shown.say(done, total);
            let bar = &shown.bar;
            bar.set_prefix(heat.map_or_else(String::new, |celsius| format!("{celsius:.0} °C")));
            bar.set_position(done as u64);
            if done == total && step != Step::Count {
                bar.finish();
            }
        }
    }

    /// The highest temperature so far, in degrees Celsius; none where the machine does not say.
    pub(super) fn hottest(&self) -> Option<f64> {
        let heat = self.heat.lock().expect("nothing panics while it is held");
        heat.hottest()
    }
}

impl Shown {
    /// A line where the bar is not seen, if one is due.
    fn say(&mut self, done: usize, total: usize) {
        let now = Instant::now();
        if !self.bar.is_hidden() || self.said.is_some_and(|said| now - said < LINE_EVERY) {
            return;
        }
        self.said = Some(now);
        let far = (done * 100)
            .checked_div(total)
            .filter(|_| self.step != Step::Count);
        let far = far.map_or_else(String::new, |percent| format!(", {percent} %"));
        // Nobody may be reading; it goes on.
        let _ = writeln!(std::io::stderr(), "calibrating: {}{far}", name(self.step));
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Count => "counting the frames",
        Step::Watch => "the teacher looks at them",
        Step::Train => "the students learn",
        Step::Fit => "fitting the statistics",
        Step::Draw => "drawing the report",
    }
}

fn bar_of(step: Step, total: usize) -> ProgressBar {
    let what = name(step);
    if step == Step::Count {
        return counter(what);
    }
    let style =
        ProgressStyle::with_template("{msg:<28} {wide_bar} {percent:>3} %  {eta} left  {prefix}")
            .expect("the template is well-formed");
    ProgressBar::new(total as u64)
        .with_style(style)
        .with_message(what)
}
