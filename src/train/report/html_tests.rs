//! Pages: whole, closed in themselves, and safe whatever a file is called.

use super::super::fixture::{learnt, print, report, scored};
use super::super::{Kind, Worst};
use super::*;

/// Checks that every element is closed where it should be, and gives the names of all.
#[track_caller]
fn elements(page: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "img", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    let body = page.strip_prefix("<!doctype html>").unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/', '\n']).find(|name| !name.is_empty());
        let name = name.unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed in turn");
        } else {
            all.push(name.to_owned());
            if !VOID.contains(&name) && !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    all
}

fn pictures(report: &Report, bytes: usize) -> Pictures {
    Pictures {
        worst: vec![Some([print(bytes), print(bytes)]); report.worst.len()],
        kinds: vec![Some(print(bytes / 3)); report.variety.kinds.len().min(gallery::MOST_KINDS)],
    }
}

#[test]
fn a_name_is_text_wherever_it_is_shown() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=y>";
    let mut learnt = learnt(60);
    for note in &mut learnt.notes {
        note.name = Some(evil.into());
    }
    learnt.rejected = vec![(evil.to_owned(), evil.to_owned())];
    let mut report = Report::of(&learnt, evil, evil);
    report.variety.alone = vec![1, 2];
    report.promise.likely = evil.to_owned();
    let plain = elements(&page(&scored(vec![1.0; 20]), &Pictures::default()));
    let shown = page(&report, &pictures(&report, 90));
    let names = elements(&shown);
    assert!(names.iter().all(|name| name != "script"));
    let pictured = names.iter().filter(|name| *name == "img").count();
    assert_eq!(
        pictured,
        20 + report.variety.kinds.len().min(gallery::MOST_KINDS)
    );
    assert!(shown.contains("&lt;script&gt;"));
    assert!(plain.iter().all(|name| name != "img"));
}

#[test]
fn the_page_fetches_nothing_and_says_so() {
    let report = report(60);
    let shown = page(&report, &pictures(&report, 90));
    for outside in [
        "http:", "https:", "//", "url(", "@import", "<link", "<script",
    ] {
        // Base64 may hold two slashes; these pictures do not.
        assert!(!shown.contains(outside), "{outside}");
    }
    assert!(shown.contains("default-src 'none'"));
    let sources = shown.matches("src=").count();
    assert_eq!(
        sources,
        shown.matches("src=\"data:image/jpeg;base64,").count()
    );
}

#[test]
fn every_picture_and_every_chart_has_words() {
    let report = report(60);
    let shown = page(&report, &pictures(&report, 90));
    assert_eq!(
        shown.matches("<img").count(),
        shown.matches(" alt=\"").count()
    );
    assert_eq!(
        shown.matches("<svg").count(),
        shown.matches("role=\"img\" aria-label=\"").count() - 10
    );
    assert!(shown.contains("<html lang=\"en\">"));
}

#[test]
fn a_calibration_with_next_to_nothing_to_tell_has_a_page_too() {
    let mut without = report(20);
    without.worst.clear();
    without.frames.clear();
    without
        .scores
        .iter_mut()
        .for_each(|trace| trace.raw.clear());
    without.variety = Default::default();
    without.light.change = None;
    without.footage.size = None;
    without.advice.clear();
    let sameness = scored(vec![10.0; 20]);
    for report in [without, sameness, report(20)] {
        let shown = page(&report, &Pictures::default());
        elements(&shown);
        assert!(!shown.contains("NaN"));
    }
}

#[test]
fn the_largest_page_stays_below_two_megabytes() {
    let mut report = scored((0..50_000).map(|i| f64::from(i % 97) / 9.0).collect());
    for frame in &mut report.frames {
        frame.name = Some(format!("{:<250}", "<&\"'>".repeat(20)).into());
    }
    let example = |example| Kind { frames: 9, example };
    report.variety.kinds = (0..50).map(example).collect();
    report.variety.alone = (0..900).collect();
    report.advice = vec!["x".repeat(400); 12];
    let shown: Vec<Worst> = report.worst.iter().map(Worst::clone).collect();
    assert_eq!(shown.len(), 10);
    let kinds = vec![Some(print(16_000)); gallery::MOST_KINDS];
    let pictures = Pictures {
        kinds,
        ..pictures(&report, 44_000)
    };
    let size = page(&report, &pictures).len();
    assert!(size < 2_000_000, "{size}");
}

#[test]
fn the_verdict_is_that_of_the_promise() {
    let mut report = report(20);
    report.promise.is_supported = false;
    assert!(page(&report, &Pictures::default()).contains("does not support the budget"));
    report.promise.is_supported = true;
    report.promise.budget = "1 false alarm a day".to_owned();
    report.promise.interval = ("0.2 a day".to_owned(), "1.9 a day".to_owned());
    let shown = page(&report, &Pictures::default());
    assert!(shown.contains("The footage supports the budget"));
    assert!(shown.contains("between 0.2 a day and 1.9 a day"));
}
