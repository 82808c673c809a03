//! Several footages as one, each after the other: day and night, two shifts.
//!
//! Frames are counted on from one to the next, and their times go on, a second after the last of the
//! footage before: whatever lies between two films is no time that anybody watched. One is open at a
//! time, for a video takes a process.

use std::sync::Arc;
use std::time::Duration;

use super::{CaptureError, Frame, Next, Opener, Source};

/// From the last frame of a footage to the first of the next.
const BETWEEN: Duration = Duration::from_secs(1);

/// Opens one footage after the other.
pub struct Joined {
    parts: Arc<[Box<dyn Opener>]>,
}

impl Joined {
    /// Of at least one footage; a single one is what it was.
    pub fn of(mut parts: Vec<Box<dyn Opener>>) -> Box<dyn Opener> {
        match parts.len() {
            1 => parts.remove(0),
            _ => Box::new(Joined {
                parts: parts.into(),
            }),
        }
    }
}

impl Opener for Joined {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(OpenJoined {
            parts: Arc::clone(&self.parts),
            opened: 0,
            current: None,
            frames: 0,
            first: None,
            from: Duration::ZERO,
            last: Duration::ZERO,
        }))
    }

    fn describe(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.describe()).collect();
        parts.join(", ")
    }

    fn is_live(&self) -> bool {
        self.parts.iter().any(|part| part.is_live())
    }

    fn is_footage(&self) -> bool {
        self.parts.iter().all(|part| part.is_footage())
    }

    fn is_film(&self) -> bool {
        self.parts.iter().all(|part| part.is_film())
    }

    fn keeps_time(&self) -> bool {
        self.parts.iter().all(|part| part.keeps_time())
    }
}

struct OpenJoined {
    parts: Arc<[Box<dyn Opener>]>,
    /// How many of them have been opened, ...
    opened: usize,
    /// ... of which this one has not ended.
    current: Option<Box<dyn Source>>,
    /// Frames given so far.
    frames: u64,
    /// When the first frame of this footage was taken, by its own clock ...
    first: Option<Duration>,
    /// ... and by that of all.
    from: Duration,
    /// When the last one was, by that of all.
    last: Duration,
}

impl Source for OpenJoined {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        loop {
            let part = match &mut self.current {
                Some(part) => part,
                None => match self.parts.get(self.opened) {
                    Some(part) => {
                        let part = part.open()?;
                        self.opened += 1;
                        self.current.insert(part)
                    }
                    None => return Ok(Next::End),
                },
            };
            match part.next(timeout)? {
                Next::Frame(frame) => return Ok(Next::Frame(self.counted_on(frame))),
                Next::End => {
                    self.current = None;
                    (self.first, self.from) = (None, self.last + BETWEEN);
                }
                other => return Ok(other),
            }
        }
    }
}

impl OpenJoined {
    fn counted_on(&mut self, mut frame: Frame) -> Frame {
        frame.seq = self.frames;
        self.frames += 1;
        let first = *self.first.get_or_insert(frame.at.since_boot);
        frame.at.since_boot = self.from + frame.at.since_boot.saturating_sub(first);
        self.last = frame.at.since_boot;
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Moment, Pixels, replay};

    /// Frames at these seconds, and the films that are open.
    struct Film(Vec<u64>, Arc<()>);

    impl Opener for Film {
        fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
            let frames = self.0.clone().into_iter();
            Ok(Box::new(OpenFilm(frames, Arc::clone(&self.1))))
        }

        fn describe(&self) -> String {
            format!("{} frames", self.0.len())
        }

        fn is_live(&self) -> bool {
            false
        }

        fn is_film(&self) -> bool {
            true
        }

        fn keeps_time(&self) -> bool {
            true
        }
    }

    struct OpenFilm(std::vec::IntoIter<u64>, #[expect(dead_code)] Arc<()>);

    impl Source for OpenFilm {
        fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
            Ok(self.0.next().map_or(Next::End, |second| {
                let mut at = Moment::now();
                at.since_boot = Duration::from_secs(second);
                Next::Frame(Frame {
                    seq: 0,
                    at,
                    name: None,
                    pixels: Pixels::Encoded(Vec::new()),
                })
            }))
        }
    }

    #[test]
    fn frames_and_times_go_on_from_one_footage_to_the_next() {
        let films = [vec![100, 102, 104], vec![], vec![50, 52]];
        let open = Arc::new(());
        let film = |film| Box::new(Film(film, Arc::clone(&open))) as Box<dyn Opener>;
        let joined = Joined::of(films.map(film).into());
        assert!(joined.is_film() && joined.keeps_time() && !joined.is_live());
        assert_eq!(joined.describe(), "3 frames, 0 frames, 2 frames");
        let one_at_a_time = Arc::strong_count(&open) + 1;
        let mut frames = Vec::new();
        for frame in replay(joined.as_ref()).unwrap() {
            assert_eq!(Arc::strong_count(&open), one_at_a_time);
            frames.push(frame.unwrap());
        }
        let seen = frames
            .iter()
            .map(|frame| (frame.seq, frame.at.since_boot.as_secs()));
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [(0, 0), (1, 2), (2, 4), (3, 5), (4, 7)]
        );
    }
}
