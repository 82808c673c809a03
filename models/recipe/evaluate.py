"""Measure a teacher file on public images that were never trained on.

Scores are those of the consumer: Mahalanobis distances, with Ledoit-Wolf covariance, of the final
class token and of mean and log deviation over patches of two blocks' tokens.  Each part is
normalised by its values on held-out normals (five contiguous folds) and the three are added.
Image AUROC is printed for every part and for the sum.  Blocks of any exported ViT are found as
`Add` nodes on the residual stream.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score


def residual_blocks(graph):
    """Names of the block outputs: every second `Add` whose one operand is an ancestor of the other."""
    maker = {name: node for node in graph.node for name in node.output}
    consts = {t.name for t in graph.initializer}
    ancestors = {}

    def above(name):
        if name not in ancestors:
            node = maker.get(name)
            ancestors[name] = set() if node is None else set(node.input) | set().union(*map(above, node.input))
        return ancestors[name]

    found = []
    for node in graph.node:
        if node.op_type == "Add" and not set(node.input) & consts:
            a, b = node.input
            skip = a if a in above(b) else b if b in above(a) else None
            # The skip operand is the stream itself: the embedding or the previous such sum.
            if skip is not None and (not found or skip == found[-1]):
                found.append(node.output[0])
    return found[1::2]


def load(files, mean, std):
    for name in files:
        image = Image.open(name).convert("RGB").resize((224, 224), Image.BILINEAR)
        yield ((np.asarray(image, np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]


class Features:
    def __init__(self, path, mean, std, threads=2):
        model = onnx.load(path)
        blocks = residual_blocks(model.graph)
        self.depth, final = len(blocks), [n for n in model.graph.node if n.op_type == "LayerNormalization"][-1].output[0]
        mid, late = blocks[round(self.depth / 2) - 1], blocks[round(self.depth * 5 / 6) - 1]
        have = {o.name for o in model.graph.output}
        self.names = [final, mid, late]
        for name in self.names:
            if name not in have:
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.mean, self.std = np.float32(mean), np.float32(std)

    def __call__(self, files):
        parts = [[], [], []]
        for image in load(files, self.mean, self.std):
            final, mid, late = self.session.run(self.names, {self.session.get_inputs()[0].name: image})
            parts[0].append(final.reshape(-1, final.shape[-1])[0])
            for k, tokens in ((1, mid), (2, late)):
                patches = tokens[0, 1:]
                parts[k].append(np.concatenate([patches.mean(0), np.log(patches.std(0) + 1e-4)]))
        return [np.stack(p).astype(np.float64) for p in parts]


def distances(fit, test):
    mean = fit.mean(0)
    inverse = np.linalg.inv(ledoit_wolf(fit)[0])
    delta = test - mean
    return np.einsum("nd,de,ne->n", delta, inverse, delta)


def auroc(fit, test, labels, folds=5):
    """AUROC of class token, middle and late pooled tokens, and of their sum."""
    total, out = 0, []
    for f, t in zip(fit, test):
        held = np.concatenate([distances(np.delete(f, part, 0), f[part]) for part in np.array_split(np.arange(len(f)), folds)])
        score = (distances(f, t) - held.mean()) / held.std()
        out.append(roc_auc_score(labels, score))
        total = total + score
    return out + [roc_auc_score(labels, total)]


def measure(features, root, count=400):
    table = {}
    normal = sorted((root / "magnetic-tile/normal").iterdir())
    unseen = [f for k, f in enumerate(normal) if k % 2 and k % 6 in (3, 5)]
    defect = sorted((root / "magnetic-tile/defect").iterdir())
    table["magnetic-tile"] = auroc(features(normal[::2]), features(unseen + defect), [0] * len(unseen) + [1] * len(defect))
    test = sorted((root / "cifar10/test").iterdir())
    known = features(test)
    for name in ("airplane", "cat", "ship"):
        fit = features(sorted((root / "cifar10" / name / "train").iterdir())[:count])
        table[name] = auroc(fit, known, [int(not f.name.startswith(name)) for f in test])
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with magnetic-tile/ and cifar10/")
    parser.add_argument("--mean", type=float, default=0.5)
    parser.add_argument("--std", type=float, default=0.5)
    args = parser.parse_args()
    table = measure(Features(args.teacher, [args.mean] * 3, [args.std] * 3), args.data)
    print(f"{args.teacher.name:32s}     z   mid  late   sum")
    for name, row in table.items():
        print(f"{name:32s} " + " ".join(f"{v:.3f}" for v in row), flush=True)
    print(f"{'mean':32s} " + " ".join(f"{v:.3f}" for v in np.mean(list(table.values()), 0)))


if __name__ == "__main__":
    main()
