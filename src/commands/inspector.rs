//! The last step of a camera: features to score, score to incident, incident to messages. Each is a
//! pure step of its own module; this value only strings them together, and takes orders.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::controls::Knobs;
use super::gallery::{self, Gallery, Latest};
use super::keeper::Line;
use super::order::{Asker, Order};
use crate::capture::{Moment, Pixels};
use crate::config::Name;
use crate::decide::{Cause, Evidence, Incident, Judged, Phase, Picture, Tracker};
use crate::infer::Features;
use crate::pipeline::{Decide, Decided, Stamp};
use crate::preprocess::{Lighting, Rejection};
use crate::publish::{Message, Ration, Reporter};
use crate::score::Score;
use crate::score::profile::Profile;
use crate::score::threshold::Level;
use crate::score::tokens::Scratch;

/// What the models see in a frame, and what else is known of it.
pub(super) struct Seen {
    pub(super) features: Features,
    pub(super) picture: Picture,
    pub(super) lighting: Lighting,
    /// The frame itself, where pictures are published or kept.
    pub(super) shot: Option<Pixels>,
}

/// What came of a frame.
pub(super) enum Sight {
    /// The models looked at it.
    New(Box<Seen>),
    /// It hardly differs from the last one that they looked at.
    AsBefore,
}

/// What the models saw last.
struct Last {
    features: Features,
    lighting: Lighting,
    /// By its score alone.
    judgement: Result<Judged, Rejection>,
}

/// Decides for one camera.
pub(super) struct Inspector {
    pub(super) camera: Name,
    profile: Arc<Profile>,
    scratch: Scratch,
    tracker: Tracker,
    reporter: Reporter,
    enabled: bool,
    level: Level,
    /// Where pictures are published.
    gallery: Option<Gallery>,
    /// Where frames of anomalies are kept.
    keeper: Option<Line>,
    /// Whether verdicts may be repeated.
    repeats: bool,
    /// Where they may, what was seen last.
    last: Option<Last>,
    /// Lines about what it is told.
    orders: Ration,
    /// Whether the hourly cap kept an incident back at the last frame.
    was_capped: bool,
}

impl Inspector {
    pub(super) fn new(
        camera: Name,
        profile: Arc<Profile>,
        tracker: Tracker,
        reporter: Reporter,
        knobs: Knobs,
        gallery: Option<Gallery>,
    ) -> Self {
        Inspector {
            camera,
            profile,
            scratch: Scratch::default(),
            tracker,
            reporter: reporter.with_level(knobs.level),
            enabled: knobs.enabled,
            level: knobs.level,
            gallery,
            keeper: None,
            repeats: false,
            last: None,
            orders: Ration::default(),
            was_capped: false,
        }
    }

    /// The same where a verdict may be repeated for frames that hardly differ.
    pub(super) fn repeating(self, repeats: bool) -> Self {
        Inspector { repeats, ..self }
    }

    /// The same where frames of anomalies are kept.
    pub(super) fn kept_by(self, keeper: Option<Line>) -> Self {
        Inspector { keeper, ..self }
    }

    /// What is said before the first frame, or instead of any where the camera is turned off.
    pub(super) fn start(&mut self, now: Moment) -> Vec<Message> {
        self.warn_of_missed(self.level);
        let mut messages = match &mut self.gallery {
            None => gallery::closed(self.reporter.topics()),
            Some(gallery) => {
                let open = self.tracker.open();
                open.flat_map(|incident| gallery.show(incident, &mut self.reporter))
                    .collect()
            }
        };
        messages.extend(if self.enabled {
            self.reporter.start(&self.tracker)
        } else {
            self.reporter.disabled(now, &self.tracker)
        });
        messages
    }

    /// Closes what is open, because nobody looks any more.
    pub(super) fn stop(&mut self, now: Moment) -> Vec<Message> {
        let closed = self.tracker.stop();
        self.keep(&closed);
        let mut messages = self.show(&closed);
        messages.extend(self.reporter.incidents(&closed, &self.tracker));
        messages.extend(self.reporter.stop(now, &self.tracker));
        messages
    }

