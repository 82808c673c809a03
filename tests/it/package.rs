//! What the package puts onto a board: units, user, folders, configuration. Judged by systemd's own tools,
//! offline; that it works on a board is `tests/board/run service`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UNITS: [&str; 2] = ["inspectd.service", "inspectd-calibrate@.service"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The units with their drop-ins as they are installed, below a folder; `program` is what they start.
fn installed(program: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("usr/lib/systemd/system");
    for unit in UNITS {
        let drop_ins = units.join(format!("{unit}.d"));
        fs::create_dir_all(&drop_ins).unwrap();
        fs::copy(
            here().join("systemd/hardening.conf"),
            drop_ins.join("hardening.conf"),
        )
        .unwrap();
        let text = fs::read_to_string(here().join("systemd").join(unit)).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/inspectd "), "{unit}");
        fs::write(units.join(unit), text.replace("/usr/bin/inspectd", program)).unwrap();
    }
    root
}

fn analyze(arguments: &[&str]) -> Output {
    let output = Command::new("systemd-analyze").args(arguments).output();
    output.expect("systemd-analyze, from Debian's package systemd")
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[test]
fn both_units_are_exposed_by_at_most_one_and_a_half() {
    let root = installed("/usr/bin/inspectd");
    let root = format!("--root={}", root.path().display());
    let units = ["inspectd.service", "inspectd-calibrate@cam0.service"];
    let security = ["security", "--offline=true", "--threshold=15", &root];
    let output = analyze(&[&security[..], &units].concat());
    assert!(output.status.success(), "{}", told(&output));
    let overall = told(&output).matches("Overall exposure level").count();
    assert_eq!(overall, units.len(), "{}", told(&output));
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let root = installed(env!("CARGO_BIN_EXE_inspectd"));
    let unit = |name: &str| {
        let path = root.path().join("usr/lib/systemd/system").join(name);
        path.to_string_lossy().into_owned()
    };
    let paths = [
        unit("inspectd.service"),
        unit("inspectd-calibrate@.service"),
    ];
    let output = analyze(&["verify", "--man=no", &paths[0], &paths[1]]);
    assert!(output.status.success(), "{}", told(&output));
    // Other units of the machine are none of ours.
    assert!(!told(&output).contains("inspectd"), "{}", told(&output));
}

#[test]
fn the_package_holds_files_that_exist_and_the_programs_version() {
    let manifest = fs::read_to_string(here().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let package = manifest["package"].as_table().unwrap();
    let deb = package["metadata"]["deb"].as_table().unwrap();
    let assets = deb["assets"].as_array().unwrap();
    let sources: Vec<PathBuf> = assets
        .iter()
        .map(|asset| asset[0].as_str().unwrap().into())
        .collect();
    let (built, kept): (Vec<_>, Vec<_>) =
        sources.iter().partition(|path| path.starts_with("target"));
    assert!(!built.is_empty());
    for path in kept {
        assert!(here().join(path).is_file(), "{}", path.display());
    }
    for name in fs::read_dir(here().join("systemd")).unwrap() {
        let name = Path::new("systemd").join(name.unwrap().file_name());
        assert!(sources.contains(&name), "{} is left out", name.display());
    }
    let changelog = fs::read_to_string(here().join("cross/deb/changelog")).unwrap();
    let version = format!("inspectd ({}-", package["version"].as_str().unwrap());
    assert!(changelog.starts_with(&version), "{changelog}");
}

/// The configuration that is installed keeps its state where the units let it write.
#[test]
fn the_shipped_configuration_and_the_units_name_the_same_folders() {
    let config = fs::read_to_string(here().join("config/inspectd.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    let camera = &config["camera"].as_array().unwrap()[0];
    let profile = Path::new(camera["profile"].as_str().unwrap());
    let profiles = Path::new("/var/lib/inspectd/profiles");
    assert_eq!(profile.parent(), Some(profiles));
    let tmpfiles = fs::read_to_string(here().join("systemd/inspectd.tmpfiles")).unwrap();
    let line = format!("d {} ", profiles.display());
    assert!(tmpfiles.contains(&line), "{tmpfiles}");
    for unit in UNITS {
        let text = fs::read_to_string(here().join("systemd").join(unit)).unwrap();
        assert!(text.contains("\nStateDirectory=inspectd inspectd/profiles\n"));
        assert!(text.contains("\nLoadCredential=mqtt:/etc/inspectd/credentials\n"));
        assert!(text.contains(" --config /etc/inspectd/config.toml"));
    }
}
