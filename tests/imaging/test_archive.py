"""Comic archives: what is not a page stays as it is, and hostile ones end in a code."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.comics import COMMENT, comic, comic_of
from tests.e2e.photos import photo
from tests.imaging.pictures import memory_file
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.pages import MAX_PAGE_BYTES, MAX_UNPACKED_BYTES, pages_to_make
from twofold.core.recipe import Recipe
from twofold.imaging import archive, archive_writer, codec
from twofold.imaging.bound import BoundPage

RECIPE = Recipe("r", models=("identity",), pages="all")
_CENTRAL, _LOCAL = b"PK\1\2", b"PK\3\4"

names = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\\\0:", exclude_categories=["Cc"]), min_size=1, max_size=12
    ).filter(lambda name: name not in (".", "..")),
    unique=True,
    max_size=6,
)
contents = st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), min_size=6, max_size=6)


def _zip(entries: list[tuple[str, bool, bytes]], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.comment = comment
        for name, deflated, content in entries:
            info = zipfile.ZipInfo(name, (1999, 12, 31, 23, 59, 58))
            info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            info.external_attr, info.comment = 0o600 << 16, content[:5]
            info.extra = struct.pack("<2HB4s", 0x5455, 5, 1, b"time")
            made.writestr(info, content)
    return buffer.getvalue()


def _bound(source: bytes, pages: dict[int, bytes], format_: str = "jpeg") -> bytes:
    """The archive with these entries replaced."""
    source_fd, stack_fd, result_fd = memory_file(source), memory_file(b"".join(pages.values())), memory_file(b"")
    bound, at = [], 0
    for number, content in pages.items():
        bound.append(BoundPage(number, at, len(content), format_, format_, 1, 1))
        at += len(content)
    try:
        archive_writer.bind(source_fd, stack_fd, result_fd, bound)
        if not pages:
            archive_writer.review(source_fd, stack_fd, result_fd, bound)
        return os.pread(result_fd, os.fstat(result_fd).st_size, 0)
    finally:
        for fd in (source_fd, stack_fd, result_fd):
            os.close(fd)


@given(names=names, contents=contents, comment=st.binary(max_size=30), made=st.sets(st.integers(0, 5)))
def test_what_is_no_page_is_copied_and_pages_take_their_places(
    names: list[str], contents: list[tuple[bool, bytes]], comment: bytes, made: set[int]
) -> None:
    entries = [(name, *content) for name, content in zip(names, contents, strict=False)]
    pages = {number: b"page %d " % number * number for number in sorted(made) if number < len(entries)}
    source = _zip(entries, comment)
    result = _bound(source, pages)
    with zipfile.ZipFile(io.BytesIO(source)) as before, zipfile.ZipFile(io.BytesIO(result)) as after:
        assert after.testzip() is None
        assert after.comment == before.comment
        for number, (old, new) in enumerate(zip(before.infolist(), after.infolist(), strict=True)):
            for fact in (
                "filename",
                "date_time",
                "external_attr",
                "compress_type",
                "comment",
                "extra",
                "create_system",
            ):
                assert getattr(old, fact) == getattr(new, fact)
            assert after.read(new) == pages.get(number, before.read(old))


def test_names_that_are_not_utf8_stay_as_they_are() -> None:
    page = "テスト.jpg".encode("shift_jis")
    source = _zip([("x" * len(page), False, b"picture"), ("other", True, b"text")]).replace(b"x" * len(page), page)
    result = _bound(source, {0: b"larger picture"})
    assert result.count(page) == 2
    with zipfile.ZipFile(io.BytesIO(result), metadata_encoding="shift_jis") as made:
        assert made.namelist() == ["テスト.jpg", "other"]
        assert made.read("テスト.jpg") == b"larger picture"


def test_offsets_beyond_four_gigabytes_are_read_back() -> None:
    """A large entry that is nothing but a hole: what follows it stands beyond what 32 bits can say."""
    source_fd, result_fd = memory_file(b""), memory_file(b"")
    with os.fdopen(os.dup(source_fd), "r+b") as file, zipfile.ZipFile(file, "w") as made:
        for name in ("first", "second"):
            made.writestr(name, "small")
    try:
        one = archive_writer._Written
        with archive.opened(source_fd) as source:
            found = archive.entries(source)
        far = 5 * 2**30
        written = [one(found[0], b"first", 0, 0, found[0].info.CRC, 5, 5, far)]
        os.pwrite(result_fd, archive_writer._local(written[0], None) + b"small", far)
        archive_writer._finish(written, b"", result_fd, far + 100)
        with archive.opened(result_fd) as result:
            assert result.read("first") == b"small"
    finally:
        os.close(source_fd), os.close(result_fd)


def _patched(data: bytes, name: bytes, *, flags: int | None = None, size: int | None = None) -> bytes:
    """An entry's flags or unpacked size changed, in its own head and in the directory."""
    patched = bytearray(data)
    for mark, flags_at, size_at, name_at in ((_LOCAL, 6, 22, 30), (_CENTRAL, 8, 24, 46)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if data[at + name_at : at + name_at + len(name)] == name:
                if flags is not None:
                    struct.pack_into("<H", patched, at + flags_at, flags)
                if size is not None:
                    struct.pack_into("<I", patched, at + size_at, size)
    return bytes(patched)


def _named(name: str) -> bytes:
    return _zip([("1.jpg", False, photo("jpeg", 20, 20, 0)), (name, False, photo("jpeg", 20, 20, 1))])


def _double() -> bytes:
    return _named("2.jpg").replace(b"2.jpg", b"1.jpg")


def _overlapping() -> bytes:
    """One page, and a directory that names it over and over."""
    data = _zip([("1.jpg", False, photo("jpeg", 20, 20, 0))])
    at, end = data.index(_CENTRAL), data.index(b"PK\5\6")
    records = b"".join(data[at:end].replace(b"1.jpg", b"%d.jpg" % number) for number in range(1, 9))
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 8, 8, len(records), at, 0)
    return data[:at] + records + tail


