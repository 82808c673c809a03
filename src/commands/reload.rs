//! Reloads: a configuration is loaded on a thread of its own, for minutes if need be, while the supervisor
//! goes on with all else and may end without it.
//!
//! One loads at a time. Who asks meanwhile is answered by the next, all of them by one: the file may have
//! changed since this one was read. What becomes of a configuration is not decided here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded, never};

use super::inspection::Inspection;
use crate::config::Issues;
use crate::publish::Reply;

/// What a reload comes to.
pub(super) type Loaded = Result<Box<Inspection>, Issues>;

/// The reload that is under way, and the one after it.
pub(super) struct Reloads {
    load: Arc<dyn Fn() -> Loaded + Send + Sync>,
    loaded: Receiver<Loaded>,
    /// Who asked for the one under way, where there is one.
    asked: Option<Vec<Reply>>,
    /// Who asked since it began, where somebody did.
    next: Option<Vec<Reply>>,
}

impl Reloads {
    /// Of the configuration in `path`, for a daemon whose state is in `folder`.
    pub(super) fn of(path: PathBuf, folder: PathBuf) -> Reloads {
        Reloads::by(move || load(&path, &folder).map(Box::new))
    }

    /// None is under way; each will do this.
    fn by(load: impl Fn() -> Loaded + Send + Sync + 'static) -> Reloads {
        Reloads {
            load: Arc::new(load),
            loaded: never(),
            asked: None,
            next: None,
        }
    }

    /// Somebody asks, and reads the answer on `replies`, if at all.
    pub(super) fn ask(&mut self, replies: Vec<Reply>) {
        self.next.get_or_insert_default().extend(replies);
    }

    /// Begins to load, where somebody asked and none is under way.
    pub(super) fn begin(&mut self) {
        if self.asked.is_none()
            && let Some(replies) = self.next.take()
        {
            self.loaded = self.start();
            self.asked = Some(replies);
        }
    }

    /// Gives what was loaded; [`Reloads::done`] follows.
    pub(super) fn loaded(&self) -> &Receiver<Loaded> {
        &self.loaded
    }

    /// Who is to be told what was loaded.
    pub(super) fn done(&mut self) -> Vec<Reply> {
        self.loaded = never();
        self.asked.take().unwrap_or_default()
    }

    fn start(&self) -> Receiver<Loaded> {
        let (tell, loaded) = bounded(1);
        let (load, told) = (Arc::clone(&self.load), tell.clone());
        let started = thread::Builder::new()
            .name("reload".to_owned())
            // Nobody listens any more where the daemon ends.
            .spawn(move || drop(told.send(load())));
        if let Err(fault) = started {
            let mut issues = Issues::default();
            issues.add("a reload", format!("no thread could be started: {fault}"));
            let _ = tell.send(Err(issues));
        }
        loaded
    }
}

fn load(path: &Path, folder: &Path) -> Result<Inspection, Issues> {
    let config = crate::config::load(path)?;
    if config.node.state_dir != folder {
        let mut issues = Issues::default();
        let text = "can't change while the daemon runs: restart it";
        issues.add("node.state_dir", text);
        return Err(issues);
    }
    Inspection::load(config)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_loads_at_a_time_and_who_asks_meanwhile_shares_the_next() {
        let (go, gate) = bounded::<()>(0);
        let loads = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&loads);
        let mut reloads = Reloads::by(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = gate.recv();
            Err(Issues::default())
        });
        assert!(reloads.loaded().try_recv().is_err());
        for _ in 0..4 {
            reloads.ask(Vec::new());
            reloads.begin();
        }
        assert!(reloads.loaded().try_recv().is_err(), "it takes its time");
        for load in 1..=2 {
            go.send(()).unwrap();
            let loaded = reloads.loaded().recv_timeout(Duration::from_secs(20));
            assert!(loaded.unwrap().is_err());
            assert_eq!(loads.load(Ordering::SeqCst), load);
            reloads.done();
            reloads.begin();
        }
        let more = reloads.loaded().recv_timeout(Duration::from_millis(50));
        assert!(more.is_err());
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    }
}
