"""A finished page, as those who bind pages into one file see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BoundPage:
    """Page `number` of the source, whose result stands at `offset` of the stack (`size` bytes): `width` x `height`.

    `source_format` is that of the source's page. One that is `copied` has nothing in the stack: the source's own page
    takes its place.
    """

    number: int
    offset: int
    size: int
    format: str
    source_format: str
    width: int
    height: int
    copied: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
