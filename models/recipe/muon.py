"""Muon: momentum whose steps are made orthogonal, for the matrices of the blocks.

As torch.optim.Muon, with its scale to the root mean square of Adam's steps, but in float32: bfloat16, which torch
takes, is emulated on many processors and costs there twice the time.
"""

import torch

# The quintic iteration of Keller Jordan's Muon, which brings all singular values near 1 in five steps.
A, B, C, STEPS = 3.4445, -4.7750, 2.0315, 5


def orthogonal(matrix):
    """The nearest orthogonal matrix, roughly."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=1.0, weight_decay=0.05, momentum=0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                p.mul_(1 - lr * group["weight_decay"])
                step = orthogonal(p.grad.lerp(state["momentum_buffer"], momentum))
                p.add_(step, alpha=-0.2 * lr * max(p.shape) ** 0.5)
