//! Sizes as they are written, and estimates held against what is allocated.

use super::*;

fn memory(bytes: u64, is_asked: bool) -> Memory {
    Memory { bytes, is_asked }
}

#[test]
fn a_size_is_read_with_its_unit_and_without_one_it_is_refused_with_an_example() {
    let read = |text: &str| text.parse::<Memory>().map(|memory| memory.bytes);
    assert_eq!(read("500MB"), Ok(500_000_000));
    assert_eq!(read("1.5 GB"), Ok(1_500_000_000));
    assert_eq!(read("512MiB"), Ok(512 << 20));
    assert_eq!(read("2GiB"), Ok(2 << 30));
    for wrong in ["500", "MB", "-5MB", "0MB", "NaNMB", "500 kB", "1e9GB", "5M"] {
        assert!(read(wrong).unwrap_err().contains("500MB"), "{wrong}");
    }
}

#[test]
fn as_many_students_are_trained_at_a_time_as_fit_and_one_at_least() {
    let needs = Needs {
        frames: 0,
        student: 1 << 40,
    };
    let room = |students: u64| memory((students << 40) + (1 << 39), true);
    assert_eq!(room(3).students(needs), 3);
    assert_eq!(room(0).students(needs), 1);
    assert_eq!(memory(0, true).students(needs), 1);
}

#[test]
fn what_does_not_fit_is_refused_with_what_it_needs_but_only_where_a_bound_was_named() {
    let needs = Needs {
        frames: 7_000_000,
        student: 3 << 40,
    };
    let refusal = memory(1 << 40, true).check(needs).unwrap_err().to_string();
    for word in ["--memory", "3401", "7 MB", "--frames"] {
        assert!(refusal.contains(word), "{word} in {refusal}");
    }
    memory(1 << 40, false).check(needs).unwrap();
    memory(4 << 40, true).check(needs).unwrap();
}

#[test]
fn the_kernel_counts_this_process_and_its_machine() {
    let (resident, peak) = (resident(), peak());
    assert!(resident > 1 << 20 && peak >= resident, "{resident} {peak}");
    assert!(available() > 1 << 20);
    assert!(!Memory::default().is_asked);
}
