//! The live line without a broker: what is to be said one by one, what waits, and what is said of it.

use super::*;
use crate::publish::Delivery;
use crate::publish::line_fixture::absent;
use crate::publish::packet::size;

const LIMIT: usize = 100;

/// A line that broke twice, proven, at the picture and at answers.
fn line() -> LiveLine {
    let mut line = LiveLine::new(absent(), "line", Vec::new());
    put(&mut line, "picture", LIMIT);
    put(&mut line, "state", 10);
    for name in ["picture", "n/response/+"] {
        breaks(&mut line, name);
        breaks(&mut line, name);
    }
    line
}

fn put(line: &mut LiveLine, topic: &str, bytes: usize) {
    line.put(Retained {
        topic: topic.to_owned(),
        payload: vec![b'x'; bytes],
        delivery: Delivery::AtMostOnce,
    });
}

fn trial(line: &LiveLine, name: &str) -> Trial {
    let message = line.newest.get(name);
    Trial {
        name: name.to_owned(),
        bytes: message.map_or(0, |message| size(&message.topic, &message.payload)),
        since: Instant::now(),
        is_proven: true,
    }
}

fn breaks(line: &mut LiveLine, name: &str) {
    line.trial = Some(trial(line, name));
    line.lost(Cause::Line);
}

fn is_answered(line: &mut LiveLine, name: &str, answer: Answer) {
    line.trial = Some(trial(line, name));
    line.answered(name, answer);
}

fn shown(line: &LiveLine) -> Vec<String> {
    line.to_be_shown().into_iter().collect()
}

#[test]
fn what_is_suspect_or_left_out_keeps_the_others_from_nothing() {
    let mut line = line();
    assert_eq!(shown(&line), ["state"]);
    put(&mut line, "picture", LIMIT / 2);
    assert_eq!(shown(&line), ["state"]);
    is_answered(&mut line, "picture", Answer::Taken);
    assert_eq!(shown(&line), ["picture", "state"]);
    line.unshown = line.to_be_shown();
    put(&mut line, "picture", LIMIT - 1);
    assert!(line.unshown.iter().eq(["state"]), "it has grown");
}

#[test]
fn what_can_not_be_sent_leaves_the_queue_wherever_it_stands() {
    let mut line = line();
    line.largest = 1000;
    put(&mut line, "huge", 1000);
    put(&mut line, "heatmap", 20);
    assert!(line.leave_out() && line.leave_out() && !line.leave_out());
    let is_there = |topic: &str| line.newest.is_due(|message| message.topic == topic);
    assert!(is_there("state") && is_there("heatmap"));
    assert!(!is_there("picture") && !is_there("huge"));
}

#[test]
fn a_suspect_waits_only_where_it_could_go() {
    let mut line = line();
    put(&mut line, "picture", LIMIT / 2);
    assert!(!line.is_suspect_waiting(), "nobody is there");
    line.is_proven = true;
    assert!(line.is_suspect_waiting());
    line.unshown = line.to_be_shown();
    assert!(!line.is_suspect_waiting(), "others are to be shown");
    line.unshown.clear();
    is_answered(&mut line, "picture", Answer::Taken);
    assert!(!line.is_suspect_waiting());
}

#[test]
fn all_answers_have_one_name_and_what_is_said_in_a_smaller_size_is_not_unsaid() {
    let mut line = line();
    let unsaid = |line: &LiveLine| line.unsaid().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(unsaid(&line), ["n/response/+", "picture"]);
    put(&mut line, "picture", LIMIT / 2);
    is_answered(&mut line, "picture", Answer::Taken);
    for name in ["a", "b"] {
        line.answer(Published {
            topic: format!("n/response/{name}"),
            payload: Vec::new(),
        });
        assert!(line.leave_out());
    }
    assert!(line.answers.is_empty());
    assert_eq!(unsaid(&line), ["n/response/+"]);
    put(&mut line, "picture", LIMIT);
    assert_eq!(unsaid(&line), ["n/response/+", "picture"]);
}

#[test]
fn a_message_that_the_broker_wants_later_is_said_again_and_an_empty_one_that_it_took_is_not() {
    let mut line = line();
    put(&mut line, "gone", 0);
    while line.newest.next().is_some() {
        line.newest.sent();
    }
    is_answered(&mut line, "gone", Answer::Taken);
    assert!(line.newest.get("gone").is_none());
    is_answered(&mut line, "state", Answer::Denied("no".to_owned()));
    assert!(line.newest.is_settled());
    is_answered(&mut line, "state", Answer::Later("busy".to_owned()));
    assert!(line.newest.is_due(|message| message.topic == "state"));
}
