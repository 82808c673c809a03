//! What can still be read of a damaged database, row by row.
//!
//! The damaged file is only read. A row counts where its checksum is right, whatever else is wrong;
//! how much is tried is bounded, so that no damage keeps the daemon from starting.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::error::Fault;
use super::open::connect;
use super::row::{COLUMNS, Row};
use super::store::{Change, Store, read_totals};

/// Rows that are looked at from each end.
const MOST: usize = 1_000_000;
/// Places that are tried one by one: about a second's work.
const PROBES: u64 = 20_000;
/// Rows a transaction, so that memory stays flat.
const GROUP: usize = 256;

/// Moves what can be read of `aside` to `store`; how many alerts that were.
pub(super) fn from(aside: &Path, store: &mut Store) -> u64 {
    match rows(aside, store) {
        Ok(()) => {}
        // The rest stays in the file that was set aside.
        Err(fault) => warn!(file = %aside.display(), ?fault, "not all could be saved"),
    }
    store.totals.alerts
}

fn rows(aside: &Path, store: &mut Store) -> Result<(), Fault> {
    // Alone with it, SQLite reads the log into memory instead of making a -shm, but takes a lock
    // that needs the right to write. Nothing is written, not even when it is closed.
    let connection = connect(aside, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    // Otherwise nothing is read of a file that is shorter than it says.
    connection.pragma_update(None, "writable_schema", true)?;
    connection.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    let mut group = Group {
        store,
        rows: BTreeMap::new(),
    };
    // What the former life had counted, if it can be read.
    if let Ok(totals) = read_totals(&connection) {
        let ours = &mut group.store.totals;
        ours.next_seq = totals.next_seq;
        // Salvaged rows are counted once more when they are inserted.
        ours.accepted = totals.accepted.saturating_sub(totals.alerts);
        ours.delivered = totals.delivered;
        ours.refused = totals.refused;
    }
    // From both ends up to what can't be read, then between them one by one.
    let low = group.take(&connection, "seq >= ?1 ORDER BY seq", 0)?;
    if let Reached::Unreadable(low) = low {
        let low = low.unwrap_or(0);
        let high = group.take(&connection, "seq > ?1 ORDER BY seq DESC", low)?;
        if let Reached::Unreadable(high) = high {
            let high = high.unwrap_or(low.saturating_add(PROBES));
            for seq in (low + 1..high).take(PROBES as usize) {
                group.take(&connection, "seq = ?1", seq)?;
            }
        }
    }
    group.write()
}

/// How far reading came.
enum Reached {
    End,
    /// After this row, if any.
    Unreadable(Option<u64>),
}

/// Rows that are not written yet.
struct Group<'a> {
    store: &'a mut Store,
    rows: BTreeMap<u64, Row>,
}

impl Group<'_> {
    /// Takes rows until the end, or until one can't be read.
    fn take(&mut self, from: &Connection, which: &str, seq: u64) -> Result<Reached, Fault> {
        let text = format!("SELECT {COLUMNS} FROM alerts WHERE {which}");
        // Without a schema nothing can be read at all.
        let Ok(mut statement) = from.prepare(&text) else {
            return Ok(Reached::End);
        };
        let mut last = None;
        let Ok(mut found) = statement.query([seq.cast_signed()]) else {
            return Ok(Reached::Unreadable(last));
        };
        for _ in 0..MOST {
            match found
                .next()
                .and_then(|row| row.map(Row::decode).transpose())
            {
                Ok(Some(Ok(row))) => {
                    last = Some(row.seq);
                    self.add(row)?;
                }
                Ok(Some(Err(_))) => {}
                Ok(None) => return Ok(Reached::End),
                Err(_) => return Ok(Reached::Unreadable(last)),
            }
        }
        Ok(Reached::Unreadable(last))
    }

    fn add(&mut self, row: Row) -> Result<(), Fault> {
        self.rows.insert(row.seq, row);
        if self.rows.len() < GROUP {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Fault> {
        let inserts = self.rows.values().map(|row| (row, None)).collect();
        let change = Change {
            inserts,
            ..Change::default()
        };
        self.store.write(&change)?;
        if let Some((last, _)) = self.rows.last_key_value() {
            self.store.totals.next_seq = self.store.totals.next_seq.max(last + 1);
        }
        self.rows.clear();
        Ok(())
    }
}
