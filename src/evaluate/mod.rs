//! (to come)

pub mod heatmap;
