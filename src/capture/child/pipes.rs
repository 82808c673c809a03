//! Both pipes of a child, read by one thread: what it complains of before it writes a picture is heard
//! before that picture is read.
//!
//! A pipe ends only when its last writer does, and that may be a process that nobody can reach. So no
//! read here waits for the pipe alone: it ends at once when the other side of `hangup` is dropped.

use std::io::{PipeReader, Read, Result};
use std::process::{ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::ear::Ear;

/// Complaints are read in pieces of this size.
const PIECE: usize = 4096;
/// As many pieces as a pipe holds: what was written before a picture is among them.
const PIECES: usize = 16;

/// The pictures of a child as a stream; its complaints go to the ear.
pub(super) struct Pipes {
    out: ChildStdout,
    /// None once it has ended.
    err: Option<ChildStderr>,
    hangup: PipeReader,
    pub(super) ear: Ear,
}

/// What can be read.
struct Ready {
    out: bool,
    err: bool,
    hung_up: bool,
}

impl Pipes {
    pub(super) fn new(out: ChildStdout, err: ChildStderr, hangup: PipeReader, ear: Ear) -> Self {
        Self {
            out,
            err: Some(err),
            hangup,
            ear,
        }
    }

    /// After the last picture: listens until the child has no more to say, at most for `patience`.
    pub(super) fn listen(&mut self, patience: Duration) {
        let start = Instant::now();
        while self.err.is_some() {
            let left = patience.saturating_sub(start.elapsed());
            match self.ready(false, Some(left)) {
                Ok(ready) if ready.err && !ready.hung_up && !left.is_zero() => self.hear(),
                _ => return,
            }
        }
    }

    /// Waits until there is something to read, be it that a pipe has ended.
    fn ready(&self, with_out: bool, patience: Option<Duration>) -> Result<Ready> {
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        // A closed pipe is ready for ever, so it is not asked for.
        let mut asked = vec![PollFd::new(&self.hangup, PollFlags::IN)];
        asked.extend(self.err.iter().map(|err| PollFd::new(err, PollFlags::IN)));
        if with_out {
            asked.push(PollFd::new(&self.out, PollFlags::IN));
        }
        loop {
            match poll(&mut asked, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok(Ready {
            hung_up: is_ready(&asked[0]),
            err: self.err.is_some() && is_ready(&asked[1]),
            out: with_out && asked.last().is_some_and(is_ready),
        })
    }

    /// Reads a piece of the complaints, which must be ready.
    fn hear(&mut self) {
        let mut piece = [0; PIECE];
        let read = self.err.as_mut().map_or(Ok(0), |err| err.read(&mut piece));
        match read {
            Ok(read @ 1..) => self.ear.hear(&piece[..read]),
            _ => self.err = None,
        }
    }

    /// Hears what has been said until now, and waits for nothing.
    fn catch_up(&mut self) {
        for _ in 0..PIECES {
            match self.ready(false, Some(Duration::ZERO)) {
                Ok(ready) if ready.err => self.hear(),
                _ => return,
            }
        }
    }
}

impl Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let ready = self.ready(true, None)?;
            if ready.hung_up {
                return Ok(0);
            }
            if ready.out {
                let read = self.out.read(buffer)?;
                self.catch_up();
                return Ok(read);
            }
            if ready.err {
                self.hear();
            }
        }
    }
}
