//! The two lines to the broker: one for alerts and what is retained at QoS 1, one for all else. Each has a connection
//! of its own, so that pictures never hold up an alert.

use std::sync::Arc;
use std::time::Duration;

use super::alert_line::AlertLine;
use super::health::BrokerHealth;
use super::live_line::LiveLine;
use super::spool::Spool;
use super::{Delivery, Retained, Settings};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// The same for good: ten answers one after the other of a broker 300 ms away, for the topics of thirty cameras.
const FAREWELL: Duration = Duration::from_secs(3);

/// Both lines.
pub(super) struct Lines {
    pub(super) alerts: AlertLine,
    pub(super) live: LiveLine,
}

impl Lines {
    /// Lines that are not connected yet; none where there is no broker.
    pub(super) fn new(settings: &Settings) -> Option<Lines> {
        let endpoint = settings.endpoint.as_ref()?;
        endpoint.warn_of_open_password();
        let client_id = &settings.mqtt.client_id;
        let topics = settings.topics.clone();
        let boot_id = Arc::clone(&settings.boot_id);
        Some(Lines {
            alerts: AlertLine::new(Arc::clone(endpoint), client_id, topics, boot_id),
            live: LiveLine::new(
                Arc::clone(endpoint),
                client_id,
                settings.subscriptions.clone(),
            ),
        })
    }

    /// How they are, for whoever asks for the node's health.
    pub(super) fn health(&self) -> BrokerHealth {
        let unsaid: Vec<&str> = self.alerts.unsaid().chain(self.live.unsaid()).collect();
        let reason = why_incomplete(&unsaid, self.live.deafness());
        BrokerHealth::of(self.alerts.status(), self.live.status(), reason)
    }

    /// Whether the broker has accepted both.
    pub(super) fn stand(&self) -> bool {
        self.alerts.status().connected && self.live.status().connected
    }

    /// What is retained, on the line that says it.
    pub(super) fn put(&mut self, message: Retained) {
        match message.delivery {
            Delivery::AtLeastOnce => self.alerts.put(message),
            Delivery::AtMostOnce => self.live.put(message),
        }
    }

    /// Says goodbye: that the node is offline, or `farewell`, which takes it off the broker; an `offline` after that
    /// would stay where the next name has no rights. The line of alerts comes last, as its word is the last.
    pub(super) fn close(mut self, farewell: Vec<Retained>, spool: &Spool) {
        let timeout = if farewell.is_empty() {
            self.alerts.say("offline");
            GOODBYE
        } else {
            FAREWELL
        };
        let is_live = self.live.status().connected;
        for mut message in farewell {
            if !is_live {
                message.delivery = Delivery::AtLeastOnce;
            }
            self.put(message);
        }
        self.live.close(GOODBYE);
        self.alerts.close(spool, timeout);
    }
}

/// Nobody may see the journal of a board: what to do stands here as well.
fn why_incomplete(unsaid: &[&str], deafness: Option<String>) -> Option<String> {
    let unsaid = (!unsaid.is_empty()).then(|| {
        format!(
            "not said, because the broker hangs up at it: {}; see its access rules and the size that it takes, \
             for pictures camera.snapshot_max_kb; tried again within an hour, and at once by a reload",
            unsaid.join(", ")
        )
    });
    let unheard = deafness.map(|why| format!("requests and controls are not all heard: {why}"));
    let reasons: Vec<String> = unsaid.into_iter().chain(unheard).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_or_heard_is_named_with_what_to_do() {
        assert_eq!(why_incomplete(&[], None), None);
        let reason = why_incomplete(&["a/snapshot", "b"], Some("no".to_owned())).unwrap();
        for says in ["a/snapshot, b;", "snapshot_max_kb", "heard: no", "reload"] {
            assert!(reason.contains(says), "{reason}");
        }
    }
}
