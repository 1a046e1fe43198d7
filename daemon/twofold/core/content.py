"""What a picture shows, by cheap signals: which built-in network `auto` takes for its first pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twofold.core.picture import PictureHeader
from twofold.core.recipe import AUTO

Content = Literal["photo", "web", "art"]

ART_FLAT = 0.45
ART_SHARP = 0.08
"""Drawings and screens: much of them flat, and where not, hard edges. Photographs: one or the other, hardly both."""

BLOCKY = 1.5
"""Steps on the 8 x 8 grid this much above those beside it are seen; clean pictures stay below 1.3."""

WEB_QUALITY = 80
"""JPEGs up to this quality gain from the web network, better ones from the photo network (docs/networks.md). Lossy WebP
crosses near 50, where neither gains much: it is judged by its blocks."""

ART_QUALITY = 95
"""Drawings in JPEGs below this quality gain more from losing their artefacts: then the web network has them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a picture is taken for, and the one sentence that says why."""

    content: Content
    why: str


LATER = Choice("photo", "an earlier pass has made it clean")


def choose_networks(models: Sequence[str], *headers: PictureHeader) -> list[str | Choice]:
    """The networks of a recipe's passes in order, each `auto` as what the picture is taken for.

    `headers` are those of the picture, or of some pages that speak for all pages of a file.

    Only the first pass sees the picture as it came; later ones enlarge a clean one, which is the photo network's task.
    """
    chosen = [name if name != AUTO else LATER if number else choose_for(headers) for number, name in enumerate(models)]
    alone = isinstance(chosen[-1], Choice) and chosen[-1].content != LATER.content
    return [*chosen, LATER] if alone else chosen


def choose_for(headers: Sequence[PictureHeader]) -> Choice:
    """One choice for all: what most of them are taken for; where as many are something else, the first of them says."""
    choices = [choose(header) for header in headers]
    contents = [choice.content for choice in choices]
    common = max(contents, key=contents.count)
    first = next(choice for choice in choices if choice.content == common)
    if len(choices) == 1:
        return first
    return Choice(common, f"so says most of {len(choices)} pages; of the first of them: {first.why}")


def choose(header: PictureHeader) -> Choice:
    """The same header gives the same choice; signals that were not measured speak for a photograph.

    `signals` are those of imaging.signals, and `jpeg_quality` (1 to 100) where the file is a JPEG.
    """
    signals = header.signals
    quality = signals.get("jpeg_quality", 100)
    flat, sharp, blocky = signals.get("flat", 0.0), signals.get("sharp", 0.0), signals.get("blocky", 1.0)
    drawn = flat >= ART_FLAT and sharp >= ART_SHARP
    if drawn and quality >= ART_QUALITY:
        return Choice("art", f"{flat:.0%} of it is flat and {sharp:.0%} of its edges are hard, as in drawings and text")
    if quality <= WEB_QUALITY or drawn:
        return Choice("web", f"it is a JPEG of about quality {quality:.0f}")
    if blocky >= BLOCKY:
        return Choice("web", f"the blocks of an earlier compression show ({blocky:.1f} times)")
    if not signals:
        return Choice("photo", "its content was not looked at")
    return Choice("photo", "it shows neither compression nor flat areas with hard edges")
