//! Matrix products, and loops compiled for the widest vectors that the machine has.
//!
//! With `capture::v4l2` the only module with `unsafe`: it hands checked slices to the `gemm` crate and calls
//! functions built for an instruction set that was just found at run time. Everything runs on the
//! calling thread; nothing here starts another or keeps state of its own.
#![allow(unsafe_code)] // `gemm` takes raw pointers; a call with target features is unsafe

/// A matrix in a slice that somebody else owns: element `(r, c)` at `r * row_stride + c *
/// column_stride`. Every element lies inside the slice; the constructor checks it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` rows of `columns` values, each row beginning `stride` values after the one before.
    ///
    /// Panics where that does not fit into `data`.
    pub(super) fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert_fits(data.len(), rows, columns, stride);
        Matrix {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose; no value moves.
    pub(super) fn t(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix that is written; rows never overlap.
#[derive(Debug)]
pub(super) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// As [`Matrix::new`].
    pub(super) fn new(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert_fits(data.len(), rows, columns, stride);
        MatrixMut {
            data,
            rows,
            columns,
            stride,
        }
    }

    /// `self = scale * left * right`.
    pub(super) fn set_product(self, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
        self.product(false, scale, left, right);
    }

    /// `self += left * right`.
    pub(super) fn add_product(self, left: Matrix<'_>, right: Matrix<'_>) {
        self.product(true, 1.0, left, right);
    }

    fn product(self, add: bool, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
        assert_eq!(left.columns, right.rows, "inner sides of a product differ");
        assert_eq!(
            (self.rows, self.columns),
            (left.rows, right.columns),
            "product of another size"
        );
        // SAFETY: the constructors checked that every element that `gemm` reads or writes lies in
        // its slice (strides count f32 and are below the slice's length, so below isize::MAX);
        // `self.data` is borrowed mutably, so it overlaps neither operand, and its rows do not
        // overlap each other (`stride >= columns`).
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                left.columns,
                self.data.as_mut_ptr(),
                1,
                self.stride as isize,
                add,
                left.data.as_ptr(),
                left.column_stride as isize,
                left.row_stride as isize,
                right.data.as_ptr(),
                right.column_stride as isize,
                right.row_stride as isize,
                1.0,
                scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

fn assert_fits(len: usize, rows: usize, columns: usize, stride: usize) {
    assert!(rows > 0 && columns > 0, "an empty matrix");
    assert!(
        stride >= columns,
        "rows of {columns} values overlap at a stride of {stride}"
    );
    let end = (rows - 1)
        .checked_mul(stride)
        .and_then(|start| start.checked_add(columns));
    assert!(
        end.is_some_and(|end| end <= len),
        "{rows} x {columns} values at a stride of {stride} do not fit into {len}"
    );
}

/// A loop over slices that the compiler can turn into vector instructions. Mark `run`, and all
/// that it calls, `#[inline(always)]`: only what is inlined is compiled for the wider vectors.
pub(super) trait Loop {
    /// Does the work.
    fn run(self);
}

/// Runs `work` with the widest vectors at hand. All widths give the same numbers: a loop may use
/// no fused multiply-add, and it sums in lanes of its own choice.
pub(super) fn vectorise<L: Loop>(work: L) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the features were found just now.
            return unsafe { with_avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { with_avx2(work) };
        }
    }
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn with_avx512<L: Loop>(work: L) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<L: Loop>(work: L) {
    work.run();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strided_product_and_its_transposes_match_the_sums_written_out() {
        let left: Vec<f32> = (0..3 * 5).map(|v| (v as f32 * 0.7).sin()).collect();
        let right: Vec<f32> = (0..4 * 6).map(|v| (v as f32 * 1.3).cos()).collect();
        // left: 3 x 4 at stride 5; right: 2 x 4 at stride 6, transposed.
        let mut out = vec![1.0f32; 3 * 7];
        MatrixMut::new(&mut out, 3, 2, 7).add_product(
            Matrix::new(&left, 3, 4, 5),
            Matrix::new(&right, 2, 4, 6).t(),
        );
        for r in 0..3 {
            for c in 0..2 {
                let sum: f32 = (0..4).map(|k| left[r * 5 + k] * right[c * 6 + k]).sum();
                assert!((out[r * 7 + c] - 1.0 - sum).abs() < 1e-6);
            }
            assert!(
                out[r * 7 + 2..(r + 1) * 7].iter().all(|v| *v == 1.0),
                "outside the matrix"
            );
        }
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn a_matrix_larger_than_its_slice_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4, 4);
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlapping_rows_are_refused() {
        MatrixMut::new(&mut [0.0; 11], 3, 4, 3);
    }

    #[test]
    #[should_panic(expected = "inner sides")]
    fn a_product_of_sides_that_differ_is_refused() {
        let values = [0.0; 16];
        MatrixMut::new(&mut [0.0; 16], 4, 4, 4).set_product(
            1.0,
            Matrix::new(&values, 4, 4, 4),
            Matrix::new(&values, 3, 4, 4),
        );
    }
}
