//! Frames on a disk of their own: what is kept, what goes, and what a verdict moves.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::decide::{Rules, stories};
use crate::publish::camera::told;
use crate::publish::{Heard, Request, Topics, Verdict};

/// The id of incident `n`.
fn id(n: u64) -> String {
    ulid::Ulid::from_parts(1_800_000_000_000 + n, 7).to_string()
}

fn camera(n: u64) -> Name {
    format!("cam{}", n % 2).parse().unwrap()
}

/// A state folder.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Disk {
        Disk(tempfile::tempdir().unwrap())
    }

    /// The files below a folder with their contents, by their paths from there.
    fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.0.path().join(folder);
        let mut files = BTreeMap::new();
        let mut folders: Vec<PathBuf> = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    files.insert(name.to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.files(folder).into_keys().collect()
    }
}

#[test]
fn a_verdict_moves_the_frame_a_contrary_one_moves_it_over_and_the_same_changes_nothing() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 1000);
    store.keep(&camera(0), &id(1), b"\x89PNG of 1").unwrap();
    assert_eq!(disk.names("frames"), [format!("cam0/{}.png", id(1))]);
    for (verdict, folder) in [
        (Verdict::Fine, "fine"),
        (Verdict::Fine, "fine"),
        (Verdict::Bad, "bad"),
        (Verdict::Fine, "fine"),
    ] {
        assert_eq!(store.pin(&id(1), verdict), Pinned::Kept);
        let expected = (
            format!("cam0/{folder}/{}.png", id(1)),
            b"\x89PNG of 1".to_vec(),
        );
        assert!(disk.files("feedback").into_iter().eq([expected]));
        assert!(disk.names("frames").is_empty());
    }
    // What was judged stays, whatever the incident shows later, and after a start.
    let mut store = Store::open(disk.0.path(), 1000);
    store.keep(&camera(0), &id(1), b"worse").unwrap();
    assert!(disk.names("frames").is_empty());
    assert_eq!(store.pin(&id(1), Verdict::Bad), Pinned::Kept);
    assert_eq!(disk.names("feedback"), [format!("cam0/bad/{}.png", id(1))]);
}

#[test]
fn a_worse_frame_takes_the_place_of_the_former_whatever_its_kind() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 1000);
    store.keep(&camera(0), &id(1), b"\x89PNG of 1").unwrap();
    store.keep(&camera(0), &id(1), b"\xff\xd8 of 1").unwrap();
    let expected = (format!("cam0/{}.jpg", id(1)), b"\xff\xd8 of 1".to_vec());
    assert!(disk.files("frames").into_iter().eq([expected]));
    let path = disk.0.path().join(format!("frames/cam0/{}.jpg", id(1)));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path) & !0o640, 0, "{:o}", mode(&path));
    assert_eq!(mode(path.parent().unwrap()) & !0o750, 0);
}

#[test]
fn each_frame_that_is_gone_says_why() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 100);
    let gone = |store: &mut Store, n, word: &str| match store.pin(&id(n), Verdict::Bad) {
        Pinned::Gone(why) => assert!(why.contains(word), "{n}: {why}"),
        other => panic!("{n}: {other:?}"),
    };
    store.keep(&camera(0), &id(1), &[0; 60]).unwrap();
    store.keep(&camera(1), &id(2), &[0; 60]).unwrap();
    store.note_gone(&id(3), "it is of cause camera_moved".to_owned());
    gone(&mut store, 1, "evicted");
    gone(&mut store, 3, "camera_moved");
    gone(&mut store, 9, "unknown");
    fs::remove_file(disk.0.path().join(format!("frames/cam1/{}.jpg", id(2)))).unwrap();
    gone(&mut store, 2, "taken away");
    store.allow(0).unwrap();
    gone(&mut store, 9, "feedback.megabytes is 0");
}

#[test]
fn frames_with_a_verdict_have_a_bound_of_their_own_and_one_beyond_it_is_refused_not_dropped() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 100);
    for n in 1..=2 {
        store.keep(&camera(n), &id(n), &[0; 60]).unwrap();
        if n == 1 {
            assert_eq!(store.pin(&id(1), Verdict::Bad), Pinned::Kept);
        }
    }
    let Pinned::Refused(why) = store.pin(&id(2), Verdict::Fine) else {
        panic!("there is no room");
    };
    assert!(
        why.starts_with("no room: ") && why.contains("--refine"),
        "{why}"
    );
    assert_eq!(disk.names("frames").len(), 1);
    // Whoever refines takes frames away.
    fs::remove_dir_all(disk.0.path().join("feedback/cam1")).unwrap();
    assert_eq!(store.pin(&id(2), Verdict::Fine), Pinned::Kept);
}

