"""The comparison as it is drawn: what stands on the left, what on the right, in which colours."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from tests.imaging.pictures import ICC_RGB, contents, drawing, encoded, gradient, memory_file, noise, saved
from twofold.core.codes import Code
from twofold.core.comparison import Layout, choose_regions, lay_out, stored_rect
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Rect, Size, turned_size
from twofold.core.provenance import Provenance
from twofold.imaging import codec, colour
from twofold.imaging.compare import CHECKER, CHECKER_PX
from twofold.imaging.decode import as_stored
from twofold.imaging.excerpts import REDUCED_PX, Picture
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

NOTE = Provenance("0.1", (("identity", ""),), "2", "0" * 64)
LABELS = ("holiday.png to holiday-2x.png", "before", "after")
ODD_NAME = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{CJK UNIFIED IDEOGRAPH-6F22}\n" * 100


def sheet_of(source: bytes, result: bytes, sizes: tuple[Size, Size], labels: tuple[str, str, str] = LABELS) -> bytes:
    """Drawn in a child, as `upscale --compare` does it."""
    files = [memory_file(source), memory_file(result), memory_file(b"")]
    try:
        codec.compare(files[0], files[1], files[2], sizes, labels, NOTE)
        return contents(files[2])
    finally:
        for fd in files:
            os.close(fd)


def shown(sheet: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB")).astype(int)


def cut(picture: np.ndarray, at: Rect) -> np.ndarray:
    return picture[at.y0 : at.y1, at.x0 : at.x1]


def layout_of(source: bytes, sizes: tuple[Size, Size]) -> Layout:
    _, detail = Picture(source, sizes[0]).look()
    return lay_out(*sizes, choose_regions(detail, *sizes))


def pair(samples: np.ndarray, cover: np.ndarray | None = None, name: str = "png", scale: int = 4, **blocks: object):
    """A picture, its negative of `scale` times its size, which nobody takes for the same, and their sizes."""
    files = []
    for times, colours in ((1, samples), (scale, np.iinfo(samples.dtype).max - samples)):
        planes = [
            SharedRaster.copy_of(plane.repeat(times, 0).repeat(times, 1))
            for plane in (colours, cover)
            if plane is not None
        ]
        files.append(encoded(name, planes[0], planes[1] if len(planes) > 1 else None, Metadata(**blocks))[0])
    before = Size(samples.shape[1], samples.shape[0])
    return files[0], files[1], (before, before.times(scale))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [Size(300, 200), Size(90, 700), Size(1500, 60), Size(5, 3), Size(1, 1)])
def test_lanczos_stands_on_the_left_and_the_result_on_the_right(size: Size, channels: int, depth: int) -> None:
    samples = noise(channels, depth, width=size.width, height=size.height)
    source, result, sizes = pair(samples)
    sheet, layout = shown(sheet_of(source, result, sizes)), layout_of(source, sizes)
    assert sheet.shape == (layout.sheet.height, layout.sheet.width, 3)
    eight = samples if depth == 8 else np.rint(samples / 257).astype(np.uint8)
    plain = Image.fromarray(np.broadcast_to(eight, (*eight.shape[:2], 3)).copy())
    lanczos = np.asarray(plain.resize(sizes[1], Image.Resampling.LANCZOS)).astype(int)
    ours = 255 - np.broadcast_to(eight, (*eight.shape[:2], 3)).repeat(4, 0).repeat(4, 1).astype(int)
    for place in layout.places:
        assert layout.zoom == 1
        assert np.abs(cut(sheet, place.before) - cut(lanczos, place.region)).max() <= 1
        assert np.abs(cut(sheet, place.after) - cut(ours, place.region)).max() <= 1


def test_what_was_doubled_is_shown_with_each_pixel_doubled() -> None:
    samples = noise(3, 8, width=300, height=200)
    source, result, sizes = pair(samples, scale=2)
    sheet, layout = shown(sheet_of(source, result, sizes)), layout_of(source, sizes)
    place = layout.places[0]
    ours = cut(255 - samples.repeat(2, 0).repeat(2, 1).astype(int), place.region)
    assert np.array_equal(cut(sheet, place.after), ours.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_what_can_be_seen_through_shows_a_checkerboard_on_both_sides(channels: int) -> None:
    samples = np.full((120, 160, channels), 90, np.uint8)
    cover = np.full((120, 160, 1), 255, np.uint8)
    cover[:, :80] = 0
    samples[:, :80] = 0  # hidden, and not to be seen at the edge either
    source, result, sizes = pair(samples, cover)
    sheet, layout = shown(sheet_of(source, result, sizes)), layout_of(source, sizes)
    (place,) = layout.places
    down, across = np.indices(place.region.size[::-1]) // CHECKER_PX
    board = np.where((down + across) % 2, *CHECKER)[:, :, None]
    edge = 320 - place.region.x0
    for at, inner in ((place.before, 90), (place.after, 165)):
        half = cut(sheet, at)
        assert np.array_equal(half[:, : edge - 16], np.broadcast_to(board, (*board.shape[:2], 3))[:, : edge - 16])
        assert (half[:, edge + 16 :] == inner).all()
    assert cut(sheet, place.before).min() >= 88


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_source_is_compared_upright(orientation: int) -> None:
    upright = gradient(3, 8, width=64, height=40)
    upright[5:12, 40:60] = noise(3, 8, width=20, height=7)
    stored = np.ascontiguousarray(as_stored(upright, orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = saved(Image.fromarray(stored), "PNG", exif=exif)
    _, result, sizes = pair(upright)
    assert sheet_of(source, result, sizes) == sheet_of(saved(Image.fromarray(upright), "PNG"), result, sizes)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_of_the_upright_picture_is_found_in_the_stored_one(orientation: int) -> None:
    upright = np.arange(7 * 11).reshape(7, 11)
    stored = as_stored(upright, orientation)
    size = Size(11, 7)
    assert stored.shape == turned_size(size, orientation)[::-1]
    for rect in (Rect(0, 0, 11, 7), Rect(2, 1, 5, 7), Rect(10, 6, 11, 7)):
        at = stored_rect(rect, size, orientation)
        assert sorted(cut(stored, at).flat) == sorted(cut(upright, rect).flat)


def test_colours_are_moved_to_srgb_by_each_picture_s_profile() -> None:
    samples = np.full((60, 80, 3), (30, 200, 60), np.uint8)
    p3 = colour.profile("display-p3")
    source, result, sizes = pair(samples, icc=p3)
    sheet, layout = shown(sheet_of(source, result, sizes)), layout_of(source, sizes)
    for at, value in ((layout.places[0].before, (30, 200, 60)), (layout.places[0].after, (225, 55, 195))):
        profiles = (ImageCms.ImageCmsProfile(io.BytesIO(block)) for block in (p3, ICC_RGB))
        meant = ImageCms.profileToProfile(Image.new("RGB", (1, 1), value), *profiles, renderingIntent=1)
        assert np.abs(cut(sheet, at) - meant.getpixel((0, 0))).max() <= 2
        assert np.abs(np.array(value) - meant.getpixel((0, 0))).max() > 8


@pytest.mark.parametrize("size", [Size(6000, 500), Size(500, 6000)])
@pytest.mark.parametrize("cover", [False, True])
def test_a_large_picture_is_reduced_for_the_look_at_the_whole(size: Size, cover: bool) -> None:
    picture = np.asarray(drawing(500, 500).resize(size)).copy()
    opacity = np.full((size.height, size.width, 1), 255, np.uint8) if cover else None
    if opacity is not None:
        opacity[: size.height // 2, : size.width // 2] = 0
    source, _, sizes = pair(picture, opacity, scale=1)
    small, detail = Picture(source, sizes[0]).look()
    assert REDUCED_PX / 2 < max(small.size) <= REDUCED_PX
    whole = Image.open(io.BytesIO(source)).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 4
    assert np.shape(detail) == (96, 96)
    assert not cover or np.max(np.array(detail)[:46, :46]) == 0 < np.max(detail)


def test_the_sheet_is_known_as_one_of_ours_and_the_same_each_time() -> None:
    source, result, sizes = pair(noise(3, 8, width=60, height=40))
    sheet = sheet_of(source, result, sizes, (ODD_NAME, ODD_NAME, ODD_NAME))
    assert sheet == sheet_of(source, result, sizes, (ODD_NAME, ODD_NAME, ODD_NAME))
    fd = memory_file(sheet)
    (header,) = codec.probe(fd, codec.Limits()).headers
    os.close(fd)
    assert header.own
    assert (header.format, header.channels, header.depth) == ("png", 3, 8)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_picture_that_is_another_one_by_now_is_refused(broken: int) -> None:
    *files, sizes = pair(noise(3, 8, width=60, height=40))
    files[broken] = files[broken][: len(files[broken]) // 2]
    with pytest.raises(TwofoldError) as caught:
        sheet_of(files[0], files[1], sizes)
    assert caught.value.code is Code.DAMAGED
    files[broken] = saved(Image.new("RGB", (61, 40)), "PNG")
    with pytest.raises(TwofoldError) as caught:
        sheet_of(files[0], files[1], sizes)
    assert caught.value.code is Code.DAMAGED


@pytest.mark.slow
def test_a_very_large_result_is_read_without_being_held(tmp_path: Path) -> None:
    """192 megapixels, three parts of them, in a child that may hold half as many bytes more than it starts with."""
    sizes = Size(4000, 3000), Size(16000, 12000)
    files = []
    for name, size in zip(("source.jpg", "result.jpg"), sizes, strict=True):
        shape = pyvips.Image.xyz(*size)
        waves = (shape[0] * 360 / size.width).sin() * 60 + (shape[1] * 720 / size.height).cos() * 50 + 128
        waves.bandjoin([waves, waves * 0.5]).cast("uchar").copy(interpretation="srgb").write_to_file(tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    sheet = shown(sheet_of(files[0], files[1], sizes))
    layout = layout_of(files[0], sizes)
    assert len(layout.places) == 3
    for place in layout.places:
        assert np.abs(cut(sheet, place.before) - cut(sheet, place.after)).mean() < 3
