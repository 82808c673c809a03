//! From a folder to an open, checked database, whatever lies in the folder.
//!
//! What is damaged is set aside under a name of its own, with its log, and a new database takes its
//! place; nothing is ever repaired in place. What a human must decide on (a newer schema, a link, a
//! directory) is left alone and refused.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tracing::{error, info};

use super::error::Fault;
use super::lock::writable;
use super::reserve::Reserve;
use super::store::{APPLICATION, Change, PATIENCE, SCHEMA, Store};
use super::{SpoolError, log, salvage};

/// The database's name in the folder.
pub(super) const DATABASE: &str = "spool.db";
/// SQLite's own files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How many damaged databases are kept; a disk that keeps on damaging them must not be filled.
const KEPT: usize = 3;

/// An open spool.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) reserve: Reserve,
    /// Where a damaged database went.
    pub(super) set_aside: Option<PathBuf>,
    /// What was saved of it.
    pub(super) salvaged: u64,
    /// Whether the disk takes no more.
    pub(super) is_full: bool,
}

/// Why a database was not opened.
enum Refusal {
    Damaged(String),
    Final(SpoolError),
}

/// Opens the spool of a locked folder.
pub(super) fn open(folder: &Path) -> Result<Opened, SpoolError> {
    let path = folder.join(DATABASE);
    let mut reserve = Reserve::find(folder);
    let (mut checked, damage) = match open_checked(&path) {
        Ok(checked) => (checked, None),
        Err(Refusal::Damaged(what)) => {
            let aside = set_aside(folder)?;
            (open_again(&path, &mut reserve)?, Some((aside, what)))
        }
        Err(Refusal::Final(SpoolError::NoRoom { .. })) => (open_again(&path, &mut reserve)?, None),
        Err(Refusal::Final(fault)) => return Err(fault),
    };
    let mut salvaged = 0;
    let set_aside = damage.map(|(aside, what)| {
        salvaged = salvage::from(&aside, &mut checked.store);
        error!(
            file = %aside.display(), what, salvaged,
            "the spool was damaged: alerts that could not be saved are lost; check the disk, and \
             delete the file when nobody wants to look at it"
        );
        aside
    });
    let is_full = checked.is_full || !reserve.make();
    Ok(Opened {
        store: checked.store,
        reserve,
        set_aside,
        salvaged,
        is_full,
    })
}

/// The second try, which may take the reserve.
fn open_again(path: &Path, reserve: &mut Reserve) -> Result<Checked, SpoolError> {
    let opened = match open_checked(path) {
        Err(Refusal::Final(SpoolError::NoRoom { .. })) if reserve.release() => open_checked(path),
        other => other,
    };
    opened.map_err(|refusal| match refusal {
        Refusal::Final(fault) => fault,
        Refusal::Damaged(reason) => SpoolError::Storage {
            path: path.to_owned(),
            reason,
        },
    })
}

/// A database that was found whole and written to.
struct Checked {
    store: Store,
    /// Whether the disk takes no more.
    is_full: bool,
}

fn open_checked(path: &Path) -> Result<Checked, Refusal> {
    let is_new = find(path)?;
    let fault = |fault: Fault| Refusal::from_fault(fault, path);
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fault)?;
    check(&mut connection, path)?;
    let mut store = Store::new(connection).map_err(fault)?;
    if is_new {
        let synced = path.parent().map_or(Ok(()), sync_folder);
        synced.map_err(|source| Refusal::folder(path, "written to disk", source))?;
    }
    // Written to in any case: a header that forbids it is damage that no check finds.
    let change = Change {
        retry_quarantined: true,
        ..Change::default()
    };
    let is_full = match store.write(&change).and_then(|()| store.empty_log()) {
        Ok(()) => false,
        Err(Fault::NoRoom) => true,
        Err(other) => return Err(fault(other)),
    };
    Ok(Checked { store, is_full })
}

/// Makes sure that a file is there, or that nothing is lost by making one; whether it is new.
fn find(path: &Path) -> Result<bool, Refusal> {
    for suffix in BESIDE {
        require_file(&with_suffix(path, suffix))?;
    }
    let was_there = require_file(path)?;
    let opened = writable().create(true).open(path);
    let file = opened.map_err(|source| Refusal::folder(path, "written", source))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let has_log = fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if length == 0 && has_log {
        return Err(Refusal::Damaged("it is empty, but its log is not".into()));
    }
    Ok(!was_there || length == 0)
}

