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


def chroma(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Charbonnier of the colour differences (BT.601 Cb and Cr, -0.5 to 0.5).

    The error of brightness is far larger and decides the sign of every channel's error: without a term of its own,
    colour gets no gradient and stays as blocky as nearest-neighbour enlargement.
    """
    mix = torch.tensor([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=ours.dtype, device=ours.device)
    planes = torch.einsum("kc,nchw->nkhw", mix, ours - truth)
    return charbonnier(planes, torch.zeros_like(planes))


def total(
    ours: torch.Tensor, truth: torch.Tensor, chroma_weight: float, frequency_weight: float, drift_weight: float
) -> torch.Tensor:
    loss = charbonnier(ours, truth)
    if chroma_weight:
        loss = loss + chroma_weight * chroma(ours, truth)
    if frequency_weight:
        loss = loss + frequency_weight * frequency(ours, truth)
    if drift_weight:
        loss = loss + drift_weight * drift(ours, truth)
    return loss
