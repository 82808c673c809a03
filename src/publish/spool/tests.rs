//! What the spool promises a caller while the disk does what it should.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::id;

use rusqlite::Connection;

use super::fixture::{Caller, alert, ids, is_whole};
use super::held::MOST_HELD;
use super::*;

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn sqlite(folder: &Path) -> Connection {
    Connection::open(folder.join("spool.db")).unwrap()
}

/// Why it can't be opened.
fn refusal(folder: &Path) -> String {
    let locked = Folder::lock(folder).unwrap();
    let fault = Spool::open(&locked, fixture::PLENTY)
        .map(|_| ())
        .unwrap_err();
    fault.to_string()
}

#[test]
fn alerts_come_back_whole_oldest_first_until_they_are_delivered() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..100);
    let all = caller.read(0, 1000);
    assert!(all.len() == 100 && all.iter().all(is_whole));
    assert!(all.is_sorted_by(|one, next| one.seq < next.seq));
    let expected: Vec<String> = (0..100).map(|number| alert(number).id).collect();
    assert_eq!(ids(&all), expected);
    assert_eq!(caller.read(all[40].seq, 3), all[40..43]);
    for entry in &all[..40] {
        caller.spool.delivered(entry.seq);
    }
    assert_eq!(
        caller.read(0, 1000),
        all[40..],
        "a read sees what came before"
    );
    let status = caller.close();
    assert_eq!((status.alerts, status.delivered_total), (60, 40));

    let mut caller = Caller::open(folder.path());
    assert_eq!(caller.read(0, 1000), all[40..]);
    caller.accept(100..101);
    let last = caller.read(0, 1000).pop().unwrap();
    assert!(last.seq > all[99].seq);
    let status = caller.status(|status| status.accepted_total == 101);
    assert_eq!(status.state, State::Healthy);
    let bytes: usize = (40..101)
        .map(|n| alert(n).topic.len() + alert(n).payload.len())
        .sum();
    assert_eq!(status.bytes, bytes as u64);
    assert_eq!(status.oldest, Some(alert(40).at.wall));
}

#[test]
fn a_place_is_not_given_twice_though_the_spool_was_empty() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..1);
    let first = caller.read(0, 1).remove(0);
    caller.spool.delivered(first.seq);
    drop(caller);
    let mut caller = Caller::open(folder.path());
    caller.accept(1..2);
    assert!(caller.read(0, 1)[0].seq > first.seq);
}

#[test]
fn an_id_that_is_there_is_taken_once() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    let twice = [alert(1), alert(1), alert(2)];
    let accepted = |id: &str| Event::Accepted { id: id.into() };
    let answers = caller.append(twice);
    assert_eq!(
        answers,
        [
            accepted("alert-1"),
            accepted("alert-1"),
            accepted("alert-2")
        ]
    );
    assert_eq!(caller.append([alert(1)]), [accepted("alert-1")]);
    drop(caller);
    let mut caller = Caller::open(folder.path());
    assert_eq!(caller.append([alert(2)]), [accepted("alert-2")]);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-1", "alert-2"]);
}

#[test]
fn deliveries_reach_the_disk_without_an_append_to_ride_on() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..3);
    for entry in caller.read(0, 9) {
        caller.spool.delivered(entry.seq);
        caller.spool.delivered(entry.seq);
    }
    let status = caller.status(|status| status.alerts == 0);
    assert_eq!((status.delivered_total, status.bytes), (3, 0));
    let rows = "SELECT count(*) FROM alerts";
    let rows: u64 = sqlite(folder.path())
        .query_row(rows, [], |row| row.get::<_, i64>(0))
        .unwrap()
        .cast_unsigned();
    assert_eq!(rows, 0);
}

