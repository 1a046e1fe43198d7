from __future__ import annotations

from dataclasses import replace

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import (
    ALPHA_FORMATS,
    DEEP_FORMATS,
    EXTENSIONS,
    FORMATS,
    GREY_FORMATS,
    LOSSLESS_FORMATS,
    WRITE_FORMATS,
    check_output,
    output_depth,
    output_format,
)
from twofold.core.geometry import Size
from twofold.core.passes import Chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs
from twofold.core.settings import Limits

PHOTO = PictureHeader("jpeg", 1000, 800)


def check(header: PictureHeader, final: Size, save_as: str = "keep", limits: Limits | None = None):
    return check_output(Chain(header.size, (), final), header, SaveAs(save_as), limits or Limits())


def refused(header: PictureHeader, final: Size, save_as: str = "keep", limits: Limits | None = None) -> TwofoldError:
    with pytest.raises(TwofoldError) as caught:
        check(header, final, save_as, limits)
    return caught.value


@pytest.mark.parametrize(
    ("content", "save_as", "expected"),
    [
        ("jpeg", "keep", "jpeg"),
        ("png", "keep", "png"),
        ("webp", "keep", "webp"),
        ("tiff", "keep", "tiff"),
        ("bmp", "keep", "png"),
        ("gif", "keep", "png"),
        ("jpeg", "png", "png"),
        ("png", "tiff", "tiff"),
    ],
)
def test_the_format_follows_content_or_recipe(content, save_as, expected):
    assert output_format(replace(PHOTO, format=content), SaveAs(save_as)).name == expected


@pytest.mark.parametrize(("content", "save_as"), [("jpeg", "avif"), ("jpeg", "jxl"), ("avif", "keep"), ("psd", "keep")])
def test_a_format_that_cannot_be_written_is_refused_by_name(content, save_as):
    with pytest.raises(TwofoldError) as caught:
        output_format(replace(PHOTO, format=content), SaveAs(save_as))
    assert caught.value.code is Code.UNSUPPORTED_FORMAT
    assert (content if save_as == "keep" else save_as) in str(caught.value)
    assert "save_as.format" in caught.value.reason.hint


def test_no_extension_means_two_formats():
    listed = [extension for one in FORMATS.values() for extension in one.extensions]
    assert len(listed) == len(set(listed)) == len(EXTENSIONS)
    assert all(extension == extension.lower() and "." not in extension for extension in listed)


@pytest.mark.parametrize(
    ("depth", "target", "kept"), [(16, "jpeg", 8), (16, "png", 16), (16, "webp", 8), (8, "tiff", 8)]
)
def test_depth_is_kept_where_the_format_can(depth, target, kept):
    assert output_depth(replace(PHOTO, depth=depth), FORMATS[target]) == kept


@pytest.mark.parametrize(("name", "limit"), [("jpeg", 65500), ("webp", 16383)])
def test_a_side_ends_where_the_format_does(name, limit):
    header = replace(PHOTO, format=name)
    assert check(header, Size(limit, 4)).name == name
    error = refused(header, Size(4, limit + 1))
    assert error.code is Code.FORMAT_LIMIT
    assert str(limit) in str(error)
    assert not error.retryable
    assert check(header, Size(4, limit + 1), "png").name == "png"


def test_webp_is_not_trusted_with_very_large_pictures():
    header = replace(PHOTO, format="webp")
    assert check(header, Size(12000, 8000)).name == "webp"
    assert refused(header, Size(16000, 12000)).code is Code.FORMAT_LIMIT


def test_transparency_needs_a_format_that_has_it():
    header = replace(PHOTO, format="png", alpha=True)
    assert check(header, Size(100, 100)).name == "png"
    assert refused(header, Size(100, 100), "jpeg").code is Code.NEEDS_BACKGROUND


def test_the_owners_limits_are_inclusive_and_named():
    limits = Limits(input_megapixels=0.8, output_megapixels=3.2)
    assert check(PHOTO, Size(2000, 1600), limits=limits).name == "jpeg"
    error = refused(PHOTO, Size(2001, 1600), limits=limits)
    assert (error.code, "limits.output_megapixels is 3.2" in str(error)) == (Code.TOO_LARGE, True)
    error = refused(replace(PHOTO, width=1001), Size(2000, 1600), limits=limits)
    assert (error.code, "limits.input_megapixels" in str(error)) == (Code.TOO_LARGE, True)


def test_what_the_formats_of_today_can_hold():
    assert {"jpeg", "png", "webp", "tiff"} == WRITE_FORMATS
    assert {"png", "webp", "tiff"} == ALPHA_FORMATS
    assert {"jpeg", "png", "tiff"} == GREY_FORMATS
    assert {"png", "tiff"} == DEEP_FORMATS == LOSSLESS_FORMATS
