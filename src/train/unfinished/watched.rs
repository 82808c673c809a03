//! Watched: the frames that the teacher has looked at, with all that it saw.
//!
//! Streams lie in a [`FeatureCache`]; the file `watched` has an entry for each of its frames: digests of
//! the prepared input and of the streams, and the pre-trained features. An entry is written only
//! after its streams are on the disk, and stands for itself: it counts where its own digest is right, its input is
//! the one that is asked for, and the streams are what it says. So a power cut costs what was done since
//! the last [`Watched::keep`], and no damage is ever taken for a feature.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::Digest;
use crate::infer::{PretrainedFeatures, TeacherInfo};
use crate::preprocess::View;
use crate::train::cache::{CacheError, FeatureCache};

/// The name of the entries' file.
pub(super) const NAME: &str = "watched";
/// What is done is kept after so many frames, or after this time: little is lost, and flash is written
/// to a few times a minute.
const BATCH: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const DIGEST: usize = size_of::<Digest>();

/// The frames that the teacher has looked at.
#[derive(Debug)]
pub(in crate::train) struct Watched {
    cache: FeatureCache,
    entries: File,
    /// Of all that features follow from but the input; part of each entry's digest.
    setting: Digest,
    /// Width of the teacher.
    width: usize,
    /// Entries yet to be written, from this number on.
    pending: (usize, Vec<u8>),
    kept_at: Instant,
}

impl Watched {
    /// Of no frame yet, over what a run before has left in `folder`. `streams` are those of the cache.
    pub(in crate::train) fn open(
        folder: &Path,
        cache: FeatureCache,
        info: &TeacherInfo,
        view: &View,
        streams: &[usize],
    ) -> Result<Self, CacheError> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let entries = options.open(folder.join(NAME)).and_then(|entries| {
            // The names of the files, too, are to outlive a power cut.
            File::open(folder)?.sync_all()?;
            Ok(entries)
        });
        Ok(Watched {
            entries: entries.map_err(|source| failed(folder, source))?,
            cache,
            setting: setting(info, view, streams),
            width: info.width,
            pending: (0, Vec::new()),
            kept_at: Instant::now(),
        })
    }

    /// What the teacher saw of the next frame, of this prepared input, in a run before; none where it
    /// has to look.
    pub(in crate::train) fn recall(
        &mut self,
        input: &Digest,
    ) -> Result<Option<PretrainedFeatures>, CacheError> {
        let Some(features) = self.read(input) else {
            return Ok(None);
        };
        // The entry is there; those before it may yet be on their way.
        self.keep()?;
        Ok(Some(features))
    }

    fn read(&mut self, input: &Digest) -> Option<PretrainedFeatures> {
        let frame = self.cache.frames();
        let mut entry = vec![0; self.entry_bytes()];
        let at = self.start(frame);
        self.entries.read_exact_at(&mut entry, at).ok()?;
        let (rest, sum) = entry.split_at(entry.len() - DIGEST);
        if *sum != self.sum(frame, rest) || rest[..DIGEST] != input[..] {
            return None;
        }
        let (digest, rest) = rest[DIGEST..].split_first_chunk::<DIGEST>()?;
        let (clamped, numbers) = rest.split_first_chunk::<8>()?;
        let is_whole = self.cache.take_over(digest, u64::from_le_bytes(*clamped));
        is_whole.then(|| self.features(numbers))
    }

    /// Takes what the teacher saw of the next frame, of this prepared input.
    pub(in crate::train) fn push(
        &mut self,
        input: &Digest,
        streams: &[&[f32]],
        features: &PretrainedFeatures,
    ) -> Result<(), CacheError> {
        let frame = self.cache.frames();
        let clamped = self.cache.push(streams)?;
        let mut entry = Vec::with_capacity(self.entry_bytes());
        entry.extend(input);
        entry.extend(self.cache.digest(frame));
        entry.extend(clamped.to_le_bytes());
        for vector in [&features.z, &features.pooled_mid, &features.pooled_late] {
            entry.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        }
        let sum = self.sum(frame, &entry);
        self.pending.1.extend(entry);
        self.pending.1.extend(sum);
        let is_full = frame + 1 - self.pending.0 >= BATCH;
        if is_full || self.kept_at.elapsed() >= PATIENCE {
            self.keep()?;
        }
        Ok(())
    }

    /// Puts on the disk what is not there yet: the streams first, then the entries that vouch for them.
    pub(in crate::train) fn keep(&mut self) -> Result<(), CacheError> {
        let (first, entries) = &self.pending;
        if !entries.is_empty() {
            self.cache.sync()?;
            let written = self.entries.write_all_at(entries, self.start(*first));
            let synced = written.and_then(|()| self.entries.sync_data());
            synced.map_err(|source| failed(self.cache.folder(), source))?;
            self.kept_at = Instant::now();
        }
        self.pending = (self.cache.frames(), Vec::new());
        Ok(())
    }

    /// Ends the watching: keeps all frames, and gives back the room that more of a run before take.
    pub(in crate::train) fn finish(&mut self) -> Result<(), CacheError> {
        self.keep()?;
        self.cache.trim()?;
        let end = self.start(self.cache.frames());
        let trimmed = self.entries.set_len(end);
        trimmed.map_err(|source| failed(self.cache.folder(), source))
    }

    /// The streams of the frames.
    pub(in crate::train) fn cache(&self) -> &FeatureCache {
        &self.cache
    }

    fn entry_bytes(&self) -> usize {
        3 * DIGEST + size_of::<u64>() + 5 * self.width * size_of::<f32>()
    }

    fn start(&self, frame: usize) -> u64 {
        frame as u64 * self.entry_bytes() as u64
    }

    /// The digest at the end of an entry. One at another place, or of another setting, has another.
    fn sum(&self, frame: usize, entry: &[u8]) -> Digest {
        let mut sum = Sha256::new();
        sum.update(self.setting);
        sum.update((frame as u64).to_le_bytes());
        sum.update(entry);
        sum.finalize().into()
    }

    fn features(&self, numbers: &[u8]) -> PretrainedFeatures {
        let numbers = numbers.as_chunks::<4>().0.iter();
        let mut numbers = numbers.map(|bytes| f32::from_le_bytes(*bytes));
        let mut vector = |widths: usize| numbers.by_ref().take(widths * self.width).collect();
        PretrainedFeatures {
            z: vector(1),
            pooled_mid: vector(2),
            pooled_late: vector(2),
        }
    }
}

/// Of all that features follow from but the input.
fn setting(info: &TeacherInfo, view: &View, streams: &[usize]) -> Digest {
    let view = serde_json::to_string(view).expect("a view has a JSON form");
    let version = env!("CARGO_PKG_VERSION");
    let (teacher, precision) = (&info.sha256, info.precision);
    let text = format!("{version} {teacher} {precision} {streams:?} {view}");
    Sha256::digest(text).into()
}

fn failed(folder: &Path, source: io::Error) -> CacheError {
    let what = format!(
        "what was watched can't be kept in {}: free some space and give the same command again, which \
         goes on from there, or name an --out on another disk",
        folder.display()
    );
    CacheError::Io { what, source }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
