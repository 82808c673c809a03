//! What a score or a map is worth on labelled pictures.

pub mod metrics;

pub mod pixels;

pub mod npy;
