//! What the package puts onto a board: units, user, folders, configuration. Judged by systemd's own tools,
//! offline; that it works on a board is `tests/board/run service`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const UNITS: [&str; 2] = ["inspectd.service", "inspectd-calibrate@.service"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `[package.metadata.deb]` puts where: source, destination, mode.
fn assets() -> Vec<[String; 3]> {
    let manifest = fs::read_to_string(here().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let assets = &manifest["package"]["metadata"]["deb"]["assets"];
    let assets = assets.as_array().unwrap().iter();
    assets
        .map(|asset| [0, 1, 2].map(|part| asset[part].as_str().unwrap().to_owned()))
        .collect()
}

/// The units with their drop-ins below a folder, where the package puts them; `program` is what they start.
fn installed(program: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for [source, destination, _] in assets() {
        if !(source.starts_with("systemd/") && destination.contains("/systemd/system/")) {
            continue;
        }
        let text = fs::read_to_string(here().join(&source)).unwrap();
        let text = text.replace("/usr/bin/inspectd", program);
        let folder = root.path().join(destination.as_str());
        fs::create_dir_all(&folder).unwrap();
        let name = Path::new(&source).file_name().unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    for unit in UNITS {
        let units = root.path().join("usr/lib/systemd/system");
        let text = fs::read_to_string(units.join(unit)).unwrap();
        assert!(text.contains(&format!("ExecStart={program} ")), "{unit}");
        assert!(
            units.join(format!("{unit}.d/hardening.conf")).is_file(),
            "{unit}"
        );
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
    // Other units of the machine are none of ours.
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    let output = analyze(&[&verify[..], &[&paths[0], &paths[1]]].concat());
    assert!(output.status.success(), "{}", told(&output));
    assert!(!told(&output).contains("inspectd"), "{}", told(&output));
}

#[test]
fn the_package_holds_files_that_exist_and_the_programs_version() {
    let assets = assets();
    let (built, kept): (Vec<_>, Vec<_>) =
        (assets.iter()).partition(|[source, ..]| source.starts_with("target/"));
    assert!(!built.is_empty());
    for [source, ..] in kept {
        assert!(here().join(source).is_file(), "{source}");
    }
    // A tarball with a folder /lib, unpacked where that is a link, would take the system's libraries away.
    for [_, destination, _] in &assets {
        let is_merged = ["usr/", "etc/"]
            .iter()
            .any(|top| destination.starts_with(top));
        assert!(is_merged, "{destination}");
    }
    for name in fs::read_dir(here().join("systemd")).unwrap() {
        let name = format!("systemd/{}", name.unwrap().file_name().display());
        let is_there = assets.iter().any(|[source, ..]| *source == name);
        assert!(is_there, "{name} is left out");
    }
    let changelog = fs::read_to_string(here().join("cross/deb/changelog")).unwrap();
    let version = concat!("inspectd (", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(version), "{changelog}");
}

/// The configuration that is installed keeps its state where the units let it write.
#[test]
fn the_shipped_configuration_and_the_units_name_the_same_folders() {
    let [source, destination, mode] = &assets()[1];
    assert_eq!(
        (destination.as_str(), mode.as_str()),
        ("etc/inspectd/config.toml", "640")
    );
    let config = fs::read_to_string(here().join(source)).unwrap();
    let config: toml::Table = config.parse().unwrap();
    let camera = &config["camera"].as_array().unwrap()[0];
    let profile = Path::new(camera["profile"].as_str().unwrap());
    let profiles = Path::new("/var/lib/inspectd/profiles");
    assert_eq!(profile.parent(), Some(profiles));
    let tmpfiles = fs::read_to_string(here().join("systemd/inspectd.tmpfiles")).unwrap();
    let line = format!("d {} ", profiles.display());
    assert!(tmpfiles.contains(&line), "{tmpfiles}");
    // Drop-ins lie in a folder of the configuration's own name.
    assert!(tmpfiles.contains("d /etc/inspectd/config.d "), "{tmpfiles}");
    let calibrate = fs::read_to_string(here().join("systemd/inspectd-calibrate@.service")).unwrap();
    assert!(calibrate.contains("\nEnvironmentFile=-/run/inspectd/calibrate-%i.env\n"));
    assert!(tmpfiles.contains("d /run/inspectd "), "{tmpfiles}");
    for unit in UNITS {
        let text = fs::read_to_string(here().join("systemd").join(unit)).unwrap();
        assert!(text.contains("\nStateDirectory=inspectd inspectd/profiles\n"));
        assert!(text.contains("\nLoadCredential=mqtt:/etc/inspectd/credentials\n"));
        assert!(text.contains(" --config /etc/inspectd/config.toml"));
    }
}
