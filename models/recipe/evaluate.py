"""Measure teachers by inspectd itself on pictures that none was trained on: image AUROC of its default score.

Sets: magnetic tile (300 normal to fit; 200 other normal, and the defects), CIFAR-10 airplane, cat and ship (400 of the
class; 1,000 of all ten), and the synthetic scene (`cargo run --release --example synthetic_scene -- FOLDER`).
The first row is a baseline that needs no teacher: a Gaussian on the principal components of raw pixels.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

FOLDERS = ("fit", "normal", "bad")


def sets(data, scene):
    """Files of every set: to fit, normal to judge, and anomalous."""
    def files(folder):
        return sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png"))

    tile = files(data / "magnetic-tile/normal")
    found = {"magnetic-tile": (tile[::2], [f for k, f in enumerate(tile) if k % 6 in (3, 5)],
                               files(data / "magnetic-tile/defect"))}
    test = files(data / "cifar10/test")
    for name in ("airplane", "cat", "ship"):
        found[name] = (files(data / "cifar10" / name / "train")[:400],
                       [f for f in test if f.name.startswith(name)], [f for f in test if not f.name.startswith(name)])
    if scene:
        found["scene"] = tuple(files(scene / part) for part in FOLDERS)
    return found


def link(files, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def pixels(fit, normal, bad, size=32):
    """Raw pixels, PCA that explains 0.99 of the variance, whitened; the squared length is the score."""
    def load(files):
        pictures = (Image.open(f).convert("RGB").resize((size, size), Image.BILINEAR) for f in files)
        return np.stack([np.asarray(picture, np.float64).ravel() for picture in pictures])

    pca = PCA(0.99, whiten=True, svd_solver="full").fit(load(fit))
    scores = [(pca.transform(load(files)) ** 2).sum(1) for files in (normal, bad)]
    return roc_auc_score([0] * len(normal) + [1] * len(bad), np.concatenate(scores))


def judged(program, teacher, folder, profile):
    """AUROC of every score of inspectd, by name."""
    chosen = ["--teacher", str(teacher)]
    calibrate = [program, "calibrate", "--footage", folder / "fit", "--out", profile, "--false-alarms", "1%", *chosen]
    table = profile.with_name(f"{profile.name}.json")
    evaluate = [program, "evaluate", "--profile", profile, "--normal", folder / "normal", "--anomalous", folder / "bad",
                "--json", table, *chosen]
    for command in (calibrate, evaluate):
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    found = json.loads(table.read_text())
    if missing := found["unjudged"]:
        raise SystemExit(f"{table}: {len(missing)} pictures were not judged, the first is {missing[0]}")
    return {row["score"]: row["auroc"] for row in found["scores"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teachers", type=Path, nargs="*", metavar="ONNX")
    parser.add_argument("--data", type=Path, required=True, help="folder with magnetic-tile/ and cifar10/")
    parser.add_argument("--scene", type=Path, help="folder that the example synthetic_scene wrote")
    parser.add_argument("--inspectd", default="target/release/inspectd", help="the program")
    parser.add_argument("--work", type=Path, required=True, help="folder for links and Profiles")
    parser.add_argument("--scores", action="store_true", help="also print the AUROC of every score")
    args = parser.parse_args()
    if len({teacher.stem for teacher in args.teachers}) < len(args.teachers):
        parser.error("two teachers have the same name")

    found = sets(args.data, args.scene)
    for name, parts in found.items():
        for part, files in zip(FOLDERS, parts):
            link(files, args.work / "sets" / name / part)
    print(" | ".join(["teacher", *found, "mean"]))

    def show(name, row):
        print(" | ".join([name, *(f"{v:.3f}" for v in [*row, np.mean(row)])]), flush=True)

    show("raw pixels", [pixels(*parts) for parts in found.values()])
    for teacher in args.teachers:
        tables = [judged(args.inspectd, teacher, args.work / "sets" / name, args.work / f"{teacher.stem}-{name}")
                  for name in found]
        show(teacher.stem, [table["default"] for table in tables])
        if args.scores:
            for score in tables[0]:
                show(f"  {score}", [table[score] for table in tables])


if __name__ == "__main__":
    main()
