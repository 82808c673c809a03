//! Memory: how much a calibration may take, and how much it takes.
//!
//! What the process has now is the kernel's own count; what is to come is estimated from shapes. Only
//! the number of students that are trained at a time follows from it, and no result depends on that.

use std::fs;
use std::str::FromStr;

use super::CalibrationError;
use super::backward::Backward;
use super::bank::CANDIDATES;
use super::block::Forward;
use super::parameters::Parameters;
use super::recipe::Recipe;
use crate::infer::TeacherInfo;
use crate::infer::student_file::BlockShape;
use crate::score::bank::MOST_TOKENS;

/// Buffers that grow and shrink beside those that are counted: of the matrix products, of files read and
/// written, of the allocator. Measured were 3 to 15 MB.
const ELSE: u64 = 18_000_000;

/// How much memory a calibration may take, resident, at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    bytes: u64,
    /// Whether the user named it: what does not fit is refused then, else merely taken.
    is_asked: bool,
}

impl Default for Memory {
    /// Half of what the machine could still give: the rest is for those beside it.
    fn default() -> Self {
        Memory {
            bytes: resident() + available() / 2,
            is_asked: false,
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [
            ("MB", 1e6),
            ("GB", 1e9),
            ("MiB", 1048576.0),
            ("GiB", 1073741824.0),
        ];
        let number = |(unit, size): (&str, f64)| {
            let number: f64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            Some(number * size)
        };
        match units.into_iter().find_map(number) {
            Some(bytes) if (1e6..1e15).contains(&bytes) => Ok(Memory {
                bytes: bytes as u64,
                is_asked: true,
            }),
            _ => Err("a size with its unit is needed, such as 500MB, 1.5GB or 512MiB".to_owned()),
        }
    }
}

/// What a calibration will take beside what it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The vectors, maps and looks of all frames.
    pub(super) frames: u64,
    /// The training of one student block.
    pub(super) student: u64,
}

impl Needs {
    /// Of so many frames, and of students of this recipe; `is_examined` says that held-out frames choose
    /// the epoch.
    pub(super) fn of(
        frames: usize,
        info: &TeacherInfo,
        recipe: &Recipe,
        is_examined: bool,
    ) -> Self {
        let shape = recipe.shape(info.tokens, info.width, info.heads);
        Needs {
            frames: frames as u64 * of_frame(info),
            student: of_student(shape, recipe, is_examined),
        }
    }

    /// The same with a memory bank: its candidates, twice as they are gathered, and what is chosen.
    pub(super) fn and_bank(self, info: &TeacherInfo) -> Self {
        let tokens = 2 * CANDIDATES + 3 * MOST_TOKENS;
        let bytes = tokens * info.width * size_of::<f32>();
        Needs {
            frames: self.frames + bytes as u64,
            ..self
        }
    }
}

impl Memory {
    /// Refuses what can't be kept within it, with the teacher loaded and a first frame looked at.
    pub(super) fn check(self, needs: Needs) -> Result<(), CalibrationError> {
        let needed = peak().max(resident() + needs.frames + needs.student + ELSE);
        if self.is_asked && needed > self.bytes {
            return Err(CalibrationError::Memory {
                allowed: self.bytes.div_ceil(1_000_000),
                // What is resident differs by a megabyte or two from run to run: what is told is enough.
                needed: (needed + needed / 32).div_ceil(1_000_000),
                frames: needs.frames.div_ceil(1_000_000),
                student: needs.student.div_ceil(1_000_000),
            });
        }
        Ok(())
    }

    /// How many students may be trained at a time, with the footage watched: one at least.
    pub(super) fn students(self, needs: Needs) -> usize {
        // Half of what frames take comes after the training: the statistics, and the maps.
        let rest = resident() + needs.frames / 2 + ELSE;
        let students = self.bytes.saturating_sub(rest) / needs.student.max(1);
        usize::try_from(students).unwrap_or(usize::MAX).max(1)
    }
}

/// What is kept of a frame, or held while statistics are fitted on it: its vectors five widths long as
/// they come and six as they are fitted, twice as `f64`; the map; the look, with its thumbnails.
fn of_frame(info: &TeacherInfo) -> u64 {
    let patches = info.grid.rows * info.grid.columns;
    let numbers = (5 + 6 + 2 * 2 * 6) * info.width + 2 * patches;
    4 * numbers as u64 + 8_000
}

/// What the training of one block allocates.
fn of_student(shape: BlockShape, recipe: &Recipe, is_examined: bool) -> u64 {
    let (batch, queries) = (recipe.batch, recipe.queries(shape.tokens));
    let pair = batch * shape.tokens * shape.width;
    let parameters = Parameters::count(shape);
    let mut values = Forward::values(shape, batch, queries)
        + Backward::values(shape, batch, queries)
        + 2 * pair
        // With Adam's two moments.
        + 3 * parameters;
    if is_examined {
        // The best state so far is kept beside the present one.
        values += Forward::values(shape, batch, shape.tokens) + pair + parameters;
    }
    (values * size_of::<f32>()) as u64
}

/// The most that was resident of this process so far, in bytes; 0 where the system does not say.
pub fn peak() -> u64 {
    count("/proc/self/status", "VmHWM:")
}

/// What is resident of this process.
fn resident() -> u64 {
    count("/proc/self/status", "VmRSS:")
}

/// What the machine could still give.
fn available() -> u64 {
    count("/proc/meminfo", "MemAvailable:")
}

fn count(path: &str, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
