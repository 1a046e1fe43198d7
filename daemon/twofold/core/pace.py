"""How fast a network runs on a device, learnt from its batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twofold.core.cost import CostModel

WEIGHT_KEPT = 0.9
"""Share of its weight that a batch keeps when the next one comes: about the last ten count."""
MIN_SPREAD = 0.05
"""Batch sizes must spread this much (variance over mean square) before the overhead is told from the speed."""
MIN_PX_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Fading sums over batches (pixels, seconds), and the line through them: s = overhead_s + px / px_per_s."""

    overhead_s: float
    px_per_s: float
    weight: float = 0.0
    px: float = 0.0
    s: float = 0.0
    px_px: float = 0.0
    px_s: float = 0.0

    @classmethod
    def of(cls, prior: CostModel) -> Pace:
        """Nothing learnt yet."""
        return cls(prior.overhead_s, prior.px_per_s)

    def after(self, batch_px: int, seconds: float) -> Pace:
        """With one more batch of `batch_px` window pixels that took `seconds`; nonsense (0 px, 0 s) is left out."""
        if batch_px <= 0 or seconds <= 0:
            return self
        sums = replace(
            self,
            weight=self.weight * WEIGHT_KEPT + 1,
            px=self.px * WEIGHT_KEPT + batch_px,
            s=self.s * WEIGHT_KEPT + seconds,
            px_px=self.px_px * WEIGHT_KEPT + batch_px * batch_px,
            px_s=self.px_s * WEIGHT_KEPT + batch_px * seconds,
        )
        return sums._fitted()

    def _fitted(self) -> Pace:
        mean_px, mean_s = self.px / self.weight, self.s / self.weight
        variance = self.px_px / self.weight - mean_px**2
        covariance = self.px_s / self.weight - mean_px * mean_s
        if variance > MIN_SPREAD * mean_px**2 and covariance > 0:
            overhead_s = min(max(mean_s - mean_px * covariance / variance, 0.0), mean_s / 2)
        else:
            # One batch size alone cannot tell overhead from speed: what was thought of the overhead stands.
            overhead_s = min(self.overhead_s, mean_s / 2)
        return replace(self, overhead_s=overhead_s, px_per_s=max(mean_px / (mean_s - overhead_s), MIN_PX_PER_S))
