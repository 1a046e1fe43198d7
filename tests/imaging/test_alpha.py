"""Colours under transparent pixels: nothing hidden may reach what is seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.pictures import decoded, noise, saved
from twofold.core.geometry import Size
from twofold.imaging.alpha import dilate_colours, is_opaque
from twofold.imaging.resample import resample

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("size", [(40, 30), (41, 29), (1, 17), (200, 3)])
def test_hidden_colours_do_not_bleed_into_an_enlarged_edge(depth: int, size: tuple[int, int]) -> None:
    """Red that is seen, green that is hidden: enlarged without its alpha, as a network does, no green shows."""
    width, height = size
    top = 2**depth - 1
    dtype = f"u{depth // 8}"
    seen = np.zeros((height, width, 1), bool)
    seen[: max(1, height // 2), : max(1, width // 2)] = True
    raster = np.where(seen, np.array((top, 0, 0)), np.array((0, top, 0))).astype(dtype)
    dilate_colours(raster, np.where(seen, top, 0).astype(dtype))
    enlarged = resample(raster, Size(width * 2, height * 2), depth)
    assert enlarged[:, :, 1].max() <= top // 255
    assert enlarged[:, :, 0].min() >= top - top // 255


def test_the_decoder_does_it() -> None:
    from PIL import Image

    picture = Image.new("RGBA", (20, 20), (*GREEN, 0))
    picture.paste((*RED, 255), (5, 5, 12, 12))
    back = decoded(saved(picture, "PNG"))
    assert (back.raster.array() == RED).all()
    assert not back.opaque


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_what_is_seen_is_left_alone_and_what_is_filled_lies_between(
    width: int, height: int, seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    raster = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = (random.integers(1, 256, (height, width, 1)) * (random.random((height, width, 1)) < share)).astype(np.uint8)
    before = raster.copy()
    dilate_colours(raster, alpha)
    seen = alpha[:, :, 0] > 0
    assert np.array_equal(raster[seen], before[seen])
    if seen.any():
        assert (raster.min((0, 1)) >= before[seen].min(0)).all()
        assert (raster.max((0, 1)) <= before[seen].max(0)).all()
    else:
        assert np.array_equal(raster, before)


def test_opaque_is_opaque() -> None:
    full = np.full((3, 3, 1), 65535, np.uint16)
    assert is_opaque(full)
    full[1, 1] = 65534
    assert not is_opaque(full)
    assert not is_opaque(noise(1, 8))
