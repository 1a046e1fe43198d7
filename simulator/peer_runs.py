"""Runs the peers' rules in virtual time, on the same devices and networks beside the same neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulator.bench import Bench
from simulator.networks import SimulatedKind
from simulator.outcome import Outcome
from simulator.peers import (
    CHAINNER_OVERLAP_PX,
    COMFYUI_FIRST_PX,
    COMFYUI_OVERLAP_PX,
    NCNN_OVERLAP_PX,
    Rows,
    chainner_rows,
    chainner_smaller_px,
    chainner_tile_px,
    comfyui_rows,
    comfyui_smaller_px,
    ncnn_rows,
    ncnn_tile_px,
)
from twofold.core.geometry import Size
from twofold.engine.memory_errors import is_out_of_memory


@dataclass(slots=True)
class PeerRun:
    """One peer at work on one machine, until all is done or `limit_s` has come; what it gives up has failed.

    `overlap_px` takes the place of the peer's own. `done_px` are the source pixels of the pass at work that stand.
    """

    bench: Bench
    kind: SimulatedKind
    keep_free_bytes: int
    limit_s: float
    overlap_px: int | None = None
    done_px: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, run_pass: Callable[[PeerRun, Size], bool], sources: Sequence[Size]) -> Outcome:
        """Every source through its passes; `run_pass` is False where the peer gave up."""
        for source in sources:
            if self.late():
                break
            size = source
            for _ in range(self.kind.passes):
                self.done_px = 0.0
                done = run_pass(self, size)
                if done or self.late():
                    self.outcome.source_px += round(self.done_px)
                if self.late():
                    break
                if not done:
                    self.outcome.failed_jobs += 1
                    self.bench.allocator.release()
                    break
                size = size.times(self.kind.card.scale)
        self.outcome.seconds = self.bench.clock()
        return self.outcome

    def overlap(self, own_px: int) -> int:
        return own_px if self.overlap_px is None else self.overlap_px

    def late(self) -> bool:
        return self.bench.clock() > self.limit_s

    def tiles(self, row: list[int]) -> bool:
        """Run them one by one; False, the cache given back, at the first that finds no memory."""
        return all(map(self._tile, row))

    def _tile(self, tile_px: int) -> bool:
        self.outcome.batches += 1
        neighbour_bytes = self.bench.device.neighbour_bytes
        try:
            self.bench.upscaler.run(tile_px)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.outcome.oom_batches += 1
        else:
            return True
        finally:
            self.outcome.breaches += self.bench.least_free_bytes(neighbour_bytes) < self.keep_free_bytes
        self.bench.allocator.release()
        return False


def chainner(run: PeerRun, size: Size) -> bool:
    """60 % of the total by the number of parameters; goes on at the row where memory ran out, with half the tile."""
    half = run.kind.card.half
    tile_px: int | None = chainner_tile_px(run.bench.device.total_bytes, run.kind.parameters, size, half=half)
    overlap_px = run.overlap(CHAINNER_OVERLAP_PX)
    rows = chainner_rows(size, tile_px or 1, overlap_px)
    done = 0
    while done < len(rows):
        if run.late():
            return False
        if run.tiles(rows[done]):
            done += 1
            run.done_px += size.pixels / len(rows)
            continue
        tile_px = chainner_smaller_px(tile_px or 1)
        if tile_px is None:
            return False
        left = Size(size.width, size.height - size.height * done // len(rows))
        rows, done = chainner_rows(left, tile_px, overlap_px), 0
        size = left
    return True


def comfyui(run: PeerRun, size: Size) -> bool:
    """512 px, halved down to 128, the whole picture anew each time."""
    tile_px: int | None = COMFYUI_FIRST_PX
    while tile_px is not None:
        if _all_rows(run, size, comfyui_rows(size, tile_px, run.overlap(COMFYUI_OVERLAP_PX // 2))):
            return True
        if run.late():
            return False
        tile_px = comfyui_smaller_px(tile_px)
    return False


def ncnn(run: PeerRun, size: Size) -> bool:
    """By the heap budget at the start; nothing is caught."""
    free_bytes = run.bench.device.free_bytes + run.bench.device.own_bytes
    return _all_rows(run, size, ncnn_rows(size, ncnn_tile_px(free_bytes), run.overlap(NCNN_OVERLAP_PX)))


def _all_rows(run: PeerRun, size: Size, rows: Rows) -> bool:
    """Every row from the first on; False where memory or time ran out."""
    run.done_px = 0.0
    for row in rows:
        if run.late() or not run.tiles(row):
            return False
        run.done_px += size.pixels / len(rows)
    return True


PEERS: dict[str, Callable[[PeerRun, Size], bool]] = {"chaiNNer": chainner, "ComfyUI": comfyui, "ncnn": ncnn}