/// Whether a regular file is there; a link, a directory or a device is refused.
fn require_file(path: &Path) -> Result<bool, Refusal> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Refusal::folder(path, "read", source)),
    };
    let what = match kind {
        kind if kind.is_file() => return Ok(true),
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        _ => "no regular file",
    };
    let path = path.to_owned();
    Err(Refusal::Final(SpoolError::NotAFile { path, what }))
}

/// Opens a connection; nothing of the database has been read then.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Fault> {
    // One thread has the connection, and rusqlite lets no other use it.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A damaged or failed database must not be written to by a mere drop of the handle.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Whether this is a whole spool that this program may write; an empty database becomes one.
fn check(connection: &mut Connection, path: &Path) -> Result<(), Refusal> {
    let fault = |fault: rusqlite::Error| Refusal::from_fault(fault.into(), path);
    let number = |connection: &Connection, name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    let application = number(connection, "application_id").map_err(fault)?;
    let found = number(connection, "user_version").map_err(fault)?;
    if (application, found) == (0, 0) {
        let things = "SELECT count(*) FROM sqlite_schema";
        let things: i64 = connection
            .query_row(things, [], |row| row.get(0))
            .map_err(fault)?;
        if things == 0 {
            return Store::create(connection).map_err(|fault| Refusal::from_fault(fault, path));
        }
    }
    if application != APPLICATION || found < 1 {
        return Err(Refusal::Damaged("it is no spool of inspectd".into()));
    }
    if found > SCHEMA {
        let path = path.to_owned();
        return Err(Refusal::Final(SpoolError::NewerSchema { path, found }));
    }
    // Not `quick_check`, which passes over indices: a damaged one would stop the running daemon at
    // the first alert that it can't delete, and again after each restart.
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(fault)?;
    if verdict != "ok" {
        return Err(Refusal::Damaged(verdict));
    }
    let readable = "PRAGMA wal_checkpoint(NOOP)";
    let readable: i64 = connection
        .query_row(readable, [], |row| row.get(1))
        .map_err(fault)?;
    let page = number(connection, "page_size").map_err(fault)?;
    // Without a log this is -1.
    let readable = u64::try_from(readable).unwrap_or(0);
    if log::is_cut(&with_suffix(path, "-wal"), readable, page.cast_unsigned()) {
        let what = format!("its log can't be read beyond frame {readable}");
        return Err(Refusal::Damaged(what));
    }
    Ok(())
}

/// Moves the database and its log aside as `spool.db.corrupt-<n>`, and forgets all but the newest.
fn set_aside(folder: &Path) -> Result<PathBuf, SpoolError> {
    let path = folder.join(DATABASE);
    let fails = |source| SpoolError::Folder {
        path: path.clone(),
        what: "set aside",
        source,
    };
    let mut former = former(folder).map_err(fails)?;
    let number = former.last().map_or(1, |last| last + 1);
    former.push(number);
    let aside = folder.join(name(number));
    // An index of the log, made anew by whoever opens it.
    let _ = fs::remove_file(with_suffix(&path, "-shm"));
    // The log first: with the database gone from its place, SQLite would delete it.
    for suffix in BESIDE.into_iter().chain([""]) {
        match fs::rename(with_suffix(&path, suffix), with_suffix(&aside, suffix)) {
            Err(fault) if fault.kind() != ErrorKind::NotFound => return Err(fails(fault)),
            _ => {}
        }
    }
    for number in &former[..former.len().saturating_sub(KEPT)] {
        let old = folder.join(name(*number));
        for suffix in BESIDE.into_iter().chain([""]) {
            // What can't be removed only takes room.
            let _ = fs::remove_file(with_suffix(&old, suffix));
        }
        info!(file = %old.display(), "an old damaged spool was deleted, {KEPT} newer ones are kept");
    }
    sync_folder(folder).map_err(fails)?;
    Ok(aside)
}

fn name(number: u64) -> String {
    format!("{DATABASE}.corrupt-{number}")
}

/// The numbers of those set aside before, in order.
fn former(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|name| {
            let (_, number) = name.split_once(&format!("{DATABASE}.corrupt-"))?;
            number.trim_end_matches("-wal").parse::<u32>().ok()
        });
        numbers.extend(number.map(u64::from));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `spool.db` and `-wal` make `spool.db-wal`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Refusal {
    fn folder(path: &Path, what: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        Refusal::Final(SpoolError::Folder { path, what, source })
    }

    fn from_fault(fault: Fault, path: &Path) -> Self {
        let path = path.to_owned();
        Refusal::Final(match fault {
            Fault::Damaged(what) => return Refusal::Damaged(what),
            Fault::NoRoom => SpoolError::NoRoom { path },
            Fault::Busy => SpoolError::Busy { path },
            Fault::Broken(reason) => SpoolError::Storage { path, reason },
        })
    }
}
