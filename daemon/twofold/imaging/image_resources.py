"""Photoshop's image resources: where JPEG keeps IPTC captions, print resolution and much else."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from twofold.imaging.change import Change
from twofold.imaging.xmp import safe_text
from twofold.imaging.xmp_edits import XmpValues

MAX_RESOURCES = 10_000
MAX_DATA_SETS = 4096
IPTC = 0x0404
_MARK = b"8BIM"
_RESOLUTION = 0x03ED
# Thumbnails, guides and slices are of the smaller picture; EXIF and XMP stand elsewhere, corrected.
_STALE = frozenset({0x0409, 0x040C, 0x0408, 0x041A, 0x0422, 0x0423, 0x0424})
_PATHS = range(0x07D0, 0x0BB7)


class Resource(NamedTuple):
    """One resource; `name` is a Pascal string with its padding."""

    number: int
    name: bytes
    data: bytes


def resources(block: bytes) -> Iterator[Resource]:
    """All that can be read; it ends where the block breaks off."""
    at = 0
    for _ in range(MAX_RESOURCES):
        if block[at : at + 4] != _MARK or at + 12 > len(block):
            return
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name_bytes = 1 + block[at + 6]
        name_bytes += name_bytes & 1
        start = at + 6 + name_bytes + 4
        size = int.from_bytes(block[start - 4 : start], "big")
        if start + size > len(block):
            return
        yield Resource(number, block[at + 6 : start - 4], block[start : start + size])
        at = start + size + (size & 1)


def packed(found: list[Resource]) -> bytes:
    return b"".join(
        _MARK
        + struct.pack(">H", one.number)
        + one.name
        + struct.pack(">I", len(one.data))
        + one.data
        + b"\0" * (len(one.data) & 1)
        for one in found
    )


def with_iptc(block: bytes | None, iptc: bytes) -> bytes:
    """The block, with IPTC captions in it where it had none."""
    found = list(resources(block or b""))
    if any(one.number == IPTC for one in found):
        return packed(found)
    return packed([*found, Resource(IPTC, b"\0\0", iptc)])


def iptc_of(block: bytes | None) -> bytes | None:
    """The IPTC captions in a block."""
    return next((one.data for one in resources(block or b"") if one.number == IPTC), None)


def corrected(block: bytes, change: Change) -> bytes | None:
    """The block for the result of `change`, or None where nothing is left of it."""
    kept = []
    for one in resources(block):
        if one.number in _STALE or (one.number in _PATHS and change.orientation != 1):
            continue
        kept.append(_scaled(one, change) if one.number == _RESOLUTION and change.wishes.dpi == "scale" else one)
    return packed(kept) or None


def _scaled(one: Resource, change: Change) -> Resource:
    if len(one.data) != 16:
        return one
    x, x_units, y, y_units = struct.unpack(">I4sI4s", one.data)
    x, y = (
        min(round(Fraction(value) * factor), 2**32 - 1) for value, factor in zip((x, y), change.factors, strict=True)
    )
    return one._replace(data=struct.pack(">I4sI4s", x, x_units, y, y_units))


_DATA_SETS = {
    5: ("http://purl.org/dc/elements/1.1/", "dc", "title"),
    25: ("http://purl.org/dc/elements/1.1/", "dc", "subject"),
    80: ("http://purl.org/dc/elements/1.1/", "dc", "creator"),
    116: ("http://purl.org/dc/elements/1.1/", "dc", "rights"),
    120: ("http://purl.org/dc/elements/1.1/", "dc", "description"),
    **{
        number: ("http://ns.adobe.com/photoshop/1.0/", "photoshop", local)
        for number, local in {
            15: "Category",
            40: "Instructions",
            55: "DateCreated",
            85: "AuthorsPosition",
            90: "City",
            95: "State",
            101: "Country",
            103: "TransmissionReference",
            105: "Headline",
            110: "Credit",
            115: "Source",
            122: "CaptionWriter",
        }.items()
    },
    92: ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore", "Location"),
    100: ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore", "CountryCode"),
}


def as_xmp(iptc: bytes) -> XmpValues:
    """IPTC captions as the XMP properties that mean the same, for containers that hold no IPTC."""
    texts: XmpValues = {}
    encoding = "utf-8" if b"\x1c\x01\x5a\x00\x03\x1b%G" in iptc else "cp1252"
    at = 0
    for _ in range(MAX_DATA_SETS):
        if iptc[at : at + 1] != b"\x1c" or at + 5 > len(iptc):
            break
        record, number, size = iptc[at + 1], iptc[at + 2], int.from_bytes(iptc[at + 3 : at + 5], "big")
        body = iptc[at + 5 : at + 5 + size]
        if record == 2 and number in _DATA_SETS and size < 2**15:
            text = safe_text(body.decode(encoding, "replace"))
            if number == 55 and len(text) == 8 and text.isdigit():
                text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
            texts[_DATA_SETS[number]] = (*texts.get(_DATA_SETS[number], ()), text)
        at += 5 + size
    return texts
