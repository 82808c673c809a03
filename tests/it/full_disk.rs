//! Full disks: the program in a mount namespace of its own, where one folder is a very small disk.
//! Nothing half-written is taken for a result, what was there before is whole, and the message says what to
//! do.

use std::path::Path;
use std::process::{Command, Output};

use crate::studio::{labelled, normal, refused, seeing, stderr};
use crate::teacher::models;

/// Runs `script` by `sh` with a disk of `size` mounted on `folder/disk`; `$INSPECTD` is the program.
/// What is on the disk is gone afterwards, so the script lists it.
fn with_disk(folder: &Path, size: &str, script: &str) -> Output {
    std::fs::create_dir_all(folder.join("disk")).unwrap();
    let script = format!("set -e; mount -t tmpfs -o size={size} none disk; {script}");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(folder)
        .env("INSPECTD", env!("CARGO_BIN_EXE_inspectd"))
        .env("TEACHER", models().join("teacher-nano.onnx"))
        .env("NORMAL", normal())
        .env("PROFILE", seeing())
        .env("PICTURE", labelled().normal.join("0300.jpg"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(
        !said.contains("unshare") && !said.contains("mount:"),
        "this machine lets no user mount a disk of his own: {said}"
    );
    output
}

/// What the script printed.
fn listed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is done takes 3 MB before it is a Profile, and that 1.7 MB.
const CALIBRATE: &str =
    "$INSPECTD calibrate --teacher $TEACHER --epochs 1 --footage $NORMAL --frames 20";

#[test]
fn a_profile_that_finds_no_room_is_saved_by_the_same_command_once_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    // Room for what is done, and for half a Profile.
    let script = format!(
        "{CALIBRATE} --out disk/p || code=$?; ls -A disk; mount -o remount,size=20m disk; \
         {CALIBRATE} --out disk/p --json 2>/dev/null; ls -A disk; exit $code"
    );
    let output = with_disk(folder.path(), "4m", &script);
    let path = folder.path().join("disk/p/");
    let words = [
        path.to_str().unwrap(),
        "bytes are needed",
        "free some space",
        "--out",
    ];
    refused(&output, 73, &words);
    let listed = listed(&output);
    let [before, made, after] = listed.lines().collect::<Vec<_>>()[..] else {
        panic!("{listed}");
    };
    assert_eq!((before, after), ("p.unfinished", "p"));
    let done = r#""taken_over":{"frames":20,"students":5}"#;
    assert!(made.contains(done), "{made}");
}

#[test]
fn the_former_profile_outlives_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    // Room for what is done, and for one Profile and a half.
    let script = format!(
        "{CALIBRATE} --seed 1 --out p; cp -r p disk/p; {CALIBRATE} --out disk/p || code=$?; \
         $INSPECTD score --profile disk/p $PICTURE >&2; \
         cmp disk/p/student.onnx p/student.onnx; ls -A disk; exit $code"
    );
    let output = with_disk(folder.path(), "5500k", &script);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(
        said.contains("what was there before is untouched"),
        "{said}"
    );
    assert!(
        said.contains("0300.jpg"),
        "the former Profile scores: {said}"
    );
    assert!(
        listed(&output).ends_with("\np\np.unfinished\n"),
        "{}",
        listed(&output)
    );
}

#[test]
fn features_that_find_no_room_are_named_with_the_ways_to_give_them_some() {
    let folder = tempfile::tempdir().unwrap();
    // Less than 80 frames take, and more than are kept at a time.
    let calibrate = CALIBRATE.replace("--frames 20", "--frames 80");
    let script = format!("{calibrate} --out disk/p || code=$?; ls -A disk; exit $code");
    let output = with_disk(folder.path(), "5m", &script);
    let path = folder.path().join("disk/p.unfinished");
    let words = ["no room left", "the same command", "--cache", "--out"];
    refused(&output, 73, &[path.to_str().unwrap()]);
    refused(&output, 73, &words);
    assert_eq!(listed(&output), "p.unfinished\n");
}

#[test]
fn results_that_find_no_room_are_not_left_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let heatmap = "$INSPECTD score --profile $PROFILE --heatmap disk $PICTURE";
    let evaluate = "$INSPECTD evaluate --profile $PROFILE --normal $NORMAL --anomalous $NORMAL";
    let dump = format!("{evaluate} --dump disk");
    // The table takes two kilobytes: one page, and the disk has none left.
    let table = format!("head -c 12000 /dev/zero >disk/full; {evaluate} --json disk/table.json");
    let stays = [
        (heatmap, ""),
        (dump.as_str(), ""),
        (table.as_str(), "full\n"),
    ];
    for (command, stays) in stays {
        let script = format!("{command} >/dev/null || code=$?; ls -A disk; exit $code");
        let output = with_disk(folder.path(), "12k", &script);
        refused(&output, 73, &["disk/", "No space left"]);
        assert_eq!(listed(&output), stays, "{command}");
    }
}

#[test]
fn filming_ends_before_the_disk_is_full_and_what_was_filmed_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[node]\nname = \"n\"\nstate_dir = \"disk\"\n[[camera]]\nname = \"cam0\"\n\
                  profile = \"p\"\nsource = { kind = \"synthetic\" }\n";
    std::fs::write(folder.path().join("c.toml"), config).unwrap();
    let script = "$INSPECTD calibrate --camera cam0 --config c.toml --film-only --json; \
                  test -s disk/footage/cam0/*/footage.json; \
                  df --output=avail -k disk | tail -1";
    let output = with_disk(folder.path(), "2000k", script);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let listed = listed(&output);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].contains(r#""ended_by":"the disk is full""#),
        "{listed}"
    );
    // A twentieth stays free, but for the notes and the folders.
    let free: u64 = lines[1].trim().parse().unwrap();
    assert!((60..400).contains(&free), "{free} kB are free");
}

#[test]
fn a_full_disk_under_standard_output_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$INSPECTD teacher inspect >/dev/full";
    let output = with_disk(folder.path(), "100k", script);
    refused(&output, 74, &["standard output", "No space left"]);
}
