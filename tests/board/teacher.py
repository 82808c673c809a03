#!/usr/bin/env python3
"""teacher.py FILE.onnx: writes the smallest vision transformer that inspectd takes, and its side file.

64 x 64 pixels, patches of 16, width 16, four blocks, random weights from a fixed seed: it knows nothing
and costs nothing. An emulated processor needs seconds a frame for the bundled teacher, which would measure
the emulator and not the daemon. Never use its scores for anything but telling one picture from another.
Only Python's own library; the fields are those of onnx.proto3."""

import random
import struct
import sys
from pathlib import Path

SIDE, PATCH, WIDTH, HEADS, BLOCKS = 64, 16, 16, 2, 4
TOKENS = 1 + (SIDE // PATCH) ** 2


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


class Graph:
    def __init__(self):
        self.chance = random.Random(5)
        self.count = 0
        self.nodes = b""
        self.tensors = b""

    def name(self):
        self.count += 1
        return f"t{self.count}"

    def tensor(self, kind, shape, raw):
        name = self.name()
        dims = b"".join(number(1, size) for size in shape)
        self.tensors += block(5, dims + number(2, kind) + block(8, name) + block(9, raw))
        return name

    def weight(self, *shape, scale=0.3, mean=0.0):
        count = 1
        for size in shape:
            count *= size
        values = [mean + self.chance.uniform(-scale, scale) for _ in range(count)]
        return self.tensor(1, shape, struct.pack(f"<{count}f", *values))

    def integers(self, *values):
        return self.tensor(7, [len(values)], struct.pack(f"<{len(values)}q", *values))

    def node(self, op, *inputs, axis=None, **lists):
        output = self.name()
        attributes = b""
        if axis is not None:
            attributes += block(5, block(1, "axis") + number(3, axis) + number(20, 2))
        for key, values in lists.items():
            ints = b"".join(number(8, value) for value in values)
            attributes += block(5, block(1, key) + ints + number(20, 7))
        names = b"".join(block(1, name) for name in inputs)
        self.nodes += block(1, names + block(2, output) + block(4, op) + attributes)
        return output

    def linear(self, x, wide, narrow):
        product = self.node("MatMul", x, self.weight(wide, narrow))
        return self.node("Add", product, self.weight(narrow, scale=0.1))

    def norm(self, x):
        return self.node(
            "LayerNormalization", x, self.weight(WIDTH, scale=0.5, mean=1.0), self.weight(WIDTH, scale=0.1)
        )

    def attention(self, x):
        split = self.integers(1, TOKENS, HEADS, WIDTH // HEADS)

        def heads(perm):
            return self.node("Transpose", self.node("Reshape", self.linear(x, WIDTH, WIDTH), split), perm=perm)

        queries, keys, values = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
        weights = self.node("Softmax", self.node("MatMul", queries, keys), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", weights, values), perm=[0, 2, 1, 3])
        return self.linear(self.node("Reshape", mixed, self.integers(1, TOKENS, WIDTH)), WIDTH, WIDTH)

    def mlp(self, x):
        return self.linear(self.node("Tanh", self.linear(x, WIDTH, 2 * WIDTH)), 2 * WIDTH, WIDTH)


def value(name, shape=()):
    dims = b"".join(block(1, number(1, size)) for size in shape)
    tensor = number(1, 1) + (block(2, dims) if shape else b"")
    return block(1, name) + (block(2, block(1, tensor)) if shape else b"")


def model():
    g = Graph()
    patches = (SIDE // PATCH) ** 2
    maps = g.node(
        "Conv", "image", g.weight(WIDTH, 3, PATCH, PATCH, scale=0.1),
        kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH],
    )
    rows = g.node("Transpose", g.node("Reshape", maps, g.integers(1, WIDTH, patches)), perm=[0, 2, 1])
    x = g.node("Concat", g.weight(1, 1, WIDTH), rows, axis=1)
    x = g.node("Add", x, g.weight(1, TOKENS, WIDTH))
    for _ in range(BLOCKS):
        x = g.node("Add", x, g.attention(g.norm(x)))
        x = g.node("Add", x, g.mlp(g.norm(x)))
    output = g.norm(x)
    graph = g.nodes + block(2, "tiny") + g.tensors
    graph += block(11, value("image", (1, 3, SIDE, SIDE))) + block(12, value(output))
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 17))


path = Path(sys.argv[1])
path.write_bytes(model())
path.with_suffix(".toml").write_text(
    'name = "tiny-random"\nlicence = "none"\nmean = [0.5, 0.5, 0.5]\n'
    'std = [0.5, 0.5, 0.5]\ninterpolation = "bilinear"\n'
)
