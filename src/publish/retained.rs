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
        let topic = message.topic.clone();
        self.messages.insert(topic.clone(), message);
        self.request(topic);
    }

    /// Makes a topic due again; nothing where it has no message.
    pub(super) fn request(&mut self, topic: String) {
        if self.messages.contains_key(&topic) && !self.due.contains(&topic) {
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

    /// Lets the first of these that are due go before all others; whether there is one.
    pub(super) fn prefer(&mut self, is_it: impl Fn(&Retained) -> bool) -> bool {
        let of_topic = |topic: &String| self.messages.get(topic).is_some_and(&is_it);
        let Some(place) = self.due.iter().position(of_topic) else {
            return false;
        };
        if let Some(topic) = self.due.remove(place) {
            self.due.push_front(topic);
        }
        true
    }

    /// The newest message of each topic.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Retained> {
        self.messages.values()
    }

    /// The newest message of this topic.
    pub(super) fn get(&self, topic: &str) -> Option<&Retained> {
        self.messages.get(topic)
    }

    /// Whether one of these is due.
    pub(super) fn is_due(&self, is_it: impl Fn(&Retained) -> bool) -> bool {
        let mut due = self.due.iter().filter_map(|topic| self.messages.get(topic));
        due.any(is_it)
    }

    /// The next message is on its way.
    pub(super) fn sent(&mut self) {
        self.due.pop_front();
    }

    /// The broker has taken the message of a topic, and no other of this topic is on its way. One that emptied it is not said on later connections: what is
    /// there by then may be another node's.
    pub(super) fn taken(&mut self, topic: &str) {
        let message = self.messages.get(topic);
        let is_empty = message.is_some_and(|message| message.payload.is_empty());
        if is_empty && !self.due.iter().any(|due| due == topic) {
            self.messages.remove(topic);
        }
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

    #[test]
    fn one_that_is_preferred_overtakes_the_others_and_one_without_a_message_is_never_due() {
        let mut newest = Newest::default();
        newest.request("nothing".to_owned());
        assert!(newest.is_settled());
        for topic in ["a", "b", "c"] {
            newest.put(message(topic, "1"));
        }
        assert!(newest.prefer(|message| message.topic.as_str() > "a"));
        assert!(!newest.prefer(|message| message.topic == "d"));
        let order = ["b", "a", "c"].map(|topic| {
            let next = newest.next().map(|message| message.topic.clone());
            newest.sent();
            (next, topic)
        });
        assert!(
            order
                .iter()
                .all(|(next, topic)| next.as_deref() == Some(topic))
        );
    }

    #[test]
    fn a_topic_that_the_broker_has_emptied_is_not_emptied_again() {
        let mut newest = Newest::default();
        let said_again = |newest: &mut Newest| {
            newest.request_all();
            let mut topics = String::new();
            while let Some(message) = newest.next() {
                topics += &message.topic;
                newest.sent();
            }
            topics
        };
        for (topic, payload) in [("a", ""), ("b", ""), ("c", "1")] {
            newest.put(message(topic, payload));
        }
        // What is due again while an older one is taken stays.
        newest.taken("a");
        assert_eq!(said_again(&mut newest), "abc");
        newest.taken("a");
        newest.taken("c");
        assert_eq!(said_again(&mut newest), "bc");
        newest.put(message("b", "1"));
        newest.sent();
        newest.taken("b");
        assert_eq!(said_again(&mut newest), "bc");
    }
}
