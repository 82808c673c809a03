//! For tests: a caller of the spool that keeps to its rules, and alerts whose contents can be told
//! from one another.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::open::{DATABASE, with_suffix};
use super::{Entry, Event, Folder, IN_DOUBT, Limits, NewEntry, Spool, Status};
use crate::capture::Moment;

/// A wait of this length is a failure; the machine may be slow.
const LONGEST: Duration = Duration::from_secs(60);
pub(super) const PLENTY: Limits = Limits {
    alerts: 10_000,
    bytes: 100 << 20,
};

/// The alert of this number: about 400 bytes that differ from those of any other.
pub(super) fn alert(number: usize) -> NewEntry {
    let payload: Vec<u8> = format!("{number:06} ").bytes().cycle().take(400).collect();
    NewEntry {
        id: format!("alert-{number}"),
        topic: format!("inspectd/node/cam{}/alert", number % 3),
        payload,
        is_update: false,
        boot_id: "5c0e".into(),
        at: Moment {
            wall: jiff::Timestamp::from_second(1_790_000_000 + number as i64).unwrap(),
            since_boot: Duration::from_millis(number as u64 * 40),
            synced: number.is_multiple_of(2),
        },
    }
}

/// Whether this is what was given, whole.
pub(super) fn is_whole(entry: &Entry) -> bool {
    let Some(number) = entry.id.strip_prefix("alert-") else {
        return false;
    };
    let given = alert(number.parse().unwrap());
    let same = [
        entry.topic == given.topic,
        entry.payload == given.payload,
        *entry.boot_id == *given.boot_id,
        entry.since_boot == given.at.since_boot,
        entry.synced == given.at.synced,
    ];
    same == [true; 5]
}

pub(super) fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// A caller on one thread.
pub(super) struct Caller {
    pub(super) spool: Spool,
    /// The last one that was told.
    pub(super) status: Option<Status>,
    /// Its lock, which outlives the spool.
    _folder: Folder,
}

impl Caller {
    pub(super) fn open(folder: &Path) -> Caller {
        Caller::limited(folder, PLENTY)
    }

    pub(super) fn limited(folder: &Path, limits: Limits) -> Caller {
        // What another test starts has all files that are open here until it runs: the former caller's lock too.
        let locked = (0..100).find_map(|_| {
            let locked = Folder::lock(folder).ok();
            if locked.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
            locked
        });
        let folder = locked.unwrap_or_else(|| Folder::lock(folder).unwrap());
        Caller::of(Spool::open(&folder, limits).unwrap(), folder)
    }

    pub(super) fn of(spool: Spool, folder: Folder) -> Caller {
        let mut caller = Caller {
            spool,
            status: None,
            _folder: folder,
        };
        caller.status(|_| true);
        caller
    }

    pub(super) fn close(self) -> Status {
        self.spool.close()
    }

    /// Appends, never more at a time than is allowed, and gives the answers.
    pub(super) fn append(&mut self, alerts: impl IntoIterator<Item = NewEntry>) -> Vec<Event> {
        let mut answers = Vec::new();
        let mut given = 0;
        for alert in alerts {
            if given - answers.len() == IN_DOUBT {
                answers.push(self.answer());
            }
            self.spool.append(alert);
            given += 1;
        }
        while answers.len() < given {
            answers.push(self.answer());
        }
        answers
    }

    /// Appends what must be accepted.
    pub(super) fn accept(&mut self, numbers: std::ops::Range<usize>) {
        let answers = self.append(numbers.clone().map(alert));
        let expected = numbers.map(|number| Event::Accepted {
            id: alert(number).id,
        });
        assert_eq!(answers, Vec::from_iter(expected));
    }

    pub(super) fn answer(&mut self) -> Event {
        self.until(|event| {
            matches!(
                event,
                Event::Accepted { .. } | Event::Held { .. } | Event::Refused { .. }
            )
        })
    }

    pub(super) fn read(&mut self, from: u64, limit: usize) -> Vec<Entry> {
        self.spool.read(from, limit);
        match self.until(|event| matches!(event, Event::Batch(_))) {
            Event::Batch(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for such a status.
    pub(super) fn status(&mut self, is_it: impl Fn(&Status) -> bool) -> Status {
        if let Some(status) = self.status.as_ref().filter(|status| is_it(status)) {
            return status.clone();
        }
        match self.until(|event| matches!(event, Event::Status(status) if is_it(status))) {
            Event::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn until(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + LONGEST;
        loop {
            let event = self.spool.events().recv_deadline(deadline);
            let event = event.unwrap_or_else(|_| panic!("last: {:?}", self.status));
            if let Event::Status(status) = &event {
                self.status = Some(status.clone());
            }
            if is_it(&event) {
                return event;
            }
        }
    }
}

/// The database and its log as a power cut would leave them.
pub(super) fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = with_suffix(Path::new(DATABASE), suffix);
        match fs::copy(from.join(&name), to.join(&name)) {
            Err(fault) if suffix.is_empty() => panic!("{fault}"),
            _ => {}
        }
    }
}
