"""The exact-size finish: linear-light Lanczos, band by band, rounded once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, floor

import numpy as np
from PIL import Image

from twofold.core.geometry import Size
from twofold.raster import Samples, full_range

BAND_PX = 4 * 2**20  # of the source or the result, whichever is larger, held as float32 at a time
LANCZOS_RADIUS = 3
_ENCODE_STEPS = 2**18 - 1

Step = Callable[[Samples], Samples]


def resample(raster: Samples, size: Size, depth: int, *, band_px: int = BAND_PX, out: Samples | None = None) -> Samples:
    """The (H, W, C) raster in `size` and `depth` (8 or 16): `out`, filled, or a new one.

    The average of light, not of code values: the sRGB transfer curve is assumed for every picture, tagged or not,
    since common RGB and grey profiles have it or one close to it.
    """
    decode = _linear_table(full_range(raster.dtype) + 1)
    encode = _code_table(depth)

    def finish(light: Samples) -> Samples:
        # The table is indexed by the square root of light, which spends its steps where codes lie close.
        index = np.sqrt(np.clip(light, 0.0, 1.0)) * np.float32(_ENCODE_STEPS) + np.float32(0.5)
        result: Samples = encode[index.astype(np.uint32)]
        return result

    out = _new(size, raster.shape[2], depth) if out is None else out
    return _resized(raster, out, band_px, lambda samples: decode[samples], finish)


def resample_alpha(alpha: Samples, size: Size, depth: int | None = None, *, out: Samples | None = None) -> Samples:
    """The (H, W, 1) alpha in `size`: `out`, filled, or a new one; coverage is linear as it stands.

    `depth` None keeps the alpha's own.
    """
    bits = alpha.dtype.itemsize * 8 if depth is None else depth
    top = np.float32(2**bits - 1)
    dtype = _dtype(bits)
    scale = np.float32(full_range(alpha.dtype))

    def finish(share: Samples) -> Samples:
        return np.rint(np.clip(share, 0.0, 1.0) * top).astype(dtype)

    out = _new(size, 1, bits) if out is None else out
    return _resized(alpha, out, BAND_PX, lambda samples: samples.astype(np.float32) / scale, finish)


def to_depth(samples: Samples, depth: int) -> Samples:
    """The same picture in 8 or 16 bits, rounded once; the array itself where it has that depth."""
    if samples.dtype.itemsize * 8 == depth:
        return samples
    if depth == 16:
        return samples.astype(np.uint16) * np.uint16(257)
    table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    result: Samples = table[samples]
    return result


def _new(size: Size, channels: int, depth: int) -> Samples:
    return np.empty((size.height, size.width, channels), _dtype(depth))


def _resized(raster: Samples, result: Samples, band_px: int, decode: Step, finish: Step) -> Samples:
    """Resize by bands of rows: each takes the source rows under its kernel, so that the whole is never float."""
    height, width, channels = raster.shape
    size = Size(result.shape[1], result.shape[0])
    ratio = height / size.height
    reach = LANCZOS_RADIUS * max(ratio, 1.0) + 1
    rows = max(1, int(band_px / max(size.width, width * max(ratio, 1.0))))
    for top in range(0, size.height, rows):
        bottom = min(top + rows, size.height)
        first = max(0, floor(top * ratio - reach))
        last = min(height, ceil(bottom * ratio + reach))
        box = (0, top * ratio - first, width, min(bottom * ratio - first, last - first))
        for channel in range(channels):
            source = Image.fromarray(decode(raster[first:last, :, channel]))
            band = source.resize((size.width, bottom - top), Image.Resampling.LANCZOS, box=box)
            result[top:bottom, :, channel] = finish(np.asarray(band))
    return result


def _dtype(depth: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint16 if depth == 16 else np.uint8


@cache
def _linear_table(codes: int) -> Samples:
    value = np.arange(codes, dtype=np.float64) / (codes - 1)
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    table: Samples = light.astype(np.float32)
    return table


@cache
def _code_table(depth: int) -> Samples:
    light = (np.arange(_ENCODE_STEPS + 1, dtype=np.float64) / _ENCODE_STEPS) ** 2
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    table: Samples = np.rint(value * (2**depth - 1)).astype(_dtype(depth))
    return table
