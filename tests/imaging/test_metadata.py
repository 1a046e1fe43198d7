"""What travels with the pixels: kept where it still holds, corrected where it does not."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from tests.imaging.cameras import canon, sony
from tests.imaging.pictures import (
    HEIGHT,
    ICC_GREY,
    ICC_RGB,
    NO_WISHES,
    WIDTH,
    contents,
    decoded,
    encoded,
    memory_file,
    noise,
    photo,
    png,
    saved,
)
from twofold.core.geometry import Size
from twofold.core.provenance import Provenance
from twofold.core.recipe import Dpi
from twofold.imaging import exif, image_resources, jpeg, maker_note, tiff_writer
from twofold.imaging.change import Change, Wishes
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import FILM, Metadata, for_output, is_own_result
from twofold.imaging.shared_raster import SharedRaster

NOTE = Provenance("1.2.3", (), "2", "ef" * 32)
SMALL = Change(Size(3, 3), Size(9, 9))
FORMATS = ("jpeg", "png", "webp", "tiff")
TAKEN = "2019:07:20 21:17:40"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    b' tiff:Orientation="6" exif:PixelXDimension="4000"/></rdf:RDF></x:xmpmeta>'
)


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
    kept, warnings = for_output(Metadata(icc=ICC_GREY), SMALL, 3, "jpeg")
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
    thumbnail = saved(photo().resize((8, 8)), "JPEG")
    root = struct.pack("<HHHII", 1, 0x0112, 3, 1, 6) + struct.pack("<I", 8 + 18)
    second = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 26 + 30, 0x0202, 4, 1, len(thumbnail), 0)
    return b"II*\0\x08\0\0\0" + root + second + thumbnail, thumbnail


def test_the_old_thumbnail_is_gone() -> None:
    block, thumbnail = with_thumbnail()
    assert thumbnail in block
    corrected = exif.retarget(block, Change(Size(37, 23), Size(99, 77)))
    assert thumbnail[:20] not in corrected
    assert exif.orientation(corrected) == 1
    tags = Image.Exif()
    tags.load(corrected)
    assert tags.get_ifd(0x0201) == {}


def test_a_size_that_outgrows_its_tag_is_written_wider() -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0100, 3, 1, 640, 0, 0)
    tags = Image.Exif()
    tags.load(exif.retarget(block, Change(Size(7, 3), Size(70_000, 3))))
    assert tags[0x0100] == 70_000


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 200))
def test_no_block_does_harm(junk: bytes, at: int) -> None:
    block = bytearray(camera_exif().removeprefix(b"Exif\0\0"))
    block[at : at + len(junk)] = junk
    assert 1 <= exif.orientation(bytes(block)) <= 8
    kept, warnings = for_output(Metadata(exif=bytes(block)), SMALL, 3, "jpeg")
    assert (kept.exif is None) == bool(warnings)


def test_segments_behind_the_picture_do_not_count() -> None:
    """A motion photo carries its film behind the end mark."""
    data = saved(photo(), "JPEG") + b"ftypmp42" * 100
    assert jpeg.inspect(data).header.size == (WIDTH, HEIGHT)
    assert decoded(data).raster.array().any()


# --- texts, comments, captions, colour chunks


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    rows = zlib.compress(b"\0" + bytes(12) * 1 + b"\0" + bytes(12))
    return png((4, 2, 8, 2), *chunks, (b"IDAT", rows))


def written_as(format_: str, data: bytes, wishes: Wishes = NO_WISHES) -> tuple[Metadata, list[str]]:
    back = decoded(data)
    result, warnings = encoded(format_, back.raster, None, back.metadata, wishes=wishes)
    return decoded(result).metadata, warnings


COLOUR = (
    (b"cICP", bytes((9, 16, 0, 1))),
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    (b"tIME", struct.pack(">H5B", 2019, 7, 20, 21, 17, 40)),
)
TEXTS = (
    (b"tEXt", b"Title\0Br\xfccke"),
    (b"zTXt", b"Software\0\0" + zlib.compress(b"a camera")),
    (b"iTXt", b"Note\0\0\0de\0Notiz\0" + "Übung ☂".encode()),
    (b"iTXt", b"Packed\0\1\0\0\0" + zlib.compress("☂".encode())),
)


def test_png_keeps_its_texts_and_colour_chunks() -> None:
    found, warnings = written_as("png", png_of(*COLOUR, *TEXTS))
    assert warnings == []
    assert found.colour == tuple(kind + body for kind, body in COLOUR)
    assert dict(found.texts) == {"Title": "Brücke", "Software": "a camera", "Note": "Übung ☂", "Packed": "☂"}


def test_texts_become_comments_or_xmp_where_a_format_has_those() -> None:
    found, warnings = written_as("jpeg", png_of(*TEXTS))
    assert warnings == []
    assert found.comments == (b"Software: a camera", "Note: Übung ☂".encode(), "Packed: ☂".encode())
    assert "Brücke".encode() in (found.xmp or b"")
    assert written_as("jpeg", png_of(COLOUR[1]))[1] == []  # sRGB's own gamma
    assert written_as("jpeg", png_of(*COLOUR))[1] == ["jpeg has no place for what the PNG says about its colours"]
    found, warnings = written_as("webp", png_of(*TEXTS))
    assert "Brücke".encode() in (found.xmp or b"")
    assert warnings == ["webp has no place for these texts: Note, Packed, Software"]


def test_comments_of_a_jpeg_are_kept() -> None:
    data = saved(photo(), "JPEG", comment=b"made for a test")
    assert written_as("jpeg", data)[0].comments == (b"made for a test",)
    assert written_as("png", data)[0].texts == (("Comment", "made for a test"),)


def test_a_text_that_unpacks_without_end_is_left_out() -> None:
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    assert inspect(png_of((b"zTXt", b"Bomb\0\0" + bomb))).metadata.texts == ()


IPTC = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"".join(
    b"\x1c\x02" + bytes((number, 0, len(text))) + text
    for number, text in ((25, b"tower"), (25, "Übung".encode()), (120, b"A tower"), (55, b"20190720"))
)


def resources(*found: tuple[int, bytes]) -> bytes:
    return image_resources.packed([image_resources.Resource(number, b"\0\0", data) for number, data in found])


@pytest.mark.parametrize("format_", ["jpeg", "png", "tiff"])
def test_iptc_captions_are_kept_and_old_thumbnails_are_not(format_: str) -> None:
    block = resources((0x0404, IPTC), (0x040C, b"thumbnail"), (0x0425, b"digest"))
    found, warnings = written_as("jpeg", written(format_, Metadata(photoshop=block))[0])
    assert warnings == []
    assert found.photoshop == resources((0x0404, IPTC), (0x0425, b"digest"))


def test_iptc_captions_become_xmp_in_webp() -> None:
    found, warnings = written_as("webp", written("jpeg", Metadata(photoshop=resources((0x0404, IPTC))))[0])
    assert warnings == []
    for text in ("tower", "Übung", "A tower", "2019-07-20"):
        assert f">{text}<".encode() in (found.xmp or b"")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_resources_do_harm(junk: bytes, at: int) -> None:
    block = bytearray(resources((0x0404, IPTC), (0x03ED, bytes(16))))
    block[at : at + len(junk)] = junk
    for wishes in (NO_WISHES, Wishes(dpi="scale")):
        for_output(Metadata(photoshop=bytes(block)), replace(SMALL, wishes=wishes), 3, "webp")


# --- what a recipe asks for


def rich_jpeg() -> bytes:
    metadata = Metadata(ICC_RGB, camera_exif().removeprefix(b"Exif\0\0"), XMP, (300.0, 300.0))
    return written("jpeg", replace(metadata, photoshop=resources((0x0404, IPTC)), comments=(b"a comment",)))[0]


@pytest.mark.parametrize("format_", FORMATS)
def test_places_are_left_out_on_request(format_: str) -> None:
    back = decoded(rich_jpeg())
    data, _ = encoded(format_, back.raster, None, back.metadata, wishes=Wishes(strip="gps"))
    tags = tags_of(data)
    assert dict(tags.get_ifd(0x8825)) == {}
    assert struct.pack("<6I", 48, 1, 51, 1, 296, 10) not in data
    assert tags.get_ifd(0x8769)[0x9003] == TAKEN


@pytest.mark.parametrize("format_", FORMATS)
def test_everything_but_colour_and_resolution_is_left_out_on_request(format_: str) -> None:
    found, warnings = written_as(format_, rich_jpeg(), Wishes(strip="all", provenance=NOTE))
    assert warnings == []
    assert (found.icc, found.photoshop, found.comments) == (ICC_RGB, None, ())
    assert exif.taken(found.exif) == ""
    assert (found.dpi or exif.resolution(found.exif)) == pytest.approx((300, 300), rel=1e-3)
    assert is_own_result(found)
    assert b"Orientation" not in (found.xmp or b"")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(("dpi", "meant"), [("keep", 300), ("scale", 600)])
def test_resolution_is_kept_or_scaled(format_: str, dpi: Dpi, meant: int) -> None:
    tags = Image.Exif()
    tags[0x011A], tags[0x011B], tags[0x0128] = 300.0, 300.0, 2
    back = decoded(saved(photo(), "JPEG", dpi=(300, 300), exif=tags))
    large = SharedRaster.copy_of(noise(3, 8, width=WIDTH * 2, height=HEIGHT * 2))
    data, _ = encoded(format_, large, None, back.metadata, wishes=Wishes(dpi=dpi))
    found = decoded(data).metadata
    if format_ != "webp":
        assert found.dpi == pytest.approx((meant, meant), rel=1e-3)
    if format_ != "tiff":
        assert exif.resolution(found.exif) == (meant, meant)


def test_the_same_input_gives_the_same_bytes() -> None:
    back = decoded(rich_jpeg())
    for format_ in FORMATS:
        one, other = (encoded(format_, back.raster, None, back.metadata, wishes=Wishes(provenance=NOTE)) for _ in "ab")
        assert one == other


# --- what hangs on a picture


def test_further_pictures_are_told_of_and_left_behind() -> None:
    buffer = io.BytesIO()
    photo().save(buffer, "MPO", save_all=True, append_images=[photo()])
    back = decoded(buffer.getvalue())
    data, warnings = encoded("jpeg", back.raster, None, back.metadata)
    assert warnings == ["only the picture was enlarged, without further pictures"]
    assert b"MPF\0" not in data


def test_the_film_of_an_older_motion_photo_is_told_of() -> None:
    data = saved(photo(), "JPEG") + b"MotionPhoto_Data" + b"ftypmp42" * 9 + b"SEFH" + bytes(12) + b"SEFT"
    assert for_output(decoded(data).metadata, SMALL, 3, "jpeg")[1] == [f"only the picture was enlarged, without {FILM}"]


def test_a_big_tiff_holds_exif_too() -> None:
    data, _ = written("jpeg", Metadata(exif=camera_exif().removeprefix(b"Exif\0\0")))
    result = memory_file(b"")
    samples = noise(3, 8)
    assert tiff_writer.write(samples, None, decoded(data).metadata, result, big=True, level=1) == []
    found = inspect(contents(result)).metadata
    os.close(result)
    assert exif.taken(found.exif) == TAKEN


def test_a_packet_of_tens_of_thousands_of_elements_takes_seconds() -> None:
    """Each kind would take hours if anything here were of the square of their number."""
    kinds = (b"<dc:a/>", b"<dc:GPSa/> \n", b"x<dc:a/>", b'<dc:a xmlns:p="urn:p"/>')
    hostile = b"".join(kind * 12_000 for kind in kinds)
    body = XMP.replace(b'"4000"/>', b'"4000" xmlns:dc="urn:dc">' + hostile + b"</rdf:Description>")
    started_s = time.process_time()
    kept, warnings = for_output(Metadata(xmp=body), replace(SMALL, wishes=Wishes("gps", provenance=NOTE)), 3, "jpeg")
    assert time.process_time() - started_s < 30
    assert warnings == []
    assert is_own_result(kept)


def test_maker_notes_move_with_their_offsets() -> None:
    note = canon(1000)
    assert maker_note.moved(note, "<", 1000, 5000) == canon(5000)
    assert maker_note.moved(canon(0), "<", 0, 7) == canon(7)
    foreign = b"FUJIFILM" + note
    assert maker_note.moved(foreign, "<", 1000, 5000) == foreign


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 150), st.integers(0, 2**32 - 1))
def test_no_maker_note_does_harm(junk: bytes, at: int, new_at: int) -> None:
    note = bytearray(sony(100))
    note[at : at + len(junk)] = junk
    assert len(maker_note.moved(bytes(note), "<", 100, new_at)) == len(note)
