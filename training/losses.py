"""The loss: faithful first. Tensors are (N, 3, H, W) in 0..1."""

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


def total(ours: torch.Tensor, truth: torch.Tensor, frequency_weight: float, drift_weight: float) -> torch.Tensor:
    loss = charbonnier(ours, truth)
    if frequency_weight:
        loss = loss + frequency_weight * frequency(ours, truth)
    if drift_weight:
        loss = loss + drift_weight * drift(ours, truth)
    return loss
