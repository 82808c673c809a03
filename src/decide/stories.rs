//! Stories for tests: scores, faults and moments of a camera, and what a tracker makes of them frame by
//! frame. Also for the tests of what is said about a camera.

use std::time::Duration;

use super::{Identity, Incident, Judged, Mute, Phase, Picture, Rules, Tracker};
use crate::capture::Moment;
use crate::infer::{Grid, Patches};
use crate::preprocess::{Rejection, SceneFault, SceneFaultKind, SceneStatistics};
use crate::score::{Basis, Parts, Score};

/// A score whose `raw` is given: threshold 0, alarm line 100, value `0.5 + raw / (2 (1 + |raw|))`.
pub(crate) fn score(raw: f64) -> Score {
    Score {
        basis: Basis::Image,
        raw,
        threshold: 0.0,
        value: 0.5 + 0.5 * raw / (1.0 + raw.abs()),
        p_value: 0.5,
        pretrained: raw,
        discrepancy: 0.0,
        paper: raw,
        default: raw,
        parts: Parts {
            z: raw,
            pooled_mid: 0.0,
            pooled_late: 0.0,
            residual: 0.0,
            bank: None,
        },
        local: 0.0,
        local_threshold: 1.0,
        is_alarm: raw > 100.0,
        map: vec![0.0, 1.0, 2.0, 3.0],
        patches: Patches::all(Grid {
            rows: 2,
            columns: 2,
        }),
    }
}

pub(crate) fn judged(raw: f64) -> Judged {
    seen(score(raw))
}

fn seen(score: Score) -> Judged {
    let picture = Picture {
        width: 64,
        height: 48,
        scene: SceneStatistics::default(),
        scene_z: None,
    };
    Judged::new(score, picture).unwrap()
}

/// A frame of which the camera's scene is not seen: `b`locked, `m`oved, `f`rozen or `c`hanged.
pub(crate) fn fault(kind: char, severity: f32) -> Rejection {
    let kind = match kind {
        'b' => SceneFaultKind::Blocked,
        'm' => SceneFaultKind::Moved,
        'f' => SceneFaultKind::Frozen,
        'c' => SceneFaultKind::Changed,
        other => panic!("no kind of fault: {other}"),
    };
    Rejection::Scene(SceneFault {
        kind,
        scene: SceneStatistics {
            brightness: 0.02,
            contrast: 0.001,
            sharpness: 0.003,
        },
        width: 64,
        height: 48,
        severity,
        detail: format!("{} {severity}", kind.word()),
    })
}

/// A frame whose verdict rests on the local score, `raw` above a threshold of 10.
pub(crate) fn spotted(raw: f64) -> Judged {
    seen(Score {
        basis: Basis::Local,
        raw: 10.0 + raw,
        threshold: 10.0,
        p_value: 0.01,
        local: 10.0 + raw,
        local_threshold: 10.0,
        default: -3.0,
        ..score(raw)
    })
}

/// Frame `n` of a camera with two frames a second.
pub(crate) fn moment(n: u64) -> Moment {
    let since_boot = Duration::from_millis(500 * n);
    let wall = jiff::Timestamp::from_millisecond(1_790_000_000_000 + 500 * n as i64).unwrap();
    Moment {
        wall,
        since_boot,
        synced: true,
    }
}

pub(crate) fn tracker(rules: Rules) -> Tracker {
    let identity = Identity {
        node: "press".into(),
        camera: "cam0".into(),
        boot_id: "5c0e".into(),
    };
    Tracker::new(identity, rules)
}

/// What comes of a story: `A` anomalous, `.` calm, `-` between release line and threshold,
/// `?` not to be judged, `b`, `m`, `f` and `c` faults of the scene; before `M` the camera is muted, before
/// `U` no longer, and neither is judged.
pub(crate) fn tell(tracker: &mut Tracker, story: &str) -> Vec<(u64, Incident)> {
    let mut reports = Vec::new();
    for (n, frame) in (0u64..).zip(story.chars()) {
        match frame {
            'M' => tracker.mute(Mute::On),
            'U' => tracker.mute(Mute::Off),
            _ => {}
        }
        let judgement = match frame {
            'A' => Ok(judged(3.0)),
            'B' => Ok(judged(30.0)),
            '.' => Ok(judged(-3.0)),
            '-' => Ok(judged(-0.05)),
            'b' | 'm' | 'f' | 'c' => Err(fault(frame, 2.0)),
            _ => Err(Rejection::Undecodable("test".into())),
        };
        let changes = tracker.observe(n, moment(n), judgement.as_ref());
        reports.extend(changes.into_iter().map(|report| (n, report)));
    }
    reports
}

pub(crate) fn phases(reports: &[(u64, Incident)]) -> Vec<(u64, Phase)> {
    reports
        .iter()
        .map(|(n, report)| (*n, report.phase))
        .collect()
}