    /// When the picture was found frozen, where that incident is still open.
    pub(super) fn frozen_since(&self) -> Option<Duration> {
        let mut open = self.tracker.open();
        let frozen = open.find(|incident| incident.cause == Cause::CameraFrozen)?;
        Some(frozen.started.since_boot)
    }

    /// When a mute ends by itself, since boot.
    pub(super) fn mute_end(&self) -> Option<Duration> {
        self.tracker.mute_end()
    }

    /// What the next generation goes on with.
    pub(super) fn into_tracker(self) -> (Name, Tracker) {
        (self.camera, self.tracker)
    }

    /// The pictures that reports name, before them.
    fn show(&mut self, changes: &[Incident]) -> Vec<Message> {
        let Some(gallery) = &mut self.gallery else {
            return Vec::new();
        };
        let changes = changes.iter();
        changes
            .flat_map(|incident| gallery.show(incident, &mut self.reporter))
            .collect()
    }

    /// The frames that reports speak of, before them: who hears of an alert may answer at once.
    fn keep(&mut self, changes: &[Incident]) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(changes);
        }
    }

    /// The journal learns of a camera that does not see its scene, or whose scores drift; of anomalies
    /// the subscribers do.
    fn warn(&self, changes: &[Incident]) {
        let opened = changes
            .iter()
            .filter(|change| change.phase == Phase::Opened);
        for incident in opened {
            match &incident.worst {
                Evidence::Score(_) => {}
                Evidence::Scene(fault) => tracing::warn!(
                    camera = %self.camera,
                    cause = incident.cause.as_str(),
                    detail = fault.detail,
                    "the camera does not see what it was calibrated for"
                ),
                Evidence::Drift(drifted) => tracing::warn!(
                    camera = %self.camera,
                    detail = drifted.detail(),
                    "normal frames score higher than at calibration, and false alarms will follow: \
                     clean the lens, look at the light, or film and calibrate again"
                ),
            }
        }
    }

    fn judge(&mut self, seen: Seen) -> Result<Judged, Rejection> {
        let Seen {
            features,
            picture,
            lighting,
            shot,
        } = seen;
        let crop = self.profile.manifest().origin.view.crop();
        let judgement = self.score(&features, lighting.light).and_then(|score| {
            let judged = Judged::new(score, picture)?;
            let judged = judged.within(crop.pixels(picture.width, picture.height));
            let is_needed = self.gallery.is_some() || judged.score().is_anomalous();
            Ok(match shot.filter(|_| is_needed) {
                Some(shot) => judged.with_shot(Arc::new(shot)),
                None => judged,
            })
        });
        let told = unless_by_light(&judgement, &lighting);
        self.last = self.repeats.then_some(Last {
            features,
            lighting,
            judgement,
        });
        told
    }

    fn score(&mut self, features: &Features, light: usize) -> Result<Score, Rejection> {
        self.profile
            .statistics()
            .score_at(features, light, &mut self.scratch, self.level)
    }

    /// The judgement of the frame that the models saw last.
    fn repeat(&self) -> Result<Judged, Rejection> {
        match &self.last {
            Some(last) => unless_by_light(&last.judgement, &last.lighting).map(Judged::repeated),
            None => Err(Rejection::Inference(
                "a verdict was to be repeated, and there is none".to_owned(),
            )),
        }
    }

    /// Judges what the models saw last by the threshold as it is now.
    fn judge_again(&mut self) {
        let Some(last) = self.last.take() else {
            return;
        };
        let score = self.score(&last.features, last.lighting.light);
        let judgement = last.judgement.and_then(|judged| judged.rescored(score?));
        self.last = Some(Last { judgement, ..last });
    }

    /// The journal learns of a threshold at which frames pass that people called bad.
    fn warn_of_missed(&self, level: Level) {
        let missed = self.profile.manifest().missed_at(level);
        if missed > 0 {
            tracing::warn!(
                camera = %self.camera,
                missed,
                "with this threshold frames that people called bad pass as normal"
            );
        }
    }

    /// The journal learns when the hourly cap begins to keep incidents back.
    fn watch_cap(&mut self) {
        let is_capped = self.tracker.is_capped();
        if is_capped && !self.was_capped {
            tracing::warn!(
                camera = %self.camera,
                suppressed = self.tracker.suppressed(),
                "the hour has seen incident.hourly_cap incidents of one cause: no other opens until \
                 it has passed; was the camera moved, or does it need a new calibration?"
            );
        }
        self.was_capped = is_capped;
    }

    /// What follows where a mute has begun or ended: the control's state, and the camera's, which a camera that
    /// is off or gives no frame would not say anew.
    fn mute_turned(&mut self) -> Vec<Message> {
        if self.enabled {
            let told = self.reporter.mute_turned(Moment::now(), &self.tracker);
            return told.into();
        }
        let told = self.reporter.mute(&self.tracker);
        self.turned_off(told)
    }

    /// With what a control says of itself, the state of a camera that is turned off: no frame says it anew.
    fn turned_off(&self, told: Message) -> Vec<Message> {
        let state = self.reporter.disabled_state(Moment::now(), &self.tracker);
        vec![told, state]
    }

    fn latest(&mut self) -> Result<Latest, String> {
        match &mut self.gallery {
            _ if !self.enabled => Err("the camera is turned off: set `enabled` to ON".to_owned()),
            Some(gallery) => gallery.latest(self.reporter.topics()),
            None => Err("pictures are off: set camera.snapshot = true".to_owned()),
        }
    }
}

