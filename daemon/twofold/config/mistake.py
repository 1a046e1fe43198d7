"""A mistake in the configuration, and the error that carries all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

KeyPath = tuple[str | int, ...]

MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to correct. `origin` is the file, or `$NAME` for an environment variable; `line` starts at 1."""

    origin: str
    line: int | None
    key: str
    text: str
    suggestion: str = ""
    code: Code = Code.BAD_CONFIG

    def __str__(self) -> str:
        place = self.origin if self.line is None else f"{self.origin}:{self.line}"
        parts = [place, self.key, self.text] if self.key else [place, self.text]
        return ": ".join(parts) + (f" {self.suggestion}" if self.suggestion else "")

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code.value,
            "file": self.origin,
            "line": self.line,
            "key": self.key,
            "text": self.text,
            "suggestion": self.suggestion,
        }


class ConfigError(TwofoldError):
    """The configuration cannot be used; `mistakes` holds every reason, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        lines = [str(mistake) for mistake in self.mistakes[:MAX_SHOWN]]
        if len(self.mistakes) > MAX_SHOWN:
            lines.append(f"… and {len(self.mistakes) - MAX_SHOWN} more")
        super().__init__(Code.BAD_CONFIG, "\n".join(lines))


def key_text(path: KeyPath) -> str:
    """A key path as people write it: `inboxes.photos.path`, `devices[1].id`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if part.isprintable() else ascii(part))
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`Did you mean …?` where one of `known` is close to `word`, else nothing."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f"Did you mean {folded[close[0]]!r}?" if close else ""
