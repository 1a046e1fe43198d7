from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import (
    ALPHA_FORMATS,
    DEEP_FORMATS,
    EXTENSIONS,
    FORMATS,
    GREY_FORMATS,
    WRITE_FORMATS,
    Saving,
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


def settled(header: PictureHeader, final: Size, limits: Limits | None = None, **wishes: Any) -> Saving:
    return check_output(Chain(header.size, (), final), header, SaveAs(**wishes), limits or Limits())


def check(header: PictureHeader, final: Size, save_as: str = "keep", limits: Limits | None = None):
    return settled(header, final, limits, format=save_as).format


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
        ("avif", "keep", "avif"),
        ("jxl", "keep", "jxl"),
        ("bmp", "keep", "png"),
        ("gif", "keep", "png"),
        ("heic", "keep", "jpeg"),
        ("raw", "keep", "jpeg"),
        ("heic", "avif", "avif"),
        ("jpeg", "png", "png"),
        ("png", "tiff", "tiff"),
    ],
)
def test_the_format_follows_content_or_recipe(content, save_as, expected):
    assert output_format(replace(PHOTO, format=content), SaveAs(save_as)).name == expected


def test_a_format_that_cannot_be_written_is_refused_by_name():
    with pytest.raises(TwofoldError) as caught:
        output_format(replace(PHOTO, format="psd"), SaveAs("keep"))
    assert caught.value.code is Code.UNSUPPORTED_FORMAT
    assert "psd" in str(caught.value)
    assert "save_as.format" in caught.value.reason.hint


def test_no_extension_means_two_formats():
    listed = [extension for one in FORMATS.values() for extension in one.extensions]
    assert len(listed) == len(set(listed)) == len(EXTENSIONS)
    assert all(extension == extension.lower() and "." not in extension for extension in listed)


@pytest.mark.parametrize(
    ("depth", "target", "kept"), [(16, "jpeg", 8), (16, "png", 16), (16, "webp", 8), (8, "tiff", 8), (16, "avif", 16)]
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


@pytest.mark.parametrize(
    ("on_too_large", "alpha", "expected"), [("png", False, "png"), ("tiff", False, "tiff"), ("png", True, "png")]
)
def test_a_result_that_is_too_large_may_be_written_in_another_format(on_too_large, alpha, expected):
    header = replace(PHOTO, format="webp", alpha=alpha)
    output = settled(header, Size(20000, 16), on_too_large=on_too_large)
    assert (output.format.name, output.save_as.format, output.save_as.lossless) == (expected, expected, True)
    assert settled(header, Size(2000, 16), on_too_large=on_too_large).format.name == "webp"


@pytest.mark.parametrize("content", ["webp", "jxl"])
def test_a_lossless_picture_stays_lossless_where_its_format_is_kept(content):
    source, size = replace(PHOTO, format=content, lossless=True), Size(2000, 1600)
    assert settled(source, size).save_as.lossless is True
    assert settled(source, size, lossless=False).save_as.lossless is False
    assert settled(replace(source, lossless=False), size).save_as.lossless is False
    assert settled(replace(source, format="png"), size, format=content).save_as.lossless is False
    assert settled(replace(source, format="png"), size, format=content, lossless=True).save_as.lossless is True


def test_what_has_only_one_kind_of_compression_has_it_whatever_is_wished():
    size = Size(2000, 1600)
    assert settled(PHOTO, size, lossless=True).save_as.lossless is False
    assert settled(PHOTO, size, format="png", lossless=False).save_as.lossless is True


def test_a_background_is_for_transparency_that_has_to_go():
    clear, size = replace(PHOTO, format="png", alpha=True), Size(2000, 1600)
    assert settled(clear, size, format="jpeg", background="#ffffff").save_as.background == "#ffffff"
    assert settled(clear, size, background="#ffffff").save_as.background is None
    assert settled(PHOTO, size, background="#ffffff").save_as.background is None


def test_tables_are_matched_from_jpeg_to_jpeg_only():
    size = Size(2000, 1600)
    assert settled(PHOTO, size, match_source=True).save_as.match_source
    assert not settled(PHOTO, size, format="webp", match_source=True).save_as.match_source
    assert not settled(replace(PHOTO, format="heic"), size, match_source=True).save_as.match_source


def test_grey_of_a_profile_is_converted_where_its_format_has_no_grey():
    grey, size = replace(PHOTO, channels=1, icc_bytes=300), Size(2000, 1600)
    assert settled(grey, size, format="webp").save_as.convert == "srgb"
    assert settled(grey, size).save_as.convert is None
    assert settled(replace(grey, icc_bytes=0), size, format="webp").save_as.convert is None
    assert settled(PHOTO, size, format="webp", convert="display-p3").save_as.convert == "display-p3"


def test_what_the_formats_of_today_can_hold():
    assert {"jpeg", "png", "webp", "tiff", "avif", "jxl"} == WRITE_FORMATS
    assert {"png", "webp", "tiff", "avif", "jxl"} == ALPHA_FORMATS
    assert {"jpeg", "png", "tiff", "jxl"} == GREY_FORMATS
    assert {"png", "tiff", "avif", "jxl"} == DEEP_FORMATS
