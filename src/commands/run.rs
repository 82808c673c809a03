//! `inspectd run`: the daemon. Loads everything, then starts one generation of the pipeline after
//! the other until it is asked to stop or all footage has ended.
//!
//! A reload loads the new configuration whole, on a thread of its own, while the old generation
//! inspects; a faulty one changes nothing but `last_reload_error` in the node's info. Delivery goes on
//! through it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, at, bounded, never, select_biased, tick};
use jiff::Timestamp;
use serde_json::Value;
use tracing::{error, info};

use super::controls::Controls;
use super::fallback;
use super::generation::{Carried, Ended, Generation};
use super::health::Pulse;
use super::inspection::Inspection;
use super::introduction::Introduction;
use super::keeper::Keeper;
use super::logging::{self, Journal};
use super::reload::{Loaded, Reloads};
use super::requests::{Desk, Follows};
use super::signals::{self, Asked};
use super::turn::Turn;
use super::waiting::Waiting;
use super::watchdog::{Look, Watchdog, Watched};
use crate::capture::Moment;
use crate::cli::RunArgs;
use crate::config::{Issues, Name};
use crate::pipeline::{Failure, Outlet, log_pauses};
use crate::publish::{Folder, Info, Left, Message, Publisher, Ration, Reply, Spool, Told, Topics};
use crate::seam;

/// How often the node's health is said.
const HEALTH_EVERY: Duration = Duration::from_secs(30);
/// For so long what others say is done one after the other, before the rest has its turn.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The publisher hands over what waits as soon as it has done what it is at.
const HANDED_OVER: Duration = Duration::from_millis(100);

/// What others call the node and its cameras under one configuration.
struct Site {
    topics: Topics,
    cameras: Vec<Name>,
}

/// What outlives the generations.
struct Daemon {
    boot_id: Arc<str>,
    journal: Journal,
    signals: Receiver<Asked>,
    outlet: Outlet<Message, Left>,
    told: Receiver<Told>,
    keeper: Keeper,
    folder: PathBuf,
    reloads: Reloads,
    controls: Controls,
    /// What was set and found its camera busy.
    waiting: Waiting,
    introduction: Introduction,
    pulse: Pulse,
    watchdog: Watchdog,
    /// Lines about what is asked wrongly.
    refusals: Ration,
    /// The loops that outlive the generations.
    delivery: [Watched; 2],
}

/// Runs the daemon to its end.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = crate::config::load(&args.config)?;
    let journal = logging::start(&config.log);
    seam::exit_on_panic();
    let signals = signals::listen()?;
    let boot_id = boot_id();
    let folder = Folder::lock(&config.node.state_dir)?;
    let inspection = fallback::load(config)?;
    let settings = inspection.settings(&boot_id);
    let spool = Spool::open(&folder, settings.limits)?;
    let keeper = Keeper::start(folder.path(), inspection.config.feedback.bytes)?;
    // Without room: of what others set the supervisor takes the newest, when it comes to it.
    let (tell, told) = bounded(0);
    let publisher = Publisher::new(settings, spool, tell);
    let delivery = publisher.heartbeats();
    let outlet = Outlet::start(move |inbox| publisher.run(inbox))?;
    let mut daemon = Daemon {
        boot_id,
        journal,
        signals,
        outlet,
        told,
        keeper,
        folder: folder.path().to_path_buf(),
        reloads: Reloads::of(args.config.clone(), folder.path().to_path_buf()),
        controls: Controls::load(folder.path()),
        waiting: Waiting::default(),
        introduction: Introduction::load(folder.path()),
        pulse: Pulse::new(),
        watchdog: Watchdog::new(),
        refusals: Ration::default(),
        delivery,
    };
    let ended = daemon.generations(inspection);
    daemon.watchdog.stopping();
    for answer in daemon.keeper.close() {
        daemon.outlet.send(answer);
    }
    let left = daemon.outlet.close();
    let (result, turn) = ended?;
    result?;
    turn.result(folder.path().to_path_buf(), &left)
}

