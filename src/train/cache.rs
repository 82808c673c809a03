//! The teacher's features on disk: of each frame the residual stream after the blocks asked for,
//! as f16, one file per stream.
//!
//! Frames are pushed once, in order, and then read in any order from any thread. The size is
//! bounded and known before the first frame ([`frames_that_fit`]); the caller decides what to leave
//! out ([`spread`]). The files stay when the cache is dropped; what one before left in them is taken over
//! where it is what the caller knows, by its digest, and else overwritten. Features are never kept in
//! memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use sha2::{Digest as _, Sha256};

use super::unfinished::Digest;

/// Bytes of one cached value.
const VALUE: u64 = size_of::<f16>() as u64;

/// Values converted at a time: 8 KiB, on the stack.
const CHUNK: usize = 4096;

/// Why features could not be cached or read back.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Reading or writing failed; a full disk is named as such.
    #[error("{what}")]
    Io {
        /// What was tried, on what, and what to do.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// One frame more than the limit allows.
    #[error(
        "the feature cache is full: {frames} frames take {used} bytes of the {limit} allowed; cache \
         fewer frames, spread over the footage, or raise the limit"
    )]
    Full {
        /// Frames cached.
        frames: usize,
        /// Bytes that they take.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A feature that is no finite number.
    #[error("x_{stream} of frame {frame} holds a value that is not finite: the teacher is damaged")]
    NotFinite {
        /// The stream.
        stream: usize,
        /// The frame, from 0.
        frame: usize,
    },
    /// A stream that is not cached.
    #[error("x_{stream} is not in the feature cache, which holds {held:?}")]
    NoStream {
        /// The stream asked for.
        stream: usize,
        /// The streams held.
        held: Vec<usize>,
    },
    /// A frame that is not cached.
    #[error("frame {frame} is not in the feature cache, which holds {held} frames")]
    NoFrame {
        /// The frame asked for, from 0.
        frame: usize,
        /// The number of frames held.
        held: usize,
    },
}

/// How many frames of `streams` streams `[tokens, width]` fit into `limit_bytes`.
pub fn frames_that_fit(streams: usize, tokens: usize, width: usize, limit_bytes: u64) -> usize {
    let frame = frame_bytes(streams, tokens, width).max(1);
    usize::try_from(limit_bytes / frame).unwrap_or(usize::MAX)
}

/// `keep` of `total` frames, evenly spaced, in rising order; all where `keep` is not less.
pub fn spread(total: usize, keep: usize) -> Vec<usize> {
    let keep = keep.min(total);
    (0..keep)
        .map(|n| ((2 * n + 1) as u128 * total as u128 / (2 * keep) as u128) as usize)
        .collect()
}

fn frame_bytes(streams: usize, tokens: usize, width: usize) -> u64 {
    streams as u64 * tokens as u64 * width as u64 * VALUE
}

/// Features of frames, stream by stream.
#[derive(Debug)]
pub struct FeatureCache {
    folder: PathBuf,
    streams: Vec<Stream>,
    /// Values of one stream of one frame: `tokens * width`.
    values: usize,
    /// Of the bytes of each frame held, all streams of it.
    digests: Vec<Digest>,
    limit: u64,
    clamped: u64,
}

#[derive(Debug)]
struct Stream {
    number: usize,
    file: File,
}

impl FeatureCache {
    /// An empty cache in the folder `dir`, for the streams `x_i` of the numbers given (`x_0` is the
    /// embedding), of at most `limit_bytes` in all.
    pub fn open(
        dir: &Path,
        streams: &[usize],
        tokens: usize,
        width: usize,
        limit_bytes: u64,
    ) -> Result<Self, CacheError> {
        let mut options = File::options();
        // What a run before has left there may yet be taken over.
        let options = options.read(true).write(true).create(true).truncate(false);
        let open = |number: &usize| match options.open(dir.join(format!("x_{number}"))) {
            Ok(file) => Ok(Stream {
                number: *number,
                file,
            }),
            Err(source) => Err(CacheError::Io {
                what: format!("can't make the feature cache in {}", dir.display()),
                source,
            }),
        };
        let streams = streams.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let values = tokens * width;
        Ok(FeatureCache {
            folder: dir.to_owned(),
            streams,
            values,
            digests: Vec::new(),
            limit: limit_bytes,
            clamped: 0,
        })
    }

    /// Appends one frame: a slice `[tokens, width]` per stream, in the order of
    /// [`FeatureCache::create`]. Values beyond the range of f16 are clamped, and
    /// their number comes back.
    ///
    /// After an error the cache holds the frames that it held before.
    pub fn push(&mut self, frame: &[&[f32]]) -> Result<u64, CacheError> {
        assert_eq!(
            frame.len(),
            self.streams.len(),
            "one slice per cached stream"
        );
        assert!(
            frame.iter().all(|x| x.len() == self.values),
            "whole streams [tokens, width]"
        );
        let used = self.bytes();
        if used + self.frame_bytes() > self.limit {
            return Err(CacheError::Full {
                frames: self.frames(),
                used,
                limit: self.limit,
            });
        }
        let (mut clamped, mut sum) = (0, Sha256::new());
        for (stream, values) in self.streams.iter().zip(frame) {
            if !values.iter().all(|v| v.is_finite()) {
                return Err(CacheError::NotFinite {
                    stream: stream.number,
                    frame: self.frames(),
                });
            }
            let written = write(&stream.file, self.start(self.frames()), values, &mut sum);
            clamped += written.map_err(|source| self.failed(source))?;
        }
        self.clamped += clamped;
        self.digests.push(sum.finalize().into());
        Ok(clamped)
    }

