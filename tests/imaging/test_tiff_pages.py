"""TIFFs of several pages: each page as faithful as a single, in one file again."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.e2e.photos import drop, scene
from tests.e2e.service import Service
from tests.imaging.pictures import ICC_RGB, gradient, memory_file
from twofold.imaging import codec, tiff_pages
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import inspect
from twofold.raster import Samples

PAGES: tuple[tuple[Samples, dict[str, object]], ...] = (
    (gradient(3, 8, width=40, height=30), {"photometric": "rgb", "iccprofile": ICC_RGB, "resolution": (300, 300)}),
    (gradient(1, 16, width=25, height=50)[..., 0], {"photometric": "minisblack", "description": "the second"}),
    (gradient(4, 16, width=31, height=22), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    (gradient(1, 8, width=20, height=20)[..., 0], {"photometric": "minisblack", "resolution": (72, 72)}),
)


def document(order: str = "<", *, bigtiff: bool = False) -> bytes:
    """Pages of several sizes, modes and depths, with a reduced copy between them that is no page."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=order, bigtiff=bigtiff) as writer:
        for number, (samples, options) in enumerate(PAGES):
            writer.write(samples, metadata=None, software=False, compression="zlib", **options)
            if number == 1:
                writer.write(samples[::2, ::2], metadata=None, software=False, photometric="minisblack", subfiletype=1)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_every_page_comes_back_as_it_was_but_larger(tmp_path: Path, order: str, bigtiff: bool) -> None:
    home = Service(tmp_path, "")
    source = document(order, bigtiff=bigtiff)
    drop(home.home, "scan.tif", source)
    done = home.command("upscale", "scan.tif", "--pages", "all", "--model", "identity")
    assert done.returncode == 0, done.stderr
    made = home.home / "scan-2x.tif"
    with tifffile.TiffFile(made) as file:
        assert file.byteorder == order
        assert len(file.pages) == len(PAGES)
        for page, (samples, options) in zip(file.pages, PAGES, strict=True):
            found = page.asarray()
            assert found.dtype == samples.dtype
            np.testing.assert_array_equal(found, samples.repeat(2, axis=0).repeat(2, axis=1))
            tags = page.tags
            assert tags.get("InterColorProfile") is None or tags["InterColorProfile"].value == ICC_RGB
            assert (tags.get("InterColorProfile") is None) == ("iccprofile" not in options)
            if "resolution" in options:
                assert tags["XResolution"].value == (options["resolution"][0], 1)  # type: ignore[index]
            if "description" in options:
                assert tags["ImageDescription"].value == options["description"]
            assert b"Twofold" in tags["XMP"].value  # how it was made


def test_the_first_page_alone_is_a_single_picture(tmp_path: Path) -> None:
    home = Service(tmp_path, "")
    drop(home.home, "scan.tif", document())
    done = home.command("upscale", "scan.tif", "--pages", "first", "--model", "identity")
    assert done.returncode == 0, done.stderr
    assert inspect((home.home / "scan-2x.tif").read_bytes()).header.frames == 1
    found = tifffile.imread(home.home / "scan-2x.tif")
    np.testing.assert_array_equal(found, PAGES[0][0].repeat(2, axis=0).repeat(2, axis=1))


def test_a_format_without_pages_is_refused_before_any_work(tmp_path: Path) -> None:
    home = Service(tmp_path, RECIPE)
    drop(home.folder("in"), "scan.tif", document())
    home.folder("out")
    assert home.command("once").returncode == 3
    job = home.jobs()["scan.tif"]
    assert (job["state"], job["reason"]["code"]) == ("failed", "unsupported_format")
    assert "pages: first" in job["reason"]["hint"]


RECIPE = """\
recipes:
  double: {scale: 2, models: [identity], pages: all, save_as: {format: jpeg}}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""


@pytest.mark.parametrize("big", [False, True])
def test_files_are_joined_beyond_four_gigabytes_too(big: bool) -> None:
    """As BigTIFF the offsets are wider; the pixels are the same."""
    files = []
    for number in range(3):
        buffer = io.BytesIO()
        samples = (scene(50 + number, 40, number) * 255).astype(np.uint8)
        tifffile.imwrite(buffer, samples, photometric="rgb", compression="zlib", rowsperstrip=7)
        files.append(buffer.getvalue())
    stack_fd, result_fd = memory_file(b"".join(files)), memory_file(b"")
    pages, at = [], 0
    for number, data in enumerate(files):
        pages.append(BoundPage(number, at, len(data), "tiff", "tiff", 50 + number, 40))
        at += len(data)
    try:
        tiff_pages.join(stack_fd, result_fd, pages, big=big)
        tiff_pages.review(-1, stack_fd, result_fd, pages)
        result = os.pread(result_fd, os.fstat(result_fd).st_size, 0)
        with pytest.raises(ValueError, match="pages"):
            tiff_pages.review(-1, stack_fd, result_fd, pages[:2])
        with pytest.raises(ValueError, match="page 1"):
            tiff_pages.review(-1, stack_fd, result_fd, [pages[1], pages[0], pages[2]])
    finally:
        os.close(stack_fd), os.close(result_fd)
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        assert file.is_bigtiff == big
        for page, data in zip(file.pages, files, strict=True):
            np.testing.assert_array_equal(page.asarray(), tifffile.imread(io.BytesIO(data)))


def test_directories_that_go_round_are_counted_once() -> None:
    data = bytearray(document())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        offsets = [page.offset for page in file.pages]
        last = file.pages[-1].offset
    entries = int.from_bytes(data[last : last + 2], "little")
    at = last + 2 + 12 * entries
    data[at : at + 4] = offsets[0].to_bytes(4, "little")
    fd = memory_file(bytes(data))
    try:
        found = codec.probe(fd, codec.Limits(), pages="all")
    finally:
        os.close(fd)
    assert found.count == len(PAGES)
    assert [header.depth for header in found.headers] == [8, 16, 16, 8]
