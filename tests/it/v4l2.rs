//! The V4L2 source in the real daemon, on cameras that fail in every way (`fake_camera`): offline in
//! time and with a reason, no damaged frame judged, back by itself, its neighbour undisturbed.

use std::process::Command;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::broker::{Broker, Received, Subscriber};
use crate::fake_camera::{FakeCamera, pictures, plug_into};
use crate::studio::{inspectd, stdout};
use crate::teacher;
use crate::workshop::{Daemon, Workshop, profile};

const MJPEG: &str = "size = \"640x480\", format = \"mjpeg\"";
const YUYV: &str = "size = \"640x480\", format = \"yuyv\"";
/// A frame deadline below the default's five seconds, so that no test waits for long.
/// Faults of the scene are tested elsewhere, but for a camera that repeats one picture.
const PACE: &str = "fps = 4\ndeadline_s = 1.5\nscene = \"off\"\nfrozen_after_s = 2";
/// What users are promised, for both.
const LIMIT: u64 = 10;

/// A daemon with a camera that is made to fail, and one that is not.
struct Scene {
    _broker: Broker,
    subscriber: Subscriber,
    _workshop: Workshop,
    daemon: Daemon,
    camera: FakeCamera,
}

impl Scene {
    /// Waits until both cameras are scored.
    fn new(keys: &str) -> Scene {
        let broker = Broker::start();
        let subscriber = Subscriber::new(broker.port);
        let workshop = Workshop::new(broker.port);
        let folder = workshop.folder.path();
        let (camera, other) = (
            FakeCamera::new(folder, "faulty"),
            FakeCamera::new(folder, "sound"),
        );
        workshop.configure_all(&[
            ("faulty", &camera.source(keys), PACE),
            ("sound", &other.source(MJPEG), PACE),
        ]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command.args(["run", "--config"]).arg(workshop.path());
        plug_into(&mut command, &[&camera, &other]);
        let daemon = workshop.start_by(command);
        let mut scene = Scene {
            _broker: broker,
            subscriber,
            _workshop: workshop,
            daemon,
            camera,
        };
        scene.until(60, 0, "sound/state", |r| r.json()["judged"] == true);
        scene.until(60, 0, "faulty/state", |r| r.json()["judged"] == true);
        scene.until(60, 0, "faulty/availability", |r| r.payload == "online");
        scene
    }

    /// Waits for a message that came after the first `from`, and gives its place.
    fn until(
        &mut self,
        seconds: u64,
        from: usize,
        topic: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> usize {
        let full = format!("inspectd/press/{topic}");
        let place = |seen: &[Received]| {
            let mut later = seen.iter().skip(from);
            later.position(|r| r.topic == full && wanted(r))
        };
        if let Err(text) = self.subscriber.wait(seconds, |seen| place(seen).is_some()) {
            let log = self.daemon.log();
            panic!("{topic}: {text}\n{log}\n{:?}", self.camera.journal());
        }
        from + place(&self.subscriber.seen).unwrap()
    }

    /// Waits until the journal holds `words`.
    fn until_logged(&self, seconds: u64, words: &str) {
        self.daemon
            .wait_for_journal(seconds, |log| log.contains(words));
    }

    /// How many frames of the faulty camera were judged.
    fn judged(&mut self) -> u64 {
        let from = self.subscriber.seen.len();
        let request = json!({"transaction": from}).to_string();
        self.subscriber
            .say("inspectd/press/request/health_check", &request);
        let place = self.until(20, from, "response/health_check", |_| true);
        let health = self.subscriber.seen[place].json();
        health["data"]["cameras"][0]["judged"].as_u64().unwrap()
    }

    /// Makes the camera do `word` and checks all that is promised of a fault. Gives the reasons of the
    /// states that came meanwhile.
    fn suffers(&mut self, word: &str) -> Vec<String> {
        let before = self.judged();
        let from = self.subscriber.seen.len();
        self.camera.does(word);
        self.until(LIMIT, from, "faulty/availability", |r| {
            r.payload == "offline"
        });
        let (offline, counted) = (Instant::now(), self.judged());
        assert!(
            counted <= before + 3,
            "{word}: {} frames were judged, more than were on their way",
            counted - before
        );
        sleep(Duration::from_millis(1500).saturating_sub(offline.elapsed()));
        assert_eq!(self.judged(), counted, "{word}: none while it is offline");
        let end = self.subscriber.seen.len();
        self.camera.does("ok");
        let back = self.until(LIMIT, end, "faulty/availability", |r| r.payload == "online");
        self.until(LIMIT, back, "faulty/state", |r| r.json()["judged"] == true);
        // State and availability travel on lines of their own: either may come first.
        let states = self.subscriber.seen[from..end].iter();
        let states = states.filter(|r| r.topic == "inspectd/press/faulty/state");
        let reasons = states.filter_map(|r| r.json()["reason"].as_str().map(str::to_owned));
        reasons.collect()
    }

    /// Checks what holds at the end of every test.
    fn ends_well(&mut self) {
        assert!(self.daemon.is_running(), "{}", self.daemon.log());
        let neighbour = "inspectd/press/sound/availability";
        let words = self.subscriber.seen.iter().filter(|r| r.topic == neighbour);
        let words: Vec<&str> = words.map(|r| &*r.payload).collect();
        assert_eq!(words, ["offline", "online"], "{}", self.daemon.log());
        self.daemon.signal("TERM");
        assert_eq!(
            self.daemon.wait(20).code(),
            Some(0),
            "{}",
            self.daemon.log()
        );
    }

    /// Checks that every score that was published is that of a picture which the camera plays.
    fn scored_only_what_it_plays(&self) {
        let known = known_scores();
        let states = self.subscriber.seen.iter();
        let states = states.filter(|r| r.topic == "inspectd/press/faulty/state");
        let raw: Vec<f64> = states.filter_map(|r| r.json()["raw"].as_f64()).collect();
        assert!(!raw.is_empty(), "nothing was scored");
        for score in raw {
            let nearest = known.iter().map(|k| (k - score).abs()).fold(1e9, f64::min);
            assert!(nearest < 1e-4, "{score} is the score of no good picture");
        }
    }
}

/// The scores of the JPEGs that every camera plays.
fn known_scores() -> &'static [f64] {
    static SCORES: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let files = std::fs::read_dir(pictures()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let files = files.filter(|path| path.to_string_lossy().contains("/640x480"));
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "jpg"));
        let mut arguments = vec!["score".into(), "--json".into(), "--profile".into()];
        arguments.push(profile().as_os_str().to_owned());
        let teacher = teacher::options(teacher::named());
        arguments.extend(teacher.into_iter().map(Into::into));
        arguments.extend(files.map(|path| path.into_os_string()));
        let lines = stdout(&inspectd(arguments));
        let raw = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["raw"]
                .as_f64()
                .unwrap()
        };
        let scores: Vec<f64> = lines.lines().map(raw).collect();
        assert_eq!(scores.len(), 24);
        scores
    });
    &SCORES
}

