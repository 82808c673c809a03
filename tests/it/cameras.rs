//! Several cameras in one daemon, and what a reload does to what they have seen.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use crate::broker::{Broker, Received, Subscriber};
use crate::workshop::Workshop;

const DEFECTS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";

/// The last payload of a topic.
fn last<'a>(seen: &'a [Received], topic: &str) -> Option<&'a Received> {
    seen.iter()
        .rfind(|r| r.topic == format!("inspectd/press/{topic}"))
}

fn opened(seen: &[Received], camera: &str) -> HashSet<String> {
    let topic = format!("inspectd/press/{camera}/alert");
    let alerts = seen.iter().filter(|r| r.topic == topic).map(Received::json);
    let opened = alerts.filter(|alert| alert["data"]["phase"] == "opened");
    opened.map(|alert| alert["subject"].to_string()).collect()
}

#[test]
fn two_cameras_alert_while_a_third_is_offline_and_says_why() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let missing = "{ kind = \"images\", path = \"no-such-folder\" }";
    let short = "{ kind = \"synthetic\", seed = 1, frames = 12 }";
    workshop.configure_all(&[
        ("fast", DEFECTS, "fps = 8"),
        ("slow", DEFECTS, "fps = 5"),
        ("gone", missing, "fps = 5"),
        ("over", short, "fps = 8"),
    ]);
    let mut daemon = workshop.start();
    let is_done = |seen: &[Received]| {
        ["fast", "slow"]
            .iter()
            .all(|camera| !opened(seen, camera).is_empty())
            && last(seen, "gone/state").is_some()
            && last(seen, "over/state").is_some_and(|r| r.json()["reason"] == "no_frames")
    };
    subscriber.wait(90, is_done).unwrap();
    for (camera, availability) in [
        ("fast", "online"),
        ("slow", "online"),
        ("gone", "offline"),
        ("over", "offline"),
    ] {
        let said = last(&subscriber.seen, &format!("{camera}/availability"));
        assert_eq!(said.unwrap().payload, availability, "{camera}");
    }
    let state = last(&subscriber.seen, "gone/state").unwrap().json();
    assert_eq!(
        (&state["judged"], &state["reason"]),
        (&false.into(), &"no_frames".into())
    );
    assert!(state["score"].is_null());
    let detail = state["detail"].as_str().unwrap();
    assert!(detail.contains("no-such-folder"), "{detail}");
    assert_eq!(state["causes"], serde_json::json!([]));
    assert!(daemon.log().contains("no-such-folder"), "{}", daemon.log());
    let info = last(&subscriber.seen, "info").unwrap().json();
    let names: Vec<&str> = info["cameras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["fast", "slow", "gone", "over"]);

    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait_for(10, "inspectd/press/availability", "offline")
        .unwrap();
    for camera in ["fast", "slow"] {
        let said = last(&subscriber.seen, &format!("{camera}/availability"));
        assert_eq!(said.unwrap().payload, "offline", "{camera} after the stop");
    }
    assert!(opened(&subscriber.seen, "fast").is_disjoint(&opened(&subscriber.seen, "slow")));
}

