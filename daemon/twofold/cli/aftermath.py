"""What followed the end of a job, in words for `explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twofold.cli.figures import duration_text
from twofold.telemetry.names import printable

_WORDS = {
    "archived": "archived as",
    "deleted": "deleted",
    "gone": "gone; somebody else moved it",
    "leaving": "about to leave",
    "waiting": "waits",
    "refused": "stays as it is",
    "written": "written as",
    "removed": "removed",
    "copying": "being written",
    "copied": "copied as",
    "ran": "ended well",
    "failed": "failed",
}
_NAMES = {
    "note": "failure note",
    "copy": "copy in the outbox",
    "companions": "sidecars",
    "original": "original",
    "hook": "hook",
}


def after_lines(after: dict[str, Any] | None) -> Iterator[str]:
    """One line for each act, and its reason where it has one; nothing where nothing followed."""
    for act, outcome in (after or {}).items():
        word = _WORDS.get(outcome["result"], outcome["result"])
        path = f" {printable(outcome['path'])}" if "path" in outcome else ""
        took = f" after {duration_text(outcome['seconds'])}" if "seconds" in outcome else ""
        yield f"  {outcome.get('hook') or _NAMES.get(act, act)}: {word}{path}{took}"
        reason = outcome.get("reason")
        if reason:
            yield f"    why: {printable(reason['text'])} ({reason['code']})"
            if reason["hint"]:
                yield f"    hint: {printable(reason['hint'])}"
