//! The database of one spool: its schema, one transaction for each group of changes, and reads.
//!
//! Here is what SQLite does and nothing of when: no threads, no channels, no retries. A change is
//! written as a whole or not at all, and the running totals follow only what was committed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::error::Fault;
use super::row::{COLUMNS, INSERT, Row};

/// `user_version` of a database that this program writes.
pub(super) const SCHEMA: i64 = 1;
/// `application_id`: "insp".
pub(super) const APPLICATION: i64 = 0x696e_7370;
/// Pages in the log from which it is written back: a megabyte, so that a crash leaves little to do.
const LONG_LOG: i64 = 250;
/// No place is ever this high; a higher one is damage.
const HIGHEST: u64 = 1 << 60;

const CREATE: &str = "
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    is_update INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    since_boot_ms INTEGER NOT NULL,
    synced INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    digest BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'quarantined', 'damaged')),
    reason TEXT
);
CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_seq INTEGER NOT NULL CHECK (next_seq >= 1),
    accepted INTEGER NOT NULL CHECK (accepted >= 0),
    delivered INTEGER NOT NULL CHECK (delivered >= 0),
    refused INTEGER NOT NULL CHECK (refused >= 0)
);
INSERT INTO totals VALUES (1, 1, 0, 0, 0);";

/// What is counted over all lives of the spool, and the alerts that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) next_seq: u64,
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) refused: u64,
    /// Rows, whatever their state.
    pub(super) alerts: u64,
    pub(super) bytes: u64,
    /// Rows that are not ready.
    pub(super) quarantined: u64,
}

/// Why a row is not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ban {
    /// The broker does not take it; another configuration may mend that.
    Quarantined(String),
    /// It is not what was written.
    Damaged,
}

/// What one transaction does.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    /// Each with its reason where it goes to quarantine at once.
    pub(super) inserts: Vec<(&'a Row, Option<&'a str>)>,
    pub(super) delivered: Option<&'a BTreeSet<u64>>,
    /// Ready again where they are in quarantine; before the next line, which may hold one of them.
    pub(super) released: Option<&'a BTreeSet<u64>>,
    pub(super) banned: Option<&'a BTreeMap<u64, Ban>>,
    pub(super) retry_quarantined: bool,
}

/// An open database.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    /// As of the last commit, but for what the owner adds himself; the next one writes them all.
    pub(super) totals: Totals,
}

impl Store {
    /// Makes the tables of a new spool.
    pub(super) fn create(connection: &mut Connection) -> Result<(), Fault> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes a connection whose database has been checked, and sets it up for writing.
    pub(super) fn new(connection: Connection) -> Result<Store, Fault> {
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(Fault::Damaged(format!("its journal mode stays {mode}")));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        // SQLite's own write-back after a commit hides its errors, a failed fsync among them.
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        let limit = 2 * LONG_LOG * 4096;
        connection.pragma_update_and_check(None, "journal_size_limit", limit, |_| Ok(()))?;
        let totals = read_totals(&connection)?;
        Ok(Store { connection, totals })
    }

    /// Whether an alert of this id is there.
    pub(super) fn contains(&self, id: &str) -> Result<bool, Fault> {
        let mut statement = self
            .connection
            .prepare("SELECT 1 FROM alerts WHERE id = ?1")?;
        Ok(statement.exists([id])?)
    }

    /// Writes a change; nothing of it where this fails.
    pub(super) fn write(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        let mut totals = self.totals.clone();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, change, &mut totals)?;
        remove(&transaction, change, &mut totals)?;
        ban(&transaction, change, &mut totals)?;
        write_totals(&transaction, &totals)?;
        transaction.commit()?;
        self.totals = totals;
        Ok(())
    }

    /// The oldest `limit` ready rows from `from` on that `wanted` lets pass, and the places of
    /// damaged ones that were met.
    pub(super) fn read(
        &self,
        from: u64,
        limit: usize,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<(Vec<Row>, Vec<u64>), Fault> {
        let text = format!(
            "SELECT {COLUMNS} FROM alerts WHERE seq >= ?1 AND state = 'ready' ORDER BY seq"
        );
        let mut statement = self.connection.prepare(&text)?;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let mut found = statement.query([from])?;
        let (mut rows, mut damaged) = (Vec::new(), Vec::new());
        while rows.len() < limit {
            let Some(row) = found.next()? else { break };
            match Row::decode(row)? {
                Ok(row) if wanted(row.seq) => rows.push(row),
                Err(seq) if wanted(seq) => damaged.push(seq),
                _ => {}
            }
        }
        Ok((rows, damaged))
    }

    /// Wall time of the oldest row's frame.
    pub(super) fn oldest(&self) -> Result<Option<jiff::Timestamp>, Fault> {
        let text = "SELECT wall_ms FROM alerts ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare(text)?;
        let wall: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(wall.and_then(|wall| jiff::Timestamp::from_millisecond(wall).ok()))
    }

    /// Writes the log back into the database if it has grown long.
    pub(super) fn shorten_log(&self) -> Result<(), Fault> {
        let pages: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
        if pages >= LONG_LOG {
            self.checkpoint("PASSIVE")?;
        }
        Ok(())
    }

    /// Writes the log back and empties it. After a crash this also puts on disk what the kernel may
    /// know of the log although its fsync has failed.
    pub(super) fn empty_log(&self) -> Result<(), Fault> {
        self.checkpoint("TRUNCATE")
    }

    /// A reader in another program only delays it; the log then grows until that one is gone.
    fn checkpoint(&self, mode: &str) -> Result<(), Fault> {
        let text = format!("PRAGMA wal_checkpoint({mode})");
        self.connection.query_row(&text, [], |_| Ok(()))?;
        Ok(())
    }

    /// Forbids the database to grow: new rows may only take what delivered ones have left.
    pub(super) fn forbid_growth(&self) -> Result<(), Fault> {
        let pages: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))?;
        self.set_most_pages(pages)
    }

    /// Lets the database grow again.
    pub(super) fn allow_growth(&self) -> Result<(), Fault> {
        self.set_most_pages(i64::from(u32::MAX - 1))
    }

    fn set_most_pages(&self, pages: i64) -> Result<(), Fault> {
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        Ok(())
    }
}

