"""When a root is scanned next: soon after an event, on time for a settling file, and never so often that it shows."""

from __future__ import annotations

MIN_GAP_S = 0.5
"""An event storm (a copy of a thousand files) is looked at no more often than this."""

BUSY_SHARE = 0.1
"""The part of one core that scans may take while files arrive."""

IDLE_SHARE = 0.005
"""The part of one core that periodic scans may take while nothing happens."""


def next_scan_s(
    ended_s: float, *, cost_s: float, dirty: bool, due_s: float | None, every_s: float, stretch: bool = True
) -> float:
    """The monotonic time of the next scan after one that ended at `ended_s` and cost `cost_s` of processor time.

    `due_s` is the settle tracker's wish. `stretch` lets a costly scan come less often than `every_s` (scan_every:
    auto); without it an owner's figure holds.
    """
    periodic_s = ended_s + (max(every_s, cost_s / IDLE_SHARE) if stretch else every_s)
    if dirty:
        wished_s = ended_s
    elif due_s is not None:
        wished_s = due_s
    else:
        return periodic_s
    return min(periodic_s, max(wished_s, ended_s + max(MIN_GAP_S, cost_s / BUSY_SHARE)))
