//! Requests as anybody may send them: what is understood, and what is answered to the rest.

use proptest::prelude::*;
use serde_json::json;

use super::super::Published;
use super::*;
use crate::config::Prefix;

fn topics() -> Topics {
    Topics::new(&Prefix::default(), &"press".parse().unwrap())
}

fn cameras() -> [Name; 2] {
    ["cam0", "cam1"].map(|name| name.parse().unwrap())
}

fn heard(topic: &str, payload: &[u8]) -> Option<Result<Heard, Refusal>> {
    let topic = format!("inspectd/press/{topic}");
    Heard::parse(&topics(), &cameras(), &topic, payload, false)
}

/// What a request asks for.
fn understood(verb: &str, payload: &str) -> Request {
    match heard(&format!("request/{verb}"), payload.as_bytes()) {
        Some(Ok(Heard::Asked(request, _))) => request,
        other => panic!("{other:?}"),
    }
}

/// The topic and the content of an answer.
fn opened(message: Message) -> (String, Value) {
    let Message::Response(Published { topic, payload }) = message else {
        panic!("{message:?} is no response");
    };
    (topic, serde_json::from_slice(&payload).unwrap())
}

/// The answer to a request that is refused: its error and its transaction.
fn refused(verb: &str, payload: &[u8]) -> (String, Value) {
    let Some(Err(Refusal::Asked(answer))) = heard(&format!("request/{verb}"), payload) else {
        panic!(
            "{verb} {:?} is not refused",
            String::from_utf8_lossy(payload)
        );
    };
    let (topic, answer) = opened(answer);
    assert_eq!(topic, format!("inspectd/press/response/{verb}"));
    assert_eq!(
        (&answer["status"], &answer["data"]),
        (&json!("error"), &Value::Null)
    );
    let error = answer["error"].as_str().unwrap().to_owned();
    (error, answer["transaction"].clone())
}