#[test]
fn a_camera_that_gives_nothing_is_offline_in_time_and_comes_back() {
    let mut scene = Scene::new(MJPEG);
    for word in ["stall", "unplug", "eio", "qbuf", "hang"] {
        let reasons = scene.suffers(word);
        assert!(
            reasons.contains(&"no_frames".to_owned()),
            "{word}: {reasons:?}"
        );
    }
    scene.scored_only_what_it_plays();
    scene.ends_well();
}

#[test]
fn a_damaged_frame_is_never_judged_and_many_make_the_camera_offline() {
    let mut scene = Scene::new(MJPEG);
    for word in ["errbuf", "short", "empty", "corrupt", "wrong"] {
        scene.suffers(word);
    }
    scene.scored_only_what_it_plays();
    scene.ends_well();
}

#[test]
fn raw_pictures_are_judged_only_when_they_are_whole() {
    let mut scene = Scene::new(YUYV);
    for word in ["errbuf", "short", "empty"] {
        scene.suffers(word);
    }
    scene.ends_well();
}

#[test]
fn another_size_after_a_replug_is_not_judged() {
    let mut scene = Scene::new(MJPEG);
    scene.camera.does("unplug");
    let from = scene.subscriber.seen.len();
    let at = scene.until(LIMIT, from, "faulty/availability", |r| {
        r.payload == "offline"
    });
    let judged = scene.judged();
    scene.camera.does("size");
    sleep(Duration::from_secs(4));
    assert_eq!(scene.judged(), judged, "{}", scene.daemon.log());
    let journal = scene.camera.journal();
    let gone = journal.iter().position(|line| line.starts_with("unplug"));
    let tried = journal.iter().rposition(|line| line.starts_with("open"));
    assert!(tried > gone, "it was opened again: {journal:?}");
    scene.camera.does("ok");
    scene.until(LIMIT, at, "faulty/availability", |r| r.payload == "online");
    scene.scored_only_what_it_plays();
    scene.ends_well();
}