#[test]
fn a_start_removes_what_is_unfinished_and_what_is_above_the_quota_and_nothing_else() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 1000);
    for n in 0..4 {
        store.keep(&camera(n), &id(n), &[0; 200]).unwrap();
    }
    let folder = disk.0.path().join("frames/cam0");
    let others = ["README", ".hidden", "01K6.jpg", "x.new"];
    let unfinished = format!(".{}.png.new", id(7));
    for name in others.into_iter().chain([unfinished.as_str()]) {
        fs::write(folder.join(name), [0; 300]).unwrap();
    }
    let mut store = Store::open(disk.0.path(), 500);
    store.allow(500).unwrap();
    let mut expected: Vec<String> = others.map(|name| format!("cam0/{name}")).into();
    expected.extend([2, 3].map(|n| format!("{}/{}.jpg", camera(n).as_str(), id(n))));
    expected.sort();
    assert_eq!(disk.names("frames"), expected);
}

#[test]
fn a_frame_that_no_quota_could_hold_costs_no_other_one() {
    let disk = Disk::new();
    let mut store = Store::open(disk.0.path(), 100);
    store.keep(&camera(0), &id(1), &[0; 60]).unwrap();
    let fault = store.keep(&camera(0), &id(2), &[0; 101]).unwrap_err();
    assert!(fault.contains("feedback.megabytes"), "{fault}");
    assert_eq!(disk.names("frames").len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    /// The frame of an incident, of so many bytes.
    Keep(u64, usize),
    Judge(u64, bool),
    Restart,
    Refine,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..12, 1usize..130).prop_map(|(n, bytes)| Step::Keep(n, bytes)),
        3 => (0u64..12, any::<bool>()).prop_map(|(n, is_fine)| Step::Judge(n, is_fine)),
        1 => Just(Step::Restart),
        1 => Just(Step::Refine),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_quotas_hold_verdicts_stay_and_the_newest_frame_is_there(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        const QUOTA: u64 = 300;
        let disk = Disk::new();
        let mut store = Store::open(disk.0.path(), QUOTA);
        // What has a verdict, by the incident.
        let mut judged: BTreeMap<u64, (&str, Vec<u8>)> = BTreeMap::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Keep(n, length) => {
                    let file = vec![at as u8; length];
                    store.keep(&camera(n), &id(n), &file).unwrap();
                    if !judged.contains_key(&n) {
                        let waiting = disk.files("frames");
                        let name = format!("{}/{}.jpg", camera(n).as_str(), id(n));
                        prop_assert_eq!(waiting.get(&name), Some(&file));
                    }
                }
                Step::Judge(n, is_fine) => {
                    let (verdict, folder) = match is_fine {
                        true => (Verdict::Fine, "fine"),
                        false => (Verdict::Bad, "bad"),
                    };
                    let name = format!("{}/{}.jpg", camera(n).as_str(), id(n));
                    let waiting = disk.files("frames").remove(&name);
                    match (store.pin(&id(n), verdict), waiting, judged.get_mut(&n)) {
                        (Pinned::Kept, Some(file), None) => {
                            judged.insert(n, (folder, file));
                        }
                        (Pinned::Kept, None, Some(known)) => known.0 = folder,
                        (Pinned::Gone(_), None, None) | (Pinned::Refused(_), Some(_), None) => {}
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                Step::Restart => {
                    store = Store::open(disk.0.path(), QUOTA);
                    store.allow(QUOTA).unwrap();
                }
                Step::Refine => {
                    judged.clear();
                    let _ = fs::remove_dir_all(disk.0.path().join("feedback"));
                }
            }
            for folder in ["frames", "feedback"] {
                let bytes: usize = disk.files(folder).values().map(Vec::len).sum();
                prop_assert!(bytes as u64 <= QUOTA, "{folder}: {bytes}");
            }
            let expected = judged.iter().map(|(n, (folder, file))| {
                (format!("{}/{folder}/{}.jpg", camera(*n).as_str(), id(*n)), file.clone())
            });
            prop_assert_eq!(disk.files("feedback"), expected.collect::<BTreeMap<_, _>>());
        }
    }
}

/// A verdict as it is heard, and where its answer goes.
fn verdict(id: &str, verdict: &str) -> (Feedback, Reply) {
    let topics = Topics::new(&crate::config::Prefix::default(), &"press".parse().unwrap());
    let payload = json!({ "alert_id": id, "verdict": verdict }).to_string();
    let topic = "inspectd/press/request/feedback";
    match Heard::parse(&topics, &[], topic, payload.as_bytes(), false) {
        Some(Ok(Heard::Asked(Request::Feedback(feedback), reply))) => (feedback, reply),
        other => panic!("{other:?}"),
    }
}

fn data(answer: &Message) -> Value {
    told(std::slice::from_ref(answer)).remove(0).1["data"].clone()
}

