#!/usr/bin/env python3
"""An independent reference for inspectd's numbers, by scikit-learn and SciPy.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install scikit-learn scipy
    /tmp/oracle/bin/python tests/oracle/paper_scores.py golden
    /tmp/oracle/bin/python tests/oracle/paper_scores.py check --fit DIR --dump DIR

`golden` rewrites golden.json and sample.npy beside this file: seeded random features and what
scikit-learn makes of them. The unit tests of score/ and evaluate/ read these.

`check` recomputes the paper's scores of real footage. `--dump` is the folder that
`inspectd evaluate --dump` wrote (z.npy, d.npy and scores.csv, rows in the same order); `--fit` is
the folder with z.npy and d.npy of the calibration frames that the Profile's statistics were
fitted on. It prints the largest relative difference per column and fails above --tolerance.
"""

import argparse
import csv
import json
import pathlib
import sys

import numpy as np
from scipy import ndimage
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.mixture import GaussianMixture

HERE = pathlib.Path(__file__).resolve().parent
EXPLAINED_SHARE = 0.9
RIDGE = 1e-6


def kept_components(z):
    """0-based index of the first cumulative share of variance above 0.9, at least 1."""
    shares = PCA(svd_solver="full").fit(z).explained_variance_ratio_
    return max(1, int(np.argmax(np.cumsum(shares) > EXPLAINED_SHARE)))


def paper_scores(fit_z, fit_d, z, d):
    """Minus the log-likelihoods of both branches; float64 throughout."""
    fit_z, fit_d, z, d = (np.asarray(a, dtype=np.float64) for a in (fit_z, fit_d, z, d))
    k = kept_components(fit_z)
    pca = PCA(n_components=k, whiten=True, svd_solver="full").fit(fit_z)
    branch_z = GaussianMixture(1, reg_covar=RIDGE).fit(pca.transform(fit_z))
    branch_d = GaussianMixture(1, reg_covar=RIDGE).fit(fit_d)
    return k, -branch_z.score_samples(pca.transform(z)), -branch_d.score_samples(d)


def features(rng, frames, mixing, spread):
    """Correlated features, in float32 as the models give them."""
    z = rng.standard_normal((frames, mixing.shape[0])) @ mixing + 0.5
    d = -np.exp(rng.standard_normal((frames, 10)) * 0.2) * spread
    return z.astype(np.float32), d


def ledoit_wolf_case(fit, test):
    fit, test = fit.astype(np.float64), test.astype(np.float64)
    estimate = LedoitWolf().fit(fit)
    return {
        "fit": fit.tolist(),
        "test": test.tolist(),
        "shrinkage": estimate.shrinkage_,
        "covariance": estimate.covariance_.tolist(),
        "mahalanobis_squared": estimate.mahalanobis(test).tolist(),
    }


def paper_case(rng):
    mixing = rng.standard_normal((24, 24)) * (0.75 ** np.arange(24))[:, None]
    fit_z, fit_d = features(rng, 60, mixing, 0.02)
    z, d = features(rng, 20, mixing, 0.03)
    k, pretrained, discrepancy = paper_scores(fit_z, fit_d, z, d)
    arrays = {"fit_z": fit_z, "fit_d": fit_d, "z": z, "d": d}
    case = {name: array.tolist() for name, array in arrays.items()}
    return case | {
        "components": k,
        "pretrained": pretrained.tolist(),
        "discrepancy": discrepancy.tolist(),
    }


def image_case(scores, labels):
    precision, recall, _ = precision_recall_curve(labels, scores)
    both = precision + recall
    f1 = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return {
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "auroc": roc_auc_score(labels, scores),
        "average_precision": average_precision_score(labels, scores),
        "f1_max": f1.max(),
        "fpr_at_95_recall": fpr[tpr >= 0.95].min(),
    }


def aupro(maps, masks, limit=0.3):
    """MVTec's definition, threshold by threshold: mean overlap of the 8-connected regions against
    the rate of false positives over all normal pixels, integrated up to `limit`."""
    regions = []
    for i, mask in enumerate(masks):
        labelled, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [maps[i][labelled == region] for region in range(1, count + 1)]
    normal = np.concatenate([m[~mask] for m, mask in zip(maps, masks)])
    thresholds = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    fpr = np.array([0.0] + [(normal >= t).mean() for t in thresholds])
    pro = np.array([0.0] + [np.mean([(r >= t).mean() for r in regions]) for t in thresholds])
    inside = fpr <= limit
    x, y = fpr[inside], pro[inside]
    if x[-1] < limit:
        after = int(inside.sum())
        share = (limit - fpr[after - 1]) / (fpr[after] - fpr[after - 1])
        x = np.append(x, limit)
        y = np.append(y, pro[after - 1] + share * (pro[after] - pro[after - 1]))
    return np.trapezoid(y, x) / limit


