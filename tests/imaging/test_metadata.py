"""What travels with the pixels: kept where it still holds, corrected where it does not."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from tests.imaging.pictures import HEIGHT, ICC_GREY, ICC_RGB, WIDTH, decoded, encoded, noise, photo, saved
from twofold.core.geometry import Size
from twofold.imaging import exif, jpeg
from twofold.imaging.metadata import Metadata, for_output
from twofold.imaging.shared_raster import SharedRaster

FORMATS = ("jpeg", "png", "webp", "tiff")
TAKEN = "2019:07:20 21:17:40"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF tiff:Orientation="6" exif:PixelXDimension="4000"/></x:xmpmeta>'


def camera_exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "Maker", "Camera 3", 6
    tags[0x0132] = TAKEN
    camera = tags.get_ifd(0x8769)
    camera[0x9003], camera[0x829A] = TAKEN, IFDRational(1, 250)
    camera[0xA002], camera[0xA003] = WIDTH, HEIGHT
    place = tags.get_ifd(0x8825)
    place[1], place[2] = "N", (48.0, 51.0, 29.6)
    return tags.tobytes()


def written(format_: str, metadata: Metadata) -> tuple[bytes, list[str]]:
    return encoded(format_, SharedRaster.copy_of(noise(3, 8, width=WIDTH * 2, height=HEIGHT * 2)), None, metadata)


def tags_of(data: bytes) -> Image.Exif:
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif()


@pytest.mark.parametrize(("source", "result"), list(product(["JPEG", "PNG", "WEBP", "TIFF"], FORMATS)))
def test_dates_place_and_camera_survive(source: str, result: str) -> None:
    block = camera_exif()
    if source == "TIFF":
        tags = Image.Exif()
        tags.load(block)
        image = photo()
        data = saved(image, source, exif=tags)
    else:
        data = saved(photo(), source, exif=block)
    data, warnings = written(result, decoded(data).metadata)
    assert warnings == []
    tags = tags_of(data)
    assert (tags[0x010F], tags[0x0110], tags[0x0132]) == ("Maker", "Camera 3", TAKEN)
    camera = tags.get_ifd(0x8769)
    assert camera[0x9003] == TAKEN
    assert camera[0x829A] == pytest.approx(1 / 250)
    assert tags.get_ifd(0x8825)[2] == pytest.approx((48.0, 51.0, 29.6))
    assert (camera[0xA002], camera[0xA003]) == (WIDTH * 2, HEIGHT * 2)


@pytest.mark.parametrize("format_", FORMATS)
def test_profile_bytes_stay_identical(format_: str) -> None:
    large = ICC_RGB + np.random.default_rng(1).bytes(200_000)  # more than one JPEG segment
    data, warnings = written(format_, Metadata(icc=large))
    assert decoded(data).metadata.icc == large
    assert warnings == []
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == large


@pytest.mark.parametrize("format_", FORMATS)
def test_untagged_stays_untagged(format_: str) -> None:
    assert decoded(written(format_, Metadata())[0]).metadata.icc is None


def test_a_profile_for_other_pixels_is_dropped_with_a_warning() -> None:
    kept, warnings = for_output(Metadata(icc=ICC_GREY), Size(2, 2), 3)
    assert kept.icc is None
    assert len(warnings) == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_captions_survive_and_are_corrected(format_: str) -> None:
    found = decoded(written(format_, Metadata(xmp=XMP))[0]).metadata.xmp
    assert found == XMP.replace(b'Orientation="6"', b'Orientation="1"').replace(b'"4000"', b'"%d"' % (WIDTH * 2))


def test_exif_larger_than_jpeg_holds_is_dropped_with_a_warning() -> None:
    tags = Image.Exif()
    tags[0x010E] = "x" * 70_000
    data, warnings = written("jpeg", Metadata(exif=tags.tobytes().removeprefix(b"Exif\0\0")))
    assert len(warnings) == 1
    assert "EXIF" in warnings[0]
    assert decoded(data).metadata.exif is None


def test_a_broken_block_is_dropped_with_a_warning() -> None:
    _, warnings = written("jpeg", Metadata(exif=b"II*\0\xff\xff\xff\x7f"))
    assert len(warnings) == 1


def with_thumbnail() -> tuple[bytes, bytes]:
    """An EXIF block with an IFD1 and a thumbnail behind it, and the thumbnail."""
    import struct

    thumbnail = saved(photo().resize((8, 8)), "JPEG")
    root = struct.pack("<HHHII", 1, 0x0112, 3, 1, 6) + struct.pack("<I", 8 + 18)
    second = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 26 + 30, 0x0202, 4, 1, len(thumbnail), 0)
    return b"II*\0\x08\0\0\0" + root + second + thumbnail, thumbnail


def test_the_old_thumbnail_is_gone() -> None:
    block, thumbnail = with_thumbnail()
    assert thumbnail in block
    corrected = exif.retarget(block, Size(99, 77))
    assert thumbnail[:20] not in corrected
    assert exif.orientation(corrected) == 1
    tags = Image.Exif()
    tags.load(corrected)
    assert tags.get_ifd(0x0201) == {}


def test_a_size_that_outgrows_its_tag_is_written_wider() -> None:
    import struct

    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0100, 3, 1, 640, 0, 0)
    tags = Image.Exif()
    tags.load(exif.retarget(block, Size(70_000, 3)))
    assert tags[0x0100] == 70_000


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 200))
def test_no_block_does_harm(junk: bytes, at: int) -> None:
    block = bytearray(camera_exif().removeprefix(b"Exif\0\0"))
    block[at : at + len(junk)] = junk
    assert 1 <= exif.orientation(bytes(block)) <= 8
    kept, warnings = for_output(Metadata(exif=bytes(block)), Size(9, 9), 3)
    assert (kept.exif is None) == bool(warnings)


def test_segments_behind_the_picture_do_not_count() -> None:
    """A motion photo carries its film behind the end mark."""
    data = saved(photo(), "JPEG") + b"ftypmp42" * 100
    assert jpeg.inspect(data).header.size == (WIDTH, HEIGHT)
    assert decoded(data).raster.array().any()