impl Daemon {
    /// One generation after the other, until one ends for good.
    fn generations(
        &mut self,
        mut inspection: Inspection,
    ) -> io::Result<(Result<(), Failure>, Turn)> {
        let mut carried = Carried::default();
        let mut info = inspection.info(&self.boot_id, Timestamp::now());
        self.introduce(&inspection, &info);
        loop {
            let outlet = self.outlet.sender();
            let (controls, keeper) = (&self.controls, self.keeper.hands());
            let mut generation = Generation::start(
                &inspection,
                &self.boot_id,
                carried,
                controls,
                keeper,
                &outlet,
            )?;
            drop(outlet);
            info!(
                version = info.version,
                cameras = info.cameras.len(),
                "inspecting"
            );
            self.watchdog.ready();
            let turn = self.supervise(&mut generation, &inspection, &mut info);
            if !matches!(turn, Turn::DiskFailed(_)) {
                self.controls.save(); // One that does not answer could hold up the end.
            }
            let ended = self.finish(generation, &inspection, &turn);
            carried = ended.carried;
            match turn {
                Turn::Reload(mut next) if ended.result.is_ok() => {
                    self.change(&inspection, &next);
                    next.count_on(&inspection);
                    info = next.info(&self.boot_id, Timestamp::now());
                    inspection = *next;
                    self.introduce(&inspection, &info);
                }
                Turn::Switch if ended.result.is_ok() => {}
                turn => return Ok((ended.result, turn)),
            }
        }
    }

    /// Says which node and cameras there are, and takes back what the former ones left, also those of a former start.
    fn introduce(&mut self, inspection: &Inspection, info: &Info) {
        let node = inspection.topics();
        self.outlet
            .send(Message::controls(&node, &inspection.names()));
        self.outlet.send(info.message(&node.info()));
        // Without a broker nothing is told, and nothing that is gone is forgotten.
        if inspection.has_broker() {
            let (cameras, described) = (inspection.camera_topics(), inspection.discovery());
            for message in self.introduction.replace(node, cameras, described) {
                self.outlet.send(message);
            }
        }
    }

    /// Ends a generation, which takes the frames under way and the closing of a source that hangs, and looks
    /// at the other loops meanwhile.
    fn finish(&mut self, generation: Generation, inspection: &Inspection, turn: &Turn) -> Ended {
        let cameras = inspection.names();
        let loops = look(&generation, &self.delivery).loops;
        let seen = Look {
            loops,
            cameras: (0, generation.giving_frames().1),
        };
        let goes_on = |camera: &&Name| match turn {
            Turn::Reload(next) => next.goes_on_with(camera, inspection),
            Turn::Switch => self.controls.of(camera).enabled,
            Turn::Stop | Turn::Footage(_) | Turn::DiskFailed(_) => false,
        };
        let stay: Vec<Name> = cameras.iter().filter(goes_on).cloned().collect();
        self.watchdog
            .during(&seen, || generation.finish(|camera| stay.contains(camera)))
    }

    /// Goes over to the next configuration.
    fn change(&mut self, former: &Inspection, next: &Inspection) {
        self.journal.change(&next.config.log);
        self.keeper.allow(next.config.feedback.bytes);
        let settings = Box::new(next.settings(&self.boot_id));
        self.outlet.send(match next.topics() == former.topics() {
            true => Message::Settings(settings),
            false => Message::Renamed(settings, self.introduction.farewell(&next.discovery())),
        });
    }

    /// Waits until the generation has to end, and answers what is asked meanwhile.
    fn supervise(
        &mut self,
        generation: &mut Generation,
        inspection: &Inspection,
        info: &mut Info,
    ) -> Turn {
        let (mut pauses, health) = (log_pauses(), tick(HEALTH_EVERY));
        let mut report = pauses.next().map_or_else(never, after);
        let site = Site {
            topics: inspection.topics(),
            cameras: inspection.names(),
        };
        self.say_health(generation, &site, None);
        loop {
            self.reloads.begin();
            let mute_over = generation.mute_ends_in().map_or_else(never, after);
            let set_again = self.waiting.due().map_or_else(never, at);
            let unwritten = self.controls.due().map_or_else(never, at);
            // What others ask for comes last: they could ask without end.
            let turn = select_biased! {
                recv(generation.ended()) -> _ => Some(Turn::Footage(generation.unjudged())),
                recv(self.signals) -> asked => self.obey(asked.unwrap_or(Asked::Stop)),
                recv(report) -> _ => {
                    if let Some(meter) = generation.meter() {
                        meter.log();
                    }
                    report = pauses.next().map_or_else(never, after);
                    None
                },
                recv(self.watchdog.ticks()) -> _ => {
                    self.watchdog.look(&look(generation, &self.delivery));
                    None
                },
                // Closed, it has panicked, and that ends the process.
                recv(self.reloads.loaded()) -> loaded => match loaded {
                    Ok(loaded) => self.take(loaded, &site, info),
                    Err(_) => Some(Turn::Stop),
                },
                // Closed, it has panicked as well.
                recv(self.keeper.answers()) -> answer => {
                    answer.into_iter().for_each(|answer| self.outlet.send(answer));
                    None
                },
                recv(health) -> _ => {
                    self.say_health(generation, &site, None);
                    None
                },
                recv(mute_over) -> _ => {
                    let said = generation.end_mutes(Moment::now());
                    said.into_iter().for_each(|message| self.outlet.send(message));
                    None
                },
                recv(unwritten) -> _ => {
                    self.controls.save_in_time();
                    None
                },
                recv(set_again) -> _ => {
                    let mut follows = Follows::default();
                    self.desk(generation, &site).set_again(&mut follows);
                    self.follow(follows, generation, &site)
                },
                // Closed, it says that the publisher has ended; the outlet tells why.
                recv(self.told) -> told => match told {
                    Ok(told) => self.heed(told, generation, &site),
                    Err(_) => Some(Turn::Stop),
                },
            };
            if let Some(turn) = turn {
                return turn;
            }
        }
    }