    /// Holds the next frame as a cache before this one has left it, with so many of its values clamped;
    /// false, and all is as before, where that is not what `digest` is of.
    pub fn take_over(&mut self, digest: &Digest, clamped: u64) -> bool {
        let mut sum = Sha256::new();
        let mut halves = [f16::ZERO; CHUNK];
        let whole = self.streams.iter().try_for_each(|stream| {
            let mut at = self.start(self.frames());
            let end = at + self.values as u64 * VALUE;
            while at < end {
                let count = ((end - at) / VALUE).min(CHUNK as u64) as usize;
                let bytes = bytemuck::cast_slice_mut::<f16, u8>(&mut halves[..count]);
                stream.file.read_exact_at(bytes, at)?;
                sum.update(&bytes);
                at += count as u64 * VALUE;
            }
            io::Result::Ok(())
        });
        let fits = self.bytes() + self.frame_bytes() <= self.limit;
        let is_known = fits && whole.is_ok() && *digest == Digest::from(sum.finalize());
        if is_known {
            self.clamped += clamped;
            self.digests.push(*digest);
        }
        is_known
    }

    /// Waits until all frames are on the disk.
    pub fn sync(&self) -> Result<(), CacheError> {
        let sync = |stream: &Stream| stream.file.sync_data();
        let synced = self.streams.iter().try_for_each(sync);
        synced.map_err(|source| self.failed(source))
    }

    /// Gives back what room files of a run before take beyond the frames held.
    pub fn trim(&self) -> Result<(), CacheError> {
        let end = self.start(self.frames());
        let trim = |stream: &Stream| stream.file.set_len(end);
        let trimmed = self.streams.iter().try_for_each(trim);
        trimmed.map_err(|source| self.failed(source))
    }

    /// Of the bytes of a frame held.
    pub fn digest(&self, frame: usize) -> &Digest {
        &self.digests[frame]
    }

    /// Reads `x_stream` of `frame` (from 0) into `values`, `[tokens, width]`.
    pub fn read(&self, stream: usize, frame: usize, values: &mut [f32]) -> Result<(), CacheError> {
        assert_eq!(
            values.len(),
            self.values,
            "room for a whole stream [tokens, width]"
        );
        if frame >= self.frames() {
            return Err(CacheError::NoFrame {
                frame,
                held: self.frames(),
            });
        }
        let Some(held) = self.streams.iter().find(|held| held.number == stream) else {
            let held = self.streams.iter().map(|held| held.number).collect();
            return Err(CacheError::NoStream { stream, held });
        };
        read(&held.file, self.start(frame), values).map_err(|source| CacheError::Io {
            what: format!(
                "frame {frame} can't be read back from {}",
                self.folder.display()
            ),
            source,
        })
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Frames held.
    pub fn frames(&self) -> usize {
        self.digests.len()
    }

    /// Bytes that the frames held take.
    pub fn bytes(&self) -> u64 {
        self.frames() as u64 * self.frame_bytes()
    }

    /// Values that were beyond the range of f16 so far.
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    fn frame_bytes(&self) -> u64 {
        self.streams.len() as u64 * self.values as u64 * VALUE
    }

    /// Where a frame lies in each file.
    fn start(&self, frame: usize) -> u64 {
        frame as u64 * self.values as u64 * VALUE
    }

    fn failed(&self, source: io::Error) -> CacheError {
        let (path, frame, needed) = (self.folder.display(), self.frames(), self.frame_bytes());
        let what = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                "no room left for frame {frame} in {path}: each frame takes {needed} bytes, and \
                 {} are written; free some space and give the same command again, which goes on from \
                 there, or lower --cache, or name an --out on a disk with more room",
                self.bytes()
            ),
            _ => format!("frame {frame} can't be written to {path}"),
        };
        CacheError::Io { what, source }
    }
}

/// Writes `values` from `at` on, adds the bytes to `sum`, and returns how many values were clamped.
fn write(file: &File, mut at: u64, values: &[f32], sum: &mut Sha256) -> io::Result<u64> {
    let mut halves = [f16::ZERO; CHUNK];
    let mut limited = [0.0f32; CHUNK];
    let mut clamped = 0;
    for chunk in values.chunks(CHUNK) {
        let limit = f16::MAX.to_f32();
        for (to, from) in limited.iter_mut().zip(chunk) {
            clamped += u64::from(from.abs() > limit);
            *to = from.clamp(-limit, limit);
        }
        let halves = &mut halves[..chunk.len()];
        halves.convert_from_f32_slice(&limited[..chunk.len()]);
        let bytes: &[u8] = bytemuck::cast_slice(halves);
        file.write_all_at(bytes, at)?;
        sum.update(bytes);
        at += chunk.len() as u64 * VALUE;
    }
    Ok(clamped)
}

fn read(file: &File, mut at: u64, values: &mut [f32]) -> io::Result<()> {
    let mut halves = [f16::ZERO; CHUNK];
    for chunk in values.chunks_mut(CHUNK) {
        let halves = &mut halves[..chunk.len()];
        file.read_exact_at(bytemuck::cast_slice_mut(halves), at)?;
        halves.convert_to_f32_slice(chunk);
        at += chunk.len() as u64 * VALUE;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
