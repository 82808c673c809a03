"""The daemon on a virtual board, one camera fault after the other: draws what the webcam plays, records what the
guest's cameras show, calibrates, boots, makes the faults. Writes board.md, board.json, messages and the
daemon's log."""

import json
import shutil
import subprocess
import sys

import cameras_report
from board import HERE, Guest, call, free_ports, need

FRAMES = 40
WEBCAM = "/dev/v4l/by-id/usb-Test_USBIP_UVC_test_camera_SN0001-video-index0"
VIVID = "/dev/v4l/by-path/platform-vivid.0-video-index0"
# Every judged frame of the webcam shall be seen, and a state is published once a second at most.
WEBCAM_FPS, VIVID_FPS = 0.9, 2


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


def calibrate(binary, board, footage):
    """A Profile for each kind of picture, and what the host makes of the webcam's own, by kind."""
    teacher = ["--teacher", board / "teacher.onnx"]
    known = {}
    for name, folder in footage.items():
        call(binary, "calibrate", *teacher, "--footage", folder, "--out", board / name, "--epochs", 2)
        lines = call(binary, "score", *teacher, "--profile", board / name, "--json", *sorted(folder.iterdir()))
        known[name] = [json.loads(line)["raw"] for line in lines.splitlines()]
    return known


def run(work, binary):
    """All of it; the exit status."""
    for program in ("qemu-system-x86_64", "ffmpeg", "socat"):
        need(shutil.which(program), f"{program} is not installed")
    need(binary.exists(), f"there is no {binary}: build it first (cargo build --release)")
    ports = free_ports(2)
    guest = Guest("cameras.sh", work, "amd64")
    (guest.folder / "ports").write_text(f"USBIP={ports[0]}\nCONTROL={ports[1]}\n")
    board = guest.folder / "board"
    board.mkdir()
    draw(work / "webcam")
    call(sys.executable, HERE / "teacher.py", board / "teacher.onnx")
    webcam = [sys.executable, guest.scripts / "uvc-usbip.py", "--port", ports[0], "--ctl", ports[1], "--jpeg", work / "webcam"]
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
        known = calibrate(binary, board, footage)
        shutil.copy(binary, board / "inspectd")
        configure(board)
        guest.run("faults", work / "faults", 1500)
    finally:
        webcam.terminate()
        webcam.wait()
    return cameras_report.write(work, known)
