"""Main memory as one budget: what pictures in hand were promised is neither another picture's nor a tile's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.estimate import Estimate, Rasters
from twofold.core.memory import MIB, MemoryPolicy, MemoryReading, plan_budget
from twofold.core.quantity import about_bytes

ENGINE_BYTES = 160 * MIB
"""Heap of torch on the processor (measured: 145), which is not loaded yet when a worker's first picture is admitted."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the pictures in hand may take together (bytes), and what of it their rasters have taken by now."""

    promised_bytes: int = 0
    taken_bytes: int = 0


def beside(reading: MemoryReading, claims: Claims) -> MemoryReading:
    """The reading for whoever comes after the pictures in hand: all that they were promised counts as taken."""
    untaken_bytes = max(0, claims.promised_bytes - claims.taken_bytes)
    return replace(
        reading,
        free_bytes=max(0, reading.free_bytes - untaken_bytes),
        reserved_bytes=reading.reserved_bytes + claims.promised_bytes,
        allocated_bytes=reading.allocated_bytes + claims.promised_bytes,
    )


def without(reading: MemoryReading, claims: Claims) -> MemoryReading:
    """The reading as it would be with no picture in hand."""
    return replace(reading, free_bytes=reading.free_bytes + claims.taken_bytes)


def ram_budget_bytes(reading: MemoryReading, policy: MemoryPolicy) -> int:
    """What may be taken of main memory."""
    return plan_budget(reading, policy, "cpu").bytes


def admit(
    held: Estimate, spilled: Estimate, reading: MemoryReading, policy: MemoryPolicy, claims: Claims
) -> Rasters | Literal["wait"]:
    """Where a picture's rasters shall live, or that it waits for the pictures in hand.

    `held` and `spilled` are its figures with rasters in memory and on scratch. A picture goes to scratch only where it
    would not fit into memory with no other beside it; one that is alone then leaves what it can to its tiles, which the
    governor cuts to fit. Raises TwofoldError: NEEDS_MEMORY where it can never fit, LOW_MEMORY where others have the
    memory now.
    """
    check_ram(spilled, reading, policy)
    alone_bytes = ram_budget_bytes(without(reading, claims), policy)
    chosen = held if _asked(held) <= alone_bytes else spilled
    if _asked(chosen) <= ram_budget_bytes(beside(reading, claims), policy):
        return chosen.rasters
    if claims.promised_bytes:
        return "wait"
    if spilled.picture_bytes <= alone_bytes:
        return "scratch"
    raise TwofoldError(
        Code.LOW_MEMORY,
        f"the picture needs {about_bytes(spilled.picture_bytes)} of main memory even with its rasters on scratch,"
        f" and {about_bytes(alone_bytes)} may be used now",
    )


def check_ram(spilled: Estimate, reading: MemoryReading, policy: MemoryPolicy) -> None:
    """Refuse what does not fit however much were free, tiles aside: TwofoldError(NEEDS_MEMORY)."""
    most_bytes = int(policy.use_at_most * reading.total_bytes)
    if spilled.picture_bytes > most_bytes:
        raise TwofoldError(
            Code.NEEDS_MEMORY,
            f"the picture needs {about_bytes(spilled.picture_bytes)} of main memory even with its rasters on scratch,"
            f" and {about_bytes(most_bytes)} of {about_bytes(reading.total_bytes)} may be used",
        )


def _asked(figures: Estimate) -> int:
    """Tiles are counted on top: another picture's pass may run while this one is decoded."""
    return figures.picture_bytes + figures.tile_bytes + (ENGINE_BYTES if figures.tile_bytes else 0)
