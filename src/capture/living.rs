//! What a source has started and what has not ended since: threads that hang in a driver, processes
//! that a kill does not end.
//!
//! Each keeps memory and perhaps a device, and a driver that has swallowed some will swallow the next:
//! so there is an end to it. Nothing here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

use super::CaptureError;

/// As many as the pipeline allows of a camera.
const MOST: usize = 4;

/// Counts what one source has alive, over all its openings.
#[derive(Debug, Clone, Default)]
pub(super) struct Living(Arc<AtomicUsize>);

/// One that is alive: until it is dropped.
#[derive(Debug)]
pub(super) struct Alive(Arc<AtomicUsize>);

impl Living {
    /// Counts another one.
    ///
    /// # Errors
    /// When as many as may be are alive; the text says what to do.
    pub(super) fn another(&self, source: &str) -> Result<Alive, CaptureError> {
        let alive = Alive(Arc::clone(&self.0));
        if self.0.fetch_add(1, AcqRel) < MOST {
            return Ok(alive);
        }
        Err(CaptureError::Broken(format!(
            "{source} is not opened: {MOST} earlier openings of it hang and do not end; unplug the \
             camera, or restart the machine"
        )))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_refused_until_one_has_ended() {
        let living = Living::default();
        let mut alive: Vec<Alive> = (0..MOST).map(|_| living.another("cam").unwrap()).collect();
        for _ in 0..2 {
            let error = living.clone().another("cam").unwrap_err().to_string();
            assert!(error.contains("cam") && error.contains("unplug"), "{error}");
        }
        alive.pop();
        let fourth = living.another("cam").unwrap();
        assert!(living.another("cam").is_err());
        drop(fourth);
    }
}