#[test]
fn a_row_that_is_not_what_was_written_is_kept_but_never_sent() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..6);
    drop(caller);
    let changes = [
        "payload = replace(payload, '1', '2') WHERE id = 'alert-1'",
        "topic = 'somewhere/else' WHERE id = 'alert-2'",
        "seq = 77 WHERE id = 'alert-4'",
    ];
    let connection = sqlite(folder.path());
    connection
        .execute_batch("PRAGMA writable_schema = 1")
        .unwrap();
    for change in changes {
        let done = connection.execute(&format!("UPDATE OR FAIL alerts SET {change}"), []);
        assert_eq!(done.unwrap(), 1, "{change}");
    }
    connection.close().unwrap();
    let mut caller = Caller::open(folder.path());
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-3", "alert-5"]);
    let status = caller.status(|status| status.quarantined == 3);
    assert_eq!((status.alerts, status.set_aside), (6, None));
    caller.spool.retry_quarantined();
    assert_eq!(caller.read(0, 9).len(), 3, "a reload mends no damage");
}

#[test]
fn a_full_spool_refuses_updates_first_and_keeps_what_it_has() {
    let folder = tempdir();
    let limits = Limits {
        alerts: 100,
        bytes: 1 << 20,
    };
    let mut caller = Caller::limited(folder.path(), limits);
    let update = |number| NewEntry {
        is_update: true,
        ..alert(number)
    };
    let count = |answers: &[Event]| {
        let is_accepted = |event: &&Event| matches!(event, Event::Accepted { .. });
        answers.iter().filter(is_accepted).count()
    };
    assert_eq!(count(&caller.append((0..90).map(update))), 90);
    assert_eq!(caller.status(|status| status.alerts == 90).full, None);
    assert_eq!(count(&caller.append((90..200).map(update))), 5);
    let full = caller.status(|status| status.alerts == 95).full;
    assert!(full.is_some_and(|why| why.contains("no more updates")));
    assert_eq!(count(&caller.append((200..220).map(alert))), 5);
    let answer = caller.append([alert(0)]);
    assert_eq!(count(&answer), 1, "it is there already");
    let status = caller.status(|status| status.refused_total == 120);
    assert_eq!(status.alerts, 100);
    assert!(status.full.is_some_and(|why| why.contains("is full")));
    assert_eq!(caller.read(0, 1000).len(), 100);
    let Event::Refused { reason, .. } = &caller.append([alert(999)])[0] else {
        panic!("more than all");
    };
    assert!(reason.contains("100 alerts"), "{reason}");
    caller.spool.set_limits(Limits {
        alerts: 101,
        ..limits
    });
    caller.accept(300..301);
    assert_eq!(caller.close().refused_total, 121);
    let mut caller = Caller::limited(
        folder.path(),
        Limits {
            bytes: 500,
            ..limits
        },
    );
    assert_eq!(count(&caller.append([alert(301)])), 0, "bytes count, too");
    assert_eq!(caller.close().refused_total, 122);
}

#[test]
fn a_caller_that_takes_no_events_for_long_is_blocked_by_nothing_and_misses_nothing() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    for number in 0..IN_DOUBT {
        caller.spool.append(alert(number));
        // Far more commands than the channel holds, and events that nobody takes.
        for _ in 0..10 {
            caller.spool.delivered(1_000_000 + number as u64);
            caller.spool.set_limits(fixture::PLENTY);
        }
        if number % 16 == 0 {
            caller.spool.read(0, 2);
        }
    }
    let answers: Vec<Event> = (0..IN_DOUBT).map(|_| caller.answer()).collect();
    let expected = (0..IN_DOUBT).map(|number| Event::Accepted {
        id: alert(number).id,
    });
    assert_eq!(answers, Vec::from_iter(expected));
}

