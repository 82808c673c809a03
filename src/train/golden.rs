//! Which normal frames become golden, and their files.
//!
//! Three are enough to tell another model, another preprocessing or a damaged statistic: the one that
//! scores highest, one like most others, and one from another time of the footage. They are read from
//! the footage once more, so that none but these is ever held; what can't be read again is left out.

use super::{CalibrationError, Supervisor};
use crate::capture::{CaptureError, Frame, Opener, replay};
use crate::preprocess::{decode, picture_file};
use crate::score::profile::GOLDEN_BYTES;

/// The files of golden frames, and why others are none.
type Fetched = (Vec<Vec<u8>>, Vec<String>);

/// Chooses among frames of the footage, each with its value when it had not been seen; rising.
pub(super) fn choose(values: &[(usize, f64)]) -> Vec<usize> {
    let mut by_value = values.to_vec();
    by_value.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(&(highest, _)) = by_value.last() else {
        return Vec::new();
    };
    let (median, _) = by_value[(by_value.len() - 1) / 2];
    let away = |&(index, _): &(usize, f64)| index.abs_diff(highest).min(index.abs_diff(median));
    let (farthest, _) = values
        .iter()
        .max_by_key(|frame| away(frame))
        .copied()
        .unwrap_or_default();
    let mut chosen = vec![highest, median, farthest];
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Reads the frames with these numbers, rising, and makes files of them.
pub(super) fn fetch(
    footage: &dyn Opener,
    chosen: &[usize],
    supervisor: Supervisor<'_>,
) -> Result<Fetched, CalibrationError> {
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let mut wanted = chosen.iter().peekable();
    let mut frames = match replay(footage) {
        Ok(frames) => frames.enumerate(),
        Err(fault) => return Ok((files, vec![lost(&fault)])),
    };
    while wanted.peek().is_some() {
        supervisor.check()?;
        match frames.next() {
            Some((index, Ok(frame))) => {
                if wanted.next_if_eq(&&index).is_some() {
                    match file(&frame) {
                        Ok(file) => files.push(file),
                        Err(why) => left_out.push(format!("frame {index} {why}")),
                    }
                }
            }
            Some((_, Err(fault))) => {
                left_out.push(lost(&fault));
                break;
            }
            None => {
                left_out.push("the footage has become shorter since it was learnt".to_owned());
                break;
            }
        }
    }
    Ok((files, left_out))
}

/// A frame that decodes, as a file of which nothing is lost.
fn file(frame: &Frame) -> Result<Vec<u8>, String> {
    decode(&frame.pixels).map_err(|rejection| format!("is none: {rejection}"))?;
    let file = picture_file(&frame.pixels).map_err(|fault| format!("is none: {fault}"))?;
    let file = file.into_owned();
    if file.len() > GOLDEN_BYTES {
        let megabytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        return Err(format!(
            "takes {:.1} MiB, and {} MiB are the most",
            megabytes(file.len()),
            megabytes(GOLDEN_BYTES)
        ));
    }
    Ok(file)
}

fn lost(fault: &CaptureError) -> String {
    format!("the footage could not be read once more: {}", fault.chain())
}

#[cfg(test)]
#[path = "golden_tests.rs"]
mod tests;
