//! The line of alerts without a broker: when it next has to do something.

use super::*;
use crate::config::Prefix;
use crate::publish::Delivery;
use crate::publish::line_fixture::absent;

fn line() -> AlertLine {
    let topics = Topics::new(&Prefix::default(), &"press".parse().unwrap());
    AlertLine::new(absent(), "line", topics, "b".into())
}

#[test]
fn a_line_that_broke_while_it_was_asked_for_patience_rests_all_the_same() {
    let mut line = line();
    line.hold = Some(Instant::now());
    line.put_off = Some((Instant::now(), Vec::new()));
    line.line.lose("test");
    assert!(line.patience() > Duration::from_millis(500));
}

#[test]
fn the_answer_to_a_message_does_not_count_for_the_empty_one_that_is_on_its_way_behind_it() {
    let mut line = line();
    for (packet, payload) in [(1, "offline"), (2, "")] {
        line.put(Retained {
            topic: "a".to_owned(),
            payload: payload.into(),
            delivery: Delivery::AtLeastOnce,
        });
        line.newest.sent();
        line.window.handed_over(Carried::Retained("a".to_owned()));
        line.window.written(packet);
    }
    for (packet, is_kept) in [(1, true), (2, false)] {
        assert!(line.window.acknowledged(packet).is_some());
        line.heard_of("a", Answer::Taken);
        assert_eq!(line.newest.get("a").is_some(), is_kept);
    }
}
