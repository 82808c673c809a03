//! Alerts in quarantine, and which of them are made ready again by what.

use rusqlite::Connection;

use super::fixture::{Caller, alert, ids};

#[test]
fn what_is_in_quarantine_waits_for_a_reload_or_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..3);
    let all = caller.read(0, 9);
    let ban = |caller: &Caller| caller.spool.quarantine(all[1].seq, "not authorised".into());
    ban(&caller);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-2"], "at once");
    let status = caller.status(|status| status.quarantined == 1);
    assert_eq!(status.alerts, 3);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-2"], "on disk");
    caller.spool.retry_quarantined();
    assert_eq!(caller.read(0, 9), all);
    ban(&caller);
    assert_eq!(caller.close().quarantined, 1);
    let mut caller = Caller::open(folder.path());
    assert_eq!(caller.read(0, 9), all);
}

#[test]
fn some_of_those_in_quarantine_are_made_ready_again_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..4);
    let all = caller.read(0, 9);
    for entry in &all[..3] {
        caller.spool.quarantine(entry.seq, "not authorised".into());
    }
    caller.status(|status| status.quarantined == 3);
    caller
        .spool
        .release(vec![all[2].seq, all[0].seq, all[3].seq, 1000]);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-2", "alert-3"]);
    caller.status(|status| status.quarantined == 1);
    // One that is not on disk yet, and one that goes back at once.
    for seq in [all[0].seq, all[2].seq] {
        caller.spool.quarantine(seq, "not authorised".into());
    }
    caller.spool.release(vec![all[0].seq]);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-0", "alert-3"]);
    assert_eq!(caller.close().quarantined, 2);
}

#[test]
fn a_release_while_the_disk_is_locked_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..2);
    let all = caller.read(0, 9);
    caller.spool.quarantine(all[0].seq, "not authorised".into());
    caller.status(|status| status.quarantined == 1);
    let other = Connection::open(folder.path().join("spool.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // This one is held in memory, and released there.
    caller.append([alert(2)]);
    let held = caller.read(0, 9).pop().unwrap();
    caller.spool.quarantine(held.seq, "not authorised".into());
    assert_eq!(ids(&caller.read(0, 9)), ["alert-1"]);
    caller.spool.release(vec![all[0].seq, held.seq]);
    assert_eq!(ids(&caller.read(0, 9)), ["alert-1", "alert-2"]);
    other.execute_batch("COMMIT").unwrap();
    caller.status(|status| status.quarantined == 0 && status.held == 0);
    assert_eq!(caller.read(0, 9), [all, vec![held]].concat());
}