fn insert(to: &Connection, change: &Change<'_>, totals: &mut Totals) -> rusqlite::Result<()> {
    if change.inserts.is_empty() {
        return Ok(());
    }
    let mut statement = to.prepare(INSERT)?;
    for (row, reason) in &change.inserts {
        if row.insert(&mut statement, *reason)? {
            totals.accepted += 1;
            totals.alerts += 1;
            totals.bytes += row.bytes();
            totals.quarantined += u64::from(reason.is_some());
        }
    }
    Ok(())
}

fn remove(from: &Connection, change: &Change<'_>, totals: &mut Totals) -> rusqlite::Result<()> {
    let mut statement = from.prepare(
        "DELETE FROM alerts WHERE seq = ?1 \
         RETURNING octet_length(topic) + octet_length(payload), state <> 'ready'",
    )?;
    for seq in change.delivered.into_iter().flatten() {
        let gone: Option<(i64, bool)> = statement
            .query_row([seq.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((bytes, was_banned)) = gone {
            totals.delivered += 1;
            totals.alerts = totals.alerts.saturating_sub(1);
            totals.bytes = totals.bytes.saturating_sub(bytes.cast_unsigned());
            totals.quarantined = totals.quarantined.saturating_sub(u64::from(was_banned));
        }
    }
    Ok(())
}

fn ban(to: &Connection, change: &Change<'_>, totals: &mut Totals) -> rusqlite::Result<()> {
    if change.retry_quarantined {
        let text = "UPDATE alerts SET state = 'ready', reason = NULL WHERE state = 'quarantined'";
        let changed = to.execute(text, [])? as u64;
        totals.quarantined = totals.quarantined.saturating_sub(changed);
    }
    let mut statement = to.prepare(
        "UPDATE alerts SET state = 'ready', reason = NULL \
         WHERE seq = ?1 AND state = 'quarantined'",
    )?;
    for seq in change.released.into_iter().flatten() {
        let changed = statement.execute([seq.cast_signed()])? as u64;
        totals.quarantined = totals.quarantined.saturating_sub(changed);
    }
    let mut statement =
        to.prepare("UPDATE alerts SET state = ?2, reason = ?3 WHERE seq = ?1 AND state = 'ready'")?;
    for (seq, ban) in change.banned.into_iter().flatten() {
        let (state, reason) = match ban {
            Ban::Quarantined(reason) => ("quarantined", reason.as_str()),
            Ban::Damaged => ("damaged", "its checksum is wrong"),
        };
        let changed = statement.execute(params![seq.cast_signed(), state, reason])?;
        totals.quarantined += changed as u64;
    }
    Ok(())
}

fn write_totals(to: &Connection, totals: &Totals) -> rusqlite::Result<()> {
    let mut statement =
        to.prepare("UPDATE totals SET next_seq = ?1, accepted = ?2, delivered = ?3, refused = ?4")?;
    statement.execute([
        totals.next_seq.cast_signed(),
        totals.accepted.cast_signed(),
        totals.delivered.cast_signed(),
        totals.refused.cast_signed(),
    ])?;
    Ok(())
}

pub(super) fn read_totals(from: &Connection) -> Result<Totals, Fault> {
    let mut totals = from.query_row(
        "SELECT next_seq, accepted, delivered, refused FROM totals",
        [],
        |row| {
            let value = |index| row.get(index).map(i64::cast_unsigned);
            Ok(Totals {
                next_seq: value(0)?,
                accepted: value(1)?,
                delivered: value(2)?,
                refused: value(3)?,
                ..Totals::default()
            })
        },
    )?;
    let counted = "SELECT count(*), coalesce(sum(octet_length(topic) + octet_length(payload)), 0), \
         coalesce(sum(state <> 'ready'), 0), coalesce(max(seq), 0) FROM alerts";
    let highest = from.query_row(counted, [], |row| {
        let value = |index| row.get(index).map(i64::cast_unsigned);
        totals.alerts = value(0)?;
        totals.bytes = value(1)?;
        totals.quarantined = value(2)?;
        value(3)
    })?;
    totals.next_seq = totals.next_seq.max(highest.saturating_add(1));
    if totals.next_seq > HIGHEST {
        return Err(Fault::Damaged(format!("it counts up to {highest}")));
    }
    Ok(totals)
}

/// How long SQLite waits for another program's lock; a statement of a human in `sqlite3` is done by
/// then.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
