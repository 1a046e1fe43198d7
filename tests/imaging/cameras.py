"""Files as cameras leave them: real photographs, and metadata written by exiftool around maker notes of our own making.

Nobody ships photographs with maker notes under a licence that would let them lie here, so these are built: directories
of real tags in the four ways in which cameras count their offsets.
"""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

THUMBNAIL_PX = 96
TAKEN = "2019:07:20 21:17:40"
Tag = tuple[int, int, bytes]
"""Number, type, value in the directory's own byte order."""

ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL = 2, 3, 4, 5, 10
_SIZES = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SIGNED_RATIONAL: 8}


def directory(order: str, tags: list[Tag], at: int) -> bytes:
    """A directory that stands at `at`, counted from wherever its maker counts."""
    table, values = struct.pack(order + "H", len(tags)), b""
    value_at = at + 2 + 12 * len(tags) + 4
    for number, kind, value in sorted(tags):
        table += struct.pack(order + "HHI", number, kind, len(value) // _SIZES[kind])
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", value_at + len(values))
            values += value + b"\0" * (len(value) & 1)
    return table + bytes(4) + values


def canon(at: int) -> bytes:
    """Counted from the start of the file; begins with its directory."""
    settings = struct.pack("<46H", 92, 2, 0, 4, *range(42))
    tags: list[Tag] = [
        (0x0001, SHORT, settings),
        (0x0006, ASCII, b"Canon EOS 400D DIGITAL\0"),
        (0x0007, ASCII, b"Firmware 1.1.1\0"),
        (0x0009, ASCII, b"Jane Doe\0"),
        (0x0095, ASCII, b"EF-S18-55mm f/3.5-5.6\0"),
    ]
    return directory("<", tags, at)


def nikon(_: int) -> bytes:
    """With a TIFF header of its own."""
    tags: list[Tag] = [
        (0x0004, ASCII, b"FINE  \0"),
        (0x0005, ASCII, b"AUTO        \0"),
        (0x0007, ASCII, b"AF-C  \0"),
        (0x0084, RATIONAL, struct.pack(">8I", 180, 10, 550, 10, 35, 10, 56, 10)),
        (0x00A0, ASCII, b"NO= 2000ac82\0"),
    ]
    return b"Nikon\0\x02\x10\0\0" + b"MM\0*\0\0\0\x08" + directory(">", tags, 8)


def sony(at: int) -> bytes:
    """Counted from the start of the file, behind a mark of twelve bytes."""
    tags: list[Tag] = [
        (0xB020, ASCII, b"Standard\0"),
        (0xB02A, LONG, struct.pack("<2I", 6000, 4000)),
        (0xB041, SHORT, struct.pack("<H", 0)),
        (0x0102, LONG, struct.pack("<I", 2)),
    ]
    return b"SONY DSC \0\0\0" + directory("<", tags, at + 12)


def apple(_: int) -> bytes:
    """Counted from the note's own start."""
    tags: list[Tag] = [
        (0x0001, LONG, struct.pack(">I", 14)),
        (0x0008, SIGNED_RATIONAL, struct.pack(">6i", -23, 1000, 980, 1000, 12, 1000)),
        (0x0011, ASCII, b"D2A5B2F1-9C6E-4A3E-8E0B-6C2A3D4E5F60\0"),
        (0x0014, LONG, struct.pack(">I", 10)),
    ]
    return b"Apple iOS\0\0\x01MM" + directory(">", tags, 14)


class Camera(NamedTuple):
    make: str
    model: str
    note: Callable[[int], bytes]


CAMERAS = (
    Camera("Canon", "Canon EOS 400D DIGITAL", canon),
    Camera("NIKON CORPORATION", "NIKON D70", nikon),
    Camera("SONY", "DSLR-A700", sony),
    Camera("Apple", "iPhone 12", apple),
)

PLACE = ("-GPSLatitude=48.8582", "-GPSLatitudeRef=N", "-GPSLongitude=2.2945", "-GPSLongitudeRef=E", "-GPSAltitude=35")
CAPTIONS = (
    "-IPTC:CodedCharacterSet=UTF8",
    "-IPTC:Keywords=tower",
    "-IPTC:Keywords=Übung",
    "-IPTC:Caption-Abstract=A tower",
    "-IPTC:By-line=Jane Doe",
    "-IPTC:City=Paris",
    "-IPTC:DateCreated=2019:07:20",
)
PACKET = (
    "-XMP-dc:Title=A tower",
    "-XMP-dc:Subject=tower",
    "-XMP-dc:Subject=evening",
    "-XMP-xmp:Rating=4",
    "-XMP-photoshop:City=Paris",
    "-XMP-lr:HierarchicalSubject=place|Paris",
    "-XMP-xmpMM:DocumentID=xmp.did:1",
)
COMMENT = ("-Comment=made for a test",)
REGIONS = (
    "-RegionInfo={{AppliedToDimensions={{W={w},H={h},Unit=pixel}},RegionList=[{{Area={{X=0.25,Y=0.4,W=0.1,H=0.2,"
    "Unit=normalized}},Name=Jane,Type=Face}}]}}",
)
LONG_TEXT = (
    "-XMP-dc:Description=" + "A long story. " * 9000,
)  # more than a segment holds: exiftool writes an extension


class Shot(NamedTuple):
    """A file to be made: its stored pixels, turned by `orientation`, are `picture`; `extra` are exiftool's words."""

    camera: Camera
    picture: Image.Image
    orientation: int
    path: Path
    extra: tuple[str, ...]


def shoot(shots: list[Shot]) -> None:
    """Write the files; exiftool is started once."""
    words: list[str] = []
    for shot in shots:
        stored = _stored(shot.picture, shot.orientation)
        stored.save(shot.path, "JPEG", quality=90, exif=_exif(shot.camera, shot.orientation, stored))
        small = stored.copy()
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        thumbnail = shot.path.with_suffix(".thumb")
        small.save(thumbnail, "JPEG")
        words += ["-q", "-q", "-n", "-overwrite_original", f"-ThumbnailImage<={thumbnail}"]
        words += [one.format(w=stored.width, h=stored.height) if one in REGIONS else one for one in shot.extra]
        words += [str(shot.path), "-execute"]
    subprocess.run(["exiftool", "-@", "-"], check=True, capture_output=True, input="\n".join(words).encode())
    for shot in shots:
        shot.path.with_suffix(".thumb").unlink()


def _stored(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera stores it: what the orientation will put right again."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    tags = picture.getexif()
    tags[0x0112] = back
    return ImageOps.exif_transpose(picture)


def _exif(camera: Camera, orientation: int, stored: Image.Image) -> bytes:
    """The block, laid out twice: the note has to know where it stands."""
    block = b""
    for _ in range(2):
        at = block.find(camera.note(0)[:10]) if block else 0
        block = _exif_with(camera, orientation, stored, camera.note(max(at - 6, 0)))
    return block


def _exif_with(camera: Camera, orientation: int, stored: Image.Image, note: bytes) -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112], tags[0x0132] = camera.make, camera.model, orientation, TAKEN
    tags[0x011A], tags[0x011B], tags[0x0128] = 72.0, 72.0, 2
    inner = tags.get_ifd(0x8769)
    inner[0x9003] = inner[0x9004] = TAKEN
    inner[0x829A], inner[0x829D], inner[0x8827] = (1, 250), 5.6, 200
    inner[0x920A], inner[0x9214] = 55.0, (stored.width // 4, stored.height // 2, 20, 10)
    inner[0xA002], inner[0xA003] = stored.width, stored.height
    inner[0xA20E], inner[0xA20F], inner[0xA210] = 4438.3, 4445.9, 2
    inner[0x927C] = note
    return tags.tobytes()


def jpeg_bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