    fn obey(&mut self, asked: Asked) -> Option<Turn> {
        match asked {
            Asked::Reload => {
                self.reloads.ask(Vec::new());
                None
            }
            Asked::Stop => {
                info!("asked to stop");
                Some(Turn::Stop)
            }
        }
    }

    /// Does what was told, and what waits behind it: cameras that are switched together end one generation.
    fn heed(&mut self, told: Told, generation: &mut Generation, site: &Site) -> Option<Turn> {
        let (mut follows, begun) = (Follows::default(), Instant::now());
        let mut next = Some(told);
        while let Some(told) = next {
            let (said, more) = match told {
                Told::Heard { said, more } => (said, more),
                Told::DiskFailed(reason) => {
                    error!(
                        reason,
                        "the disk has failed; the daemon ends to be started anew"
                    );
                    return Some(Turn::DiskFailed(reason));
                }
            };
            self.desk(generation, site).hear(&said, &mut follows);
            self.controls.save_in_time();
            // One may take seconds: neither the watchdog nor a signal waits for them all.
            if self.watchdog.ticks().try_recv().is_ok() {
                self.watchdog.look(&look(generation, &self.delivery));
            }
            let goes_on = more && self.signals.is_empty() && begun.elapsed() < AT_ONCE;
            let handed_over = || self.told.recv_timeout(HANDED_OVER).ok();
            next = goes_on.then(handed_over).flatten();
        }
        self.follow(follows, generation, site)
    }

    fn desk<'a>(&'a mut self, generation: &'a mut Generation, site: &'a Site) -> Desk<'a> {
        Desk {
            topics: &site.topics,
            cameras: &site.cameras,
            controls: &mut self.controls,
            waiting: &mut self.waiting,
            folder: &self.folder,
            order: Box::new(|camera, order| generation.order(camera, order)),
            refusals: &mut self.refusals,
        }
    }

    /// Does what follows from what was asked.
    fn follow(&mut self, follows: Follows, generation: &Generation, site: &Site) -> Option<Turn> {
        for message in follows.messages {
            self.outlet.send(message);
        }
        for (feedback, reply) in follows.verdicts {
            if let Some(refusal) = self.keeper.judge(feedback, reply) {
                self.outlet.send(refusal);
            }
        }
        for reply in follows.health_checks {
            self.say_health(generation, site, Some(reply));
        }
        if !follows.reloads.is_empty() {
            self.reloads.ask(follows.reloads);
        }
        follows.is_switched.then_some(Turn::Switch)
    }

    fn say_health(&mut self, generation: &Generation, site: &Site, reply: Option<Reply>) {
        let message = self
            .pulse
            .take(generation.meter(), &self.folder, &site.topics, reply);
        self.outlet.send(message);
    }

    /// Goes on under a configuration that was loaded, or tells why it is not taken.
    fn take(&mut self, loaded: Loaded, site: &Site, info: &mut Info) -> Option<Turn> {
        let fault = loaded.as_ref().err().map(Issues::to_string);
        for reply in self.reloads.done() {
            self.outlet.send(match &fault {
                None => reply.ok(Value::Null),
                Some(fault) => reply.error(fault),
            });
        }
        match loaded {
            Ok(next) => Some(Turn::Reload(next)),
            Err(issues) => {
                error!(%issues, "the new configuration is not taken; the old one goes on");
                info.last_reload_error = fault;
                self.outlet.send(info.message(&site.topics.info()));
                None
            }
        }
    }
}

/// What the watchdog sees.
fn look(generation: &Generation, delivery: &[Watched]) -> Look {
    Look {
        loops: generation
            .heartbeats()
            .chain(delivery.iter().cloned())
            .collect(),
        cameras: generation.giving_frames(),
    }
}

/// The identifier of this boot of the machine.
fn boot_id() -> Arc<str> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| "unknown".into(), |id| id.trim().into())
}
