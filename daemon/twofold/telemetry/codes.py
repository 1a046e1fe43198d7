"""Writes docs/codes.md from the codes themselves: `python -m twofold.telemetry.codes > docs/codes.md`."""

from __future__ import annotations

import sys

from twofold.core.codes import Code


def markdown() -> str:
    """The text of docs/codes.md."""
    lines = [
        "# Codes",
        "",
        "<!-- Written by `python -m twofold.telemetry.codes > docs/codes.md`; edit core/codes.py, not this page. -->",
        "",
        "`status`, `jobs`, `explain`, the log and every error name a code; its meaning never changes once released.",
        "The text beside it may say more about the case at hand. *By itself* tells whether the same work is tried",
        "again without anybody doing anything.",
        "",
        "| code | what it means | what to do | by itself |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code.value}` | {code.meaning} | {code.hint} | {'yes' if code.retryable else ''} |" for code in Code]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
