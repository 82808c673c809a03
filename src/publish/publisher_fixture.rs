//! For the publisher's tests: a publisher with a state folder of its own, and alerts to be sent.

use std::thread::{self, JoinHandle};

use crossbeam_channel::bounded;

use super::*;
use crate::config::{Mqtt, ProtocolChoice, Retry};
use crate::decide::Identity;
use crate::publish::spool::{Folder, Limits};
use crate::publish::{ProfileIdentity, Reporter, Topics, line_fixture};

/// A state folder and a broker's port.
pub(super) struct Desk {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    pub(super) keep_alive: Duration,
    pub(super) retry: Retry,
    pub(super) protocol: ProtocolChoice,
}

pub(super) const NOTHING_LEFT: Left = Left {
    spooled: 0,
    quarantined: 0,
    lost: 0,
    unwritten: 0,
};

impl Desk {
    pub(super) fn new(port: u16) -> Desk {
        Desk {
            folder: tempfile::tempdir().unwrap(),
            port,
            keep_alive: Duration::from_secs(5),
            retry: Retry {
                min: Duration::from_millis(50),
                max: Duration::from_millis(200),
            },
            protocol: ProtocolChoice::Auto,
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let mqtt = Mqtt {
            client_id: format!("publisher-{}", self.port),
            keep_alive: self.keep_alive,
            retry: self.retry,
            drain: Duration::from_secs(5),
            protocol: self.protocol,
            ..line_fixture::mqtt(self.port)
        };
        Settings {
            endpoint: Some(line_fixture::endpoint(&mqtt)),
            mqtt,
            topics: topics(),
            boot_id: "b".into(),
            limits: Limits {
                alerts: 100_000,
                bytes: 1 << 30,
            },
            sink: None,
            subscriptions: Vec::new(),
            home_assistant: None,
        }
    }

    /// A publisher on a thread, as the pipeline has it.
    pub(super) fn open(&self) -> (Sender<Message>, JoinHandle<Left>) {
        let (tell, _) = bounded(1);
        self.open_with(self.settings(), tell)
    }

    /// The same by these settings, and with a supervisor.
    pub(super) fn open_with(
        &self,
        settings: Settings,
        tell: Sender<Told>,
    ) -> (Sender<Message>, JoinHandle<Left>) {
        let folder = Folder::lock(self.folder.path()).unwrap();
        let spool = Spool::open(&folder, settings.limits).unwrap();
        let (sender, inbox) = bounded(8);
        let publisher = Publisher::new(settings, spool, tell);
        let work = move || {
            let left = publisher.run(&inbox);
            drop(folder);
            left
        };
        (sender, thread::spawn(work))
    }
}

fn topics() -> Topics {
    Topics::new(&crate::config::Prefix::default(), &"press".parse().unwrap())
}

pub(super) fn reporter() -> Reporter {
    let profile = ProfileIdentity {
        id: format!("sha256:{}", "9a".repeat(32)),
        teacher: format!("sha256:{}", "1f".repeat(32)),
        calibrated_at: Some("2026-09-01T08:00:00.000Z".into()),
        normal_frames: 420,
    };
    let identity = Identity {
        node: "press".into(),
        camera: "cam0".into(),
        boot_id: "b".into(),
    };
    let topics = topics().camera(&"cam0".parse().unwrap());
    Reporter::new(topics, identity, Arc::new(profile))
}

/// The alerts of `count` incidents, two each.
pub(super) fn alerts(count: u64) -> Vec<Message> {
    let rules = Rules {
        hits: 1,
        window: 1,
        release_after: 1,
        cooldown: Duration::ZERO,
        hourly_cap: u32::MAX,
        ..Rules::default()
    };
    let mut tracker = stories::tracker(rules);
    let reporter = reporter();
    let story = "A.".repeat(usize::try_from(count).unwrap());
    let reports = stories::tell(&mut tracker, &story);
    let reports: Vec<_> = reports.into_iter().map(|(_, report)| report).collect();
    let messages = reporter.incidents(&reports, &tracker).into_iter();
    messages
        .filter(|message| matches!(message, Message::Alert(_)))
        .collect()
}

pub(super) fn id(message: &Message) -> String {
    match message {
        Message::Alert(alert) => alert.id().to_owned(),
        other => panic!("no alert: {other:?}"),
    }
}
