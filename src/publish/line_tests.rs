//! The pauses of a line, and the versions of MQTT that it tries.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::super::broker::free_port;
use super::*;
use crate::publish::line_fixture::{endpoint, mqtt};

fn line(protocol: ProtocolChoice) -> Line {
    let mut mqtt = mqtt(free_port());
    (mqtt.retry.min, mqtt.protocol) = (Duration::from_secs(1), protocol);
    let wish = Wish {
        client_id: "line".into(),
        will: None,
        largest_outgoing: 1 << 10,
        largest_incoming: 1 << 10,
    };
    Line::new(endpoint(&mqtt), wish)
}

fn loss(is_other_protocol: bool) -> Loss {
    Loss {
        reason: "test".into(),
        cause: if is_other_protocol {
            Cause::Protocol
        } else {
            Cause::Line
        },
    }
}

fn stand(line: &mut Line, since: Instant) {
    let session = Session::open(&line.endpoint, &line.wish, line.protocol).unwrap();
    line.state = State::Up(session, since);
}

/// The pause that a line has just begun.
fn pause(line: &Line) -> Duration {
    match line.state {
        State::Waiting(until) => until.saturating_duration_since(Instant::now()),
        State::Connecting(_) | State::Up(..) => panic!("no pause"),
    }
}

#[test]
fn pauses_stay_between_the_shortest_and_a_ceiling_that_doubles() {
    let mut line = line(ProtocolChoice::V5);
    for failures in 1..=10u32 {
        line.lose("test");
        assert_eq!(line.failures, failures);
        let ceiling = Duration::from_secs(1 << failures.min(10)).min(Duration::from_secs(60));
        let pause = pause(&line);
        assert!(
            pause > Duration::from_millis(500) && pause <= ceiling,
            "{pause:?}"
        );
    }
}

#[test]
fn only_a_connection_that_stood_for_a_minute_makes_the_next_pause_the_shortest() {
    let mut line = line(ProtocolChoice::V5);
    for _ in 0..8 {
        line.lose("test");
    }
    stand(&mut line, Instant::now());
    line.lose("test");
    assert_eq!(line.failures, 9);
    let Some(long_ago) = Instant::now().checked_sub(STABLE) else {
        panic!("this machine was started a moment ago");
    };
    stand(&mut line, long_ago);
    line.lose("test");
    assert_eq!(line.failures, 0);
    assert!(pause(&line) <= Duration::from_secs(1));
}

#[test]
fn losses_whose_cause_is_known_are_no_failures_although_5_is_refused_after_each() {
    let mut line = line(ProtocolChoice::Auto);
    line.lose("test");
    for _ in 0..16 {
        stand(&mut line, Instant::now());
        line.lose("test");
        line.excuse();
        assert_eq!(line.failures, 0);
        assert!(pause(&line) <= Duration::from_secs(1));
        line.lost(&loss(true));
        assert_eq!(line.failures, 1);
    }
    stand(&mut line, Instant::now());
    line.excuse();
    assert!(line.session().is_some(), "it stands");
}

#[test]
fn the_version_changes_only_where_it_may_be_the_reason_and_5_is_asked_for_again() {
    let mut line = line(ProtocolChoice::Auto);
    let mut after = |is_other| {
        line.lost(&loss(is_other));
        line.protocol
    };
    assert_eq!(after(false), Protocol::V5);
    assert_eq!(after(true), Protocol::V3);
    assert_eq!(after(false), Protocol::V3);
    assert_eq!(after(true), Protocol::V5);
    assert_eq!(after(true), Protocol::V3);
    stand(&mut line, Instant::now());
    line.lost(&loss(false));
    assert_eq!(line.protocol, Protocol::V5);
}

#[test]
fn a_version_that_was_chosen_stays() {
    for (choice, protocol) in [
        (ProtocolChoice::V5, Protocol::V5),
        (ProtocolChoice::V3, Protocol::V3),
    ] {
        let mut line = line(choice);
        line.lost(&loss(true));
        assert_eq!(line.protocol, protocol);
    }
}

#[test]
fn a_broker_that_speaks_5_alone_is_reached_although_it_hung_up_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut connect = [0; 512];
            let read = stream.read(&mut connect).unwrap();
            let name = connect[..read].windows(4).position(|four| four == b"MQTT");
            let level = connect[name.unwrap() + 4];
            // The first attempt meets a broker that is just being restarted.
            if n > 0 && level == 5 {
                stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
                let _ = stream.read(&mut connect);
            }
        }
    });
    let mut line = line(ProtocolChoice::Auto);
    let mut endpoint = (*line.endpoint).clone();
    (endpoint.host, endpoint.port) = ("127.0.0.1".to_owned(), port);
    endpoint.retry.max = endpoint.retry.min;
    line.renew(Arc::new(endpoint));
    let deadline = Instant::now() + Duration::from_secs(10);
    while line.session().is_none() {
        assert!(Instant::now() < deadline, "{:?}", line.status());
        line.advance();
        if let Ok(got) = line.happenings().recv_timeout(Duration::from_millis(20)) {
            line.observe(Some(got));
        }
    }
    assert_eq!(line.status().protocol, Protocol::V5);
}
