//! `inspectd run`: the daemon. Loads everything, then starts one generation of the pipeline after
//! the other until it is asked to stop or all footage has ended.
//!
//! A reload loads the new configuration whole while the old generation inspects; a faulty one
//! changes nothing but `last_reload_error` in the node's info. Delivery goes on through it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select, tick};
use jiff::Timestamp;
use tracing::{error, info};

use super::inspection::Inspection;
use super::inspector::Inspector;
use super::logging::{self, Journal};
use super::signals::{self, Asked};
use crate::capture::Moment;
use crate::cli::RunArgs;
use crate::config::{Issues, Name};
use crate::decide::Tracker;
use crate::pipeline::{self, Failure, Finished, Outlet, Running};
use crate::publish::{Folder, Info, Left, Message, Publisher, Spool, Told, Topics};

/// How often the counters are written to the journal.
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// Requests that wait while a reload loads its models.
const TOLD_DEPTH: usize = 16;

/// The daemon can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// What comes now is safe nowhere.
    #[error(
        "the disk under {folder} has failed: {reason}; alerts that came since were delivered where \
         the broker was there, {lost} are lost; check the disk, then start again"
    )]
    DiskFailed {
        /// The state folder.
        folder: PathBuf,
        /// What the spool says.
        reason: String,
        /// Alerts that nobody has.
        lost: u64,
    },
    /// The disk was full to the end.
    #[error(
        "{lost} alerts are lost: there was no room for them under {folder} and the broker did not \
         take them in time; free some space"
    )]
    NoRoom {
        /// The state folder.
        folder: PathBuf,
        /// Alerts that nobody has.
        lost: u64,
    },
}

/// How a generation came to its end.
enum Turn {
    /// The footage has ended, a stage has failed, or a stop was asked.
    Stop,
    /// The spool's disk has failed.
    DiskFailed(String),
    /// This configuration takes over.
    Reload(Box<Inspection>),
}

/// What outlives the generations.
struct Daemon<'a> {
    path: &'a Path,
    boot_id: Arc<str>,
    journal: Journal,
    signals: Receiver<Asked>,
    outlet: Outlet<Message, Left>,
    told: Receiver<Told>,
}

/// Runs the daemon to its end.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = crate::config::load(&args.config)?;
    let journal = logging::start(&config.log);
    pipeline::exit_on_panic();
    let signals = signals::listen()?;
    let boot_id = boot_id();
    let folder = Folder::lock(&config.node.state_dir)?;
    let inspection = Inspection::load(config)?;
    let settings = inspection.settings(&boot_id);
    let spool = Spool::open(&folder, settings.limits)?;
    let (tell, told) = bounded(TOLD_DEPTH);
    let publisher = Publisher::new(settings, spool, tell);
    let outlet = Outlet::start(move |inbox| publisher.run(inbox))?;
    let daemon = Daemon {
        path: &args.config,
        boot_id,
        journal,
        signals,
        outlet,
        told,
    };
    let (result, turn) = daemon.generations(inspection)?;
    let left = daemon.outlet.close();
    let (folder, lost) = (folder.path().to_path_buf(), left.lost);
    result?;
    match turn {
        Turn::DiskFailed(reason) => Err(Stopped::DiskFailed {
            folder,
            reason,
            lost,
        })?,
        _ if lost > 0 => Err(Stopped::NoRoom { folder, lost })?,
        _ => Ok(()),
    }
}

impl Daemon<'_> {
    /// One generation after the other, until one ends for good.
    fn generations(&self, mut inspection: Inspection) -> io::Result<(Result<(), Failure>, Turn)> {
        let mut trackers = HashMap::new();
        loop {
            let config = &inspection.config;
            let mut info = inspection.info(&self.boot_id, Timestamp::now());
            let topic = Topics::new(&config.mqtt.prefix, &config.node.name).info();
            let running = self.start(inspection, trackers, &info, &topic)?;
            info!(
                version = info.version,
                cameras = info.cameras.len(),
                "inspecting"
            );
            let turn = self.supervise(&running, &mut info, &topic);
            let Finished { deciders, result } = finish(running, &turn);
            match turn {
                Turn::Reload(next) if result.is_ok() => {
                    self.journal.change(&next.config.log);
                    let settings = next.settings(&self.boot_id);
                    self.outlet.send(Message::Settings(Box::new(settings)));
                    trackers = deciders.into_iter().map(Inspector::into_tracker).collect();
                    inspection = *next;
                }
                turn => return Ok((result, turn)),
            }
        }
    }

    fn start(
        &self,
        inspection: Inspection,
        trackers: HashMap<Name, Tracker>,
        info: &Info,
        topic: &str,
    ) -> io::Result<Running<Inspector>> {
        let mut cameras = inspection.into_cameras(&self.boot_id, trackers);
        self.outlet.send(info.message(topic));
        for message in cameras.iter_mut().flat_map(|camera| camera.decide.start()) {
            self.outlet.send(message);
        }
        pipeline::start(cameras, Moment::now, self.outlet.sender())
    }

    /// Waits until the generation has to end, and answers what is asked meanwhile.
    fn supervise(&self, running: &Running<Inspector>, info: &mut Info, topic: &str) -> Turn {
        let reports = tick(REPORT_EVERY);
        loop {
            select! {
                recv(running.ended()) -> _ => return Turn::Stop,
                recv(reports) -> _ => running.meter().log(),
                recv(self.told) -> told => if let Ok(Told::DiskFailed(reason)) = told {
                    error!(reason, "the disk has failed; the daemon ends to be started anew");
                    return Turn::DiskFailed(reason);
                },
                recv(self.signals) -> asked => match asked {
                    Ok(Asked::Reload) => match load(self.path) {
                        Ok(next) => return Turn::Reload(Box::new(next)),
                        Err(issues) => {
                            error!(%issues, "the new configuration is not taken; the old one goes on");
                            info.last_reload_error = Some(issues.to_string());
                            self.outlet.send(info.message(topic));
                        }
                    },
                    Ok(Asked::Stop) | Err(_) => {
                        info!("asked to stop");
                        return Turn::Stop;
                    }
                },
            }
        }
    }
}

fn load(path: &Path) -> Result<Inspection, Issues> {
    Inspection::load(crate::config::load(path)?)
}

/// Ends a generation. Incidents of cameras that nobody looks at any more are closed.
fn finish(running: Running<Inspector>, turn: &Turn) -> Finished<Inspector> {
    running.meter().log();
    running.join(|inspector| match turn {
        Turn::Reload(next)
            if next
                .config
                .cameras
                .iter()
                .any(|c| c.name == inspector.camera) =>
        {
            Vec::new()
        }
        _ => inspector.stop(),
    })
}

/// The identifier of this boot of the machine.
fn boot_id() -> Arc<str> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| "unknown".into(), |id| id.trim().into())
}
