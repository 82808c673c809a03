//! How a generation of the daemon comes to its end, and what the daemon's caller is told when it was the last.

use std::path::PathBuf;

use super::exit::{DataError, Stopped};
use super::inspection::Inspection;
use crate::publish::Left;

/// How a generation came to its end.
pub(super) enum Turn {
    /// A stage has failed, or a stop was asked.
    Stop,
    /// All footage has ended; these cameras gave frames, and none could be judged.
    Footage(Vec<String>),
    /// The spool's disk has failed.
    DiskFailed(String),
    /// This configuration takes over.
    Reload(Box<Inspection>),
    /// A camera was turned on or off; the configuration stays.
    Switch,
}

impl Turn {
    /// What the caller is told of the last one, and of what is `left` under the state folder.
    pub(super) fn result(self, folder: PathBuf, left: &Left) -> anyhow::Result<()> {
        let lost = left.lost;
        match self {
            Turn::DiskFailed(reason) => Err(Stopped::DiskFailed {
                folder,
                reason,
                lost,
            })?,
            _ if lost > 0 => Err(Stopped::NoRoom { folder, lost })?,
            _ if left.unwritten > 0 => Err(Stopped::Unwritten {
                lost: left.unwritten,
            })?,
            Turn::Footage(unjudged) if !unjudged.is_empty() => Err(DataError(format!(
                "no frame could be judged of the footage of {}: look at it with inspectd score",
                unjudged.join(", ")
            )))?,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sysexits::ExitCode;

    use super::*;
    use crate::commands::exit_code;

    #[test]
    fn footage_without_a_judged_frame_is_unusable_data_and_lost_alerts_go_before_it() {
        let left = |lost, unwritten| Left {
            spooled: 0,
            quarantined: 0,
            lost,
            unwritten,
        };
        let footage = |names: &[&str]| Turn::Footage(names.iter().map(|n| n.to_string()).collect());
        for (turn, left, code) in [
            (Turn::Stop, left(0, 0), ExitCode::Ok),
            (footage(&[]), left(0, 0), ExitCode::Ok),
            (footage(&["cam0"]), left(0, 0), ExitCode::DataErr),
            (footage(&["cam0"]), left(0, 2), ExitCode::IoErr),
            (Turn::Stop, left(1, 0), ExitCode::IoErr),
            (Turn::Stop, left(0, 1), ExitCode::IoErr),
        ] {
            let result = turn.result("state".into(), &left);
            let told = result.as_ref().map_or_else(exit_code, |()| ExitCode::Ok);
            assert_eq!(told, code, "{result:?}, {left:?}");
        }
    }
}
