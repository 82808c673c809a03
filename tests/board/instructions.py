"""How many instructions a teacher takes for a frame, on processors that are not at hand: the guest's clock counts them
(qemu's -icount). How long an instruction takes only a board can show. Writes instructions.md and .json."""

import json
import shutil

from board import HERE, Guest, need

# As qemu names them, and whether they reckon in half precision.
PROCESSORS = {"cortex-a53": False, "cortex-a72": False, "cortex-a55": True, "cortex-a76": True}


def teachers(folder):
    """The bundled teachers, for each precision; their names."""
    for name in ("teacher", "teacher-nano"):
        file = HERE.parents[1] / "models" / f"{name}.onnx"
        side = file.with_suffix(".toml").read_text()
        for precision in ("f32", "f16"):
            shutil.copy(file, folder / f"{name}-{precision}.onnx")
            (folder / f"{name}-{precision}.toml").write_text(f'{side}precision = "{precision}"\n')
            yield f"{name}-{precision}"


def run(work, program):
    """All of it; the exit status."""
    need(shutil.which("qemu-system-aarch64"), "qemu-system-aarch64 is not installed")
    need(program.exists(), f"there is no {program}: build it by cross/build")
    guest = Guest("instructions.sh", work, "arm64", counting=True)
    shutil.copy(program, guest.folder / "inspectd")
    names = list(teachers(guest.folder))
    rows = []
    for processor, has_half in PROCESSORS.items():
        out = work / processor
        guest.run(" ".join(name for name in names if has_half or name.endswith("f32")), out, 1200, processor)
        for line in (out / "found").read_text().splitlines():
            name, found = line.split(" ", 1)
            rows.append({"processor": processor, "teacher": name, "millions": json.loads(found)["frame_ms"]})
    text = ["| processor | teacher | instructions for a frame, millions |", "| --- | --- | --- |"]
    text += ["| {processor} | {teacher} | {millions:.0f} |".format(**row) for row in rows]
    (work / "instructions.md").write_text("\n".join(text) + "\n")
    (work / "instructions.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(text))
    return 0
