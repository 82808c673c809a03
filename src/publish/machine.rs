//! The machine below us: processor, memory, temperature, room on disk. sysinfo is named here only.
//!
//! A [`Machine`] is kept between two readings, because processor load is what happened since the
//! last one: the first reading says 0. A reading takes a few milliseconds and never waits.

use std::path::Path;

use serde::Serialize;
use sysinfo::{Components, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads the machine again and again.
#[derive(Debug)]
pub struct Machine {
    system: System,
    own: Pid,
}

/// Degrees Celsius now, of the hottest sensor; none where there is none.
pub fn temperature() -> Option<f64> {
    // A list that is kept loses a board's thermal zones when it is refreshed, and so finds none.
    let mut sensors = Components::new();
    sensors.refresh(false);
    let read = sensors.iter().filter_map(|sensor| sensor.temperature());
    let finite = read.filter(|celsius| celsius.is_finite());
    finite.reduce(f32::max).map(tenths)
}

/// The machine at one moment. Every number is finite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Readings {
    /// Processor.
    pub cpu: Cpu,
    /// The hottest sensor, where there is one.
    pub temperature_c: Option<f64>,
    /// Memory.
    pub memory: Memory,
    /// The file system that holds the state folder.
    pub disk: Disk,
}

/// Processor load since the last reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cpu {
    /// Of the machine; 100 is all cores busy.
    pub load_percent: f64,
    /// Of this program; 100 is one core busy.
    pub process_percent: f64,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Memory {
    /// Of the machine.
    pub total_bytes: u64,
    /// What programs could still get.
    pub available_bytes: u64,
    /// Of this program, resident.
    pub process_bytes: u64,
}

/// Room on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Of the file system; 0 where it does not answer.
    pub total_bytes: u64,
    /// What this program could still write there.
    pub free_bytes: u64,
}

impl Machine {
    /// Begins to measure.
    pub fn new() -> Self {
        let mut machine = Machine {
            system: System::new(),
            own: Pid::from_u32(std::process::id()),
        };
        machine.refresh();
        machine
    }

    /// The machine now; `state` is a folder on the disk that is meant, which need not exist yet.
    pub fn read(&mut self, state: &Path) -> Readings {
        self.refresh();
        let process = self.system.process(self.own);
        Readings {
            cpu: Cpu {
                load_percent: load(self.system.global_cpu_usage()),
                process_percent: process.map_or(0.0, |process| load(process.cpu_usage())),
            },
            temperature_c: temperature(),
            memory: Memory {
                total_bytes: self.system.total_memory(),
                available_bytes: self.system.available_memory(),
                process_bytes: process.map_or(0, sysinfo::Process::memory),
            },
            disk: disk(state),
        }
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        let own = [self.own];
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&own), false, what);
    }
}

impl Default for Machine {
    fn default() -> Self {
        Machine::new()
    }
}

/// A tenth is all that these are worth.
fn tenths(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}

/// A load; what is not finite is none.
fn load(percent: f32) -> f64 {
    if percent.is_finite() {
        tenths(percent.max(0.0))
    } else {
        0.0
    }
}

/// The disk of a folder, or of the nearest one above it that exists.
fn disk(folder: &Path) -> Disk {
    let answer = folder
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok());
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    answer.map_or(
        Disk {
            total_bytes: 0,
            free_bytes: 0,
        },
        |fs| Disk {
            total_bytes: bytes(fs.f_blocks, fs.f_frsize),
            free_bytes: bytes(fs.f_bavail, fs.f_frsize),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_that_runs_this_test_is_read_as_its_kernel_tells_it() {
        let mut machine = Machine::new();
        let folder = tempfile::tempdir().unwrap();
        let read = machine.read(&folder.path().join("not/there/yet"));
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = meminfo.split_whitespace().nth(1).unwrap();
        let total: u64 = total.parse().unwrap();
        assert!(read.memory.total_bytes <= total * 1024);
        assert!(((1 << 20)..read.memory.total_bytes).contains(&read.memory.process_bytes));
        assert!(read.memory.available_bytes <= read.memory.total_bytes);
        assert!(read.disk.total_bytes > 0 && read.disk.free_bytes <= read.disk.total_bytes);
        assert!((0.0..=101.0).contains(&read.cpu.load_percent));
        assert!(read.cpu.process_percent >= 0.0);
    }

    #[test]
    fn what_is_not_finite_is_no_load() {
        let loads = [f32::NAN, f32::INFINITY, -1.0, 3.46].map(load);
        assert_eq!(loads, [0.0, 0.0, 0.0, 3.5]);
    }
}
