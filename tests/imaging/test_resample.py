"""The exact-size finish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.pictures import gradient, noise
from twofold.core.geometry import Size
from twofold.imaging.resample import resample, resample_alpha, to_depth


@pytest.mark.parametrize("depth", [8, 16])
def test_a_checkerboard_averages_in_light(depth: int) -> None:
    """Half the light is code 188 of 255; averaged codes would give 128."""
    board = (np.indices((256, 256)).sum(0) % 2 * (2**depth - 1)).astype(f"u{depth // 8}")[:, :, None]
    small = resample(board, Size(64, 64), 8)
    assert np.abs(small[4:-4, 4:-4].astype(int) - 188).max() <= 2


def test_alpha_averages_as_it_stands() -> None:
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None]
    small = resample_alpha(board, Size(64, 64))
    assert np.abs(small[4:-4, 4:-4].astype(int) - 128).max() <= 2


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 90), st.integers(1, 90),
    st.sampled_from([8, 16]), st.sampled_from([8, 16]), st.integers(0, 65535),
)  # fmt: skip
def test_any_size_is_exact_and_an_even_colour_stays(
    width: int, height: int, to_width: int, to_height: int, depth: int, to: int, code: int
) -> None:
    code %= 2**depth
    flat = np.full((height, width, 3), code, f"u{depth // 8}")
    result = resample(flat, Size(to_width, to_height), to)
    assert result.shape == (to_height, to_width, 3)
    meant = code * (2**to - 1) / (2**depth - 1)
    assert np.abs(result.astype(float) - meant).max() <= 1
    alpha = resample_alpha(flat[:, :, :1], Size(to_width, to_height), to)
    assert np.abs(alpha.astype(float) - meant).max() <= 0.51


@pytest.mark.parametrize("size", [Size(90, 170), Size(300, 411), Size(173, 12), Size(5, 307)])
@pytest.mark.parametrize("band_px", [1, 500, 7000])
def test_bands_make_no_seam(size: Size, band_px: int) -> None:
    picture = noise(1, 16, width=211, height=307)
    whole = resample(picture, size, 16)
    by_bands = resample(picture, size, 16, band_px=band_px)
    assert np.abs(whole.astype(int) - by_bands.astype(int)).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_the_same_size_gives_the_same_picture(depth: int) -> None:
    picture = gradient(3, depth)
    assert np.array_equal(resample(picture, Size(picture.shape[1], picture.shape[0]), depth), picture)


def test_depth_is_changed_with_one_rounding() -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    eight = to_depth(codes, 8)
    assert np.array_equal(eight, (codes.astype(int) * 255 + 32767) // 65535)
    assert np.array_equal(to_depth(to_depth(eight, 16), 8), eight)
    assert to_depth(codes, 16) is codes
