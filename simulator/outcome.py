"""What became of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Outcome:
    """Figures of one policy on one workload; `source_px` counts the source pixels of all finished passes.

    `breaches` counts batches that took the device below `keep_free` though its neighbours stood where they were when
    the batch began: what they take while it runs is a race that nobody can win. `waited_s` is time in which a job was
    put off, `redone_px` work that was done again.
    """

    source_px: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    batches: int = 0
    oom_batches: int = 0
    plan_changes: int = 0
    low_memory: int = 0
    failed_jobs: int = 0
    lost_px: int = 0
    doubled_px: int = 0
    redone_px: int = 0
    breaches: int = 0

    @property
    def px_per_s(self) -> float:
        return self.source_px / self.seconds if self.seconds > 0 else 0.0
