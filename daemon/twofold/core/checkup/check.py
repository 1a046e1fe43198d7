"""One line of `doctor`: what was found, how it stands, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How a check stands; only a problem keeps Twofold from doing its work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


SEVERITY = {Level.OK: 0, Level.WARNING: 1, Level.PROBLEM: 2}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `name` is stable, `AREA` or `AREA.WHICH`; `facts` is small JSON for programs."""

    name: str
    level: Level
    text: str
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> str:
        return self.name.partition(".")[0]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "level": self.level.value,
            "text": self.text,
            "hint": self.hint,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark among several about the same thing."""

    level: Level
    text: str
    hint: str = ""


def warning(text: str, hint: str = "") -> Finding:
    return Finding(Level.WARNING, text, hint)


def problem(text: str, hint: str = "") -> Finding:
    return Finding(Level.PROBLEM, text, hint)


def summed(name: str, found: str, findings: Sequence[Finding], facts: Mapping[str, Any]) -> Check:
    """One check of what was `found` and the remarks about it, the gravest first; its level is the gravest one's."""
    ordered = sorted(findings, key=lambda one: -SEVERITY[one.level])
    level = ordered[0].level if ordered else Level.OK
    text = "; ".join([*(one.text for one in ordered), *([found] if found else [])])
    return Check(name, level, text, " ".join(dict.fromkeys(one.hint for one in ordered if one.hint)), facts)
