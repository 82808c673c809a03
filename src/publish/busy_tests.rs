//! The publisher while the supervisor is away, as between two generations, and others go on talking.

use super::*;

/// What the supervisor finds when it comes back: the payloads in their order.
fn heard(told: &Receiver<Told>) -> Vec<String> {
    let mut payloads = Vec::new();
    while let Ok(Told::Heard { said, .. }) = told.recv_timeout(Duration::from_secs(1)) {
        payloads.push(String::from_utf8(said.payload).unwrap());
    }
    payloads
}

#[test]
fn a_busy_supervisor_hears_the_last_value_alone_of_each_control_and_one_request_too_many_is_refused()
 {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let desk = Desk::new(broker.port);
    let mut settings = desk.settings();
    let topics = settings.topics.clone();
    settings.subscriptions = vec![topics.requests(), "inspectd/press/+/+/set".into()];
    let (tell, told) = bounded(0);
    let (sender, publisher) = desk.open_with(settings, tell);
    let cameras = ["cam0".parse().unwrap()];
    sender.send(Message::controls(&topics, &cameras)).unwrap();
    let is_heard = (0..200).any(|_| {
        subscriber.say("inspectd/press/request/reload", "{}");
        told.recv_timeout(Duration::from_millis(100)).is_ok()
    });
    assert!(is_heard, "it does not listen");
    heard(&told);
    for n in 30..90 {
        let value = format!("0.{n}");
        subscriber.say("inspectd/press/cam0/threshold/set", &value);
    }
    subscriber.say("inspectd/press/cam9/threshold/set", "0.5");
    subscriber.say("inspectd/press/cam0/mute/set", "ON");
    subscriber.say("inspectd/press/cam0/mute/set", "OFF");
    for _ in 0..16 {
        subscriber.say("inspectd/press/request/reload", "{}");
    }
    let (verb, transaction) = ("health_check", r#"{"transaction":"late"}"#);
    subscriber.say(&format!("inspectd/press/request/{verb}"), transaction);
    let is_answer = |it: &Received| it.topic.ends_with("response/health_check");
    subscriber
        .wait(20, |seen| seen.iter().any(is_answer))
        .unwrap();
    let answer = subscriber.seen.iter().find(|it| is_answer(it)).unwrap();
    let answer = answer.json();
    assert_eq!(
        (&answer["status"], &answer["transaction"]),
        (&"error".into(), &"late".into())
    );
    assert!(answer["error"].as_str().unwrap().starts_with("busy"));
    // Of the camera that is not ours nothing is known here: it took the place of a request.
    let mut expected = vec!["0.89", "0.5", "OFF"];
    expected.extend(["{}"; 15]);
    assert_eq!(heard(&told), expected);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}
