"""What both parts of the board's tests use: programs of the host, ports, and a guest that is booted for each
script. It knows nothing of inspectd."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


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


def scripts():
    """The folder that INSPECTD_BOARD names."""
    folder = os.environ.get("INSPECTD_BOARD")
    need(folder, "INSPECTD_BOARD is not set: the folder with the board's run-guest.sh and uvc-usbip.py")
    folder = Path(folder)
    for name in ("run-guest.sh", "uvc-usbip.py"):
        need((folder / name).exists(), f"there is no {name} in INSPECTD_BOARD ({folder})")
    return folder


class Guest:
    """A machine that runs one part of a script at a boot. With a `disk`, what it writes stays, and it can lose
    its power. One that is `counting` has a single core, and a clock that counts its instructions."""

    def __init__(self, script, work, arch, disk=None, counting=False):
        self.script, self.work, self.arch, self.disk = HERE / script, work, arch, disk
        self.scripts = scripts()
        self.program = self.scripts / "run-guest.sh"
        self.folder = work / "in"
        self.folder.mkdir()
        self.counting = counting
        if counting:  # which excludes the threads that the script asks qemu for
            text = self.program.read_text()
            need("thread=multi" in text, f"{self.program} does not say thread=multi any more")
            self.program = work / "run-guest.sh"
            self.program.write_text(text.replace("thread=multi", "thread=single"))
            self.program.chmod(0o755)

    def run(self, what, out, seconds, processor=None, cut_after=None):
        """Runs a part; its results are in `out`. `cut_after`: the power goes so many seconds after the part
        has made /host/out/cut-me."""
        script = self.work / f"{out.name}.sh"
        script.write_text(f"WHAT='{what}'\n{self.script.read_text()}")
        # Booted each time: a guest resumed on a busy host may stay paused.
        options = ["-N", "-x", "-a", self.arch, "-i", self.folder, "-o", out, "-t", seconds]
        if self.disk:
            options += ["-p", "-d", self.disk]
        if cut_after:
            options += ["-k", cut_after]
        if processor:
            options += ["-c", processor]
        more = []
        if self.counting:
            options += ["-n", 1]
            more = ["-icount", "shift=0,sleep=off"]
        command = [str(part) for part in [self.program, *options, script, *more]]
        guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status = guest.wait()
        finally:
            if guest.poll() is None:  # interrupted: the emulator goes with its script
                os.killpg(guest.pid, signal.SIGTERM)
                guest.wait()
        log = (out / "log").read_text() if (out / "log").exists() else ""
        need(status == 0, f"the guest ended with {status} (124: time limit, 125: died) in part {what}:\n{log[-3000:]}")
