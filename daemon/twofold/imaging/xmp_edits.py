"""What an enlarged, upright picture's XMP has to say otherwise than its source's did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

from twofold.core.provenance import Provenance
from twofold.imaging import regions
from twofold.imaging.change import Change
from twofold.imaging.xmp import EMPTY, RDF, Element, Name, Packet, Property

TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
XMP, XMP_MM = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xap/1.0/mm/"
EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
APPLE_GAIN_MAP = "http://ns.apple.com/HDRGainMap/1.0/"
DEPTH_DEVICE = "http://ns.google.com/photos/dd/1.0/device/"

_WIDTHS = {Name(TIFF, "ImageWidth"), Name(EXIF, "PixelXDimension"), Name(EXIF, "RelatedImageWidth")}
_HEIGHTS = {Name(TIFF, "ImageLength"), Name(EXIF, "PixelYDimension"), Name(EXIF, "RelatedImageLength")}
_ACROSS = {
    Name(PANORAMA, local) for local in ("FullPanoWidthPixels", "CroppedAreaImageWidthPixels", "CroppedAreaLeftPixels")
}
_DOWN = {
    Name(PANORAMA, local) for local in ("FullPanoHeightPixels", "CroppedAreaImageHeightPixels", "CroppedAreaTopPixels")
}
_RESOLUTIONS = {Name(TIFF, "XResolution"), Name(TIFF, "YResolution")}
# These describe what hung behind the picture's own bytes, or copies of the smaller picture: nothing of it goes along.
_HANGING = frozenset({CONTAINER, GAIN_MAP, APPLE_GAIN_MAP, DEPTH_DEVICE})
XmpValues = dict[tuple[str, str, str], tuple[str, ...]]
"""Namespace, prefix and local name to the texts of a property."""

_FIGURE = re.compile(r"\d{1,12}(?:\.\d{1,12}|/[1-9]\d{0,11})?", re.ASCII)
_FILM = re.compile("MotionPhoto|MicroVideo")
_PLACE = re.compile("gps|.*(?:latitude|longitude)", re.IGNORECASE)


def corrected(packet: bytes, change: Change) -> bytes:
    """The packet for a result: upright, of its size, without what is gone. Raises ValueError where it is none."""
    open_packet = Packet(packet)
    for found in list(open_packet.properties()):
        _correct(open_packet, found, change)
    if change.wishes.strip == "gps":
        _remove_places(open_packet)
    regions.correct(open_packet, change)
    return open_packet.written()


def with_history(packet: bytes | None, provenance: Provenance) -> bytes:
    """The packet (or a new one) with one more step in its xmpMM:History. Raises ValueError."""
    open_packet = Packet(packet or EMPTY)
    step = (
        f'<rdf:li xmlns:rdf="{RDF}" xmlns:stEvt="{EVENT}" rdf:parseType="Resource">'
        "<stEvt:action>produced</stEvt:action>"
        f"<stEvt:softwareAgent>{escape(provenance.agent)}</stEvt:softwareAgent>"
        f"<stEvt:parameters>{escape(provenance.parameters)}</stEvt:parameters></rdf:li>"
    )
    history = open_packet.find(XMP_MM, "History")
    steps = _list_in(history)
    if steps is not None and steps.end > steps.inner_start:
        open_packet.append_to(steps, step.encode())
        return open_packet.written()
    if history is not None:
        open_packet.remove(history.node)  # an empty list
    open_packet.describe({"xmpMM": XMP_MM}, f"<xmpMM:History><rdf:Seq>{step}</rdf:Seq></xmpMM:History>")
    return open_packet.written()


def agents(packet: bytes) -> Iterator[str]:
    """Who did the steps of a packet's history. Raises ValueError."""
    history = Packet(packet).find(XMP_MM, "History")
    if history is None or not isinstance(history.node, Element):
        return
    for element in history.node.walk():
        if element.name == Name(EVENT, "softwareAgent"):
            yield element.text.strip()
        yield from (one.text for one in element.attributes if one.name == Name(EVENT, "softwareAgent"))


def describes_film(packet: Packet) -> bool:
    """True of a motion photo."""
    return any(
        found.name.space == CAMERA and found.name.local in ("MotionPhoto", "MicroVideo") and found.text == "1"
        for found in packet.properties()
    )


def describes_gain_map(packet: Packet) -> bool:
    """True of a picture with a second one that brightens it on screens of high range."""
    return any(found.name.space in (GAIN_MAP, APPLE_GAIN_MAP) for found in packet.properties())


def with_simple_values(packet: bytes | None, values: XmpValues) -> bytes:
    """The packet with values that it has not yet. Raises ValueError.

    Names of the Dublin Core become the lists that they are.
    """
    open_packet = Packet(packet or EMPTY)
    known = {found.name for found in open_packet.properties()}
    for (space, prefix, local), texts in values.items():
        if Name(space, local) not in known:
            body = _LISTS.get(local, "{}") if prefix == "dc" else "{}"
            item = "<rdf:li xml:lang={}>".format(quoteattr("x-default")) if "Alt" in body else "<rdf:li>"
            inner = "".join(f"{item}{escape(text)}</rdf:li>" for text in texts) if body != "{}" else escape(texts[0])
            open_packet.describe({prefix: space}, f"<{prefix}:{local}>{body.format(inner)}</{prefix}:{local}>")
    return open_packet.written()


_LISTS = {
    "title": "<rdf:Alt>{}</rdf:Alt>",
    "description": "<rdf:Alt>{}</rdf:Alt>",
    "rights": "<rdf:Alt>{}</rdf:Alt>",
    "creator": "<rdf:Seq>{}</rdf:Seq>",
    "subject": "<rdf:Bag>{}</rdf:Bag>",
}


def _correct(packet: Packet, found: Property, change: Change) -> None:
    name, size, (across, down) = found.name, change.after, change.factors
    if name == Name(TIFF, "Orientation"):
        packet.set_text(found.node, "1")
    elif name in _WIDTHS:
        packet.set_text(found.node, str(size.width))
    elif name in _HEIGHTS:
        packet.set_text(found.node, str(size.height))
    elif name in _ACROSS:
        _scale(packet, found, across)
    elif name in _DOWN:
        _scale(packet, found, down)
    elif name in _RESOLUTIONS and change.wishes.dpi == "scale":
        _scale(packet, found, across)
    elif (
        name.space in _HANGING or name == Name(XMP, "Thumbnails") or (name.space == CAMERA and _FILM.match(name.local))
    ):
        packet.remove(found.node)


def _is_of_film(name: Name) -> bool:
    return name.space == CAMERA and _FILM.match(name.local) is not None


def _scale(packet: Packet, found: Property, factor: Fraction) -> None:
    if not _FIGURE.fullmatch(found.text):
        return
    value = Fraction(found.text) * factor
    packet.set_text(found.node, f"{value.numerator}/{value.denominator}" if "/" in found.text else str(round(value)))


def _remove_places(packet: Packet) -> None:
    """Coordinates, wherever in the packet they stand."""
    for element in packet.rdf.walk():
        if element is not packet.rdf and _PLACE.match(element.name.local):
            packet.remove(element)
        for attribute in element.attributes:
            if attribute.name.space != "xmlns" and _PLACE.match(attribute.name.local):
                packet.remove(attribute)


def _list_in(history: Property | None) -> Element | None:
    if history is None or not isinstance(history.node, Element):
        return None
    return next((one for one in history.node.children if one.name == Name(RDF, "Seq")), None)
