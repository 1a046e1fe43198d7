"""Region tags (faces, subjects): areas of the picture, which have to stay where they were after it was turned.

Shares of width and height outlive enlargement by themselves; pixels do not.
"""

from __future__ import annotations

from typing import NamedTuple

from twofold.core.geometry import Size, turned_point
from twofold.imaging.change import Change
from twofold.imaging.xmp import RDF, Attribute, Element, Name, Packet

DIGITS = 7
_BOX = ("x", "y", "w", "h")
_AREAS = frozenset({"Area", "DLYArea", "ALGArea"})  # of MWG, and of ACDSee, which took it over
_MICROSOFT = "http://ns.microsoft.com/photo/1.2/t/Region#"


class Box(NamedTuple):
    """A rectangle by its upper left corner, or its centre; in shares of width and height."""

    x: float
    y: float
    w: float
    h: float


def correct(packet: Packet, change: Change) -> None:
    """Turn every region of the packet as the picture was turned, and scale what is in pixels."""
    turned_already: set[int] = set()
    for element in packet.rdf.walk():
        if element.name.local in ("Regions", "RegionInfo") and _stated(packet, element, change):
            turned_already.update(id(inner) for inner in element.walk())
    orientation = change.orientation
    for element in packet.rdf.walk():
        if element.name.local in _AREAS and id(element) not in turned_already:
            _turn_area(packet, element, orientation)
        elif element.name.local == "RegionBoundary":
            _correct_boundary(packet, element, change)
        if orientation != 1:
            _turn_microsoft(packet, element, orientation)


def turned_box(box: Box, orientation: int, *, centred: bool) -> Box:
    """The rectangle in the upright picture; `centred` tells that x and y are of its centre."""
    centre = (box.x, box.y) if centred else (box.x + box.w / 2, box.y + box.h / 2)
    x, y = turned_point(*centre, orientation)
    w, h = (box.h, box.w) if orientation >= 5 else (box.w, box.h)
    return Box(x, y, w, h) if centred else Box(x - w / 2, y - h / 2, w, h)


def _stated(packet: Packet, regions: Element, change: Change) -> bool:
    """Correct the size that the regions were made for; True where that was the upright picture's.

    The guidelines count from the stored picture. Some programs count from the upright one, and their size tells so.
    """
    stated = next((one for one in regions.walk() if one.name.local == "AppliedToDimensions"), None)
    if stated is None:
        return False
    fields = _fields(stated)
    try:
        size = Size(round(float(fields["w"].text)), round(float(fields["h"].text)))
    except (KeyError, ValueError, OverflowError):
        return False
    packet.set_text(fields["w"], str(change.after.width))
    packet.set_text(fields["h"], str(change.after.height))
    lies_across = (size.width > size.height) == (change.stored.width > change.stored.height)
    square = change.stored.width == change.stored.height or size.width == size.height
    return change.orientation >= 5 and not lies_across and not square


def _turn_area(packet: Packet, area: Element, orientation: int) -> None:
    if orientation == 1:
        return
    fields = _fields(area)
    try:
        x, y = float(fields["x"].text), float(fields["y"].text)
        sides = {name: float(fields[name].text) for name in ("w", "h") if name in fields}
    except (KeyError, ValueError):
        return
    box = turned_box(Box(x, y, sides.get("w", 0.0), sides.get("h", 0.0)), orientation, centred=True)
    for name, value in zip(_BOX, box, strict=True):
        if name in fields:
            packet.set_text(fields[name], _number(value))


def _turn_microsoft(packet: Packet, element: Element, orientation: int) -> None:
    found = Name(_MICROSOFT, "Rectangle")
    nodes: list[Attribute | Element] = [one for one in element.attributes if one.name == found]
    if element.name == found:
        nodes.append(element)
    for node in nodes:
        try:
            x, y, w, h = (float(part) for part in node.text.split(","))
        except ValueError:
            continue
        box = turned_box(Box(x, y, w, h), orientation, centred=False)
        packet.set_text(node, ", ".join(_number(value) for value in box))


def _correct_boundary(packet: Packet, boundary: Element, change: Change) -> None:
    """A region of the IPTC: rectangle by its corner, circle, or polygon; in shares or pixels."""
    fields = _fields(boundary)
    in_pixels = "rbUnit" in fields and fields["rbUnit"].text.strip() == "pixel"
    if change.orientation == 1 and not in_pixels:
        return
    vertices = [_fields(one) for one in boundary.walk() if one.name == Name(RDF, "li")]
    for place in (fields, *vertices):
        _correct_place(packet, place, change, in_pixels=in_pixels)


def _correct_place(packet: Packet, place: dict[str, Attribute | Element], change: Change, *, in_pixels: bool) -> None:
    before, after = (change.stored, change.after) if in_pixels else (Size(1, 1), Size(1, 1))
    try:
        values = {name: float(place[name].text) for name in ("rbX", "rbY", "rbW", "rbH", "rbRx") if name in place}
        box = Box(
            values["rbX"] / before.width,
            values["rbY"] / before.height,
            values.get("rbW", 0.0) / before.width,
            values.get("rbH", 0.0) / before.height,
        )
    except (KeyError, ValueError):
        return
    box = turned_box(box, change.orientation, centred=False)
    result = {
        "rbX": box.x * after.width,
        "rbY": box.y * after.height,
        "rbW": box.w * after.width,
        "rbH": box.h * after.height,
    }
    # A radius is a share of the width, which is another side once the picture is turned.
    grown = change.after.width if in_pixels else change.stored.width
    result["rbRx"] = values.get("rbRx", 0.0) * grown / change.before.width
    for name, value in result.items():
        if name in values:
            packet.set_text(place[name], _number(value))


def _fields(element: Element) -> dict[str, Attribute | Element]:
    """The simple fields of a structure by local name, in whichever of RDF's forms they are written."""
    found: dict[str, Attribute | Element] = {}
    holders = [element, *(one for one in element.children if one.name == Name(RDF, "Description"))]
    for holder in holders:
        for attribute in holder.attributes:
            if attribute.name.space not in (RDF, "xmlns", ""):
                found[attribute.name.local] = attribute
        for child in holder.children:
            if not child.children:
                found[child.name.local] = child
    return found


def _number(value: float) -> str:
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".") or "0"
