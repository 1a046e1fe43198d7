"""JPEG holds 64 KiB of XMP in one piece; what is longer stands in an extension, cut into pieces of its own."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from twofold.imaging.xmp import RDF, Packet

NOTE = "http://ns.adobe.com/xmp/note/"
_PADDING = re.compile(rb"\s+(?=<\?xpacket end)")
_NAMED = re.compile(rb"HasExtendedXMP[^0-9A-Fa-f]{1,200}([0-9A-Fa-f]{32})")
_NOTE_BYTES = 300
_STAYS = ("History", "Orientation")  # what has to be found by those who read the first piece only


class Split(NamedTuple):
    """A packet that fits, and the extension that it names (None where it needs none)."""

    packet: bytes
    extension: bytes | None
    name: bytes = b""


def named_extension(packet: bytes) -> bytes | None:
    """The name (32 hexadecimal digits) of the extension that belongs to a packet."""
    match = _NAMED.search(packet)
    return None if match is None else match[1]


def merged(packet: bytes, extension: bytes) -> bytes:
    """A packet and its extension as one. Raises ValueError."""
    main, more = Packet(packet), Packet(extension)
    known = {one.name for one in main.properties()}
    body = b"".join(more.copied(one) for one in more.properties() if one.name not in known)
    for found in main.properties():
        if found.name.local == "HasExtendedXMP":
            main.remove(found.node)
    main.describe({}, body.decode())
    return main.written()


def split(packet: bytes, room_bytes: int) -> Split:
    """The packet cut so that its first part has at most `room_bytes`: the longest properties move first.

    Raises ValueError where that cannot be done.
    """
    if len(packet) <= room_bytes:
        return Split(packet, None)
    packet = _PADDING.sub(b"\n", packet)
    if len(packet) <= room_bytes:
        return Split(packet, None)
    main = Packet(packet)
    found = [one for one in main.properties() if one.name.local not in _STAYS]
    found.sort(key=lambda one: one.node.start - one.node.end)
    left = len(packet) + _NOTE_BYTES
    moved = []
    for one in found:
        if left <= room_bytes:
            break
        main.remove(one.node)
        moved.append(one)
        left -= one.node.end - one.node.start
    body = b"".join(main.copied(one) for one in sorted(moved, key=lambda one: one.node.start))
    extension = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="">'.encode()
        + body
        + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    name = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()  # the format's own way of naming it
    main.describe({"xmpNote": NOTE}, f"<xmpNote:HasExtendedXMP>{name}</xmpNote:HasExtendedXMP>")
    written = main.written()
    if len(written) > room_bytes:
        raise ValueError("it is too long")
    return Split(written, extension, name.encode())
