"""How far a network looks: the measured halo that makes tiled equal whole."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.engine.load import RGB, Network

EXACT_LIMIT_PX = 64
"""Radii up to this are exact; the largest probe picture follows from it."""
APPROXIMATE_HALO_PX = 48
"""Halo of networks that look further, or everywhere: users saw seams at 10, none at 32-48 (facts/governor.md §5)."""
SEAM_SIDE_PX = 96


@dataclass(frozen=True, slots=True)
class Halo:
    """`radius_px` input pixels around a tile; `exact` where they are all that the tile's pixels depend on.

    Where not, `error` is the largest difference of tiled from whole that was found, as a share of full range.
    """

    radius_px: int
    exact: bool
    error: float = 0.0


def measure_halo(network: Network) -> Halo:
    """Put a NaN into one input pixel and see how far it spreads, for every phase of the alignment.

    In float64, because the faster float32 convolutions (Winograd) spread a NaN beyond the true support.
    A network that looks further than EXACT_LIMIT_PX, or pools over the whole picture, is not exact: it gets a
    generous halo.
    """
    radius_px = _radius_px(network)
    if radius_px is not None:
        return Halo(radius_px, exact=True)
    halo_px = network.whole_px(APPROXIMATE_HALO_PX)
    return Halo(halo_px, exact=False, error=seam_error(network, halo_px))


def _radius_px(network: Network) -> int | None:
    """The radius where it is at most EXACT_LIMIT_PX, else None."""
    probe = copy.deepcopy(network.module).double()
    # Always the full size: dilated convolutions skip pixels, and a NaN may fall beside a smaller one unseen.
    side_px = network.whole_px(2 * (EXACT_LIMIT_PX + 1) + 2 * network.alignment)
    middle = side_px // 2 // network.alignment * network.alignment
    # One phase at a time: an all-NaN answer ends the search after one run. Rows and columns are independent in every
    # architecture (convolutions, unshuffles, windows), so the diagonal phases cover each axis' phases.
    radius_px = 0
    for phase in range(network.alignment):
        spread_px = _spread_px(network, probe, side_px, middle + phase)
        if spread_px > EXACT_LIMIT_PX:
            return None
        radius_px = max(radius_px, spread_px)
    return radius_px


def _spread_px(network: Network, probe: torch.nn.Module, side_px: int, at_px: int) -> int:
    picture = torch.full((1, RGB, side_px, side_px), 0.5, dtype=torch.float64)
    picture[:, :, at_px, at_px] = math.nan
    with torch.inference_mode():
        reached = network.forward(probe, picture).isnan().any(dim=1)[0]
    ends = [int(value) for axis in (0, 1) for value in _ends(reached.any(dim=axis))]
    return max((abs(end // network.scale - at_px) for end in ends), default=0)


def _ends(reached: Tensor) -> Tensor:
    return reached.nonzero().flatten()[[0, -1]] if bool(reached.any()) else torch.empty(0)


def seam_error(network: Network, halo_px: int) -> float:
    """Largest difference between a tile with `halo_px` and the whole picture, on a picture of edges and texture.

    A share of full range, after clamping. A measurement on one picture, not a bound.
    """
    side_px = network.whole_px(SEAM_SIDE_PX + 2 * halo_px)
    cut_px = side_px // 2 // network.alignment * network.alignment
    end_px = network.whole_px(cut_px + halo_px)
    picture = _texture(side_px)
    with torch.inference_mode():
        whole = network.forward(network.module, picture).clamp(0, 1)
        tiled = network.forward(network.module, picture[:, :, :end_px, :end_px]).clamp(0, 1)
    owned = cut_px * network.scale
    return float((whole[:, :, :owned, :owned] - tiled[:, :, :owned, :owned]).abs().max())


def _texture(side_px: int) -> Tensor:
    """A deterministic (1, 3, side, side) picture with flat parts, edges and fine texture."""
    across = torch.linspace(0, 1, side_px)
    waves = torch.sin(across[:, None] ** 2 * 180) * torch.sin(across[None, :] ** 2 * 120)
    checks = ((across[:, None] * 7).floor() + (across[None, :] * 5).floor()) % 2
    return torch.stack([0.5 + 0.4 * waves, checks, 0.5 * checks + 0.25 + 0.2 * waves])[None]