#[test]
fn one_picture_again_and_again_is_no_picture() {
    let mut scene = Scene::new(MJPEG);
    let from = scene.subscriber.seen.len();
    scene.camera.does("freeze");
    scene.until(LIMIT, from, "faulty/availability", |r| {
        r.payload == "offline"
    });
    let judged = scene.judged();
    sleep(Duration::from_secs(3));
    assert_eq!(scene.judged(), judged, "{}", scene.daemon.log());
    let reopened = scene
        .camera
        .journal()
        .iter()
        .filter(|line| line.starts_with("open"))
        .count();
    assert!(
        reopened > 1,
        "a camera that is opened anew may come to its senses"
    );
    let end = scene.subscriber.seen.len();
    scene.camera.does("ok");
    scene.until(LIMIT, end, "faulty/availability", |r| r.payload == "online");
    scene.scored_only_what_it_plays();
    scene.ends_well();
}

#[test]
fn frames_that_are_lost_on_the_way_disturb_nobody() {
    let mut scene = Scene::new(MJPEG);
    let from = scene.subscriber.seen.len();
    scene.camera.does("gap");
    let number = |r: &Received| r.json()["frame"].as_u64().unwrap();
    let first = scene.until(LIMIT, from, "faulty/state", |_| true);
    let first = number(&scene.subscriber.seen[first]);
    // Ten numbers a frame: what the camera lost can be counted.
    scene.until(LIMIT, from, "faulty/state", |r| {
        r.json()["judged"] == true && number(r) > first + 60
    });
    let topic = "inspectd/press/faulty/availability";
    let words = scene.subscriber.seen.iter().filter(|r| r.topic == topic);
    assert_eq!(words.count(), 2, "offline at the start, then online");
    scene.scored_only_what_it_plays();
    scene.ends_well();
}

#[test]
fn controls_are_held_over_a_replug_and_one_that_drifts_is_a_fault() {
    let held = "controls = { exposure_auto = 1, exposure_time_absolute = 200, \
                white_balance_automatic = false, white_balance_temperature = 5000 }";
    let mut scene = Scene::new(&format!("{MJPEG}, {held}"));
    // An automatic is turned off before its value is set, which the camera refuses otherwise.
    let settings = |scene: &Scene, what: &str| {
        let journal = scene.camera.journal();
        let places = journal.iter().enumerate().filter(|(_, line)| *line == what);
        places.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let exposure = "set Exposure Time, Absolute = 200";
    for (switch, value) in [
        ("set Exposure, Auto = 1", exposure),
        (
            "set White Balance, Automatic = 0",
            "set White Balance Temperature = 5000",
        ),
    ] {
        let (switch, value) = (settings(&scene, switch), settings(&scene, value));
        assert!(switch[0] < value[0], "{:?}", scene.camera.journal());
    }
    let before = settings(&scene, exposure).len();
    scene.suffers("unplug");
    let after = settings(&scene, exposure).len();
    assert!(after > before, "what was unplugged has forgotten");

    let from = scene.subscriber.seen.len();
    scene.camera.does("drift");
    // Controls are read again every 5 s.
    scene.until_logged(
        LIMIT,
        "does not keep exposure_time_absolute = 200: it says 243",
    );
    scene.until(LIMIT, from, "faulty/availability", |r| {
        r.payload == "offline"
    });
    let at = scene.subscriber.seen.len();
    scene.camera.does("ok");
    scene.until(LIMIT, at, "faulty/availability", |r| r.payload == "online");
    scene.ends_well();
    let journal = scene.camera.journal();
    let forgot = journal.iter().find(|line| line.starts_with("forgot"));
    assert_eq!(forgot, None, "set again once the stream ran");
}

#[test]
fn a_control_that_another_program_moves_ends_the_stream_and_a_glitch_of_the_bus_does_not() {
    let mut scene = Scene::new(MJPEG);
    let from = scene.subscriber.seen.len();
    scene.camera.does("glitch");
    // Two looks at the controls.
    sleep(Duration::from_secs(12));
    let journal = scene.camera.journal();
    assert!(journal.iter().any(|line| line.starts_with("glitch")));
    let topic = "inspectd/press/faulty/availability";
    let seen = scene.subscriber.seen[from..].iter();
    let words: Vec<_> = seen.filter(|r| r.topic == topic).collect();
    assert!(words.is_empty(), "{words:?}");

    for (word, reason) in [
        (
            "sharpen",
            "sharpness is 7, it was 3 when the camera was opened",
        ),
        ("pipe", "can't read "),
    ] {
        let from = scene.subscriber.seen.len();
        scene.camera.does(word);
        // The second failure in a row takes two looks. A busy machine may have it offline before that,
        // for another reason.
        scene.until_logged(2 * LIMIT, reason);
        scene.until(LIMIT, from, "faulty/availability", |r| {
            r.payload == "offline"
        });
        let at = scene.subscriber.seen.len();
        scene.camera.does("ok");
        scene.until(LIMIT, at, "faulty/availability", |r| r.payload == "online");
    }
    scene.scored_only_what_it_plays();
    scene.ends_well();
}
