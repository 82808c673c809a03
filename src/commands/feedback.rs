//! What people say of alerts, kept for the next calibration: one line of JSON each, at the end of
//! `feedback.jsonl` in the state folder, synced before it is confirmed.
//!
//! Ids of alerts are not checked: they may be of last week. The file is bounded, so that nobody
//! fills the disk by talking.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::publish::Feedback;

const FILE: &str = "feedback.jsonl";
/// Tens of thousands of verdicts.
const MAX_SIZE: u64 = 10 << 20;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    feedback: &'a Feedback,
}

/// Keeps one verdict; the error says why it can't be, and what to do.
pub(super) fn keep(folder: &Path, feedback: &Feedback, now: Timestamp) -> Result<(), String> {
    let path = folder.join(FILE);
    let line = Line {
        time: format!("{now:.3}"),
        feedback,
    };
    let mut line = serde_json::to_vec(&line).expect("a verdict has text keys");
    line.push(b'\n');
    match append(&path, &line) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "{} has reached {} MiB: take it away, it is begun anew",
            path.display(),
            MAX_SIZE >> 20
        )),
        Err(fault) => Err(format!("can't write {}: {fault}", path.display())),
    }
}

/// Appends a line; `false` where there is no room for it. A line that was cut by a power cut is
/// ended first, so that it spoils none but itself.
fn append(path: &Path, line: &[u8]) -> io::Result<bool> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .open(path)?;
    let size = file.metadata()?.len();
    let mend: &[u8] = if ends_in_a_line(&file, size)? {
        b""
    } else {
        b"\n"
    };
    if size + (mend.len() + line.len()) as u64 > MAX_SIZE {
        return Ok(false);
    }
    file.write_all(&[mend, line].concat())?;
    file.sync_all()?;
    if is_new && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(true)
}

fn ends_in_a_line(file: &File, size: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = *b"\n";
    if let Some(at) = size.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::Verdict;

    fn verdict(comment: &str) -> Feedback {
        Feedback {
            alert_id: "01K6CV3X0C8M5Q2Z7RBNWT4E9H".into(),
            verdict: Verdict::Fine,
            comment: Some(comment.to_owned()),
        }
    }

    #[test]
    fn each_verdict_is_a_line_and_a_cut_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-09-30T10:15:04.2184Z".parse().unwrap();
        let path = folder.path().join(FILE);
        keep(folder.path(), &verdict("two\nlines"), now).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time\":\"2026");
        std::fs::write(&path, &text).unwrap();
        keep(folder.path(), &verdict("later"), now).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Result<serde_json::Value, _>> =
            text.lines().map(serde_json::from_str).collect();
        assert_eq!(lines.len(), 3);
        let first = lines[0].as_ref().unwrap();
        assert_eq!(first["time"], "2026-09-30T10:15:04.218Z");
        assert_eq!(
            (&first["verdict"], &first["comment"]),
            (&"fine".into(), &"two\nlines".into())
        );
        assert!(lines[1].is_err());
        assert_eq!(lines[2].as_ref().unwrap()["comment"], "later");
    }

    #[test]
    fn a_full_file_takes_no_more_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let full = vec![b'\n'; MAX_SIZE as usize - 100];
        std::fs::write(&path, &full).unwrap();
        let fault = keep(folder.path(), &verdict("x"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(fault.contains("take it away"), "{fault}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), full.len() as u64);
    }
}
