//! What a score or a map is worth on labelled pictures, and pictures of it.

pub mod metrics;

pub mod pixels;

pub mod npy;

pub mod heatmap;
pub mod masks;

pub mod dump;

pub mod enlarge;

pub mod whole;
