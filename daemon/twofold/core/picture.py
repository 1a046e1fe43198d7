"""What a header says of a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from twofold.core.geometry import Size

BUFFERED = "buffered"
"""The signal that a decoder has to hold the whole picture: it is progressive, interlaced, or in one large strip."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Facts read from a header in a probe child, before any pixel is decoded.

    `width` and `height` are those of the upright picture (EXIF orientation applied), in pixels.
    `channels` is 1 (grey) or 3 (RGB) and does not count alpha; `depth` is 8 or 16 bits per sample.
    `frames` is 1, or 2 where there is more than one frame or page. `signals` are cheap content statistics.
    `own` tells that the picture is a result of ours; `taken` is when it was, as EXIF writes it ("2019:07:20 21:17:40").
    """

    format: str
    width: int
    height: int
    channels: int = 3
    depth: int = 8
    alpha: bool = False
    frames: int = 1
    orientation: int = 1
    mode: str = "RGB"
    icc_bytes: int = 0
    lossless: bool = False
    signals: dict[str, float] = field(default_factory=dict)
    own: bool = False
    taken: str = ""

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PictureHeader:
        return cls(**data)
