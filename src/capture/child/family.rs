//! A program and all that it starts: one process group, which is killed as a whole.
//!
//! A wrapper's children hold the camera, not the wrapper. The group is killed only while its first
//! process has not been reaped, since the number may belong to somebody else afterwards. A process that
//! leaves the group, as a daemon does, is out of reach.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitIdOptions, kill_process_group, waitid};

use super::super::living::Alive;

/// How long a child that closed its pipes, or was killed, may take to go.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A running program with what it has started.
pub(super) struct Family {
    /// None once it has been reaped.
    child: Option<Child>,
    name: String,
    /// Counts it as long as it is there, however long that is.
    alive: Option<Alive>,
}

impl Family {
    /// Starts the program with two pipes: its output and its complaints.
    pub(super) fn start(
        command: &mut Command,
        name: &str,
        alive: Alive,
    ) -> std::io::Result<(Self, ChildStdout, ChildStderr)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let family = Self {
            child: Some(child),
            name: name.to_owned(),
            alive: Some(alive),
        };
        match pipes {
            (Some(out), Some(err)) => Ok((family, out, err)),
            _ => Err(std::io::Error::other("it has no pipes")),
        }
    }

    /// How the program ended, if it does within [`PATIENCE`]; what it left running is killed.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        until(PATIENCE, || has_ended(child).then_some(()))?;
        kill_all(child);
        let status = child.wait().ok();
        self.child = None;
        status
    }

    #[cfg(test)]
    pub(super) fn process_id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        kill_all(&child);
        // Fails only where it has ended already.
        let _ = child.kill();
        if until(PATIENCE, || child.try_wait().ok().flatten()).is_some() {
            return;
        }
        tracing::warn!("{} was killed but does not end; left behind", self.name);
        let alive = self.alive.take();
        let reaper = std::thread::Builder::new().name("child-reaper".to_owned());
        // Without the thread it stays a zombie; there is nothing else to be done about that.
        let _ = reaper.spawn(move || {
            let _ = child.wait();
            drop(alive);
        });
    }
}

/// Kills the group of a child that has not been reaped.
fn kill_all(child: &Child) {
    // Fails where nobody of it is left.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Whether the child has ended; it is not reaped.
fn has_ended(child: &Child) -> bool {
    let asked = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let pid = Pid::from_child(child);
    !matches!(waitid(rustix::process::WaitId::Pid(pid), asked), Ok(None))
}

/// Asks again and again, at most for `patience`.
pub(super) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > patience {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
