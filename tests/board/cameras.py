#!/usr/bin/env python3
"""tests/board/run [--out DIR] [--binary FILE]: the daemon on a virtual board, one camera fault after the other.

Needs INSPECTD_BOARD (the folder with run-guest.sh and uvc-usbip.py, and an image built by them), qemu, ffmpeg
and target/release/inspectd, which it does not build. Writes board.md, board.json, messages and the daemon's
log to DIR (default: target/board) and ends with 1 where a limit is broken, 2 where it could not be run."""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import report  # noqa: E402

FRAMES = 40
WEBCAM = "/dev/v4l/by-id/usb-Test_USBIP_UVC_test_camera_SN0001-video-index0"
VIVID = "/dev/v4l/by-path/platform-vivid.0-video-index0"
# Every judged frame of the webcam shall be seen, and a state is published once a second at most.
WEBCAM_FPS, VIVID_FPS = 0.9, 2


def need(found, text):
    if not found:
        print(f"tests/board/run: {text}", file=sys.stderr)
        sys.exit(2)


def call(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    need(done.returncode == 0, f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def free_ports(count):
    """Ports that are free now; the webcam's program can't choose by itself."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def draw(folder):
    """What the webcam plays: moving shapes with noise, in each size that it offers."""
    folder.mkdir(parents=True)
    for size in ("320x240", "640x480", "1280x720"):
        scene = f"testsrc2=size={size}:rate=5,noise=alls=8:allf=t"
        frames = FRAMES if size == "320x240" else 2
        call("ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene, "-frames:v", frames, "-q:v", 3, folder / f"{size}-%03d.jpg")


def unpack(raw, pixels, size, folder):
    """A recording as PNG files."""
    folder.mkdir()
    call("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-i", raw, folder / "%03d.png")
    return folder


def decode_grey(raw, decoded):
    """YUYV without colour as RGB, rounded as the daemon rounds it, so that the scores are the same."""
    recorded = raw.read_bytes()
    need(set(recorded[1::2]) == {128}, f"{raw} has colour: it is not what uvc-usbip.py plays")
    level = bytes(min(255, max(0, (9539 * (luma - 16) + 4096) >> 13)) for luma in range(256))
    grey = recorded[::2].translate(level)
    rgb = bytearray(3 * len(grey))
    rgb[0::3] = rgb[1::3] = rgb[2::3] = grey
    decoded.write_bytes(rgb)
    return decoded


def camera(name, profile, device, size, form, fps):
    return (
        f'[[camera]]\nname = "{name}"\nprofile = "{profile}"\nfps = {fps}\n'
        # The pictures are test patterns in which everything moves: only faults of the camera are of interest.
        'scene = "off"\n'
        f'source = {{ kind = "v4l2", device = "{device}", size = "{size}", format = "{form}" }}\n'
    )


def configure(board):
    head = '[node]\nname = "board"\nstate_dir = "state"\n[teacher]\npath = "teacher.onnx"\n[mqtt]\nhost = "127.0.0.1"\n'
    vivid = camera("vivid", "vivid", VIVID, "320x180", "yuyv", VIVID_FPS)
    for form in ("mjpeg", "yuyv"):
        webcam = camera("webcam", form, WEBCAM, "320x240", form, WEBCAM_FPS)
        (board / f"{form}.toml").write_text(head + webcam + vivid)


class Guest:
    def __init__(self, scripts, work, ports):
        self.scripts, self.work = scripts, work
        self.folder = work / "in"
        self.folder.mkdir()
        (self.folder / "ports").write_text(f"USBIP={ports[0]}\nCONTROL={ports[1]}\n")

    def run(self, what, out, seconds):
        """Runs one part of guest.sh; its results are in `out`."""
        script = self.work / f"{what}.sh"
        script.write_text(f"WHAT={what}\n{(HERE / 'guest.sh').read_text()}")
        # Booted each time: a guest resumed on a busy host may stay paused.
        command = [self.scripts / "run-guest.sh", "-N", "-x", "-a", "amd64", "-i", self.folder, "-o", out, "-t", seconds, script]
        guest = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status = guest.wait()
        finally:
            if guest.poll() is None:  # interrupted: the emulator goes with its script
                os.killpg(guest.pid, signal.SIGTERM)
                guest.wait()
        log = (out / "log").read_text() if (out / "log").exists() else ""
        need(status == 0, f"the guest ended with {status} (124: time limit, 125: died) in part {what}:\n{log[-3000:]}")


def calibrate(binary, board, footage):
    """A Profile for each kind of picture, and what the host makes of the webcam's own, by kind."""
    teacher = ["--teacher", board / "teacher.onnx"]
    known = {}
    for name, folder in footage.items():
        call(binary, "calibrate", *teacher, "--footage", folder, "--out", board / name, "--epochs", 2)
        lines = call(binary, "score", *teacher, "--profile", board / name, "--json", *sorted(folder.iterdir()))
        known[name] = [json.loads(line)["raw"] for line in lines.splitlines()]
    return known


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=HERE.parents[1] / "target/board")
    options.add_argument("--binary", type=Path, default=HERE.parents[1] / "target/release/inspectd")
    options = options.parse_args()
    scripts = os.environ.get("INSPECTD_BOARD")
    need(scripts, "INSPECTD_BOARD is not set: the folder with the board's run-guest.sh and uvc-usbip.py")
    scripts = Path(scripts)
    for name in ("run-guest.sh", "uvc-usbip.py"):
        need((scripts / name).exists(), f"there is no {name} in INSPECTD_BOARD ({scripts})")
    for program in ("qemu-system-x86_64", "ffmpeg", "socat"):
        need(shutil.which(program), f"{program} is not installed")
    need(options.binary.exists(), f"there is no {options.binary}: build it first (cargo build --release)")

    # Whoever ends us ends the guest and the webcam as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    work = options.out.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ports = free_ports(2)
    guest = Guest(scripts, work, ports)
    board = guest.folder / "board"
    board.mkdir()
    draw(work / "webcam")
    call(sys.executable, HERE / "teacher.py", board / "teacher.onnx")
    webcam = [sys.executable, scripts / "uvc-usbip.py", "--port", ports[0], "--ctl", ports[1], "--jpeg", work / "webcam"]
    with open(work / "webcam.log", "w") as log:
        webcam = subprocess.Popen([str(part) for part in webcam], stdout=log, stderr=log)
    try:
        guest.run("record", work / "recorded", 300)
        mjpeg = work / "mjpeg"
        mjpeg.mkdir()
        for picture in (work / "webcam").glob("320x240-*.jpg"):
            shutil.copy(picture, mjpeg)
        footage = {
            "mjpeg": mjpeg,
            "yuyv": unpack(decode_grey(work / "recorded/yuyv.raw", work / "yuyv.rgb"), "rgb24", "320x240", work / "yuyv"),
            "vivid": unpack(work / "recorded/vivid.raw", "yuyv422", "320x180", work / "vivid"),
        }
        known = calibrate(options.binary, board, footage)
        shutil.copy(options.binary, board / "inspectd")
        configure(board)
        guest.run("faults", work / "faults", 1500)
    finally:
        webcam.terminate()
        webcam.wait()
    sys.exit(report.write(work, known))


main()
