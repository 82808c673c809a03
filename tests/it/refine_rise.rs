//! `calibrate --refine` by a frame that is fine by mistake: it would draw the lines so far out that next to
//! nothing is found.

use crate::refine::{Bench, json};
use crate::studio::{frame, refused, stderr, stdout};

#[test]
fn a_fine_frame_that_would_blind_a_profile_is_named_and_nothing_is_written_unless_it_is_accepted() {
    let bench = Bench::seeing("1/day");
    let wrong = bench.fine.join("wrong.png");
    let mut picture = frame(500, false);
    for y in 180..300 {
        for x in 240..400 {
            let is_even = (x / 20 + y / 20) % 2 == 0;
            let colour = if is_even { [200, 0, 200] } else { [0, 200, 0] };
            picture.put_pixel(x, y, image::Rgb(colour));
        }
    }
    picture.save(&wrong).unwrap();
    let before = bench.bytes();
    let output = bench.refine(&[&bench.fine], &[], &[]);
    let words = [
        "times as far from normal frames",
        "wrong.png (",
        "--accept-rise",
    ];
    let verdict = refused(&output, 65, &words);
    assert!(!verdict.contains("0400.png"), "{verdict}");
    assert!(bench.bytes() == before && !bench.path("press.previous").exists());

    let output = bench.refine(&[&bench.fine], &[], &["--accept-rise", "--json"]);
    let said = stderr(&output);
    assert!(said.contains("less is found"), "{said}");
    let rise = json(&output)["rise"].clone();
    assert!(rise["after"].as_f64().unwrap() >= 10.0, "{rise}");
    let by = rise["by"][0]["file"].as_str().unwrap();
    assert!(by.ends_with("wrong.png"), "{rise}");

    // It was accepted: it holds up no later one, and is told each time.
    let later = bench.path("later.png");
    frame(907, false).save(&later).unwrap();
    let output = bench.refine(&[&later], &[], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("one that was told before ("), "{said}");
    let table = stdout(&output);
    assert!(table.contains("as far as calibrated"), "{table}");
}
