"""Makes one picture: decode, passes, finish, encode, check. Every step may be asked for twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from twofold import __version__
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import DeviceFault, TwofoldError
from twofold.core.estimate import BETWEEN_PASSES_DEPTH, estimate
from twofold.core.formats import Saving, output_depth
from twofold.core.pass_plan import PassPlan
from twofold.core.passes import Chain, Pass
from twofold.core.picture import PictureHeader
from twofold.core.protocols import Governor
from twofold.core.provenance import provenance_of
from twofold.core.recipe import Recipe
from twofold.engine.run import Watch, run_pass
from twofold.imaging import codec
from twofold.imaging.change import Wishes
from twofold.imaging.metadata import Metadata
from twofold.imaging.resample import resample, resample_alpha
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Upscaler
from twofold.service.pulse import Pulse
from twofold.service.ram import RamGate
from twofold.service.scratch import Stage, Stages
from twofold.service.turn import DeviceTurn

log = structlog.get_logger()

UNLOGGED = frozenset({"source", "whole", "scale"})
"""Figures of a plan that the log need not say: they follow from the others."""

LOGGED_FIGURES = (
    *("free_bytes", "reserved_bytes", "allocated_bytes", "keep_free_bytes"),
    *("bytes_per_px", "margin", "cost_origin"),
)


@dataclass(frozen=True, slots=True)
class Work:
    """One picture to make; `source` is a copy (or an original that is only read), `folder` its scratch folder.

    `page` is which page of the source it is; None: the source is the picture.
    """

    job_id: str
    source: str
    header: PictureHeader
    chain: Chain
    saving: Saving
    folder: str
    wishes: Wishes = field(default_factory=Wishes)
    page: int | None = None


def wishes_for(recipe: Recipe, chain: Chain, source_sha256: str) -> Wishes:
    """What a result's metadata is to be: the recipe's wishes, and the note of how it was made."""
    return Wishes(recipe.strip, recipe.dpi, provenance_of(chain, source_sha256, __version__))


@dataclass(frozen=True, slots=True)
class Tools:
    """What making needs from the rest; `check` raises where the work should end here, `heed` waits where it should
    rest; `fault_of` knows the errors after which the device is of no use to this process.

    Where the device has no room for the smallest tile, a `patient` job waits for it in its pass; others may have one
    that is not. `pulse` proves the device's progress while a pass holds `device`: only there can it hang without a
    deadline.
    """

    card: Callable[[str], NetworkCard]
    upscaler: Callable[[NetworkCard], Upscaler]
    governor: Governor
    device: DeviceTurn
    ram: RamGate
    pulse: Pulse
    limits: codec.Limits
    boot_id: str
    check: Callable[[], None]
    patient: bool = True
    heed: Callable[[], None] = lambda: None
    fault_of: Callable[[BaseException], DeviceFault | None] = lambda error: None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a picture is: finished passes, done share of all its work (0-1), and the plan of the pass in work.

    Where a report says that a pass is complete, `plan` is still of that pass: of `plan_of` (0-based).
    """

    passes_done: int
    fraction: float
    plan: PassPlan | None = None
    plan_of: int = 0
    band_kept: bool = False


@dataclass(slots=True)
class _Aside:
    """What travels beside the pixels and is joined again at the end."""

    alpha: SharedRaster | None
    metadata: Metadata


