"""Files that belong to a picture by their name: its sidecars."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from typing import NamedTuple

MAX_COMPANION_BYTES = 16 * 2**20


class Companion(NamedTuple):
    """A file that may lie beside a source, and its name beside the result; `packet` tells that it holds XMP."""

    name: bytes
    target: bytes
    packet: bool


def companions_of(source: bytes, result: bytes) -> Iterator[Companion]:
    """What may belong to `source` (relative to its inbox), for `result` (relative to its outbox).

    `a.xmp` and `a.jpg.xmp` are both in use; `a.aae` is how an iPhone's edits come.
    """
    stem, to_stem = os.path.splitext(source)[0], os.path.splitext(result)[0]
    for ending in (b".xmp", b".XMP", b".aae", b".AAE"):
        yield Companion(stem + ending, to_stem + ending, ending.lower() == b".xmp")
    if stem != source:
        for ending in (b".xmp", b".XMP"):
            yield Companion(source + ending, result + ending, True)
