"""The comparison: a picture enlarged by Lanczos beside the result, drawn as a PNG whose size is bounded."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from twofold.core.comparison import GAP_PX, Layout, Place, choose_regions, lay_out, with_margin
from twofold.core.geometry import Rect, Size
from twofold.core.provenance import Provenance
from twofold.imaging import xmp_edits
from twofold.imaging.excerpts import Picture
from twofold.imaging.probe import open_bytes

LANCZOS = Image.Resampling.LANCZOS
CHECKER_PX, CHECKER = 8, (204, 255)
PAPER, INK, FRAME = "white", (24, 24, 24), (230, 0, 60)
FONT_PX, FRAME_PX = 16, 2
MAX_LABEL = 300  # characters
PNG_LEVEL = 6


def operate(request: dict[str, Any]) -> dict[str, Any]:
    """Draw `source` and `enlarged`, of sizes `before` and `after`; `labels`: the title, and one for each column."""
    source = Picture(open_bytes(request["source"]), Size(*request["before"]))
    result = Picture(open_bytes(request["enlarged"]), Size(*request["after"]))
    small, detail = source.look()
    layout = lay_out(source.size, result.size, choose_regions(detail, source.size, result.size))
    sheet = Image.new("RGB", layout.sheet, PAPER)
    _draw_whole(sheet, layout, small, result.size)
    _draw_parts(sheet, layout, source, result)
    _draw_labels(sheet, layout, request["labels"])
    marked = PngImagePlugin.PngInfo()
    marked.add(b"sRGB", b"\0")
    packet = xmp_edits.with_history(None, Provenance.from_json(request["provenance"]))
    marked.add_itxt("XML:com.adobe.xmp", packet.decode())
    with os.fdopen(os.dup(request["result"]), "wb") as file:
        sheet.save(file, "PNG", pnginfo=marked, compress_level=PNG_LEVEL)
    return {}


def plainly_enlarged(part: Image.Image, at: Rect, region: Rect, source: Size, result: Size) -> Image.Image:
    """What Lanczos makes of the source where `region` of the result is; `part` is what lies `at` in the source."""
    across, down = source.width / result.width, source.height / result.height
    box = (
        max(region.x0 * across - at.x0, 0.0),
        max(region.y0 * down - at.y0, 0.0),
        min(region.x1 * across - at.x0, part.width),
        min(region.y1 * down - at.y0, part.height),
    )
    return part.resize(region.size, LANCZOS, box)  # it looks beyond the box, into the margin


def _draw_whole(sheet: Image.Image, layout: Layout, small: Image.Image, result: Size) -> None:
    """The whole picture, with a numbered frame around each part."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)
    _paste(sheet, small.resize(layout.overview.size, LANCZOS), layout.overview)
    for place in layout.places:
        frame = layout.frame(place, result)
        draw.rectangle((frame.x0, frame.y0, frame.x1 - 1, frame.y1 - 1), outline=FRAME, width=FRAME_PX)
        at = frame.x0 + 2 * FRAME_PX, frame.y0 + FRAME_PX
        draw.text(at, str(place.number), FRAME, font, stroke_width=2, stroke_fill=PAPER)


def _draw_parts(sheet: Image.Image, layout: Layout, source: Picture, result: Picture) -> None:
    origins = [with_margin(place.region, source.size, result.size) for place in layout.places]
    ours = result.parts([place.region for place in layout.places])
    for place, at, part, enlarged in zip(layout.places, origins, source.parts(origins), ours, strict=True):
        plain = plainly_enlarged(part, at, place.region, source.size, result.size)
        for image, where in ((plain, place.before), (enlarged, place.after)):
            _paste(sheet, image.resize(where.size, Image.Resampling.NEAREST), where)


def _draw_labels(sheet: Image.Image, layout: Layout, labels: Sequence[str]) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)

    def say(x: int, y: int, end_px: int, text: str) -> None:
        draw.text((x, y), _fitting(text, end_px - x, font), INK, font)

    title, before, after = labels
    middle, end = (layout.sheet.width + GAP_PX) // 2, layout.sheet.width - GAP_PX
    say(GAP_PX, layout.title_px, end, title)
    say(GAP_PX, layout.captions_px, middle - GAP_PX, before)
    say(middle, layout.captions_px, end, after)
    for place in layout.places:
        draw.text((GAP_PX, place.line_px), str(place.number), FRAME, font)
        say(2 * GAP_PX, place.line_px, end, _about(place, layout.zoom))


def _about(place: Place, zoom: int) -> str:
    shown = "each pixel doubled" if zoom > 1 else "pixel by pixel"
    return f"{place.region.size.width} x {place.region.size.height} at {place.region.x0}, {place.region.y0}, {shown}"


def _fitting(text: str, room_px: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text in one line of ASCII, which is all that Pillow's font has, cut where it is too long."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text[:MAX_LABEL]) if not unicodedata.combining(char))
    text = " ".join(plain.encode("ascii", "replace").decode().split())
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(f"{text} ...") > room_px:
        text = text[:-1]
    return f"{text} ..."


def _paste(sheet: Image.Image, image: Image.Image, where: Rect) -> None:
    """What can be seen through shows a checkerboard."""
    if image.mode != "RGBA":
        sheet.paste(image, where)
        return
    down, across = np.indices(image.size[::-1]) // CHECKER_PX
    board = np.where((down + across) % 2, *CHECKER).astype(np.uint8)
    sheet.paste(Image.fromarray(board), where)
    sheet.paste(image, where, image)