/// The judgement, unless it is an anomaly in a light that the Profile does not know.
fn unless_by_light(
    judgement: &Result<Judged, Rejection>,
    lighting: &Lighting,
) -> Result<Judged, Rejection> {
    match (judgement, &lighting.unlearnt) {
        (Ok(judged), Some(fault)) if judged.score().is_suspect() => {
            Err(Rejection::Scene(fault.clone()))
        }
        (judgement, _) => judgement.clone(),
    }
}

impl Decide for Inspector {
    type Seen = Sight;
    type Message = Message;
    type Order = Order;

    fn decide(&mut self, stamp: Stamp, look: Result<Sight, Rejection>) -> Decided<Message> {
        let Stamp { seq, at } = stamp;
        let is_repeated = matches!(look, Ok(Sight::AsBefore));
        let judgement = look.and_then(|look| match look {
            Sight::New(seen) => self.judge(*seen),
            Sight::AsBefore => self.repeat(),
        });
        let changes = self.tracker.observe(seq, at, judgement.as_ref());
        self.warn(&changes);
        self.keep(&changes);
        let mut messages = self.show(&changes);
        let judged = judgement.as_ref();
        let said = self
            .reporter
            .frame(seq, at, judged, &changes, &self.tracker);
        messages.extend(said);
        self.watch_cap();
        let verdict = judgement.map(|judged| {
            let is_anomalous = judged.score().is_anomalous();
            if let Some(gallery) = &mut self.gallery {
                gallery.keep(stamp, judged);
            }
            is_anomalous
        });
        Decided {
            messages,
            verdict,
            is_repeated,
        }
    }

    fn order(&mut self, order: Order) -> Vec<Message> {
        match order {
            Order::Mute(mute) => {
                if let Some(left_out) = self.orders.take(Instant::now()) {
                    tracing::info!(camera = %self.camera, ?mute, left_out, "muting is set");
                }
                self.tracker.mute(mute);
                self.mute_turned()
            }
            Order::EndMute(now) => {
                if self.tracker.end_mute(now.since_boot) {
                    self.mute_turned()
                } else {
                    Vec::new()
                }
            }
            Order::Threshold(level) => {
                if let Some(left_out) = self.orders.take(Instant::now()) {
                    let value = level.get();
                    tracing::info!(camera = %self.camera, value, left_out, "the threshold is set");
                    self.warn_of_missed(level);
                }
                self.level = level;
                self.judge_again();
                let told = self.reporter.threshold(level);
                if self.enabled {
                    // The next frame is judged by it, and says so.
                    vec![told]
                } else {
                    self.turned_off(told)
                }
            }
            Order::Tell(control) => {
                vec![self.reporter.tell(control, self.enabled, &self.tracker)]
            }
            Order::Snapshot(Asker { to, waits }) => {
                if waits.strong_count() > 0 {
                    // Who asked may have given up meanwhile.
                    let _ = to.send(self.latest());
                }
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
#[path = "inspector_tests.rs"]
mod tests;
