//! A row of the table `alerts`: an alert with its place in the order.
//!
//! Reading takes nothing for granted: a row whose values are not those that were written is damaged
//! and never becomes an [`Entry`].

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Statement, params};

use super::{Entry, NewEntry, digest};

/// What [`Row::decode`] reads, in this order.
pub(super) const COLUMNS: &str =
    "seq, id, topic, payload, is_update, boot_id, since_boot_ms, synced, wall_ms, digest";

/// Takes what [`Row::insert`] gives.
pub(super) const INSERT: &str = "INSERT INTO alerts (seq, id, topic, payload, is_update, boot_id, \
     since_boot_ms, synced, wall_ms, digest, state, reason) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING";

/// An alert with its place in the order of acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) is_update: bool,
    pub(super) boot_id: Arc<str>,
    pub(super) since_boot_ms: i64,
    pub(super) synced: bool,
    pub(super) wall_ms: i64,
}

impl Row {
    pub(super) fn new(seq: u64, alert: NewEntry) -> Self {
        let since_boot_ms = i64::try_from(alert.at.since_boot.as_millis()).unwrap_or(i64::MAX);
        Row {
            seq,
            id: alert.id,
            topic: alert.topic,
            payload: alert.payload,
            is_update: alert.is_update,
            boot_id: alert.boot_id,
            since_boot_ms,
            synced: alert.at.synced,
            wall_ms: alert.at.wall.as_millisecond(),
        }
    }

    /// What counts against the cap.
    pub(super) fn bytes(&self) -> u64 {
        (self.topic.len() + self.payload.len()) as u64
    }

    pub(super) fn wall(&self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.wall_ms).ok()
    }

    /// Inserts itself, in quarantine where there is a reason; whether its id was new.
    pub(super) fn insert(
        &self,
        statement: &mut Statement<'_>,
        reason: Option<&str>,
    ) -> rusqlite::Result<bool> {
        let state = if reason.is_some() {
            "quarantined"
        } else {
            "ready"
        };
        let changed = statement.execute(params![
            self.seq.cast_signed(),
            self.id,
            self.topic,
            self.payload,
            self.is_update,
            &*self.boot_id,
            self.since_boot_ms,
            self.synced,
            self.wall_ms,
            digest::of(self),
            state,
            reason
        ])?;
        Ok(changed == 1)
    }

    /// The row as it was written, or its place where it is damaged.
    ///
    /// # Errors
    /// SQLite's, not those of the row's values.
    pub(super) fn decode(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, u64>> {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let text = |index| row.get_ref(index).map(|value| value.as_str().ok());
        let whole = |index| row.get_ref(index).map(|value| value.as_i64().ok());
        let flag = |index| whole(index).map(|value| value.map(|value| value != 0));
        let blob = |index| {
            row.get_ref(index)
                .map(|value: ValueRef<'_>| value.as_blob().ok())
        };
        let (id, topic, payload) = (text(1)?, text(2)?, blob(3)?);
        let (is_update, boot_id, since_boot_ms) = (flag(4)?, text(5)?, whole(6)?);
        let (synced, wall_ms, written) = (flag(7)?, whole(8)?, blob(9)?);
        let read = || {
            let row = Row {
                seq,
                id: id?.to_owned(),
                topic: topic?.to_owned(),
                payload: payload?.to_vec(),
                is_update: is_update?,
                boot_id: boot_id?.into(),
                since_boot_ms: since_boot_ms?,
                synced: synced?,
                wall_ms: wall_ms?,
            };
            (digest::of(&row) == *written?).then_some(row)
        };
        Ok(read().ok_or(seq))
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Entry {
            seq: row.seq,
            id: row.id,
            topic: row.topic,
            payload: row.payload,
            boot_id: row.boot_id.to_string(),
            since_boot: Duration::from_millis(u64::try_from(row.since_boot_ms).unwrap_or(0)),
            synced: row.synced,
        }
    }
}
