//! Drift: pictures that all are a little worse than those of calibration, none of them anomalous.

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde_json::Value;

use crate::broker::patience::patience;
use crate::broker::{Broker, Subscriber};
use crate::studio::{calibrate_seeing, draw, frame, stderr};
use crate::teacher;
use crate::workshop::{self, Workshop};

const STATE: &str = "inspectd/press/cam0/state";

/// Forty pictures of the studio's line that calibration did not see, each through `lens`.
fn pictures(workshop: &Workshop, name: &str, lens: impl Fn(&mut RgbImage)) -> String {
    let folder = workshop.folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    for number in (2000..).step_by(7).take(40) {
        let mut picture = frame(number, false);
        lens(&mut picture);
        picture.save(folder.join(format!("{number}.png"))).unwrap();
    }
    format!(
        "{{ kind = \"images\", path = \"{}\", repeat = true }}",
        folder.display()
    )
}

/// A lens with dust on it: specks of 3 x 3 pixels, one in each 8 x 8, are a quarter darker.
fn dusty(picture: &mut RgbImage) {
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if x % 8 < 3 && y % 8 < 3 {
            pixel.0 = pixel.0.map(|value| value - value / 4);
        }
    }
}

/// A Profile of pictures that are far apart: what they show of how scores move is known well enough.
fn varied(folder: &Path) -> PathBuf {
    let (footage, out) = (folder.join("varied"), folder.join("profile"));
    draw(&footage, (0..120).map(|i| 11 * i));
    let output = calibrate_seeing(&footage, &out, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    out
}

/// Waits for a state from now on whose drift is as wanted.
fn wait_for_drift(subscriber: &mut Subscriber, wanted: impl Fn(&Value) -> bool) -> Value {
    let from = subscriber.seen.len();
    let is_it = |drift: &Value| wanted(drift);
    subscriber
        .wait(60, |seen| {
            let mut states = seen[from..].iter().filter(|r| r.topic == STATE);
            states.any(|r| is_it(&r.json()["drift"]))
        })
        .unwrap();
    subscriber.seen.last().unwrap().json()
}

#[test]
fn a_lens_that_gets_dusty_is_one_incident_of_drift_before_any_frame_is_anomalous() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    let clean = pictures(&workshop, "clean", |_| ());
    let dusty = pictures(&workshop, "dusty", dusty);
    let hours = patience(14).as_secs_f64() / 3600.0;
    let keys = format!(
        "fps = 30\nscene = \"off\"\nfrozen_after_s = 0\ndrift_hours = {hours}\ndrift = \"on\""
    );
    workshop.configure(&clean, &keys);
    let profile = workshop::profile().to_str().unwrap();
    let varied = varied(workshop.folder.path());
    workshop.replace(profile, varied.to_str().unwrap());
    let own = teacher::table(teacher::named());
    workshop.replace(&own, &teacher::table(teacher::that_sees()));
    let mut daemon = workshop.start();
    // The least sensitive threshold: what is dusty here in a moment comes slowly elsewhere.
    subscriber
        .wait_for(60, "inspectd/press/cam0/availability", "online")
        .unwrap();
    subscriber.say("inspectd/press/cam0/threshold/set", "0.95");
    let calm = wait_for_drift(&mut subscriber, |drift| {
        drift["frames"].as_u64() >= Some(60)
    });
    assert_ne!(calm["drift"]["level"], "strong", "{calm:#}");
    assert_eq!(calm["scene"]["drift"], calm["drift"]["level"]);

    workshop.replace(&clean, &dusty);
    daemon.signal("HUP");
    let state = wait_for_drift(&mut subscriber, |drift| drift["level"] == "strong");
    let [shift, limit] = ["shift", "limit"].map(|key| state["drift"][key].as_f64().unwrap());
    assert!(shift >= limit, "{state:#}");
    assert_eq!(state["causes"], serde_json::json!(["drift"]));
    assert_eq!(state["anomaly"], "OFF");

    // It goes on over a reload, and ends where nobody watches any more.
    daemon.signal("HUP");
    let goes_on = wait_for_drift(&mut subscriber, |drift| drift["frames"].is_u64());
    assert_eq!(goes_on["drift"]["level"], "strong", "{goes_on:#}");
    workshop.replace("drift = \"on\"", "drift = \"off\"");
    daemon.signal("HUP");
    let off = wait_for_drift(&mut subscriber, Value::is_null);
    assert_eq!(
        (&off["causes"], &off["scene"]["drift"]),
        (&serde_json::json!([]), &Value::Null)
    );
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait_for(20, "inspectd/press/availability", "offline")
        .unwrap();

    let alerts = subscriber.alerts();
    let phases: Vec<&Value> = alerts.iter().map(|alert| &alert["data"]["phase"]).collect();
    assert_eq!(phases.first().unwrap(), &"opened", "{phases:?}");
    assert_eq!(phases.last().unwrap(), &"closed", "{phases:?}");
    assert!(
        phases[1..phases.len() - 1]
            .iter()
            .all(|phase| *phase == "updated")
    );
    for alert in &alerts {
        assert_eq!(alert["data"]["cause"], "drift");
        assert_eq!(alert["subject"], alerts[0]["subject"]);
    }
    let opened = &alerts[0]["data"];
    assert_eq!(opened["scene"]["drift"], "strong");
    assert!(
        opened["fault"]["detail"]
            .as_str()
            .unwrap()
            .contains("limit")
    );
    assert!(daemon.log().contains("calibrate again"), "{}", daemon.log());
}
