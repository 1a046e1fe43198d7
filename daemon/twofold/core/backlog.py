"""What is done with the files that lie in an inbox when it is first seen."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from twofold.core.recipe import Recipe
from twofold.core.settings import Existing

Verdict = Literal["process", "hold", "ignore"]

MAX_FILES_UNASKED = 500
MAX_SHARE_UNASKED = Fraction(1, 10)
KEPT_FREE_BYTES = 2**30
KEPT_FREE_SHARE = Fraction(1, 20)
TARGET_AREA = 4
"""How much larger in area a result is taken to be where the recipe names a size in place of a factor."""


def verdict(existing: Existing, *, files: int, out_bytes: int, free_bytes: int | None) -> Verdict:
    """The fate of a first backlog of `files` files whose results may take `out_bytes`.

    `free_bytes` is the room in the outbox, None where it is not known.
    """
    if existing != "auto":
        return existing
    too_large = free_bytes is not None and out_bytes > free_bytes * MAX_SHARE_UNASKED
    # One file is no backlog: where the disk is full, it waits for room as any other.
    return "hold" if files > MAX_FILES_UNASKED or (files > 1 and too_large) else "process"


def grown_bytes(source_bytes: int, recipe: Recipe) -> int:
    """What results take before any file was read: a file grows about as its area does."""
    return int(source_bytes * (TARGET_AREA if recipe.scale is None else recipe.scale**2))


def kept_free(wanted_bytes: int | None, total_bytes: int) -> int:
    """What has to stay free on the disk of an outbox; `auto` (None) is 1 GiB, on small disks a twentieth."""
    if wanted_bytes is not None:
        return wanted_bytes
    return min(KEPT_FREE_BYTES, int(total_bytes * KEPT_FREE_SHARE))
