//! A trained student as a file: a SHA-256 of the rest, a line of JSON, and the numbers, little-endian.
//!
//! It is whole or nothing: what is cut off or damaged is no student.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Digest;
use crate::infer::student_file::BlockShape;
use crate::train::parameters::Parameters;
use crate::train::student::{Epoch, Student};

/// What is known of a student beside its numbers.
#[derive(Serialize, Deserialize)]
struct Note {
    block: usize,
    kept_epoch: usize,
    history: Vec<Epoch>,
}

pub(super) fn write(student: &Student) -> Vec<u8> {
    let note = Note {
        block: student.block,
        kept_epoch: student.kept_epoch,
        history: student.history.clone(),
    };
    let mut rest = serde_json::to_vec(&note).expect("a note of numbers has a JSON form");
    rest.push(b'\n');
    let numbers = student.parameters.values().iter();
    rest.extend(numbers.flat_map(|value| value.to_le_bytes()));
    let mut bytes = Sha256::digest(&rest).to_vec();
    bytes.append(&mut rest);
    bytes
}

pub(super) fn read(bytes: &[u8], shape: BlockShape) -> Option<Student> {
    let (sum, rest) = bytes.split_first_chunk::<32>()?;
    if *sum != Digest::from(Sha256::digest(rest)) {
        return None;
    }
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let note: Note = serde_json::from_slice(&rest[..end]).ok()?;
    let (numbers, []) = rest[end + 1..].as_chunks::<4>() else {
        return None;
    };
    let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Some(Student {
        block: note.block,
        parameters: Parameters::of(shape, values.collect())?,
        history: note.history,
        kept_epoch: note.kept_epoch,
    })
}
