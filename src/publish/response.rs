//! The answer to a request, on `response/<verb>`, with the transaction that the request came with.
//!
//! A [`Reply`] is where and to whom; it makes one [`Message`]. Answers are not retained.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Message, Published};

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    topic: String,
    /// A text, an integer, or null where the request had none.
    transaction: Value,
}

#[derive(Serialize)]
struct Response<'a> {
    status: &'static str,
    data: Option<Map<String, Value>>,
    error: Option<&'a str>,
    transaction: &'a Value,
}

impl Reply {
    /// An answer on `topic`; `transaction` is a text, an integer or null.
    pub(super) fn new(topic: String, transaction: Value) -> Self {
        Reply { topic, transaction }
    }

    /// It is done; what came of it, where there is more to say. Anything but an object counts as
    /// nothing.
    pub fn ok(&self, data: Value) -> Message {
        let data = match data {
            Value::Object(data) => Some(data),
            _ => None,
        };
        self.message("ok", data, None)
    }

    /// It is not done: what was tried, and what to do.
    pub fn error(&self, error: &str) -> Message {
        self.message("error", None, Some(error))
    }

    fn message(
        &self,
        status: &'static str,
        data: Option<Map<String, Value>>,
        error: Option<&str>,
    ) -> Message {
        let response = Response {
            status,
            data,
            error,
            transaction: &self.transaction,
        };
        Message::Response(Published {
            topic: self.topic.clone(),
            payload: serde_json::to_vec(&response).expect("a JSON value has text keys"),
        })
    }
}