/// An incident of a cause whose worst frame is a file of these bytes.
fn incident(n: u64, cause: Cause, file: &[u8]) -> Incident {
    let mut tracker = stories::tracker(Rules {
        hits: 1,
        window: 1,
        ..Rules::default()
    });
    let shot = Arc::new(Pixels::Encoded(file.to_vec()));
    let judged = stories::judged(3.0).with_shot(shot);
    let opened = tracker
        .observe(n, stories::moment(n), Ok(&judged))
        .remove(0);
    Incident { cause, ..opened }
}

#[test]
fn a_verdict_finds_the_frame_that_was_handed_over_just_before_it() {
    let disk = Disk::new();
    let keeper = Keeper::start(disk.0.path(), 1000).unwrap();
    let mut line = keeper.hands().line(camera(0));
    let [anomaly, moved] = [(1, Cause::Anomaly), (2, Cause::CameraMoved)]
        .map(|(n, cause)| incident(n, cause, b"\xff\xd8"));
    line.keep(&[anomaly.clone(), moved.clone()]);
    for id in [&anomaly.id, &moved.id] {
        let (feedback, reply) = verdict(id, "fine");
        assert!(keeper.judge(feedback, reply).is_none());
    }
    drop(line);
    let answers: Vec<Value> = keeper.close().iter().map(data).collect();
    assert_eq!(answers[0], json!({"frame": "kept", "why": null}));
    assert_eq!(answers[1]["frame"], "gone");
    let why = answers[1]["why"].as_str().unwrap();
    assert!(why.contains("camera_moved"), "{why}");
    let expected = format!("cam0/fine/{}.jpg", anomaly.id);
    assert_eq!(disk.names("feedback"), [expected]);
}

#[test]
fn where_nobody_takes_frames_the_oldest_gives_way_and_nobody_waits() {
    let (hands, taken) = Hands::new();
    let mut line = hands.line(camera(0));
    for n in 0..20 {
        let opened = incident(n, Cause::Anomaly, b"\xff\xd8");
        line.keep(std::slice::from_ref(&opened));
        // The same frame is not handed over again.
        line.keep(&[opened]);
    }
    let ids = |handed: &Receiver<Handed>| handed.try_iter().map(|handed| handed.worst.id).collect();
    let [kept, lost]: [Vec<String>; 2] = [ids(&taken.waiting), ids(&taken.lost)];
    let expected = |all: Range<u64>| all.map(|n| incident(n, Cause::Anomaly, b"\xff\xd8").id);
    assert!(kept.into_iter().eq(expected(12..20)));
    assert!(lost.into_iter().eq(expected(0..12)));
}

#[test]
fn a_frame_that_gave_way_is_gone_with_its_reason_and_is_handed_over_again_with_the_next_report() {
    let disk = Disk::new();
    let (hands, taken) = Hands::new();
    let [mut line, mut others] = [0, 1].map(|n| hands.line(camera(n)));
    let worst = incident(0, Cause::Anomaly, b"\xff\xd8 of 0");
    line.keep(std::slice::from_ref(&worst));
    for n in 1..=DEPTH as u64 {
        others.keep(&[incident(n, Cause::Anomaly, b"\xff\xd8")]);
    }
    let mut writer = Writer {
        store: Store::open(disk.0.path(), 1000),
        complaints: Complaints::default(),
        refusals: Ration::default(),
    };
    for lost in taken.lost.try_iter().chain(taken.waiting.try_iter()) {
        writer.keep(lost);
    }
    let (feedback, reply) = verdict(&worst.id, "bad");
    let answer = data(&writer.judge(&feedback, &reply));
    assert_eq!(answer["frame"], "gone");
    assert!(
        answer["why"].as_str().unwrap().contains("gave way"),
        "{answer}"
    );
    line.keep(std::slice::from_ref(&worst));
    line.keep(&[worst]);
    assert_eq!(taken.waiting.try_iter().count(), 1);
}

#[test]
fn a_disk_that_takes_nothing_is_said_in_the_answer_and_ends_nothing() {
    let disk = Disk::new();
    fs::write(
        disk.0.path().join("frames"),
        "a file where the folder should be",
    )
    .unwrap();
    let keeper = Keeper::start(disk.0.path(), 1000).unwrap();
    let mut line = keeper.hands().line(camera(0));
    let opened = incident(1, Cause::Anomaly, b"\xff\xd8");
    line.keep(std::slice::from_ref(&opened));
    let (feedback, reply) = verdict(&opened.id, "bad");
    assert!(keeper.judge(feedback, reply).is_none());
    drop(line);
    let answers = keeper.close();
    let answer = data(&answers[0]);
    assert_eq!(answer["frame"], "gone");
    assert!(
        answer["why"].as_str().unwrap().contains("can't make"),
        "{answer}"
    );
}
