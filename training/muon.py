"""Muon: momentum made orthogonal, for the convolutions of the body (Jordan and others, 2024).

torch.optim.Muon takes matrices only and works in bfloat16, which a CPU without it emulates.
"""

import math

import torch
from torch import Tensor

MOMENTUM = 0.95
STEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration
ADAM_RMS = 0.2  # the size of Adam's usual step: one learning rate serves both (Liu and others, 2025)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix (R, S), R <= S, whose singular values are all about 1."""
    a, b, c = QUINTIC
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x


@torch.no_grad()
def step(weights: list[Tensor], momenta: list[Tensor], rate: float) -> None:
    """Moves every weight (O, I, 3, 3) against its gradient, with Nesterov momentum."""
    for weight, momentum in zip(weights, momenta, strict=True):
        gradient = weight.grad
        if gradient is None:
            raise ValueError("a weight has no gradient")
        momentum.lerp_(gradient, 1 - MOMENTUM)
        rows, columns = weight.shape[0], weight[0].numel()
        direction = orthogonal(gradient.lerp(momentum, MOMENTUM).reshape(rows, columns))
        weight.add_(direction.view_as(weight), alpha=-rate * ADAM_RMS * math.sqrt(max(rows, columns)))
