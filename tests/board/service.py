"""The package on a virtual board, from its installation to its removal: a disk that stays, one boot after the
other, three of which end by a power cut. Writes service.md, service.json, and what each boot left."""

import os
import shutil
import sys
from pathlib import Path

import service_report
from board import HERE, Guest, call, need

CONFIG = """
[node]
name = "board"
[teacher]
path = "/usr/local/share/inspectd/teacher.onnx"
[mqtt]
host = "127.0.0.1"
username = "board"
password_file = "$CREDENTIALS_DIRECTORY/mqtt_password"
retry_max_s = 5
[sink]
jsonl = "/host/out/accepted.jsonl"
[incident]
hits = 2
window = 3
cooldown_s = 0
hourly_cap = 1000
[[camera]]
name = "vivid"
profile = "/var/lib/inspectd/profiles/vivid"
fps = 2
scene = "off"
drift = "off"
settle_s = 0
frozen_after_s = 0
source = { kind = "v4l2", device = "/dev/v4l/by-path/platform-vivid.0-video-index0", size = "320x180", format = "yuyv" }
"""

# Seconds that a part may take, on a processor that is emulated, on a busy host.
LIMITS = {"install": 1500, "faults": 1800, "read_only": 600, "remove": 900}
# From the moment that a part is ready until its power goes.
CUTS = {"spool": 5, "switch": 7, "footage": 4}


def image(arch):
    """The disk that the board's scripts have built."""
    folder = Path(os.environ.get("VMDIR", Path.home() / ".cache/inspectd-board")) / f"img-{arch}"
    need((folder / "root.ext4").exists(), f"there is no image in {folder}: build it by the board's build-image.sh")
    return folder / "root.ext4"


def package(packages, arch):
    """The one package for this processor."""
    found = sorted(packages.glob(f"inspectd_*_{arch}.deb"))
    need(len(found) == 1, f"{len(found)} packages inspectd_*_{arch}.deb in {packages}: build one by cross/package {arch}")
    top = HERE.parents[1]
    sources = [top / "Cargo.toml", *top.glob("src/**/*.rs"), *top.glob("systemd/*"), *top.glob("cross/deb/*"), *top.glob("config/*")]
    newer = [str(path) for path in sources if path.stat().st_mtime > found[0].stat().st_mtime]
    need(not newer, f"{found[0]} is older than {', '.join(newer)}: build it anew by cross/package {arch}")
    return found[0]


def later_version(deb, work):
    """The same package with a higher version, and another configuration."""
    tree = work / "later"
    call("dpkg-deb", "--raw-extract", deb, tree)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    lines = [f"{line}+later" if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join(lines) + "\n")
    with open(tree / "etc/inspectd/config.toml", "a") as config:
        config.write("# a later version of the manual\n")
    call("dpkg-deb", "--root-owner-group", "--build", "-Znone", tree, work / "in/inspectd_2.deb")
    shutil.rmtree(tree)


def run(work, packages, arch):
    """All of it; the exit status."""
    emulator = {"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}[arch]
    for program in (emulator, "dpkg-deb"):
        need(shutil.which(program), f"{program} is not installed")
    deb = package(packages, arch)
    disk = work / "disk"
    call("cp", "--sparse=always", image(arch), disk)
    guest = Guest("service.sh", work, arch, disk)
    shutil.copy(deb, guest.folder / "inspectd_1.deb")
    later_version(deb, work)
    call(sys.executable, HERE / "teacher.py", guest.folder / "teacher.onnx")
    (guest.folder / "config.toml").write_text(CONFIG)
    guest.run("install", work / "install", LIMITS["install"])
    guest.run("faults", work / "faults", LIMITS["faults"])
    for what, seconds in CUTS.items():
        guest.run(f"cut_{what}", work / f"cut_{what}", 900, cut_after=seconds)
        guest.run(f"after_{what}", work / f"after_{what}", 600)
    guest.run("read_only", work / "read_only", LIMITS["read_only"])
    guest.run("remove", work / "remove", LIMITS["remove"])
    disk.unlink()
    return service_report.write(work, arch, {"package_bytes": deb.stat().st_size})
