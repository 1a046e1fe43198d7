"""The one line that `systemctl status` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twofold.core.codes import Code

QUIET_STATES = frozenset({"done", "skipped", "vanished", "cancelled", "running"})
"""What needs nobody is not counted; what runs is named instead."""

MAX_NAMED = 3

WAITS = {
    Code.LOW_MEMORY: "waits for memory",
    Code.YIELDED: "is left to another program",
    Code.QUARANTINED: "rests after failures",
    Code.DEVICE_LOST: "does not answer",
    Code.ALREADY_RUNNING: "is used by another Twofold",
}


def status_line(
    counts: Mapping[str, int],
    running: Sequence[tuple[str, float]],
    offline: Sequence[str],
    absent_s: Mapping[str, float],
    notes: Sequence[str] = (),
    held: Mapping[str, tuple[Code, float]] | None = None,
) -> str:
    """Counts by state, what runs and how far it is, inboxes that cannot be listed, and what else matters.

    `running` holds printable names and done shares (0-1); `absent_s` the parts that wait for a disk or share, and since
    how many seconds; `held` the devices on which nothing runs although there is work, why, and since how many seconds;
    `notes` come first.
    """
    told = [f"{count} {state}" for state, count in counts.items() if count and state not in QUIET_STATES]
    named = [f"{name} {int(share * 100)} %" for name, share in running[:MAX_NAMED]]
    if len(running) > MAX_NAMED:
        named.append(f"{len(running) - MAX_NAMED} more")
    parts = [*notes, ", ".join(told) or ("" if running else "idle")]
    if named:
        parts.append("running: " + ", ".join(named))
    if offline:
        parts.append("offline: " + ", ".join(offline))
    parts += [f"{name} waits for its file system, {_span(seconds)} so far" for name, seconds in absent_s.items()]
    parts += [
        f"{name} {WAITS.get(code, 'waits')}, {_span(seconds)} so far" for name, (code, seconds) in (held or {}).items()
    ]
    return "; ".join(part for part in parts if part)


def _span(seconds: float) -> str:
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
