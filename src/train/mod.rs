//! The students: what `calibrate` adds to the steps of the daemon.
//!
//! Teacher features go to disk once ([`cache`]); then each student block learns by itself to map
//! the teacher's `x_{i-1}` to `x_i` ([`student`]), on a forward and a backward pass written by hand
//! ([`block`], [`backward`]) over the `gemm` crate, which is named in this module only. Nothing here
//! runs in the daemon: a trained student leaves as ONNX ([`crate::infer::student_file`]).

pub mod cache;

pub mod parameters;

pub mod block;

pub mod backward;

pub mod adam;

pub mod recipe;

mod course;

pub mod student;

mod kernel;

mod rows;

#[cfg(test)]
mod gradient_tests;

#[cfg(test)]
mod timing_tests;
