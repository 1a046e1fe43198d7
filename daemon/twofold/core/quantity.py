"""Sizes, durations and shares as people write them: `2GiB`, `15 min`, `80%`."""

from __future__ import annotations

import re
from fractions import Fraction

MAX_SIZE_BYTES = 2**63 - 1
MAX_DURATION_S = 10 * 365 * 86_400

_NUMBER = r"(\d{1,18}(?:\.\d{1,18})?)"  # bounded: int() and Fraction() are quadratic in the digits
_SIZE = re.compile(_NUMBER + r"\s*([a-z]*)", re.IGNORECASE | re.ASCII)
_PART = re.compile(_NUMBER + r"\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(?:" + _PART.pattern + r"){1,8}", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(_NUMBER, re.ASCII)
_SHARE = re.compile(_NUMBER + r"\s*%", re.ASCII)

SIZE_UNITS: dict[str, int] = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
DURATION_UNITS: dict[str, Fraction] = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
_DURATION_WORDS = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "m": "min",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}
_SIZES = {unit.lower(): factor for unit, factor in SIZE_UNITS.items()}


def about_bytes(size_bytes: int) -> str:
    """A size for people: "96 MiB", "1.5 GiB"."""
    if size_bytes < 2**30:
        return f"{size_bytes / 2**20:.0f} MiB" if size_bytes >= 2**20 else f"{size_bytes / 2**10:.0f} KiB"
    return f"{size_bytes / 2**30:.1f} GiB"


def parse_size_bytes(text: str) -> int:
    """Bytes, rounded down; a number without a unit counts bytes. Raises ValueError with a sentence for people."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a size such as 2GiB or 500MB")
    number, unit = match.groups()
    if unit and unit.lower() not in _SIZES:
        raise ValueError(f"has an unknown unit {unit!r}; use {', '.join(SIZE_UNITS)}")
    size_bytes = int(Fraction(number) * _SIZES[unit.lower() or "b"])
    if size_bytes > MAX_SIZE_BYTES:
        raise ValueError("is larger than any disk or memory")
    return size_bytes


def parse_duration_s(text: str) -> float:
    """Seconds; parts may follow each other (`1h 30min`), a number without a unit counts seconds. Raises ValueError."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        seconds = Fraction(text)
    elif _DURATION.fullmatch(text):
        seconds = sum((_part_s(number, unit) for number, unit in _PART.findall(text)), Fraction(0))
    else:
        raise ValueError("must be a duration such as 60s, 15min or 3h")
    if seconds > MAX_DURATION_S:
        raise ValueError("is longer than ten years")
    return float(seconds)


def _part_s(number: str, unit: str) -> Fraction:
    name = unit.lower()
    name = _DURATION_WORDS.get(name, name)
    if name not in DURATION_UNITS:
        raise ValueError(f"has an unknown unit {unit!r}; use {', '.join(DURATION_UNITS)}")
    return Fraction(number) * DURATION_UNITS[name]


def parse_share(text: str) -> Fraction:
    """A percentage above 0 and up to 100 as a fraction of 1. Raises ValueError."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a percentage such as 80%")
    share = Fraction(match[1]) / 100
    if not 0 < share <= 1:
        raise ValueError("must be above 0% and at most 100%")
    return share
