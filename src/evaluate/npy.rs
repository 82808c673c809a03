//! The `.npy` format: a two-dimensional array as NumPy stores it.
//!
//! Version 1.0, little-endian, C order, written only: for `--dump`, so that features can be looked
//! at and scores recomputed elsewhere.

/// A number that `.npy` can hold.
pub trait Element: Copy {
    /// NumPy's name of the type.
    const DESCRIPTION: &'static str;
    /// Appends the number.
    fn append(self, bytes: &mut Vec<u8>);
}

impl Element for f32 {
    const DESCRIPTION: &'static str = "<f4";
    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Element for f64 {
    const DESCRIPTION: &'static str = "<f8";
    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

/// The bytes of a file that holds `rows`, each of `columns` values.
///
/// # Panics
/// If a row has another length.
pub fn encode<'a, T: Element + 'a>(
    rows: impl ExactSizeIterator<Item = &'a [T]>,
    columns: usize,
) -> Vec<u8> {
    let (count, kind) = (rows.len(), T::DESCRIPTION);
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count}, {columns}), }}");
    // Magic, version and length take ten bytes; the data begin at a multiple of 64, after a newline.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a header with two numbers is short");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.bytes());
    for row in rows {
        assert_eq!(row.len(), columns, "all rows of an array have one length");
        row.iter().for_each(|value| value.append(&mut bytes));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_numpys_own_to_the_byte() {
        let rows: [&[f32]; 2] = [&[1.5, -2.0, 0.1], &[0.0, 3e-9, 7.0]];
        let numpys = include_bytes!("../../tests/oracle/sample.npy");
        assert_eq!(encode(rows.into_iter(), 3), numpys);
    }

    #[test]
    fn data_begin_at_a_multiple_of_64_whatever_the_shape() {
        for columns in [
            1,
            12,
            123,
            1234,
            12345,
            123_456,
            1_234_567,
            12_345_678,
            123_456_789,
        ] {
            let empty: [&[f64]; 0] = [];
            assert!(encode(empty.into_iter(), columns).len().is_multiple_of(64));
        }
    }
}