def _all_bytes() -> bytes:
    data = _zip([(f"{number:02}.jpg", False, b"\xff\xd8\xff") for number in range(12)])
    for number in range(12):
        data = _patched(data, b"%02d.jpg" % number, size=2**32 - 2)
    assert MAX_UNPACKED_BYTES < 12 * (2**32 - 2)
    return data


HOSTILE = {
    "encrypted": (lambda: _patched(_named("2.jpg"), b"2.jpg", flags=1), Code.ENCRYPTED),
    "double names": (_double, Code.BAD_ARCHIVE),
    "absolute name": (lambda: _named("/etc/passwd.jpg"), Code.BAD_ARCHIVE),
    "drive": (lambda: _named("C:\\x.jpg"), Code.BAD_ARCHIVE),
    "leads out": (lambda: _named("a/../../x.jpg"), Code.BAD_ARCHIVE),
    "leads out, as on Windows": (lambda: _named("..\\x.jpg"), Code.BAD_ARCHIVE),
    "over one another": (_overlapping, Code.BAD_ARCHIVE),
    "truncated": (lambda: comic_of(2)[:-40], Code.DAMAGED),
    "only its start": (lambda: comic_of(2)[:200], Code.DAMAGED),
    "no entry": (lambda: _zip([]), Code.NO_PAGES),
    "no page": (lambda: _zip([("a.txt", True, b"text")]), Code.NO_PAGES),
    "nested": (lambda: _zip([("comic.cbz", False, comic_of(1))]), Code.NO_PAGES),
    "a bomb as a page": (lambda: _patched(_named("2.jpg"), b"2.jpg", size=MAX_PAGE_BYTES + 1), Code.TOO_LARGE),
    "a bomb of many": (_all_bytes, Code.TOO_LARGE),
    "a page that is larger than it says": (lambda: _patched(_named("2.jpg"), b"2.jpg", size=40), Code.DAMAGED),
    "too many pages": (lambda: comic({f"{n}.jpg": photo("jpeg", 8, 8, n) for n in range(9)}), Code.TOO_LARGE),
    "too many entries": (lambda: _zip([(str(number), False, b"") for number in range(33)]), Code.TOO_LARGE),
    "an animation as a page": (lambda: _zip([("1.gif", False, _animation())]), Code.UNSUPPORTED_FORMAT),
}


def _animation() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_ends_in_a_code(kind: str) -> None:
    make, code = HOSTILE[kind]
    data = make()
    fd = memory_file(data)
    try:
        with pytest.raises(TwofoldError) as caught:
            pages_to_make(codec.probe(fd, codec.Limits(pages=8), pages="all"), RECIPE, "cbz")
        assert os.pread(fd, len(data) + 1, 0) == data
    finally:
        os.close(fd)
    assert caught.value.code is code
    assert caught.value.reason.hint


def test_pages_are_told_by_their_content_and_system_files_are_none() -> None:
    entries = [
        ("b.txt", False, photo("png", 20, 20, 0)),
        ("__MACOSX/._b.jpg", False, b"\0\5\x16\7"),
        ("__MACOSX/c.jpg", False, photo("jpeg", 20, 20, 0)),
        (".hidden.jpg", False, photo("jpeg", 20, 20, 0)),
        ("a.jpg", True, photo("webp", 20, 20, 0)),
    ]
    fd = memory_file(_zip(entries, COMMENT))
    try:
        found = codec.probe(fd, codec.Limits(), pages="all", look=True)
    finally:
        os.close(fd)
    assert [(page.number, page.name) for page in found.pages] == [(4, "a.jpg")]
    assert found.others == 4
    assert "flat" in found.header.signals
