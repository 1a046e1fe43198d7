"""XMP is changed where it has to be, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.imaging.pictures import decoded, encoded, saved
from twofold.core.geometry import Size, turned_point, turned_size
from twofold.core.provenance import Provenance, is_ours
from twofold.imaging import xmp_edits
from twofold.imaging.change import Change, Wishes
from twofold.imaging.decode import as_stored
from twofold.imaging.metadata import FILM, GAIN_MAP, Metadata, for_output, is_own_result
from twofold.imaging.regions import Box, turned_box
from twofold.imaging.xmp import EMPTY, Packet
from twofold.imaging.xmp_extension import merged, split

NOTE = Provenance("1.2.3", (("twofold-photo-2x@1", "ab" * 32), ("other", "cd" * 32)), "4", "ef" * 32)
CHANGE = Change(Size(40, 30), Size(80, 60))
SPACES = {
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}


def packet(body: str = "", attributes: str = "") -> bytes:
    declared = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{declared} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def value(data: bytes, prefix: str, local: str) -> str | None:
    found = Packet(data).find(SPACES[prefix], local)
    return None if found is None else found.text


def test_sizes_and_orientation_are_corrected_in_either_form_and_the_rest_is_not_touched() -> None:
    before = packet(
        "<tiff:Orientation>6</tiff:Orientation><dc:source> Ünï &amp; <!-- kept --> </dc:source>",
        "exif:PixelXDimension = '40' exif:PixelYDimension=\"30\"",
    )
    after = xmp_edits.corrected(before, CHANGE)
    meant = before.replace(b">6<", b">1<").replace(b"'40'", b"'80'").replace(b'"30"', b'"60"')
    assert after == meant


def test_a_panorama_is_measured_anew() -> None:
    after = xmp_edits.corrected(
        packet(attributes='GPano:FullPanoWidthPixels="4000" GPano:CroppedAreaTopPixels="7"'), CHANGE
    )
    assert value(after, "GPano", "FullPanoWidthPixels") == "8000"
    assert value(after, "GPano", "CroppedAreaTopPixels") == "14"


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 900), st.integers(0, 40))
def test_no_packet_does_harm(junk: bytes, at: int, cut: int) -> None:
    """Whatever it holds, it is read and corrected, or dropped with a warning; our note is in the result."""
    data = bytearray(packet("<xmpMM:History><rdf:Seq/></xmpMM:History>", 'tiff:Orientation="6"'))
    data[at : at + cut] = junk
    wishes = Wishes(strip="gps", provenance=NOTE)
    kept, _ = for_output(Metadata(xmp=bytes(data)), Change(Size(4, 3), Size(8, 6), 6, wishes), 3, "jpeg")
    assert is_own_result(kept)


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + packet(),
        packet("<dc:a>" * 500 + "</dc:a>" * 500),
        packet(attributes='GPano:FullPanoWidthPixels="1e999999999"'),
        packet(attributes='GPano:FullPanoWidthPixels="1/0"'),
    ],
)
def test_hostile_packets_are_dropped_or_left_alone(hostile: bytes) -> None:
    kept, warnings = for_output(Metadata(xmp=hostile), CHANGE, 3, "png")
    assert (kept.xmp is None) == bool(warnings)


# --- history


@pytest.mark.parametrize(
    "before",
    [
        None,
        packet(),
        packet("<xmpMM:History><rdf:Seq/></xmpMM:History>"),
        packet("<xmpMM:History><rdf:Seq><rdf:li stEvt:softwareAgent='Camera'/></rdf:Seq></xmpMM:History>"),
    ],
)
def test_a_result_says_how_it_was_made(before: bytes | None) -> None:
    after = xmp_edits.with_history(before, NOTE)
    agents = list(xmp_edits.agents(after))
    assert agents == [*(xmp_edits.agents(before) if before else ()), "Twofold 1.2.3"]
    assert is_own_result(Metadata(xmp=after))
    for part in (b"factor=4", b"twofold-photo-2x@1 sha256:" + b"ab" * 32, b"source=sha256:" + b"ef" * 32):
        assert part in after


def test_other_agents_are_not_us() -> None:
    assert not is_ours(["Adobe Photoshop", "Twofolder 2", ""])
    assert not is_own_result(Metadata(xmp=packet("<dc:source>Twofold</dc:source>")))


# --- regions


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_stays_on_its_face(orientation: int) -> None:
    """A bright patch stands for the face: where the region lies in the result, there it is bright."""
    stored = np.zeros((60, 80, 3), np.uint8)
    stored[10:20, 50:70] = 255
    tags = Image.Exif()
    tags[0x0112] = orientation
    area = 'stArea:x="0.75" stArea:y="0.25" stArea:w="0.25" stArea:h="0.1666667"'
    regions = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="80" stDim:h="60"/>'
        f"<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description><mwg-rs:Area {area}/></rdf:Description></rdf:li>"
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    back = decoded(saved(Image.fromarray(stored), "PNG", exif=tags))
    raster = back.raster.array()
    change = Change(back.metadata.size or Size(0, 0), back.raster.size, orientation)
    after = Packet(xmp_edits.corrected(packet(regions), change))
    box = {a.name.local: float(a.text) for e in after.rdf.walk() if e.name.local == "Area" for a in e.attributes}
    height, width = raster.shape[:2]
    x0, x1 = round((box["x"] - box["w"] / 2) * width), round((box["x"] + box["w"] / 2) * width)
    y0, y1 = round((box["y"] - box["h"] / 2) * height), round((box["y"] + box["h"] / 2) * height)
    assert raster[y0:y1, x0:x1].min() == 255
    assert (raster == 255).sum() == 3 * (y1 - y0) * (x1 - x0)
    stated = next(e for e in after.rdf.walk() if e.name.local == "AppliedToDimensions")
    assert {a.name.local: a.text for a in stated.attributes} == {"w": str(width), "h": str(height)}


def test_regions_that_were_made_for_the_upright_picture_stay() -> None:
    area = '<mwg-rs:Area stArea:x="0.1" stArea:y="0.2" stArea:w="0.1" stArea:h="0.1"/>'
    stated = '<mwg-rs:AppliedToDimensions stDim:w="60" stDim:h="80"/>'
    body = f'<mwg-rs:Regions rdf:parseType="Resource">{stated}{area}</mwg-rs:Regions>'
    after = xmp_edits.corrected(packet(body), Change(Size(60, 80), Size(120, 160), 6))
    assert area.encode() in after
    assert b'stDim:w="120"' in after


def test_regions_of_microsoft_and_of_the_iptc_turn_too() -> None:
    body = (
        '<dc:relation MPReg:Rectangle="0.5, 0.1, 0.2, 0.3"/>'
        '<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource"><Iptc4xmpExt:rbUnit>pixel</Iptc4xmpExt:rbUnit>'
        "<Iptc4xmpExt:rbX>10</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>5</Iptc4xmpExt:rbY>"
        "<Iptc4xmpExt:rbW>4</Iptc4xmpExt:rbW><Iptc4xmpExt:rbH>2</Iptc4xmpExt:rbH></Iptc4xmpExt:RegionBoundary>"
    )
    after = xmp_edits.corrected(packet(body), Change(Size(30, 40), Size(60, 80), 6))
    assert b'"0.6, 0.5, 0.3, 0.2"' in after
    found = {e.name.local: e.text for e in Packet(after).rdf.walk() if e.name.local.startswith("rb")}
    assert found == {"rbUnit": "pixel", "rbX": "46", "rbY": "20", "rbW": "4", "rbH": "8"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_turn_as_pixels_do(orientation: int) -> None:
    upright = np.arange(12).reshape(3, 4)
    stored = as_stored(upright, orientation)
    assert turned_size(Size(stored.shape[1], stored.shape[0]), orientation) == Size(4, 3)
    for (row, column), pixel in np.ndenumerate(stored):
        x, y = turned_point((column + 0.5) / stored.shape[1], (row + 0.5) / stored.shape[0], orientation)
        assert upright[int(y * 3), int(x * 4)] == pixel
    corner = turned_box(Box(0.1, 0.2, 0.3, 0.1), orientation, centred=False)
    assert 0 <= corner.x <= corner.x + corner.w <= 1


# --- extension


def long_packet() -> bytes:
    return packet(f"<dc:source>{'a long story ' * 8000}</dc:source><dc:format>kept</dc:format>", 'tiff:Orientation="6"')


def test_a_long_packet_is_cut_and_joined_again() -> None:
    whole = long_packet()
    parts = split(whole, 65_000)
    assert len(parts.packet) <= 65_000
    assert parts.extension is not None
    assert value(parts.packet, "tiff", "Orientation") == "6"
    again = merged(parts.packet, parts.extension)
    assert {(p.name, p.text) for p in Packet(again).properties()} == {
        (p.name, p.text) for p in Packet(whole).properties()
    }
    assert b"HasExtendedXMP" not in again


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff"])
def test_a_long_packet_survives_every_format(format_: str) -> None:
    back = decoded(saved(Image.new("RGB", (8, 6)), "PNG"))
    first, warnings = encoded("jpeg", back.raster, None, Metadata(xmp=long_packet()))
    data, more = encoded(format_, back.raster, None, decoded(first).metadata)
    assert (warnings, more) == ([], [])
    found = decoded(data).metadata
    text = found.xmp if found.xmp_extension is None else merged(found.xmp or EMPTY, found.xmp_extension)
    assert value(text or EMPTY, "dc", "source") == ("a long story " * 8000).strip()
    assert value(text or EMPTY, "tiff", "Orientation") == "1"


def test_what_cannot_be_cut_is_dropped_with_a_warning() -> None:
    long_agent = f"<xmpMM:History><rdf:Seq><rdf:li>{'x' * 70_000}</rdf:li></rdf:Seq></xmpMM:History>"
    back = decoded(saved(Image.new("RGB", (8, 6)), "PNG"))
    _, warnings = encoded("jpeg", back.raster, None, Metadata(xmp=packet(long_agent)))
    assert len(warnings) == 1


# --- phones, and places


def test_nothing_dangles_from_a_motion_photo_or_gain_map() -> None:
    body = (
        "<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'/></rdf:Seq></Container:Directory>"
        "<GCamera:BurstID>kept</GCamera:BurstID>"
    )
    attributes = (
        'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" GCamera:MicroVideoOffset="9" hdrgm:Version="1.0"'
    )
    kept, warnings = for_output(Metadata(xmp=packet(body, attributes)), CHANGE, 3, "jpeg")
    left = {found.name.local for found in Packet(kept.xmp or EMPTY).properties()}
    assert left == {"BurstID"}
    assert warnings == [f"only the picture was enlarged, without {GAIN_MAP} and {FILM}"]


def test_places_can_be_left_out_wherever_they_stand() -> None:
    latitude = "<exif:GPSLatitude>48,51N</exif:GPSLatitude>"
    body = f"<Iptc4xmpExt:LocationCreated rdf:parseType='Resource'>{latitude}</Iptc4xmpExt:LocationCreated>"
    before = packet(body + "<dc:source>kept</dc:source>", 'exif:GPSLongitude="2,17E"')
    after = xmp_edits.corrected(before, Change(Size(4, 3), Size(8, 6), 1, Wishes(strip="gps")))
    assert b"48,51" not in after
    assert b"2,17E" not in after
    assert value(after, "dc", "source") == "kept"
