//! The checksum of a row. SQLite notices damage to the structure of its pages but not a flipped bit
//! inside a value, so every value that leaves the spool, or decides on its order, is covered here.

use sha2::{Digest as _, Sha256};

use super::row::Row;

/// Half of SHA-256: damage is an accident, and 16 bytes a row are enough against those.
pub(super) type Digest = [u8; 16];

/// The checksum of a row.
pub(super) fn of(row: &Row) -> Digest {
    let mut hash = Sha256::new();
    for text in [
        row.id.as_bytes(),
        row.topic.as_bytes(),
        &row.payload,
        row.boot_id.as_bytes(),
    ] {
        // The length keeps neighbours apart.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.update(row.seq.to_le_bytes());
    hash.update(row.since_boot_ms.to_le_bytes());
    hash.update(row.wall_ms.to_le_bytes());
    hash.update([u8::from(row.is_update), u8::from(row.synced)]);
    let whole = hash.finalize();
    let mut half = Digest::default();
    half.copy_from_slice(&whole[..16]);
    half
}
