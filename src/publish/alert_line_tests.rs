//! The line of alerts without a broker: when it next has to do something.

use super::*;
use crate::config::{Issues, Mqtt, Prefix, ProtocolChoice};

fn line() -> AlertLine {
    let mqtt = Mqtt {
        enabled: true,
        host: "127.0.0.1".into(),
        port: super::super::broker::free_port(),
        prefix: Prefix::default(),
        client_id: "line".into(),
        credentials: None,
        keep_alive: Duration::from_secs(5),
        retry: Retry {
            min: Duration::from_secs(10),
            max: Duration::from_secs(60),
        },
        drain: Duration::ZERO,
        protocol: ProtocolChoice::Auto,
        tls: None,
    };
    let endpoint = Endpoint::new(&mqtt, &mut Issues::default()).unwrap();
    let topics = Topics::new(&Prefix::default(), &"press".parse().unwrap());
    AlertLine::new(Arc::new(endpoint), "line", topics, "b".into())
}

#[test]
fn a_line_that_broke_while_it_was_asked_for_patience_rests_all_the_same() {
    let mut line = line();
    line.hold = Some(Instant::now());
    line.put_off = Some((Instant::now(), Vec::new()));
    line.line.lose("test");
    assert!(line.patience() > Duration::from_millis(500));
}
