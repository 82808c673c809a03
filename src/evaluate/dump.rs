//! Features and scores of an evaluation, for programs that check them: `z.npy` `[n, D]`, `d.npy`
//! `[n, blocks]` and `scores.csv`, rows in the same order.

use std::fmt::Write as _;
use std::path::Path;

use super::npy;
use super::whole::{WriteError, write_whole};
use crate::infer::Features;

/// The rows so far.
#[derive(Debug, Default)]
pub struct Dump {
    z: Vec<Vec<f32>>,
    d: Vec<Vec<f64>>,
    csv: String,
}

impl Dump {
    /// Adds a frame; `scores` are pretrained, discrepancy, paper, default, local.
    pub fn push(&mut self, name: &str, anomalous: bool, features: &Features, scores: [f64; 5]) {
        let label = if anomalous { "anomalous" } else { "normal" };
        let _ = write!(self.csv, "{},{label}", quoted(name));
        scores.iter().for_each(|score| {
            // 17 digits: the very number.
            let _ = write!(self.csv, ",{score:?}");
        });
        self.csv.push('\n');
        self.push_features(&features.pretrained.z, &features.discrepancy.d);
    }

    /// Adds a frame without scores.
    pub fn push_features(&mut self, z: &[f32], d: &[f64]) {
        self.z.push(z.to_vec());
        self.d.push(d.to_vec());
    }

    /// Writes the files into `folder`, which must be there; `scores.csv` only if there are any.
    ///
    /// # Errors
    /// A file that can't be written, by name.
    pub fn write(&self, folder: &Path) -> Result<(), WriteError> {
        let put = |name: &str, bytes: &[u8]| write_whole(&folder.join(name), bytes);
        let width = |rows: Option<usize>| rows.unwrap_or_default();
        let columns = width(self.z.first().map(Vec::len));
        put(
            "z.npy",
            &npy::encode(self.z.iter().map(Vec::as_slice), columns),
        )?;
        let columns = width(self.d.first().map(Vec::len));
        put(
            "d.npy",
            &npy::encode(self.d.iter().map(Vec::as_slice), columns),
        )?;
        if !self.csv.is_empty() {
            let header = "file,label,pretrained,discrepancy,paper,default,local\n";
            put("scores.csv", (header.to_owned() + &self.csv).as_bytes())?;
        }
        Ok(())
    }
}

/// A name as a field of a CSV file (RFC 4180).
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}