def pixel_case(rng, levels):
    """Three pictures of 12 x 16, one without a defect; `levels` makes ties."""
    masks = np.zeros((3, 12, 16), dtype=bool)
    masks[0, 2:5, 3:9] = True
    masks[0, 5, 9] = True  # touches the block by a corner: one region
    masks[0, 9:11, 1:3] = True
    masks[1, 0, 15] = masks[1, 6:12, 0] = True
    maps = rng.standard_normal(masks.shape) + 1.2 * ndimage.gaussian_filter(masks * 2.0, (0, 1, 1))
    maps = (np.round(maps * levels) / levels).astype(np.float32)
    return {
        "width": 16,
        "maps": maps.reshape(3, -1).tolist(),
        "masks": masks.reshape(3, -1).tolist(),
        "auroc": roc_auc_score(masks.ravel(), maps.ravel()),
        "aupro": aupro(maps, masks),
    }


def golden():
    rng = np.random.default_rng(20211204)
    tall = rng.standard_normal((8, 8)) * np.linspace(0.1, 2, 8)
    wide = rng.standard_normal((30, 30)) * np.linspace(0.01, 3, 30)
    constant = rng.standard_normal((12, 6))
    constant[:, 2] = 0.25
    scores = rng.standard_normal(70)
    labels = rng.random(70) < 0.4
    data = {
        "paper": paper_case(rng),
        "ledoit_wolf": {
            "more frames than dimensions": ledoit_wolf_case(
                rng.standard_normal((40, 8)) @ tall + 3, rng.standard_normal((5, 8)) @ tall + 3
            ),
            "fewer frames than dimensions": ledoit_wolf_case(
                rng.standard_normal((9, 30)) @ wide, rng.standard_normal((4, 30)) @ wide
            ),
            "a constant feature": ledoit_wolf_case(constant, rng.standard_normal((3, 6))),
            "one dimension": ledoit_wolf_case(
                rng.standard_normal((7, 1)), rng.standard_normal((3, 1))
            ),
        },
        "image": {
            "distinct": image_case(scores + labels, labels),
            "ties": image_case(np.round(scores + labels), labels),
        },
        "pixel": {"distinct": pixel_case(rng, 1e6), "ties": pixel_case(rng, 2)},
    }
    text = json.dumps(data, separators=(",", ":")).replace('},"', '},\n"')
    (HERE / "golden.json").write_text(text + "\n")
    np.save(HERE / "sample.npy", np.array([[1.5, -2.0, 0.1], [0.0, 3e-9, 7.0]], dtype=np.float32))


def check(fit, dump, tolerance):
    load = lambda folder, name: np.load(pathlib.Path(folder) / f"{name}.npy")
    fit_z, fit_d, z, d = load(fit, "z"), load(fit, "d"), load(dump, "z"), load(dump, "d")
    with open(pathlib.Path(dump) / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if not len(rows) == len(z) == len(d):
        sys.exit(f"{dump}: {len(rows)} rows in scores.csv, {len(z)} in z.npy, {len(d)} in d.npy")
    k, pretrained, discrepancy = paper_scores(fit_z, fit_d, z, d)
    print(f"{len(fit_z)} frames fitted, {len(z)} scored, {k} components")
    reference = {
        "pretrained": pretrained,
        "discrepancy": discrepancy,
        "paper": pretrained + discrepancy,
    }
    worst = 0.0
    for name, expected in reference.items():
        found = np.array([float(row[name]) for row in rows])
        # A log-likelihood may pass through zero, so the scale is at least the median size.
        scale = np.maximum(np.abs(expected), np.median(np.abs(expected)))
        difference = float(np.max(np.abs(found - expected) / scale))
        print(f"{name}: largest relative difference {difference:.2e}")
        worst = max(worst, difference)
    if not worst <= tolerance:
        sys.exit(f"above the tolerance of {tolerance}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("golden", help="rewrite the golden data beside this file")
    checking = commands.add_parser("check", help="recompute the paper's scores of real footage")
    checking.add_argument("--fit", required=True, help="folder of z.npy, d.npy of the calibration")
    checking.add_argument("--dump", required=True, help="folder that `evaluate --dump` wrote")
    checking.add_argument("--tolerance", type=float, default=1e-6)
    options = parser.parse_args()
    if options.command == "golden":
        golden()
    else:
        check(options.fit, options.dump, options.tolerance)


if __name__ == "__main__":
    main()