@dataclass(slots=True)
class Making:
    """One picture in hand; `seconds` adds up by stage (decode, passes, finish, encode, verify).

    Its `starved` is no stage: how long the device had waited, with pictures in hand, when this one's turns came.
    """

    tools: Tools
    work: Work
    report: Callable[[Progress], None]
    seconds: dict[str, float] = field(default_factory=dict)
    plans: dict[int, PassPlan] = field(default_factory=dict)
    px_per_s: dict[int, float] = field(default_factory=dict)  # measured, of passes made in one go
    warnings: tuple[str, ...] = ()
    _stages: Stages = field(init=False)
    _aside: _Aside | None = None
    _in_hand: bool = False

    def __post_init__(self) -> None:
        self._stages = Stages(self.work.folder, self.tools.boot_id)

    def forecast(self) -> list[PassPlan]:
        """A plan for each pass as memory stands now; each is drawn anew before its pass runs.

        Raises LOW_MEMORY where none fits and others may have the job, before anything is decoded.
        """
        return [
            self.tools.governor.plan(self._card(step), step.source, patient=self.tools.patient)
            for step in self.work.chain.passes
        ]

    def ensure(self, index: int) -> Stage:
        """The raster after `index` passes, made now where it is not there: what a dead worker finished is kept."""
        self._take_up()
        found = self._stages.get(index)
        if found is not None and found.complete:
            return found
        return self._decode() if index == 0 else self._run_pass(index - 1)

    def write(self, result_fd: int) -> None:
        """Encode the finished picture into an empty file, and read it back by another library."""
        raster, alpha = self._finished()
        room_fd = None
        try:
            aside = self._beside()
            with self._timed("encode"):
                save_as = self.work.saving.save_as
                room_fd, threads = self._room(raster, alpha), self.tools.limits.threads
                self.warnings = codec.encode(
                    raster,
                    alpha,
                    aside.metadata,
                    save_as,
                    result_fd,
                    self.work.wishes,
                    room_fd=room_fd,
                    threads=threads,
                )
            self.tools.check()
            with self._timed("verify"):
                codec.verify(result_fd, aside.metadata, save_as, raster, alpha, room_fd=room_fd, threads=threads)
        finally:
            if alpha is not None:
                alpha.close()
            if room_fd is not None:
                os.close(room_fd)

    def close(self) -> None:
        """Let go of the memory; scratch files stay."""
        if self._in_hand:
            self._in_hand = False
            self.tools.device.put_down()
            self.tools.ram.leave(self.work.job_id)
        self._stages.close()
        if self._aside is not None and self._aside.alpha is not None:
            self._aside.alpha.close()
        self._aside = None

    def remove(self) -> None:
        """The picture is delivered, or given up: nothing is kept."""
        self.close()
        self._stages.remove()

    def _take_up(self) -> None:
        """Wait for main memory, where the picture is not in hand yet."""
        if self._in_hand:
            return
        work, plans = self.work, self.forecast()
        held = estimate(work.header, work.chain, plans, work.saving.format)
        spilled = estimate(work.header, work.chain, plans, work.saving.format, "scratch")
        stages = self._stages
        stages.rasters = self.tools.ram.enter(work.job_id, held, spilled, lambda: stages.memory_bytes, self.tools.check)
        self._in_hand = True
        self.tools.device.take_up()

    def _decode(self) -> Stage:
        with self._timed("decode"):
            source = os.open(self.work.source, os.O_RDONLY | os.O_CLOEXEC)
            files: list[int | None] = []
            try:
                files += [self._stages.spare_fd()]
                files += [self._stages.spare_fd() if self.work.header.alpha else None]
                wishes = self.work.saving.save_as
                decoded = codec.decode(
                    source,
                    self.work.header,
                    self.tools.limits,
                    page=self.work.page,
                    convert=wishes.convert,
                    background=wishes.background,
                    raster_fd=files[0],
                    alpha_fd=files[1],
                )
            except BaseException:
                for fd in files:
                    if fd is not None:
                        os.close(fd)
                raise
            finally:
                os.close(source)
        self.tools.check()
        if self._aside is not None and self._aside.alpha is not None:
            self._aside.alpha.close()
        self._aside = _Aside(decoded.alpha, decoded.metadata)
        return self._stages.adopt(0, decoded.raster)

    def _beside(self) -> _Aside:
        """Alpha and metadata; a worker that took the job over decodes once more for them."""
        if self._aside is None:
            self._decode()
            self._stages.drop(0)
        assert self._aside is not None  # noqa: S101  _decode has set it
        return self._aside

    def _run_pass(self, index: int) -> Stage:
        step = self.work.chain.passes[index]
        card = self._card(step)
        source = self.ensure(index)
        with self.tools.device.held() as starved_s, self.tools.pulse.at_work(), self._timed("passes"):
            self._add("starved", starved_s)
            self._next_batch()  # a network that is loaded takes of the device as well
            upscaler = self.tools.upscaler(card)
            stage, plan, first = self._resumed(index, self.tools.governor.plan(card, step.source, patient=True))
            self._say_planned(index, step, plan, first)
            self._report(index, plan, first)

            def on_band(band: int, plan: PassPlan) -> None:
                stage.bands_done, stage.plan = band + 1, plan.to_json()
                self._stages.save(stage)
                self._report(index, plan, band + 1, kept=stage.durable)

            def on_plan(plan: PassPlan) -> None:
                log.info(
                    "pass.replanned",
                    job=self.work.job_id,
                    **{"pass": index + 1},
                    **_numbers(plan),
                )

            def on_wait(error: TwofoldError) -> None:
                log.warning("pass.waiting", job=self.work.job_id, **{"pass": index + 1}, text=error.reason.text)

            started_s = time.monotonic()
            last = run_pass(
                upscaler,
                source.array,
                stage.array,
                plan,
                self.tools.governor,
                depth=self._depth(index + 1),
                first_row=first,
                watch=Watch(on_band, on_plan, on_wait, self._next_batch),
            )
        stage.complete = True
        self._stages.save(stage)
        self._stages.drop(index)
        self.plans[index] = last
        elapsed_s = time.monotonic() - started_s
        if first == 0:
            self.px_per_s[index] = step.source.pixels / max(elapsed_s, 1e-6)
        log.debug(
            "pass.completed",
            job=self.work.job_id,
            **{"pass": index + 1},
            seconds=round(elapsed_s, 3),
            px_per_s=round(step.source.pixels / max(elapsed_s, 1e-6)),
        )
        return stage

    def _next_batch(self) -> None:
        self.tools.pulse.beat()
        self.tools.heed()
        self.tools.check()

    def _resumed(self, index: int, plan: PassPlan) -> tuple[Stage, PassPlan, int]:
        """Where to go on, and by which plan: the one in force when a worker died (the governor makes it fit)."""
        left = self._stages.get(index + 1)
        if left is not None and left.plan is not None:
            before = PassPlan.from_json(left.plan)
            if before.device == plan.device:
                return left, before, left.bands_done
        depth, channels = self._depth(index + 1), self.work.header.channels
        result = self.work.chain.passes[index].result
        stage = self._stages.create(index + 1, result, channels, depth, durable=plan.long)
        stage.plan = plan.to_json()
        return stage, plan, 0

    def _finished(self) -> tuple[SharedRaster, SharedRaster | None]:
        """The picture in its final size and depth, alpha apart; the alpha is the caller's to close."""
        chain = self.work.chain
        stage = self._stages.get(len(chain.passes) + 1) or self.ensure(len(chain.passes))
        aside = self._beside()
        depth = output_depth(self.work.header, self.work.saving.format)
        with self._timed("finish"):
            if stage.raster.size != chain.final or stage.raster.depth != depth:
                exact = self._stages.spare(chain.final, stage.raster.channels, depth)
                resample(stage.array, chain.final, depth, out=exact.array())
                if not stage.durable:  # else it lies on scratch, should this process be killed
                    self._stages.drop(stage.index)
                stage = self._stages.adopt(len(chain.passes) + 1, exact)
            if aside.alpha is None:
                return stage.raster, None
            alpha = self._stages.spare(chain.final, 1, depth)
            resample_alpha(aside.alpha.array(), chain.final, depth, out=alpha.array())
            return stage.raster, alpha

    def _room(self, raster: SharedRaster, alpha: SharedRaster | None) -> int | None:
        """A scratch file for codecs to hold the whole result in once more; None where memory does."""
        return self._stages.spare_fd(codec.room_bytes(raster, alpha))

    def _depth(self, index: int) -> int:
        """Bits per sample after `index` passes: 16 between passes, and the result's own where nothing follows."""
        chain = self.work.chain
        if index == len(chain.passes) and not chain.resampled:
            return output_depth(self.work.header, self.work.saving.format)
        return BETWEEN_PASSES_DEPTH

    def _card(self, step: Pass) -> NetworkCard:
        card = self.tools.card(step.model)
        if card.sha256 != step.sha256:
            raise TwofoldError(Code.MODEL_CHANGED, f"{step.model} is not the network that this job was planned with")
        return card

    def _report(self, index: int, plan: PassPlan, bands: int, *, kept: bool = False) -> None:
        weights = [step.source.pixels for step in self.work.chain.passes]
        done = sum(weights[:index]) + weights[index] * plan.tiles.done_px(bands) / plan.tiles.whole.height
        finished = index + (plan.tiles.done_px(bands) >= plan.tiles.whole.height)
        self.report(Progress(finished, done / sum(weights), plan, index, kept))

    def _say_planned(self, index: int, step: Pass, plan: PassPlan, first: int) -> None:
        log.info(
            "pass.planned",
            job=self.work.job_id,
            **{"pass": index + 1},
            passes=len(self.work.chain.passes),
            model=step.model,
            resumed_band=first,
            **_numbers(plan),
        )

    def _timed(self, stage: str) -> AbstractContextManager[None]:
        return timed(self.seconds, stage)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add what is done within to a stage's seconds."""
    started_s = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - started_s


def _numbers(plan: PassPlan) -> dict[str, Any]:
    """What the log says of a plan: every number that it came from."""
    told = {key: value for key, value in plan.to_json().items() if key not in UNLOGGED}
    return told | {key: plan.figures[key] for key in LOGGED_FIGURES if key in plan.figures}
