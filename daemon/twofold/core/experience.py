"""What the batches of one network have taught about its cost on one device."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import Any

from twofold.core.cost import CostModel, line_through
from twofold.core.pace import Pace

PEAKS_PER_SIZE = 5
"""The median of the last few stands for a size: one workspace larger than usual is a surprise, not the rule."""
MAX_SIZES = 12
MIN_SPREAD = 2.0
"""The largest size must be this many times the smallest before a fixed part is told from the part per pixel."""
MAX_SURPRISES = 256
SMALLEST_MARGIN = 0.08
LARGEST_MARGIN = 1.0
LARGEST_LESSON = 0.3
"""What was measured is not doubted by more than this for one refusal: somebody may have come and gone again."""
SURPRISE_ALLOWANCE = 1.1
"""The margin is this much more than the worst surprise of late: the next one may be a little worse."""

FIRST_PX = 128 * 128
MAX_GROWTH = 4
"""A batch is at most this many times the largest that went well: what is not linear shows before it hurts."""
GOOD_ENOUGH_TO_GROW = 3
"""Batches since memory was last tight before a plan may grow again."""


@dataclass(frozen=True, slots=True)
class Experience:
    """Sums over what was measured; `cost` is the belief that follows.

    `peaks` are (pixels of a batch, the last peaks in bytes) by size, `surprises` how far the last peaks lay above the
    belief of their time (as shares), `proven_px` the largest batch that went well, `good` the batches since memory was
    last tight. `carried` says that it was learnt by an earlier process and nothing has confirmed it yet.
    """

    prior: CostModel
    pace: Pace
    peaks: tuple[tuple[int, tuple[int, ...]], ...] = ()
    surprises: tuple[float, ...] = ()
    proven_px: int = 0
    good: int = GOOD_ENOUGH_TO_GROW
    carried: bool = False

    @classmethod
    def of(cls, prior: CostModel) -> Experience:
        """Nothing learnt yet."""
        return cls(prior, Pace.of(prior))

    @property
    def cost(self) -> CostModel:
        """The belief: measured lines where there are any, the prior elsewhere."""
        timed = replace(self.prior, px_per_s=self.pace.px_per_s, overhead_s=self.pace.overhead_s)
        if not self.peaks:
            return timed
        fixed_bytes, bytes_per_px = self._line()
        return replace(
            timed, bytes_per_px=bytes_per_px, fixed_bytes=int(fixed_bytes), margin=self.margin, origin="calibrated"
        )

    @property
    def margin(self) -> float:
        """The share that is added to the line, from the worst surprise of late."""
        worst = max(self.surprises, default=0.0)
        return min(max(SMALLEST_MARGIN, SURPRISE_ALLOWANCE * worst), LARGEST_MARGIN)

    @property
    def provable_px(self) -> int:
        """The largest batch to try next."""
        return MAX_GROWTH * max(self.proven_px, FIRST_PX)

    def after(self, batch_px: int, seconds: float, peak_bytes: int | None) -> Experience:
        """With one more batch that went well; `peak_bytes` is what it added at its widest (None: not known)."""
        learnt = replace(
            self,
            pace=self.pace.after(batch_px, seconds),
            good=self.good + 1,
            proven_px=max(self.proven_px, batch_px),
            carried=False,
        )
        if not peak_bytes or batch_px <= 0:
            return learnt
        if self.carried and self._excess(batch_px, peak_bytes) > self.margin:
            # Something has changed since (a driver, an algorithm): what was carried over is not to be trusted.
            learnt = replace(learnt, peaks=(), surprises=(), proven_px=batch_px)
        elif self.peaks:
            learnt = learnt._surprised(self._excess(batch_px, peak_bytes))
        return learnt._with_peak(batch_px, peak_bytes)

    def out_of_memory(self, batch_px: int, budget_bytes: int) -> Experience:
        """With a batch that did not fit a budget which it was believed to fit: it needed more than that."""
        excess = min(self._excess(batch_px, budget_bytes), LARGEST_LESSON) if self.peaks else 0.0
        return replace(self._surprised(max(excess, self.margin)), good=0, carried=False)

    def tight(self) -> Experience:
        """Memory had to be given up: growing has to wait."""
        return replace(self, good=0)

    def to_json(self) -> dict[str, Any]:
        """What a later process can go on from."""
        return {
            "peaks": [[px, list(peaks)] for px, peaks in self.peaks],
            "surprise": round(max(self.surprises, default=0.0), 4),
            "proven_px": self.proven_px,
            "px_per_s": self.pace.px_per_s,
            "overhead_s": self.pace.overhead_s,
        }

    @classmethod
    def from_json(cls, prior: CostModel, data: dict[str, Any]) -> Experience:
        """Carried over, to be confirmed by the next batch. Raises KeyError, TypeError, ValueError on anything else."""
        peaks = tuple((int(px), tuple(int(one) for one in found)) for px, found in data["peaks"] if found)
        if any(px <= 0 or min(found) <= 0 for px, found in peaks):
            raise ValueError("a batch of no pixels or no bytes")
        known = replace(
            prior, px_per_s=max(1.0, float(data["px_per_s"])), overhead_s=max(0.0, float(data["overhead_s"]))
        )
        return cls(
            prior,
            Pace.of(known),
            peaks[-MAX_SIZES:],
            (float(data["surprise"]),) if data["surprise"] else (),
            int(data["proven_px"]),
            carried=True,
        )

    def _line(self) -> tuple[float, float]:
        points = [(px, statistics.median(found)) for px, found in self.peaks]
        smallest, largest = min(px for px, _ in points), max(px for px, _ in points)
        if largest < MIN_SPREAD * smallest:
            # Through the origin, by the worst: too much for larger batches, where there is a fixed part after all.
            return 0.0, max(peak / px for px, peak in points)
        return line_through(points)

    def _excess(self, batch_px: int, peak_bytes: int) -> float:
        """How far a peak lies above the belief, as a share of it; nothing while the slack covers it."""
        fixed_bytes, bytes_per_px = self._line() if self.peaks else (self.prior.fixed_bytes, self.prior.bytes_per_px)
        believed_bytes = fixed_bytes + bytes_per_px * batch_px
        excess_bytes = peak_bytes - believed_bytes
        return excess_bytes / believed_bytes if excess_bytes > self.prior.slack_bytes else 0.0

    def _surprised(self, excess: float) -> Experience:
        return replace(self, surprises=(*self.surprises, excess)[-MAX_SURPRISES:])

    def _with_peak(self, batch_px: int, peak_bytes: int) -> Experience:
        """The size that was seen last stands last; the oldest sizes go."""
        before = dict(self.peaks)
        found = (*before.pop(batch_px, ()), peak_bytes)[-PEAKS_PER_SIZE:]
        return replace(self, peaks=(*before.items(), (batch_px, found))[-MAX_SIZES:])
