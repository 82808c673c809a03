//! Keeps the worst frame of each anomaly that is reported, for who says later whether the alert was right.
//!
//! One thread writes, and nobody waits for it: encoding a large picture takes a second of a board, and a disk
//! may hang. Inspectors hand frames over by a [`Line`]; where many wait, the oldest gives way, and its line and
//! the thread are told. Verdicts come from the supervisor, which takes the answers. A frame that can't be kept
//! costs a line in the journal, never an alert. The thread ends when all lines are dropped.

mod files;
mod shelf;
mod store;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, never, select};
use serde_json::json;
use tracing::{info, warn};

use self::store::{Pinned, Store};
use crate::capture::{Moment, Pixels};
use crate::config::Name;
use crate::decide::{Cause, Incident, Phase};
use crate::pipeline::Complaints;
use crate::preprocess::picture_file;
use crate::publish::{Feedback, Message, Ration, Reply};
use crate::seam::caught;

/// Frames that wait: those of some cameras that stop at once. More would be memory, and a disk that is so
/// far behind does not catch up.
const DEPTH: usize = 8;
/// Verdicts, and answers, that wait.
const VERDICTS: usize = 16;
/// Frames that gave way and are not noted yet; a disk that hangs for longer forgets why.
const LOST: usize = 512;
/// How long the end of the daemon waits for a disk that is slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// An incident whose frame is to be kept.
struct Handed {
    camera: Name,
    worst: Worst,
    /// Its picture, or why there is none.
    frame: Result<Arc<Pixels>, String>,
    /// Where its line learns that it gave way.
    back: Sender<Worst>,
}

/// The worst frame of an incident so far.
#[derive(Debug, Clone, PartialEq)]
struct Worst {
    id: String,
    seq: u64,
    at: Moment,
}

/// What the supervisor asks for.
enum Order {
    Judge(Feedback, Reply),
    /// So many bytes may be kept from now on.
    Allow(u64),
}

/// The way of one camera's frames to the disk.
pub(super) struct Line {
    camera: Name,
    to: Hands,
    /// The frame that was handed over last.
    last: Option<Worst>,
    /// Those of this line that gave way.
    back: (Sender<Worst>, Receiver<Worst>),
    losses: Ration,
}

/// Both ends, so that who sends may take back what nobody took.
#[derive(Clone)]
pub(super) struct Hands {
    to: Sender<Handed>,
    waiting: Receiver<Handed>,
    lost: Sender<Handed>,
}

/// The other ends: what waits, and what gave way.
struct Taken {
    waiting: Receiver<Handed>,
    lost: Receiver<Handed>,
}

/// The thread that keeps frames.
pub(super) struct Keeper {
    hands: Hands,
    orders: Sender<Order>,
    answers: Receiver<Message>,
}

impl Hands {
    /// Where frames are handed over, and where they are taken.
    fn new() -> (Hands, Taken) {
        let (to, waiting) = bounded(DEPTH);
        let (lost, gone) = bounded(LOST);
        let taken = Taken {
            waiting: waiting.clone(),
            lost: gone,
        };
        (Hands { to, waiting, lost }, taken)
    }

    /// A line for a camera.
    pub(super) fn line(&self, camera: Name) -> Line {
        Line {
            camera,
            to: self.clone(),
            last: None,
            back: bounded(DEPTH),
            losses: Ration::default(),
        }
    }

    /// Hands over and never waits; the camera and the incident of what had to give way.
    fn give(&self, mut handed: Handed) -> Option<(Name, String)> {
        let mut told = None;
        while let Err(TrySendError::Full(again)) = self.to.try_send(handed) {
            if let Ok(lost) = self.waiting.try_recv() {
                told = Some((lost.camera.clone(), lost.worst.id.clone()));
                self.let_go(lost);
            }
            handed = again;
        }
        told
    }

