//! End-to-end tests: the real binary, a real broker, real pictures. This file is the table of
//! contents.
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on says so by a panic"
)]

mod broker;
mod cameras;
mod configuration;
mod contract;
mod daemon;
mod outage;
mod profile;
mod workshop;
