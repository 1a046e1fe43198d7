"""From a few measured files to what all of them will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """One file of a sample: its own size, pixels of its result, seconds of work, and size of its result."""

    nbytes: int
    pixels: int
    seconds: float
    out_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `files` files of `nbytes` bytes will take; `sampled` of them were looked at."""

    files: int
    nbytes: int
    sampled: int
    pixels: int
    seconds: float
    out_bytes: int

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(
            self.files + other.files,
            self.nbytes + other.nbytes,
            self.sampled + other.sampled,
            self.pixels + other.pixels,
            self.seconds + other.seconds,
            self.out_bytes + other.out_bytes,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sample(files: Sequence[tuple[T, int]], count: int) -> list[tuple[T, int]]:
    """At most `count` of the files (each with its size), spread evenly over their sizes; the same ones every time."""
    by_size = sorted(files, key=lambda file: file[1])
    if len(by_size) <= count:
        return by_size
    return [by_size[(2 * index + 1) * len(by_size) // (2 * count)] for index in range(count)]


def extrapolate(measured: Sequence[Measured], *, files: int, nbytes: int) -> Forecast:
    """The sample's figures per byte of source, times all bytes: pictures of one folder are compressed alike.

    A sample without bytes forecasts nothing.
    """
    seen_bytes = sum(one.nbytes for one in measured)
    share = nbytes / seen_bytes if seen_bytes else 0.0
    return Forecast(
        files=files,
        nbytes=nbytes,
        sampled=len(measured),
        pixels=round(sum(one.pixels for one in measured) * share),
        seconds=round(sum(one.seconds for one in measured) * share, 1),
        out_bytes=round(sum(one.out_bytes for one in measured) * share),
    )
