"""Figures for people: two or three digits and a unit."""

from __future__ import annotations

from collections.abc import Sequence


def duration_text(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2 h 10 min`, `9 d 4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def bytes_text(count: float) -> str:
    """`512 B`, `3.4 MiB`, `12 GiB`."""
    power = min(max(int(count), 1).bit_length() - 1, 40) // 10
    value, unit = count / 1024**power, ("B", "KiB", "MiB", "GiB", "TiB")[power]
    return f"{value:.1f} {unit}" if power and value < 9.95 else f"{value:.0f} {unit}"


def size_text(size: Sequence[int]) -> str:
    """`4000×3000`, from [width, height] in pixels."""
    return "×".join(map(str, size))


def count_text(count: int, noun: str) -> str:
    """`1 file`, `40,112 files`."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def pixels_text(count: float) -> str:
    """`12.6 MP`: megapixels are 10^6 pixels."""
    return f"{count / 1e6:.1f} MP" if count < 99.95e6 else f"{count / 1e6:.0f} MP"