#[test]
fn an_incident_goes_on_over_a_reload_and_the_journal_changes() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(
        &workshop.noise(),
        "fps = 5\n[camera.incident]\nupdate_every_s = 1",
    );
    let mut daemon = workshop.start();
    let reports = |seen: &[Received], phase: &str| {
        let alerts = seen.iter().filter(|r| r.topic.ends_with("/alert"));
        alerts
            .filter(|r| r.json()["data"]["phase"] == phase)
            .count()
    };
    subscriber
        .wait(60, |seen| reports(seen, "updated") >= 1)
        .unwrap();
    assert!(!daemon.log().contains("DEBUG"), "{}", daemon.log());
    assert!(!daemon.log().contains('\u{1b}'), "colours in a file");

    workshop.replace("fps = 5", "fps = 4");
    workshop.replace(
        "[mqtt]",
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n[mqtt]",
    );
    let before = subscriber.seen.len();
    daemon.signal("HUP");
    let is_back = |seen: &[Received]| {
        let new = &seen[before..];
        last(new, "info").is_some() && reports(new, "updated") >= 3
    };
    subscriber.wait(60, is_back).unwrap();
    let active = last(&subscriber.seen, "cam0/alert/active").unwrap().json();
    assert_eq!(active.as_array().unwrap().len(), 1);
    let log = daemon.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "{log}");

    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait(10, |seen| reports(seen, "closed") == 1)
        .unwrap();
    let alerts = subscriber.alerts();
    let ids: HashSet<String> = alerts.iter().map(|a| a["subject"].to_string()).collect();
    assert_eq!(
        ids.len(),
        1,
        "one incident from before the reload to the end"
    );
    assert_eq!(reports(&subscriber.seen, "opened"), 1);
    let numbers: Vec<String> = (1..=alerts.len()).map(|n| format!("-{n}")).collect();
    for (alert, number) in alerts.iter().zip(numbers) {
        assert!(alert["id"].as_str().unwrap().ends_with(&number), "{alert}");
    }
    assert_eq!(alerts.last().unwrap()["data"]["ended_by"], "stopped");
}

/// What was said of the availability of the first camera, in order.
fn story(seen: &[Received]) -> Vec<String> {
    let said = seen
        .iter()
        .filter(|r| r.topic == "inspectd/press/cam0/availability");
    said.map(|r| r.payload.clone()).collect()
}

#[test]
fn a_camera_that_sends_damaged_pictures_is_offline_until_it_sends_good_ones() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let folder = workshop.folder.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    let picture = image::RgbImage::from_pixel(640, 480, image::Rgb([120, 90, 60]));
    for n in 0..8 {
        picture.save(folder.join(format!("a{n}.png"))).unwrap();
        std::fs::write(folder.join(format!("b{n}.jpg")), "half a picture").unwrap();
    }
    let path = folder.display();
    let source = format!("{{ kind = \"images\", path = \"{path}\", repeat = true }}");
    workshop.configure(&source, "fps = 5");
    let mut daemon = workshop.start();
    let is_back = |seen: &[Received]| story(seen).len() >= 4;
    subscriber.wait(60, is_back).unwrap();
    let expected = ["offline", "online", "offline", "online"];
    assert_eq!(story(&subscriber.seen)[..4], expected);
    let states = subscriber.seen.iter();
    let states = states.filter(|r| r.topic == "inspectd/press/cam0/state");
    let blind: Vec<_> = states
        .map(Received::json)
        .filter(|state| state["reason"] == "undecodable")
        .collect();
    let detail = blind[0]["detail"].as_str().unwrap();
    assert!(detail.contains("can't be decoded"), "{detail}");
    let log = daemon.log();
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!(count("the camera is offline") >= 1, "{log}");
    assert!(count("the camera is online") >= 2, "{log}");
    assert!(log.contains("away_s="), "{log}");
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

/// An address at which every caller gets half a minute of video, as fast as it takes it, and then a
/// polite goodbye.
fn video_server(folder: &std::path::Path) -> String {
    let path = folder.join("video.ts");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
        .args(["testsrc=size=640x480:rate=10:duration=30", "-c:v", "mpeg4"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let footage = std::fs::read(path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            // The caller may hang up before the end.
            let _ = connection.unwrap().write_all(&footage);
        }
    });
    format!("tcp://{address}")
}

#[test]
fn a_stream_that_its_server_closes_goes_offline_and_comes_back() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let url = video_server(workshop.folder.path());
    workshop.configure(&format!("{{ kind = \"ffmpeg\", input = \"{url}\" }}"), "");
    let mut daemon = workshop.start();
    let expected = ["offline", "online", "offline", "online", "offline"];
    subscriber
        .wait(60, |seen| story(seen).len() >= expected.len())
        .unwrap();
    assert_eq!(story(&subscriber.seen)[..expected.len()], expected);
    assert!(
        daemon.log().contains("was closed by its server"),
        "{}",
        daemon.log()
    );
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}
