//! What SQLite does not say of its log: that it ends before its end.
//!
//! SQLite reads the log up to the first frame whose checksum is wrong and takes the rest for a
//! commit that a power cut tore. That holds for one commit at most, since each is synced before the
//! next begins; where more follow, accepted alerts are lost, and that must not go unsaid. Only reads.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

/// Bytes before the first frame, and before each frame's page.
const HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;

/// Whether commits follow the first `readable` frames that no power cut can have torn.
pub(super) fn is_cut(log: &Path, readable: u64, page: u64) -> bool {
    // A log that can't be read here can't be read by SQLite either, which says so.
    commits_after(log, readable, page).is_ok_and(|commits| commits > 1)
}

fn commits_after(log: &Path, readable: u64, page: u64) -> std::io::Result<usize> {
    let mut log = BufReader::new(File::open(log)?);
    let mut header = [0; HEADER as usize];
    log.read_exact(&mut header)?;
    // Frames of this log carry its salt; older ones, of the time before it was written back, do not.
    let salt = &header[16..24];
    let mut first = None;
    let mut commits = 0;
    let frames =
        log.get_ref().metadata()?.len().saturating_sub(HEADER) / (FRAME_HEADER as u64 + page);
    for number in 0..frames {
        let mut frame = [0; FRAME_HEADER];
        log.read_exact(&mut frame)?;
        log.seek_relative(page.cast_signed())?;
        // The header's own salt may be what is damaged.
        let first: &[u8] = first.get_or_insert_with(|| frame[8..16].to_vec());
        let is_current = frame[8..16] == *salt || frame[8..16] == *first;
        let is_commit = frame[4..8] != [0; 4];
        commits += usize::from(number >= readable && is_current && is_commit);
    }
    Ok(commits)
}