    /// Tells what gave way to its line, which may hand it over again, and why to who answers verdicts.
    fn let_go(&self, lost: Handed) {
        let why = lost.frame.err().unwrap_or_else(|| {
            "it gave way to newer ones: they come faster than the disk takes them".to_owned()
        });
        // Where nobody listens any more, or the disk hangs, it is forgotten.
        let _ = lost.back.try_send(lost.worst.clone());
        let _ = self.lost.try_send(Handed {
            frame: Err(why),
            ..lost
        });
    }
}

impl Line {
    /// Hands over what is to be kept of incidents that are about to be reported.
    pub(super) fn keep(&mut self, changes: &[Incident]) {
        for lost in self.back.1.try_iter() {
            self.last.take_if(|last| *last == lost);
        }
        for incident in changes {
            let worst = Worst {
                id: incident.id.clone(),
                seq: incident.worst_seq,
                at: incident.worst_at,
            };
            let is_news = match incident.cause {
                Cause::Anomaly => self.last.replace(worst.clone()).as_ref() != Some(&worst),
                _ => incident.phase == Phase::Opened,
            };
            if is_news {
                self.hand_over(incident, worst);
            }
        }
    }

    fn hand_over(&mut self, incident: &Incident, worst: Worst) {
        let lost = self.to.give(Handed {
            camera: self.camera.clone(),
            worst,
            frame: frame_of(incident),
            back: self.back.0.clone(),
        });
        if let Some((camera, alert)) = lost
            && let Some(left_out) = self.losses.take(Instant::now())
        {
            warn!(
                %camera,
                alert,
                left_out,
                "the frame of an alert is not kept: they come faster than the disk takes them"
            );
        }
    }
}

fn frame_of(incident: &Incident) -> Result<Arc<Pixels>, String> {
    let shot = incident.worst.judged().and_then(|judged| judged.shot());
    match (incident.cause, shot) {
        (Cause::Anomaly, Some(shot)) => Ok(Arc::clone(shot)),
        (Cause::Anomaly, None) => Err("the frame was not at hand any more".to_owned()),
        (cause, _) => Err(format!(
            "it is of cause {}; frames of anomalies alone are kept",
            cause.as_str()
        )),
    }
}

impl Keeper {
    /// Starts the thread, for so many bytes below a state folder.
    ///
    /// # Errors
    /// The system's answer where it could not be started.
    pub(super) fn start(state_dir: &Path, quota: u64) -> io::Result<Keeper> {
        let (hands, taken) = Hands::new();
        let (orders, ordered) = bounded(VERDICTS);
        let (answer, answers) = bounded(VERDICTS);
        let state_dir = state_dir.to_owned();
        let work = move || {
            let mut writer = Writer {
                store: Store::open(&state_dir, quota),
                complaints: Complaints::default(),
                refusals: Ration::default(),
            };
            writer.allow(quota);
            writer.run(&taken, ordered, &answer);
        };
        thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(work)?;
        Ok(Keeper {
            hands,
            orders,
            answers,
        })
    }

    /// Where the cameras hand over.
    pub(super) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// So many bytes may be kept from now on.
    pub(super) fn allow(&self, quota: u64) {
        if self.orders.try_send(Order::Allow(quota)).is_err() {
            warn!("the disk hangs: feedback.megabytes stays as it was until the next reload");
        }
    }

    /// Keeps the frame of an incident with a verdict; the answer comes from [`Keeper::answers`], or is given
    /// at once where too many verdicts wait.
    pub(super) fn judge(&self, feedback: Feedback, reply: Reply) -> Option<Message> {
        let order = self.orders.try_send(Order::Judge(feedback, reply));
        let (Err(TrySendError::Full(order)) | Err(TrySendError::Disconnected(order))) = order
        else {
            return None;
        };
        match order {
            Order::Judge(_, reply) => Some(reply.error(
                "the verdict is noted, but too many others wait for the disk: say it again later, so \
                 that the frame is kept",
            )),
            Order::Allow(_) => None,
        }
    }

