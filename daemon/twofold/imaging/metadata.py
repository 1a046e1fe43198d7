"""What travels with the pixels: colour profile, EXIF, XMP, captions, comments and resolution."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from twofold.core.geometry import Size
from twofold.core.provenance import TOOL, is_ours
from twofold.imaging import exif as exif_block
from twofold.imaging import image_resources, xmp_edits
from twofold.imaging.change import Change, Wishes
from twofold.imaging.xmp import Packet, safe_text
from twofold.imaging.xmp_edits import XmpValues
from twofold.imaging.xmp_extension import merged

MAX_ICC_BYTES = 4 * 2**20
MAX_EXIF_BYTES = 4 * 2**20
MAX_XMP_BYTES = 4 * 2**20
MAX_XMP_EXTENSION_BYTES = 16 * 2**20
MAX_PHOTOSHOP_BYTES = 4 * 2**20
MAX_TEXT_BYTES = 4 * 2**20  # of all comments, and of all texts, of one file

FILM, GAIN_MAP, FURTHER = "the film of a motion photo", "a gain map", "further pictures"
"""What may hang on a picture and is not enlarged with it."""

_ICC_SPACE = {1: b"GRAY", 3: b"RGB "}
_HOLD_CAPTIONS = frozenset({"jpeg", "png", "tiff"})
_HOLD_RESOLUTION = frozenset({"jpeg", "png", "tiff"})
_HOLD_COMMENTS = frozenset({"jpeg", "png"})
_HOLD_TEXTS = frozenset({"png"})
_BLOCKS = ("icc", "exif", "xmp", "photoshop", "xmp_extension")
_LISTS = ("comments", "colour")
_SRGB_CODES, _SRGB_GAMMA = b"\x01\x0d", (45455).to_bytes(4, "big")
_DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
_TEXTS_IN_XMP = {"Title": "title", "Author": "creator", "Description": "description", "Copyright": "rights"}


class JpegLook(NamedTuple):
    """How a JPEG was compressed: quantisation tables as stored (64 steps each), and samples of luma for one of chroma
    (horizontally, vertically)."""

    tables: tuple[tuple[int, ...], ...]
    sampling: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Raw blocks without their container's framing: `exif` starts with its TIFF header; `dpi` is (x, y) per inch.

    `photoshop` are image resources, IPTC captions among them. `xmp_extension` is what a JPEG's packet had no room for.
    `texts` are (keyword, text), `colour` PNG's own colour chunks (kind and body). `hanging` names what is not carried.
    `size` (upright) and `orientation` are those of the source, `order` is the byte order of a TIFF ("<", ">").
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    photoshop: bytes | None = None
    xmp_extension: bytes | None = None
    comments: tuple[bytes, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    colour: tuple[bytes, ...] = ()
    hanging: tuple[str, ...] = ()
    size: Size | None = None
    orientation: int = 1
    jpeg: JpegLook | None = None
    order: str = ""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in _BLOCKS:
            data[name] = None if data[name] is None else base64.b64encode(data[name]).decode()
        for name in _LISTS:
            data[name] = [base64.b64encode(block).decode() for block in data[name]]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Metadata:
        data = dict(data)
        for name in _BLOCKS:
            data[name] = None if data[name] is None else base64.b64decode(data[name])
        for name in _LISTS:
            data[name] = tuple(base64.b64decode(block) for block in data[name])
        data["dpi"] = None if data["dpi"] is None else (data["dpi"][0], data["dpi"][1])
        data["size"] = None if data["size"] is None else Size(*data["size"])
        data["texts"] = tuple((keyword, text) for keyword, text in data["texts"])
        data["hanging"] = tuple(data["hanging"])
        if data["jpeg"] is not None:
            tables, (across, down) = data["jpeg"]
            data["jpeg"] = JpegLook(tuple(tuple(table) for table in tables), (across, down))
        return cls(**data)

    def change_to(self, size: Size, wishes: Wishes) -> Change:
        """What happened to the picture on the way to a result of `size`."""
        return Change(self.size or size, size, self.orientation, wishes)


def for_output(
    metadata: Metadata,
    change: Change,
    channels: int,
    format_: str,
    thumbnail: Callable[[], bytes | None] = lambda: None,
) -> tuple[Metadata, list[str]]:
    """The metadata of a result in `format_`, and a warning for each block that was dropped.

    Profile bytes stay identical. `thumbnail` makes a small JPEG of the result, where its EXIF block holds one. Trouble
    with metadata never fails a job.
    """
    warnings: list[str] = []
    if metadata.icc != fitting_profile(metadata, channels):
        metadata = replace(metadata, icc=None)
        warnings.append("the colour profile was dropped: it is not for this kind of picture")
    metadata = _without_extension(metadata, warnings)
    warnings += _left_behind(metadata)
    if change.wishes.strip == "all":
        metadata = Metadata(metadata.icc, dpi=metadata.dpi, colour=metadata.colour, order=metadata.order)
    metadata = replace(
        metadata,
        exif=_corrected_exif(metadata.exif, change, thumbnail, warnings),
        xmp=_corrected_xmp(metadata.xmp, change, warnings),
        photoshop=None if metadata.photoshop is None else image_resources.corrected(metadata.photoshop, change),
    )
    if metadata.dpi is not None and change.wishes.dpi == "scale":
        across, down = change.factors
        metadata = replace(metadata, dpi=(metadata.dpi[0] * float(across), metadata.dpi[1] * float(down)))
    metadata = _fitted(metadata, format_, warnings)
    if change.wishes.provenance is not None:
        metadata = replace(metadata, xmp=xmp_edits.with_history(metadata.xmp, change.wishes.provenance))
    return metadata, warnings


def fitting_profile(metadata: Metadata, channels: int) -> bytes | None:
    """The profile, where it is for pictures of so many channels."""
    fits = metadata.icc is not None and metadata.icc[16:20] == _ICC_SPACE[channels]
    return metadata.icc if fits else None


def is_own_result(metadata: Metadata) -> bool:
    """Whether the picture was made by Twofold, whatever became of it since."""
    if metadata.xmp is None or TOOL.encode() not in metadata.xmp:
        return False
    try:
        return is_ours(xmp_edits.agents(metadata.xmp))
    except ValueError:
        return False


def _is_of_its_own(colour: tuple[bytes, ...]) -> bool:
    """Whether colour chunks say anything else than sRGB, which is what untagged pictures are taken for."""
    kinds = {block[:4]: block[4:] for block in colour}
    if b"cICP" in kinds:
        return not kinds[b"cICP"].startswith(_SRGB_CODES)
    return b"sRGB" not in kinds and kinds.get(b"gAMA", _SRGB_GAMMA) != _SRGB_GAMMA


def _without_extension(metadata: Metadata, warnings: list[str]) -> Metadata:
    """XMP in one piece."""
    if metadata.xmp is None or metadata.xmp_extension is None:
        return replace(metadata, xmp_extension=None)
    try:
        return replace(metadata, xmp=merged(metadata.xmp, metadata.xmp_extension), xmp_extension=None)
    except ValueError as error:
        warnings.append(f"the XMP extension was dropped: {error}")
        return replace(metadata, xmp_extension=None)


def _left_behind(metadata: Metadata) -> list[str]:
    """One warning for all that hung on the picture."""
    found = set(metadata.hanging)
    if metadata.xmp is not None:
        try:
            packet = Packet(metadata.xmp)
        except ValueError:
            pass  # said where the packet is dropped
        else:
            found |= {FILM} if xmp_edits.describes_film(packet) else set()
            found |= {GAIN_MAP} if xmp_edits.describes_gain_map(packet) else set()
    if found & {FILM, GAIN_MAP}:
        found.discard(FURTHER)
    return [f"only the picture was enlarged, without {' and '.join(sorted(found))}"] if found else []


def _corrected_exif(
    block: bytes | None, change: Change, thumbnail: Callable[[], bytes | None], warnings: list[str]
) -> bytes | None:
    if block is None:
        return None
    try:
        return exif_block.retarget(block, change, thumbnail() if exif_block.has_thumbnail(block) else None)
    except ValueError as error:
        warnings.append(f"the EXIF block was dropped: {error}")
        return None


def _corrected_xmp(packet: bytes | None, change: Change, warnings: list[str]) -> bytes | None:
    if packet is None:
        return None
    try:
        return xmp_edits.corrected(packet, change)
    except ValueError as error:
        warnings.append(f"the XMP packet was dropped: {error}")
        return None


def _fitted(metadata: Metadata, format_: str, warnings: list[str]) -> Metadata:
    """The same said by the means of the format: what it has no place for goes into XMP, where that knows the like."""
    values: XmpValues = {}
    if format_ not in _HOLD_CAPTIONS:
        values |= image_resources.as_xmp(image_resources.iptc_of(metadata.photoshop) or b"")
        metadata = replace(metadata, photoshop=None)
    if metadata.dpi is None and format_ != "jpeg":  # there, EXIF speaks for itself
        metadata = replace(metadata, dpi=exif_block.resolution(metadata.exif))
    if metadata.dpi is not None and metadata.exif is None and format_ not in _HOLD_RESOLUTION:
        metadata = replace(metadata, exif=exif_block.resolution_block(metadata.dpi))
    if format_ != "png":
        if metadata.icc is None and _is_of_its_own(metadata.colour):
            warnings.append(f"{format_} has no place for what the PNG says about its colours")
        metadata = replace(metadata, colour=())
    if format_ not in _HOLD_TEXTS:
        metadata = _without_texts(metadata, format_, values, warnings)
    if values:
        metadata = replace(metadata, xmp=xmp_edits.with_simple_values(metadata.xmp, values))
    return metadata


def _without_texts(metadata: Metadata, format_: str, values: XmpValues, warnings: list[str]) -> Metadata:
    """PNG's texts as XMP (into `values`), else as comments, else told of."""
    comments, lost = list(metadata.comments), []
    for keyword, text in metadata.texts:
        if keyword in _TEXTS_IN_XMP:
            values.setdefault((_DUBLIN_CORE, "dc", _TEXTS_IN_XMP[keyword]), (safe_text(text),))
        elif keyword == "Comment":
            comments.append(text.encode())
        elif format_ in _HOLD_COMMENTS:
            comments.append(f"{keyword}: {text}".encode())
        else:
            lost.append(keyword)
    if format_ not in _HOLD_COMMENTS:
        lost += ["comment"] * bool(comments)
        comments = []
    if lost:
        warnings.append(f"{format_} has no place for these texts: {', '.join(sorted(set(lost)))}")
    return replace(metadata, texts=(), comments=tuple(comments))
