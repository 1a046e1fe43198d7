from __future__ import annotations

import itertools
import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.formats import FORMATS
from twofold.core.naming import (
    MAX_NAME_BYTES,
    MAX_SUFFIX,
    name_beside,
    output_name,
    reservation_key,
    suffixed_names,
    temp_name,
    wrong_extension,
)

# Any bytes a file system allows in one component.
components = st.binary(min_size=1, max_size=255).filter(
    lambda name: not {b"/"[0], 0} & set(name) and name not in (b".", b"..")
)
paths = st.lists(components, min_size=1, max_size=3).map(b"/".join)
formats = st.sampled_from(list(FORMATS.values()))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (b"a/b/photo.jpg", "jpeg", b"a/b/photo.jpg"),
        (b"IMG.JPEG", "jpeg", b"IMG.JPEG"),
        (b"photo.jpg", "png", b"photo.png"),
        (b"Scan.TIF", "tiff", b"Scan.TIF"),
        (b"icon.bmp", "png", b"icon.png"),
        (b"photo", "jpeg", b"photo.jpg"),
        (b"scan.2024", "tiff", b"scan.2024.tif"),
        (b"v1.5/photo", "png", b"v1.5/photo.png"),
        (b"a.png.jpg", "png", b"a.png.png"),
        (b"\xff\xfe.webp", "webp", b"\xff\xfe.webp"),
        (b"new\nline.jpg", "png", b"new\nline.png"),
        (b".jpg", "jpeg", b".jpg.jpg"),
    ],
)
def test_names_of_results(source, target, expected):
    assert output_name(source, FORMATS[target]) == expected


@settings(deadline=None, max_examples=150)
@given(paths, formats)
def test_a_result_keeps_its_folder_fits_and_ends_in_its_format(path, target):
    name = output_name(path, target)
    folder, _, last = name.rpartition(b"/")
    assert folder == path.rpartition(b"/")[0]
    assert len(last) <= MAX_NAME_BYTES
    assert last.rpartition(b".")[2].lower().decode() in target.extensions
    assert output_name(name, target) == name


@settings(deadline=None, max_examples=100)
@given(paths, formats)
def test_suffixed_names_are_distinct_and_fit(path, target):
    name = output_name(path, target)
    found = list(itertools.islice(suffixed_names(name), 12))
    assert found[0] == name
    assert len(set(found)) == 12
    assert all(len(one.rpartition(b"/")[2]) <= MAX_NAME_BYTES for one in found)


def test_suffixes_count_from_two_and_come_to_an_end():
    names = list(suffixed_names(b"a/photo.jpg"))
    assert names[:3] == [b"a/photo.jpg", b"a/photo-2.jpg", b"a/photo-3.jpg"]
    assert len(names) == MAX_SUFFIX


@pytest.mark.parametrize("start", ["", "p", "pp", "ppp"])
def test_long_names_stay_apart_and_whole_characters(start):
    names = [output_name(f"{start}{'😀' * 62}{tail}".encode(), FORMATS["jpeg"]) for tail in ("xxxx", "xxxy")]
    assert names[0] != names[1]
    for name in names:
        assert MAX_NAME_BYTES - 3 <= len(name) <= MAX_NAME_BYTES
        assert name.decode().startswith(start + "😀" * 50)


def test_beside_its_source_a_result_says_its_factor():
    assert name_beside(b"/p/photo.jpg", Fraction(2), FORMATS["jpeg"]) == b"/p/photo-2x.jpg"
    assert name_beside(b"photo.PNG", Fraction(5, 2), FORMATS["png"]) == b"photo-2.5x.PNG"
    assert name_beside(b"photo.jpg", Fraction(4, 3), FORMATS["webp"]) == b"photo-1.33x.webp"
    assert len(name_beside(b"p" * 251 + b".jpg", Fraction(2), FORMATS["jpeg"])) == MAX_NAME_BYTES


def test_the_temporary_name_carries_the_job():
    assert temp_name("01H") == b".twofold-01H.tmp"


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_twins_of_a_name_share_a_key(text):
    key = reservation_key(text.encode())
    for form in ("NFC", "NFD"):
        assert reservation_key(unicodedata.normalize(form, text).encode()) == key
    assert reservation_key(text.casefold().encode()) == key


def test_case_and_composition_collide_and_nothing_else_does():
    assert reservation_key(b"IMG.JPG") == reservation_key(b"img.jpg")
    assert reservation_key("Ünï.png".encode()) == reservation_key(unicodedata.normalize("NFD", "üNÏ.PNG").encode())
    assert reservation_key(b"a.png") != reservation_key(b"a.jpg")
    assert reservation_key(b"a/b.png") != reservation_key(b"b.png")


@settings(deadline=None, max_examples=150)
@given(paths)
def test_any_bytes_have_a_key(path):
    key = reservation_key(path)
    assert key.count(b"/") == path.count(b"/")
    assert reservation_key(path) == key


def test_bytes_that_are_no_text_stay_apart():
    assert reservation_key(b"\xff.jpg") != reservation_key(b"\xfe.jpg")


@pytest.mark.parametrize(
    ("source", "format_", "noted"),
    [
        (b"a/photo.jpg", "png", "it is called .jpg, and is png"),
        (b"a/photo.JPG", "jpeg", ""),
        (b"photo.jfif", "jpeg", ""),
        (b"scan.2024", "png", ""),
        (b"photo", "png", ""),
        (b"IMG.HEIC", "heic", ""),
        (b"IMG.heic", "jpeg", "it is called .heic, and is jpeg"),
    ],
)
def test_a_name_that_says_something_else_is_noted(source: bytes, format_: str, noted: str) -> None:
    assert wrong_extension(source, FORMATS[format_]) == noted


@pytest.mark.parametrize("name", [b"IMG_1.HEIC", b"IMG_1.dng", b"IMG_1.CR3", b"IMG_1.avif"])
def test_what_is_only_read_gets_the_extension_of_what_is_written(name: bytes) -> None:
    assert output_name(name, FORMATS["jpeg"]) == b"IMG_1.jpg"
