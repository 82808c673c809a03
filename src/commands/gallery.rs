//! Which pictures of a camera are shown, and when: only where `camera.snapshot` is on.
//!
//! Kept is the latest judged frame, for whoever asks; the worst of an incident is kept by the tracker. A
//! frame's buffer moves in here and is never copied.

use serde_json::{Value, json};

use super::darkroom::Darkroom;
use crate::capture::Moment;
use crate::decide::{Incident, Judged};
use crate::pipeline::Stamp;
use crate::publish::{CameraTopics, Media, Message, Reporter};

/// The pictures of one camera.
pub(super) struct Gallery {
    darkroom: Darkroom,
    latest: Option<(Stamp, Judged)>,
    /// The frame whose pictures are on their topics, and its incident.
    shown: Option<(String, u64, Moment)>,
}

/// The latest picture, ready to be published, and what the answer says of it.
pub(super) struct Latest {
    pub(super) messages: Vec<Message>,
    pub(super) data: Value,
}

impl Gallery {
    pub(super) fn new(darkroom: Darkroom) -> Self {
        Gallery {
            darkroom,
            latest: None,
            shown: None,
        }
    }

    /// Keeps the latest frame.
    pub(super) fn keep(&mut self, stamp: Stamp, judged: Judged) {
        self.latest = Some((stamp, judged));
    }

    /// Shows the worst frame of an incident that is about to be reported, unless it is shown. That of a
    /// fault of the scene was never kept: what is shown stays, and belongs to its own incident.
    pub(super) fn show(&mut self, incident: &Incident, reporter: &mut Reporter) -> Vec<Message> {
        let Some(judged) = incident.worst.judged() else {
            return Vec::new();
        };
        let worst = (incident.id.clone(), incident.worst_seq, incident.worst_at);
        if self.shown.as_ref() == Some(&worst) {
            return Vec::new();
        }
        self.shown = Some(worst);
        reporter.show(incident, self.darkroom.develop(judged))
    }

    /// The latest frame, for whoever asked. The error says why there is none.
    pub(super) fn latest(&mut self, topics: &CameraTopics) -> Result<Latest, String> {
        let (stamp, judged) = self.latest.as_ref().ok_or("no frame was judged yet")?;
        let media = self.darkroom.develop(judged);
        let media = media.ok_or("the picture can't be sent; the journal says why")?;
        let mut data = json!({
            "seq": stamp.seq,
            "taken_at": format!("{:.3}", stamp.at.wall),
            "score": judged.score().value,
        });
        data["media"] = json!(media.names(topics));
        Ok(Latest {
            messages: media.messages(topics),
            data,
        })
    }
}

/// What is said where snapshots are off: pictures from a time when they were on are taken back.
pub(super) fn closed(topics: &CameraTopics) -> Vec<Message> {
    Media::clear(topics)
}
