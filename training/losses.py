"""The loss: faithful first. Tensors are (N, 3, H, W) in 0..1."""

import dataclasses

import torch


def charbonnier(ours: torch.Tensor, truth: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    """A smooth L1: quadratic below `epsilon` (a quarter of an 8-bit level)."""
    return torch.sqrt((ours - truth) ** 2 + epsilon**2).mean()


def frequency(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean L1 distance of the orthonormal spectra: keeps the energy of fine detail honest."""
    return torch.view_as_real(torch.fft.rfft2(ours - truth, norm="ortho")).abs().mean()


def drift(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How far the mean colour of each sample has moved."""
    return (ours - truth).mean(dim=(2, 3)).abs().mean()


def chroma(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Charbonnier of the colour differences (BT.601 Cb and Cr, -0.5 to 0.5).

    The error of brightness is far larger and decides the sign of every channel's error: without a term of its own,
    colour gets no gradient and stays as blocky as nearest-neighbour enlargement.
    """
    mix = torch.tensor([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=ours.dtype, device=ours.device)
    planes = torch.einsum("kc,nchw->nkhw", mix, ours - truth)
    return charbonnier(planes, torch.zeros_like(planes))


def squares(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean squared error, what PSNR measures: as a small term it gives the few large errors, at edges, more weight."""
    return ((ours - truth) ** 2).mean()


@dataclasses.dataclass(frozen=True)
class Weights:
    """How much each term counts beside Charbonnier."""

    squares: float = 5.0
    chroma: float = 0.5
    frequency: float = 0.05
    drift: float = 0.1


def total(ours: torch.Tensor, truth: torch.Tensor, weights: Weights) -> torch.Tensor:
    """The whole loss; terms of no weight are not computed."""
    loss = charbonnier(ours, truth)
    for term, weight in (
        (squares, weights.squares),
        (chroma, weights.chroma),
        (frequency, weights.frequency),
        (drift, weights.drift),
    ):
        if weight:
            loss = loss + weight * term(ours, truth)
    return loss
