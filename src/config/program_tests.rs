//! What the tables of programs may hold.

use super::*;
use crate::capture::SourceSpec;

type Reader = fn(&mut Section, Option<Fps>, &mut Issues) -> Option<SourceSpec>;

fn faults(read: Reader, text: &str) -> Vec<String> {
    let mut issues = Issues::default();
    let mut section = Section::root(text.parse().unwrap());
    read(&mut section, None, &mut issues);
    section.finish(&mut issues);
    issues.iter().map(|issue| issue.key.clone()).collect()
}

#[test]
fn raw_pictures_have_sides_that_their_form_can_have() {
    for (format, size, is_right) in [
        ("yuyv", "101x99", false),
        ("yuyv", "100x99", true),
        ("nv12", "100x99", false),
        ("nv12", "101x100", false),
        ("nv12", "100x100", true),
        ("grey", "101x99", true),
        ("rgb24", "101x99", true),
        ("mjpeg", "101x99", true),
        ("rgb24", "16384x16384", false),
    ] {
        let text = format!("command = [\"a\"]\nformat = \"{format}\"\nsize = \"{size}\"");
        let expected: &[&str] = if is_right { &[] } else { &["size"] };
        assert_eq!(faults(command, &text), expected, "{format} {size}");
    }
}

#[test]
fn a_csi_camera_takes_arguments_but_none_that_are_ours() {
    let text =
        "arguments = [\"--shutter\", \"8000\", \"--gain\", \"1\", \"--awbgains\", \"1.5,1.2\"]";
    assert!(faults(csi, text).is_empty());
    for ours in ["--codec", "-o", "--output=a", "--timeout", "--width"] {
        let text = format!("arguments = [\"{ours}\", \"1\"]");
        assert_eq!(faults(csi, &text), ["arguments"], "{ours}");
    }
    assert_eq!(faults(csi, "arguments = \"--gain 1\""), ["arguments"]);
}