#[test]
fn each_verb_is_understood_with_and_without_its_fields() {
    let camera = Some(cameras()[1].clone());
    assert_eq!(
        understood("snapshot", ""),
        Request::Snapshot { camera: None }
    );
    let named = understood("snapshot", r#"{"camera":"cam1","transaction":"a7"}"#);
    assert_eq!(
        named,
        Request::Snapshot {
            camera: camera.clone()
        }
    );
    let mute = |camera, hush| Request::Mute { camera, hush };
    assert_eq!(understood("mute", "{}"), mute(None, Hush::On));
    assert_eq!(
        understood("mute", r#"{"minutes":0}"#),
        mute(None, Hush::Off)
    );
    let ninety = Hush::For(Duration::from_secs(90));
    let timed = understood("mute", r#"{"camera":"cam1","minutes":1.5}"#);
    assert_eq!(timed, mute(camera, ninety));
    assert_eq!(
        understood("reload", r#"{"transaction":1}"#),
        Request::Reload
    );
    assert_eq!(understood("health_check", ""), Request::HealthCheck);
    let id = "01K6CV3X0C8M5Q2Z7RBNWT4E9H";
    // Of the incident, or of one of its events.
    for named in [id.to_owned(), format!("{id}-12")] {
        let text = format!(r#"{{"alert_id":"{named}","verdict":"fine","comment":"a reflection"}}"#);
        let Request::Feedback(feedback) = understood("feedback", &text) else {
            panic!("no feedback");
        };
        assert_eq!(
            (feedback.alert_id.as_str(), feedback.verdict),
            (id, Verdict::Fine)
        );
    }
}

#[test]
fn the_transaction_comes_back_as_it_came() {
    for transaction in [json!("a7"), json!(-1), json!(u64::MAX), json!("")] {
        let payload = json!({ "transaction": transaction }).to_string();
        let Some(Ok(Heard::Asked(_, reply))) = heard("request/reload", payload.as_bytes()) else {
            panic!("{payload} is refused");
        };
        let (topic, answer) = opened(reply.ok(Value::Null));
        assert_eq!(topic, "inspectd/press/response/reload");
        let expected =
            json!({"status": "ok", "data": null, "error": null, "transaction": transaction});
        assert_eq!(answer, expected);
        let payload = json!({ "transaction": transaction, "camera": "cam9" }).to_string();
        assert_eq!(refused("mute", payload.as_bytes()).1, transaction);
    }
}

#[test]
fn what_is_wrong_is_refused_with_the_way_out() {
    let long = format!(r#"{{"camera":"{}"}}"#, "x".repeat(MAX_REQUEST));
    let wide = format!(r#"{{"{}":1}}"#, "x".repeat(MAX_REQUEST - 10));
    for (verb, payload, says) in [
        (
            "dance",
            "{}",
            "known are snapshot, mute, feedback, reload, health_check",
        ),
        ("mute", "{", "JSON object"),
        ("mute", "[1]", "JSON object"),
        ("mute", "\u{feff}{}", "JSON object"),
        ("mute", r#"{"camra":"cam0"}"#, "unknown field `camra`"),
        ("mute", r#"{"camera":"cam9"}"#, "this node has cam0, cam1"),
        ("mute", r#"{"camera":7}"#, "expected a string"),
        ("mute", r#"{"minutes":-1}"#, "from 0 to"),
        ("mute", r#"{"minutes":1e300}"#, "from 0 to"),
        ("mute", r#"{"minutes":1e999}"#, "out of range"),
        ("mute", r#"{"minutes":NaN}"#, "JSON object"),
        ("mute", r#"{"minutes":"5"}"#, "expected f64"),
        ("mute", r#"{"transaction":1.5}"#, "a text or an integer"),
        ("mute", r#"{"transaction":{}}"#, "a text or an integer"),
        ("reload", r#"{"now":true}"#, "unknown field `now`"),
        ("feedback", "{}", "missing field `alert_id`"),
        (
            "feedback",
            r#"{"alert_id":"../x","verdict":"fine"}"#,
            "26 characters",
        ),
        (
            "feedback",
            r#"{"alert_id":"01K6CV3X0C8M5Q2Z7RBNWT4E9H-x","verdict":"fine"}"#,
            "26 characters",
        ),
        (
            "feedback",
            r#"{"alert_id":"x","verdict":"ok"}"#,
            "unknown variant `ok`",
        ),
        ("snapshot", &long, "at most 16384"),
        ("snapshot", &wide, "unknown field"),
    ] {
        let (error, transaction) = refused(verb, payload.as_bytes());
        assert!(error.contains(says), "{verb} {payload:.80}: {error}");
        assert!(error.chars().count() <= MAX_FAULT);
        assert_eq!(transaction, Value::Null);
    }
}

#[test]
fn what_is_retained_or_not_for_us_asks_nothing() {
    for topic in ["request/mute", "cam0/mute/set"] {
        let topic = format!("inspectd/press/{topic}");
        assert!(Heard::parse(&topics(), &cameras(), &topic, b"ON", true).is_none());
    }
    for topic in [
        "request/",
        "request/a/b",
        "request/+",
        "cam0/mute/state",
        // The filter of the controls lets these in.
        "cam9/mute/set",
        "cam0/dance/set",
        "cam0//set",
        "info/mute/set",
        "request/mute/set",
        "",
    ] {
        assert!(heard(topic, b"ON").is_none(), "{topic}");
    }
    let other = "inspectd/other/request/mute";
    assert!(Heard::parse(&topics(), &cameras(), other, b"{}", false).is_none());
}

#[test]
fn controls_are_set_by_words_and_numbers_and_by_nothing_else() {
    let minutes = |n: u64| Position::Mute(Hush::For(Duration::from_secs(60 * n)));
    for (topic, payload, expected) in [
        ("enabled", "ON", Some(Position::Enabled(true))),
        ("enabled", "OFF", Some(Position::Enabled(false))),
        ("enabled", "on", None),
        ("enabled", "", None),
        (
            "threshold",
            "0.62",
            Level::new(0.62).map(Position::Threshold),
        ),
        (
            "threshold",
            "0.5",
            Some(Position::Threshold(Level::CALIBRATED)),
        ),
        ("threshold", "0.96", None),
        ("threshold", "NaN", None),
        ("threshold", "1e999", None),
        ("mute", "ON", Some(Position::Mute(Hush::On))),
        ("mute", "OFF", Some(Position::Mute(Hush::Off))),
        ("mute", "0", Some(Position::Mute(Hush::Off))),
        ("mute", "30", Some(minutes(30))),
        ("mute", "-5", None),
        ("mute", "inf", None),
        ("mute", "nan", None),
    ] {
        match (
            heard(&format!("cam1/{topic}/set"), payload.as_bytes()),
            expected,
        ) {
            (Some(Ok(Heard::Set(setting))), Some(expected)) => {
                assert_eq!((setting.camera.as_str(), setting.to), ("cam1", expected));
            }
            (
                Some(Err(Refusal::Set {
                    camera, control, ..
                })),
                None,
            ) => {
                assert_eq!((camera.as_str(), control.as_str()), ("cam1", topic));
            }
            (other, _) => panic!("{topic} {payload}: {other:?}"),
        }
    }
    let bytes = heard("cam0/mute/set", &[0xff, 0xfe]);
    assert!(matches!(bytes, Some(Err(Refusal::Set { .. }))));
}

#[test]
fn a_request_for_which_there_is_no_place_is_answered_with_its_transaction() {
    let busy = |topic: &str, payload: &[u8]| {
        let topic = format!("inspectd/press/{topic}");
        super::busy(&topics(), &topic, payload).map(opened)
    };
    let asked = br#"{"camera":"cam1","transaction":"a7"}"#;
    let (topic, answer) = busy("request/snapshot", asked).unwrap();
    assert_eq!(topic, "inspectd/press/response/snapshot");
    let found = (&answer["status"], &answer["error"], &answer["transaction"]);
    assert_eq!(found, (&json!("error"), &json!(BUSY), &json!("a7")));
    let (_, answer) = busy("request/mute", b"{").unwrap();
    assert!(answer["error"].as_str().unwrap().contains("JSON object"));
    for other in ["cam1/mute/set", "cam9/mute/set", "request/a/b", "info"] {
        assert!(busy(other, b"ON").is_none(), "{other}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_heard_panics(
        topic in prop_oneof![
            ".*",
            "inspectd/press/(request/[a-z_]{0,12}|cam[01]/(enabled|threshold|mute)/set)",
        ],
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            r#"\{"(camera|minutes|transaction|alert_id|verdict)":("[^"]{0,9}"|-?[0-9]{1,25}(e[0-9]{1,4})?|null|\[\[\{)\}"#
                .prop_map(String::into_bytes),
        ],
        retained in any::<bool>(),
    ) {
        match Heard::parse(&topics(), &cameras(), &topic, &payload, retained) {
            Some(Err(Refusal::Asked(answer))) => {
                let (topic, answer) = opened(answer);
                prop_assert!(topic.starts_with("inspectd/press/response/"));
                prop_assert!(!answer["error"].as_str().unwrap().is_empty());
            }
            Some(_) => prop_assert!(!retained),
            None => {}
        }
    }

    #[test]
    fn a_mute_with_an_end_is_as_long_as_asked(minutes in 0.001..MAX_MINUTES) {
        let payload = json!({ "minutes": minutes }).to_string();
        let Request::Mute { hush: Hush::For(time), .. } = understood("mute", &payload) else {
            return Err(TestCaseError::fail("no mute with an end"));
        };
        prop_assert!((time.as_secs_f64() - 60.0 * minutes).abs() < 1e-6);
    }
}