    /// The answers to verdicts.
    pub(super) fn answers(&self) -> &Receiver<Message> {
        &self.answers
    }

    /// Waits until all is kept, but not for a disk that hangs; the answers that were left.
    pub(super) fn close(self) -> Vec<Message> {
        let Keeper {
            hands,
            orders,
            answers,
        } = self;
        drop((hands, orders));
        let deadline = Instant::now() + PATIENCE;
        let mut left = Vec::new();
        loop {
            match answers.recv_deadline(deadline) {
                Ok(answer) => left.push(answer),
                Err(RecvTimeoutError::Disconnected) => return left,
                Err(RecvTimeoutError::Timeout) => {
                    warn!("the disk does not take the frames that wait; they are not kept");
                    return left;
                }
            }
        }
    }
}

/// The thread's own.
struct Writer {
    store: Store,
    complaints: Complaints,
    /// Lines about verdicts.
    refusals: Ration,
}

impl Writer {
    /// Until all lines are dropped.
    fn run(&mut self, taken: &Taken, mut orders: Receiver<Order>, answers: &Sender<Message>) {
        loop {
            select! {
                recv(taken.waiting) -> one => match one {
                    Ok(one) => self.keep(one),
                    Err(_) => break,
                },
                recv(taken.lost) -> lost => lost.into_iter().for_each(|lost| self.keep(lost)),
                recv(orders) -> order => match order {
                    Ok(order) => {
                        // The frame that a verdict is of was handed over before it, or gave way.
                        let handed = taken.waiting.try_iter().chain(taken.lost.try_iter());
                        handed.for_each(|one| self.keep(one));
                        self.obey(order, answers);
                    }
                    Err(_) => orders = never(),
                },
            }
        }
        taken.lost.try_iter().for_each(|lost| self.keep(lost));
        orders
            .try_iter()
            .for_each(|order| self.obey(order, answers));
    }

    fn keep(&mut self, handed: Handed) {
        let (camera, id) = (handed.camera, handed.worst.id);
        let pixels = match handed.frame {
            Ok(pixels) => pixels,
            Err(why) => return self.store.note_gone(&id, why),
        };
        let file = caught(|| picture_file(&pixels)).flatten();
        match file.and_then(|file| self.store.keep(&camera, &id, &file)) {
            Ok(()) => self.complaints.forget(),
            Err(fault) => {
                if let Some(times) = self.complaints.hear(&fault, Instant::now()) {
                    warn!(%camera, alert = id, fault, times, "the frame of an alert is not kept");
                }
                self.store
                    .note_gone(&id, format!("it could not be kept: {fault}"));
            }
        }
    }

    fn obey(&mut self, order: Order, answers: &Sender<Message>) {
        match order {
            Order::Judge(feedback, reply) => {
                // Nobody waits for an answer any more where the daemon ends.
                let _ = answers.send(self.judge(&feedback, &reply));
            }
            Order::Allow(quota) => self.allow(quota),
        }
    }

    fn judge(&mut self, feedback: &Feedback, reply: &Reply) -> Message {
        let alert = &feedback.alert_id;
        let (frame, why) = match self.store.pin(alert, feedback.verdict) {
            Pinned::Kept => ("kept", None),
            Pinned::Refused(why) => ("refused", Some(why)),
            Pinned::Gone(why) => ("gone", Some(why)),
        };
        if let Some(left_out) = self.refusals.take(Instant::now()) {
            match &why {
                Some(why) => warn!(alert, why, left_out, "a verdict keeps no frame"),
                None => {
                    let verdict = feedback.verdict;
                    info!(
                        alert,
                        ?verdict,
                        left_out,
                        "a frame is kept with its verdict"
                    );
                }
            }
        }
        reply.ok(json!({ "frame": frame, "why": why }))
    }

    fn allow(&mut self, quota: u64) {
        if let Err(fault) = self.store.allow(quota) {
            warn!(fault, "old frames are not removed, and the quota is passed");
        }
    }
}

#[cfg(test)]
mod tests;
