"""Colour spaces, backgrounds, and the looks of JPEGs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import get_sampling

from tests.imaging.pictures import ICC_GREY, ICC_RGB, decoded, encoded, gradient, photo, saved, verified
from tests.imaging.sources import CLEAR, lab
from twofold.imaging import colour
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

P3 = colour.profile("display-p3")


def muted(depth: int) -> np.ndarray:
    """Colours that both spaces hold."""
    return (gradient(3, depth) // 3 + (2**depth - 1) // 3).astype(f"u{depth // 8}")


def test_an_embedded_profile_and_its_codes_are_left_alone() -> None:
    back = decoded(saved(photo(), "PNG", icc_profile=P3))
    assert back.metadata.icc == P3
    assert np.array_equal(back.raster.array(), gradient(3, 8))
    assert decoded(saved(photo(), "PNG")).metadata.icc is None


@pytest.mark.parametrize(("start", "to"), [(P3, "srgb"), (ICC_RGB, "display-p3")])
def test_a_conversion_is_what_littlecms_makes_of_it_elsewhere(start: bytes, to) -> None:
    picture = Image.fromarray(muted(8))
    back = decoded(saved(picture, "PNG", icc_profile=start), convert=to)
    assert back.metadata.icc == colour.profile(to)
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(one)) for one in (start, colour.profile(to))]
    meant = ImageCms.profileToProfile(picture, *profiles, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
    assert np.abs(back.raster.array().astype(int) - np.asarray(meant)).max() <= 1
    assert np.abs(back.raster.array().astype(int) - muted(8)).max() > 3


def test_a_conversion_of_sixteen_bits_comes_back() -> None:
    there = colour.converted(muted(16), None, "display-p3")
    assert np.abs(colour.converted(there, P3, "srgb").astype(int) - muted(16)).max() <= 32
    assert len(np.unique(there)) > 256


def test_what_is_in_the_space_already_is_not_touched() -> None:
    back = decoded(saved(photo(), "PNG"), convert="srgb")
    assert np.array_equal(back.raster.array(), gradient(3, 8))
    assert back.metadata.icc == colour.profile("srgb")
    samples = gradient(3, 8)
    assert colour.converted(samples, P3, "display-p3") is samples


def test_grey_with_a_profile_becomes_grey_of_srgb() -> None:
    """Gamma 2.2 and sRGB lie close by, apart from the dark end."""
    back = decoded(saved(photo(1), "PNG", icc_profile=ICC_GREY), convert="srgb")
    assert back.metadata.icc is None
    off = np.abs(back.raster.array().astype(int) - gradient(1, 8))
    assert 0 < off.max() <= 8
    assert decoded(saved(photo(1), "PNG", icc_profile=ICC_GREY)).metadata.icc == ICC_GREY


def test_a_broken_profile_counts_as_none() -> None:
    broken = ICC_RGB[:200] + bytes(len(ICC_RGB) - 200)
    assert np.array_equal(colour.converted(muted(8), broken, "srgb"), muted(8))


@pytest.mark.parametrize("to", ["srgb", "display-p3"])
def test_lab_and_cmyk_become_what_is_wished(to) -> None:
    for data in (saved(lab(), "TIFF"), saved(photo().convert("CMYK"), "TIFF")):
        back = decoded(data, convert=to)
        assert back.metadata.icc == colour.profile(to)
    assert np.abs(decoded(saved(lab(), "TIFF")).raster.array().astype(int) - gradient(3, 8)).max() <= 4


@pytest.mark.parametrize("background", ["#ff0000", "#000000", "#FFFFFF"])
def test_transparency_is_laid_over_its_background(background: str) -> None:
    back = decoded(saved(CLEAR, "PNG"), background=background)
    assert back.alpha is None
    assert back.opaque
    behind = Image.new("RGBA", CLEAR.size, background)
    meant = Image.alpha_composite(behind, CLEAR).convert("RGB")
    assert np.abs(back.raster.array().astype(int) - np.asarray(meant)).max() <= 1


def test_grey_over_a_background_stays_grey() -> None:
    image = Image.merge("LA", (photo(1), Image.new("L", photo(1).size, 0)))
    back = decoded(saved(image, "PNG"), background="#00ff00")
    assert back.raster.channels == 1
    assert (back.raster.array() == round(0.7152 * 255)).all()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [35, 83, 97])
def test_a_jpeg_takes_the_tables_and_subsampling_of_its_source(quality: int, subsampling: int) -> None:
    source = saved(photo(), "JPEG", quality=quality, subsampling=subsampling)
    back = decoded(source)
    raster = SharedRaster.copy_of(back.raster.array().repeat(2, 0).repeat(2, 1))
    written, _ = encoded("jpeg", raster, None, back.metadata, match_source=True)
    verified(written, "jpeg", raster, None, back.metadata, match_source=True)
    first, second = Image.open(io.BytesIO(source)), Image.open(io.BytesIO(written))
    assert second.quantization == first.quantization
    assert get_sampling(second) == get_sampling(first)


@pytest.mark.parametrize("name", ["jpeg", "avif"])
def test_subsampling_makes_smaller_files_that_still_pass(name: str) -> None:
    raster = SharedRaster.copy_of(gradient(3, 8, width=300, height=200))
    sizes = []
    for subsampling in (444, 420):
        data, _ = encoded(name, raster, None, Metadata(), subsampling=subsampling)
        verified(data, name, raster, None, subsampling=subsampling)
        sizes.append(len(data))
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif", "jxl"])
def test_effort_is_taken_and_gives_the_same_bytes_twice(name: str) -> None:
    raster = SharedRaster.copy_of(gradient(3, 8, width=200, height=120))
    for effort in (1, 9):
        data, _ = encoded(name, raster, None, Metadata(), effort=effort)
        verified(data, name, raster, None, effort=effort)
        assert encoded(name, raster, None, Metadata(), effort=effort)[0] == data


def test_another_profile_in_the_result_is_found_out() -> None:
    from twofold.core.codes import Code
    from twofold.core.errors import TwofoldError

    raster = SharedRaster.copy_of(gradient(3, 8))
    data, _ = encoded("png", raster, None, Metadata(icc=P3))
    with pytest.raises(TwofoldError, match="profile") as caught:
        verified(data, "png", raster, None, Metadata(icc=ICC_RGB))
    assert caught.value.code is Code.VERIFY_FAILED
