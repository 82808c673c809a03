//! Retained messages: how one is made, the newest of each topic, and which of them the broker has not
//! heard yet.
//!
//! Bounded by the number of topics. Topics wait their turn in the order in which they changed.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::{Delivery, Message, Retained, Topics};

/// A retained message of JSON.
pub(super) fn retained(topic: &str, content: &impl Serialize, delivery: Delivery) -> Message {
    let payload = serde_json::to_vec(content).expect("a message has text keys and finite numbers");
    Message::Retained(Retained {
        topic: topic.to_owned(),
        payload,
        delivery,
    })
}

impl Retained {
    /// Whether the node is there.
    pub(super) fn availability(topics: &Topics, word: &str) -> Self {
        Retained {
            topic: topics.availability(),
            payload: word.as_bytes().to_vec(),
            delivery: Delivery::AtLeastOnce,
        }
    }
}

/// The newest messages.
#[derive(Debug, Default)]
pub(super) struct Newest {
    messages: HashMap<String, Retained>,
    /// Topics to be sent, each at most once.
    due: VecDeque<String>,
}

impl Newest {
    /// Takes the place of the topic's former message.
    pub(super) fn put(&mut self, message: Retained) {
        self.request(message.topic.clone());
        self.messages.insert(message.topic.clone(), message);
    }

    /// Makes a topic due again.
    pub(super) fn request(&mut self, topic: String) {
        if !self.due.contains(&topic) {
            self.due.push_back(topic);
        }
    }

    /// Makes every topic due: a new connection.
    pub(super) fn request_all(&mut self) {
        let mut topics: Vec<String> = self.messages.keys().cloned().collect();
        topics.sort();
        for topic in topics {
            self.request(topic);
        }
    }

    /// The next message that is due.
    pub(super) fn next(&self) -> Option<&Retained> {
        self.due.front().and_then(|topic| self.messages.get(topic))
    }

    /// The next message is on its way.
    pub(super) fn sent(&mut self) {
        self.due.pop_front();
    }

    /// Whether the broker has heard everything.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str) -> Retained {
        let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
        Retained {
            topic,
            payload,
            delivery: Delivery::AtMostOnce,
        }
    }

    #[test]
    fn only_the_newest_of_a_topic_is_kept_and_topics_take_turns() {
        let mut newest = Newest::default();
        for (topic, payload) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")] {
            newest.put(message(topic, payload));
        }
        assert_eq!(newest.next(), Some(&message("a", "3")));
        newest.sent();
        newest.put(message("a", "4"));
        assert_eq!(newest.next(), Some(&message("b", "1")));
        newest.sent();
        assert_eq!(newest.next(), Some(&message("a", "4")));
        newest.sent();
        assert!(newest.is_settled());
        newest.request_all();
        assert_eq!(newest.next(), Some(&message("a", "4")));
    }
}
