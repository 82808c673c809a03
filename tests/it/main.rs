//! End-to-end tests: the real binary, a real broker, real pictures. This file is the table of
//! contents.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that can't go on says so by a panic, and one that measures tells its figures"
)]

mod invariants;

mod bad_input;
mod bad_models;
mod bundled_teachers;
mod calibration;
mod evaluation;
mod evaluation_scene;
mod filming;
mod filming_faults;
mod full_disk;
mod golden;
mod lights;
mod memory_bank;
mod package;
mod profile_command;
mod profile_install;
mod refine;
mod refine_camera;
mod refine_rise;
mod report;
mod resuming;
mod scoring;
mod study_false_alarms;

mod cameras;
mod configuration;
mod contract;
mod control;
mod crash;
mod daemon;
mod demo;
mod drift;
mod fallback;
mod ghosts;
mod homeassistant;
mod keeping;
mod outage;
mod secrets;
mod secure;
mod sink;
mod spool;
mod v4l2;
mod view;
mod watchdog;

mod authority;
mod broker;
mod fake_camera;
mod parts_camera;
mod profile;
mod secure_broker;
mod studio;
mod teacher;
mod workshop;
