//! End-to-end tests: the real binary, a real broker, real pictures. This file is the table of
//! contents.

mod broker;
mod configuration;
mod daemon;
mod profile;
mod workshop;