#[test]
fn another_program_that_locks_the_database_is_waited_out() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..2);
    let other = sqlite(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers = caller.append([alert(2), alert(3), alert(2)]);
    let is_held = |event: &Event| matches!(event, Event::Held { reason, .. } if reason.contains("another program"));
    assert!(answers.iter().all(is_held), "{answers:?}");
    let all = caller.read(0, 9);
    assert_eq!(ids(&all), ["alert-0", "alert-1", "alert-2", "alert-3"]);
    assert!(all.iter().all(is_whole), "from memory, too");
    caller.spool.delivered(all[2].seq);
    other.execute_batch("COMMIT").unwrap();
    let status = caller.status(|status| status.state == State::Healthy && status.held == 0);
    assert_eq!((status.alerts, status.delivered_total), (3, 1));
    drop(caller);
    let mut caller = Caller::open(folder.path());
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-1", "alert-3"]);
}

#[test]
fn what_finds_no_room_in_memory_either_is_refused() {
    let folder = tempdir();
    let mut caller = Caller::open(folder.path());
    let other = sqlite(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers = caller.append((0..MOST_HELD + 10).map(alert));
    let is_held = |event: &Event| matches!(event, Event::Held { .. });
    assert!(answers[..MOST_HELD].iter().all(is_held));
    let is_refused = |event: &Event| matches!(event, Event::Refused { .. });
    assert!(answers[MOST_HELD..].iter().all(is_refused));
    other.execute_batch("COMMIT").unwrap();
    let status = caller.close();
    assert_eq!((status.held, status.alerts), (0, MOST_HELD as u64));
    assert_eq!(status.refused_total, 10);
}

#[test]
fn a_second_daemon_is_told_who_has_the_folder() {
    let folder = tempdir();
    let path = folder.path().join("state");
    let first = Folder::lock(&path).unwrap();
    let fault = Folder::lock(&path).unwrap_err().to_string();
    for word in [
        &format!("process {}", id()),
        path.to_str().unwrap(),
        "node.state_dir",
    ] {
        assert!(fault.contains(word), "{word}: {fault}");
    }
    drop(first);
    Folder::lock(&path).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_names_the_key_to_change() {
    let folder = tempdir();
    fs::write(folder.path().join("file"), "").unwrap();
    let fault = Folder::lock(&folder.path().join("file/state")).unwrap_err();
    assert!(fault.to_string().contains("node.state_dir"), "{fault}");
}

#[test]
fn the_files_are_not_for_everyone() {
    let folder = tempdir();
    let path = folder.path().join("state");
    let mut caller = Caller::open(&path);
    caller.accept(0..1);
    let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("") & !0o750, 0);
    for name in ["spool.db", "spool.db-wal", "spool.reserve", "lock"] {
        assert_eq!(mode(name) & !0o640, 0, "{name}: {:o}", mode(name));
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = tempdir();
    drop(Caller::open(folder.path()));
    let connection = sqlite(folder.path());
    connection.pragma_update(None, "user_version", 2).unwrap();
    connection.close().unwrap();
    let before = fs::read(folder.path().join("spool.db")).unwrap();
    let fault = refusal(folder.path());
    assert!(fault.contains("update inspectd"), "{fault}");
    assert_eq!(fs::read(folder.path().join("spool.db")).unwrap(), before);
}

#[test]
fn a_link_or_a_directory_in_the_place_of_a_file_is_refused() {
    for name in ["spool.db", "spool.db-wal"] {
        let folder = tempdir();
        let target = folder.path().join("target");
        fs::write(&target, "mine").unwrap();
        symlink(&target, folder.path().join(name)).unwrap();
        let fault = refusal(folder.path());
        assert!(fault.contains("a symbolic link"), "{fault}");
        assert_eq!(fs::read(&target).unwrap(), b"mine");
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        let fault = refusal(folder.path());
        assert!(fault.contains("a directory"), "{fault}");
    }
}

#[test]
fn a_link_in_the_place_of_the_reserve_is_not_followed() {
    let folder = tempdir();
    let target = folder.path().join("target");
    fs::write(&target, "mine").unwrap();
    symlink(&target, folder.path().join("spool.reserve")).unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..1);
    assert_eq!(fs::read(&target).unwrap(), b"mine");
}
