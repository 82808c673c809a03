//! Sources that hang in their drivers for good: how many, and what they keep from ending.

use std::time::Instant;

use super::supervision::{Gate, opened_by, steady, wait_until};
use super::*;

/// A camera whose driver does not come back from opening before the gate is open; each opening counts.
fn hanging(gate: &Gate, openings: &Arc<AtomicU32>) -> Camera<u64, Teller> {
    let (waits, openings) = (gate.clone(), Arc::clone(openings));
    let hangs = move |_| {
        openings.fetch_add(1, Ordering::SeqCst);
        waits.pass();
        Ok(())
    };
    opened_by("a", hangs, |_, step| steady(0, step))
}

#[test]
fn no_more_than_four_threads_of_a_camera_hang_and_all_goes_on_when_they_come_back() {
    let gate = Gate::default();
    let shut = gate.shut();
    let openings = Arc::default();
    let running = run(vec![hanging(&gate, &openings)]);
    wait_until("four hang", || openings.load(Ordering::SeqCst) == 4);
    // Longer than a fifth one would take to come: its deadline, its closing and its pause.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(openings.load(Ordering::SeqCst), 4);
    assert_eq!(counts(&running, 0).faults, 4);
    drop(shut);
    wait_until("it gives frames", || counts(&running, 0).captured > 5);
    running.join(|_| Vec::new()).result.unwrap();
}

#[test]
fn a_stop_while_four_threads_hang_opens_no_fifth_and_waits_for_none() {
    let gate = Gate::default();
    let shut = gate.shut();
    let openings = Arc::default();
    let running = run(vec![hanging(&gate, &openings)]);
    wait_until("four have failed", || counts(&running, 0).faults == 4);
    // Its pause is over by then, and it waits for room.
    thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    running.join(|_| Vec::new()).result.unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(openings.load(Ordering::SeqCst), 4);
    drop(shut);
}

#[test]
fn threads_that_hang_count_in_the_next_generation_but_not_for_another_source() {
    let gate = Gate::default();
    let shut = gate.shut();
    let openings = Arc::default();
    let mut left = LeftBehind::default();
    for _ in 0..3 {
        let mut camera = hanging(&gate, &openings);
        camera.left_behind = left;
        let running = run(vec![camera]);
        thread::sleep(Duration::from_secs(3));
        left = running.join(|_| Vec::new()).left_behind.remove(0);
    }
    assert_eq!((left.count(), openings.load(Ordering::SeqCst)), (4, 4));
    // The camera may have given frames until now: whoever listens learns that it gives none any more.
    let mut camera = hanging(&gate, &openings);
    camera.left_behind = left;
    let running = run(vec![camera]);
    thread::sleep(Duration::from_secs(1));
    let mut whole = running.join(|_| Vec::new());
    let said = whole.published.iter().map(|(_, said)| said);
    let reasons: Vec<String> = said.map(|said| format!("{said:?}")).collect();
    assert_eq!((reasons.len(), openings.load(Ordering::SeqCst)), (1, 4));
    assert!(reasons[0].contains("does not come back"), "{reasons:?}");
    let left = whole.left_behind.remove(0);
    let mut camera = hanging(&gate, &openings);
    camera.left_behind = left.of("another".to_owned());
    let running = run(vec![camera]);
    wait_until("it is opened", || openings.load(Ordering::SeqCst) == 5);
    running.join(|_| Vec::new()).result.unwrap();
    drop(shut);
}

#[test]
fn a_source_that_hangs_in_its_driver_does_not_keep_the_pipeline_from_ending() {
    let gate = Gate::default();
    let shut = gate.shut();
    let waits = gate.clone();
    let hanging = camera("a", true, move |_, _| {
        waits.pass();
        Ok(Next::End)
    });
    let running = run(vec![hanging, camera("b", false, footage(3))]);
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    let finished = running.join(|_| Vec::new());
    assert!(start.elapsed() < Duration::from_secs(10));
    finished.result.unwrap();
    assert_eq!(finished.published.len(), 4, "three frames and their end");
    drop(shut);
}
