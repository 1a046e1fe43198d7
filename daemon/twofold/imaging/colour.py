"""Colour spaces: pixels moved into a named one by the profile they came with, and what lies behind them."""

from __future__ import annotations

import numpy as np
import pyvips

from twofold.core.recipe import Convert
from twofold.raster import Samples, full_range

BUILT_IN = {"srgb": "srgb", "display-p3": "p3"}  # libvips's names of profiles that it brings along
_SPACES = {(1, 8): "b-w", (1, 16): "grey16", (3, 8): "srgb", (3, 16): "rgb16"}
_LUMA = np.array((0.2126, 0.7152, 0.0722))  # BT.709


def profile(name: Convert) -> bytes:
    """The ICC profile of a named colour space."""
    return bytes(pyvips.Operation.call("profile_load", BUILT_IN[name]))


def transform(image: pyvips.Image, to: Convert, depth: int) -> pyvips.Image:
    """An image of libvips in the space `to`, by its embedded profile; without one it is sRGB, CMYK that of print.

    Relative colorimetric with black point compensation: white stays white, and black stays black. A profile that
    cannot be used counts as none.
    """
    assumed = "cmyk" if image.interpretation == "cmyk" else "srgb"
    return image.icc_transform(
        BUILT_IN[to],
        embedded=True,
        input_profile=assumed,
        intent="relative",
        black_point_compensation=True,
        depth=depth,
    )


def converted(samples: Samples, icc: bytes | None, to: Convert) -> Samples:
    """(H, W, 1 or 3) samples in the space `to`; grey stays grey. Where nothing is to change, the array itself."""
    if icc == profile(to) or (icc is None and (to == "srgb" or samples.shape[2] == 1)):
        return samples
    height, width, channels = samples.shape
    depth = samples.dtype.itemsize * 8
    sample = "ushort" if depth == 16 else "uchar"
    # A copy of the head, since the array under it belongs to somebody else.
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(samples), width, height, channels, sample)
    image = image.copy(interpretation=_SPACES[channels, depth])
    if icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    moved = np.asarray(transform(image, to, depth).numpy())
    return moved[:, :, :channels]


def lay_over(raster: Samples, alpha: Samples, background: str) -> None:
    """Lay the picture over a colour "#rrggbb", in place, as browsers do: by code values.

    `raster` (H, W, 1 or 3), `alpha` (H, W, 1). On a grey picture only the colour's brightness counts.
    """
    colour = np.array([int(background[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    if raster.shape[2] == 1:
        colour = np.array([colour @ _LUMA])
    top = full_range(raster.dtype)
    behind = (colour * top).astype(np.float32)
    for y in range(len(raster)):
        share = alpha[y].astype(np.float32) / np.float32(top)
        raster[y] = np.rint(raster[y] * share + behind * (1 - share)).astype(raster.dtype)
