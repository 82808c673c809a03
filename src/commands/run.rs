//! `inspectd run`: the daemon. Loads everything, then starts one generation of the pipeline after
//! the other until it is asked to stop or all footage has ended.
//!
//! A reload loads the new configuration whole while the old generation inspects; a faulty one
//! changes nothing but `last_reload_error` in the node's info.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, select, tick};
use jiff::Timestamp;
use tracing::{error, info};

use super::inspection::Inspection;
use super::inspector::Inspector;
use super::logging;
use super::signals::{self, Asked};
use crate::capture::Moment;
use crate::cli::RunArgs;
use crate::config::{Issues, Name};
use crate::decide::Tracker;
use crate::pipeline::{self, Failure, Finished, Running};
use crate::publish::{Info, Message, Outbox, Publisher, Topics};

/// How often the counters are written to the journal.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Alerts that the broker did not take before the daemon ended.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} alerts are lost: the broker did not take them within mqtt.drain_s after the stop; \
     is it there?"
)]
pub(super) struct Undelivered(usize);

/// What outlives a generation.
struct Carried {
    trackers: HashMap<Name, Tracker>,
    outbox: Outbox,
}

/// How a generation came to its end.
enum Turn {
    /// The footage has ended, a stage has failed, or a stop was asked.
    Stop,
    /// This configuration takes over.
    Reload(Box<Inspection>),
}

/// Runs the daemon to its end.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = crate::config::load(&args.config)?;
    let journal = logging::start(&config.log);
    pipeline::exit_on_panic();
    let signals = signals::listen()?;
    let boot_id = boot_id();
    let mut inspection = Inspection::load(config)?;
    let outbox = Outbox::new(inspection.config.mqtt.outbox);
    let mut carried = Carried {
        trackers: HashMap::new(),
        outbox,
    };
    loop {
        let started = Timestamp::now();
        let mut info = inspection.info(&boot_id, started);
        let config = &inspection.config;
        let topic = Topics::new(&config.mqtt.prefix, &config.node.name).info();
        let running = start(inspection, &boot_id, carried, &info, &topic)?;
        info!(
            version = info.version,
            cameras = info.cameras.len(),
            "inspecting"
        );
        let turn = supervise(&running, &signals, &args.config, &mut info, &topic);
        let finished = finish(running, &turn);
        match turn {
            Turn::Reload(next) if finished.result.is_ok() => {
                journal.change(&next.config.log);
                let trackers = finished.deciders.into_iter().map(Inspector::into_tracker);
                carried = Carried {
                    trackers: trackers.collect(),
                    outbox: finished.published,
                };
                inspection = *next;
            }
            _ => return end(finished.result, finished.published.len()),
        }
    }
}

/// How the daemon ends. The journal gets it as well: a program may read that, and not our last
/// words.
fn end(result: Result<(), Failure>, undelivered: usize) -> anyhow::Result<()> {
    if undelivered > 0 {
        error!(
            alerts = undelivered,
            "alerts are lost: the broker did not take them in time"
        );
    }
    result?;
    match undelivered {
        0 => Ok(()),
        lost => Err(Undelivered(lost).into()),
    }
}

fn start(
    inspection: Inspection,
    boot_id: &Arc<str>,
    carried: Carried,
    info: &Info,
    topic: &str,
) -> std::io::Result<Running<Inspector, Outbox>> {
    let mqtt = inspection.config.mqtt.clone();
    let endpoint = Arc::clone(&inspection.endpoint);
    let topics = Topics::new(&mqtt.prefix, &inspection.config.node.name);
    let mut cameras = inspection.into_cameras(boot_id, carried.trackers);
    let mut publisher = Publisher::new(mqtt, endpoint, topics, carried.outbox);
    publisher.announce(info.message(topic));
    for message in cameras.iter_mut().flat_map(|camera| camera.decide.start()) {
        publisher.announce(message);
    }
    pipeline::start(cameras, Moment::now, move |inbox, notes| {
        publisher.run(inbox, notes)
    })
}

/// Waits until the generation has to end, and answers what is asked meanwhile.
fn supervise(
    running: &Running<Inspector, Outbox>,
    signals: &Receiver<Asked>,
    path: &Path,
    info: &mut Info,
    topic: &str,
) -> Turn {
    let reports = tick(REPORT_EVERY);
    loop {
        select! {
            recv(running.ended()) -> _ => return Turn::Stop,
            recv(reports) -> _ => running.meter().log(),
            recv(signals) -> asked => match asked {
                Ok(Asked::Reload) => match load(path) {
                    Ok(next) => return Turn::Reload(Box::new(next)),
                    Err(issues) => {
                        error!(%issues, "the new configuration is not taken; the old one goes on");
                        info.last_reload_error = Some(issues.to_string());
                        running.note(info.message(topic));
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

fn load(path: &Path) -> Result<Inspection, Issues> {
    Inspection::load(crate::config::load(path)?)
}

/// Ends a generation. Incidents of cameras that nobody looks at any more are closed.
fn finish(running: Running<Inspector, Outbox>, turn: &Turn) -> Finished<Inspector, Outbox> {
    running.meter().log();
    if matches!(turn, Turn::Reload(_)) {
        running.note(Message::HandOver);
    }
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
