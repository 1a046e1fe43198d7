"""Where the rasters of a picture live changes how much memory it takes, and no byte of the result."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.e2e.photos import photo
from tests.imaging.pictures import wished
from twofold.core.codes import Code
from twofold.core.errors import Interrupted, TwofoldError
from twofold.core.estimate import Estimate, estimate
from twofold.core.formats import FORMATS, Saving
from twofold.core.geometry import Size
from twofold.core.memory import AllocatorFigures, MemoryPolicy, MemoryReading
from twofold.core.passes import plan_chain
from twofold.core.protocols import Allocator
from twofold.core.recipe import Recipe
from twofold.device.governor import DeviceGovernor
from twofold.engine.factory import open_upscaler
from twofold.imaging import codec
from twofold.models.simple import simple_card
from twofold.service.making import Making, Progress, Tools, Work
from twofold.service.pulse import Pulse
from twofold.service.ram import Leftover, RamGate
from twofold.service.scratch import Stages
from twofold.service.turn import DeviceTurn

MB = 10**6
NOTHING = AllocatorFigures()
POLICY = MemoryPolicy(keep_free_bytes=0, use_at_most=Fraction(1))


@dataclass
class Memory:
    """A machine's memory and a worker's heap, as large as a test says."""

    free_bytes: int
    total_bytes: int = 2**40
    heap: AllocatorFigures = NOTHING

    def read(self) -> MemoryReading:
        return MemoryReading(self.free_bytes, self.total_bytes)

    def figures(self) -> AllocatorFigures:
        return self.heap

    def limit(self, reserved_bytes: int) -> None:
        pass

    def release(self) -> None:
        pass

    def claim(self, unused_bytes: int) -> bool:
        return True


def tools(memory: Memory) -> Tools:
    gate = RamGate(memory, POLICY)
    left = Leftover(memory, memory, gate.claims)
    pulse = Pulse("device", 60.0, time.monotonic)
    pulse.rest()
    return Tools(
        card=lambda name: card_of(name),
        upscaler=lambda card: open_upscaler(card, "cpu"),
        governor=DeviceGovernor(left, left, POLICY, kind="cpu", device="cpu", clock=time.monotonic),
        device=DeviceTurn(),
        ram=gate,
        pulse=pulse,
        limits=codec.Limits(),
        boot_id="this",
        check=lambda: None,
    )


def card_of(name: str):  # type: ignore[no-untyped-def]
    card = simple_card(name.partition("@")[0])
    assert card is not None
    return card


def work(folder: Path, kind: str, target: str, scale: Fraction) -> Work:
    (folder / "source").write_bytes(photo(kind, 300, 200, 1))
    with open(folder / "source", "rb") as file:
        header = codec.probe(file.fileno(), codec.Limits()).header
    chain = plan_chain(header.size, Recipe("r", scale, models=("identity",)), card_of)
    folder_ = str(folder / "scratch")
    return Work("job", str(folder / "source"), header, chain, Saving(FORMATS[target], wished(target)), folder_)


def made(folder: Path, one: Work, memory: Memory) -> tuple[bytes, set[str], int]:
    """The result's bytes, where rasters lived, and the most that lay in memory files at a band's end."""
    places: set[str] = set()
    most = 0

    def report(progress: Progress) -> None:
        nonlocal most
        places.add(making._stages.rasters)
        most = max(most, making._stages.memory_bytes)

    making = Making(tools(memory), one, report)
    try:
        with open(folder / "result", "w+b") as result:
            making.write(result.fileno())
            result.seek(0)
            return result.read(), places, most
    finally:
        making.remove()
        assert making.tools.ram.claims().promised_bytes == 0
        assert not os.path.exists(one.folder)


@pytest.mark.parametrize(
    ("kind", "target", "scale"),
    [
        ("jpeg", "jpeg", Fraction(4)),
        ("png_alpha", "png", Fraction(3)),
        ("png16", "png", Fraction(4)),
        ("png_alpha", "tiff", Fraction(4)),
        ("tiff16", "tiff", Fraction(3)),
    ],
)
def test_rasters_on_scratch_give_the_same_bytes(kind: str, target: str, scale: Fraction, tmp_path: Path) -> None:
    one = work(tmp_path, kind, target, scale)
    plenty, places, in_memory = made(tmp_path, one, Memory(2**40))
    assert places == {"memory"}
    assert in_memory > 0
    least = spilled_bytes(one)
    scarce, places, in_memory = made(tmp_path, one, Memory(least + 4 * MB))
    assert places == {"scratch"}
    assert in_memory == 0
    assert scarce == plenty


def test_what_cannot_be_written_row_by_row_is_refused_before_any_work(tmp_path: Path) -> None:
    one = work(tmp_path, "jpeg", "webp", Fraction(4))
    memory = Memory(2**40, total_bytes=spilled_bytes(one) - 1)
    making = Making(tools(memory), one, lambda progress: pytest.fail("no pass may run"))
    with pytest.raises(TwofoldError) as caught:
        making.ensure(2)
    assert caught.value.code is Code.NEEDS_MEMORY
    assert not os.path.exists(one.folder)
    making.close()


def spilled_bytes(one: Work) -> int:
    governor = tools(Memory(2**40)).governor
    plans = [governor.plan(card_of(step.model), step.source) for step in one.chain.passes]
    return estimate(one.header, one.chain, plans, one.saving.format, "scratch").picture_bytes


def figures(picture_bytes: int) -> Estimate:
    return Estimate("memory", picture_bytes, picture_bytes, 0, 0, 0, 0.0)


def test_a_picture_waits_for_those_in_hand_and_enters_when_one_leaves() -> None:
    gate = RamGate(Memory(100), POLICY)
    small = replace(figures(10), rasters="scratch")
    assert gate.enter("a", figures(60), small, lambda: 0, lambda: None) == "memory"
    assert gate.enter("a", figures(999), small, lambda: 0, lambda: None) == "memory"  # it is inside already
    entered: list[str] = []
    other = threading.Thread(
        target=lambda: entered.append(gate.enter("b", figures(50), small, lambda: 0, lambda: None)), daemon=True
    )
    other.start()
    other.join(0.2)
    assert entered == []
    gate.leave("a")
    other.join(10)
    assert entered == ["memory"]
    assert gate.claims().promised_bytes == 50


def test_a_heap_that_is_in_use_is_not_promised_to_a_picture() -> None:
    memory = Memory(2**40, total_bytes=100, heap=AllocatorFigures(50, 50))
    small = replace(figures(10), rasters="scratch")
    assert RamGate(memory, POLICY).enter("a", figures(60), small, lambda: 0, lambda: None) == "memory"
    assert RamGate(memory, POLICY, memory).enter("a", figures(60), small, lambda: 0, lambda: None) == "scratch"


def test_waiting_ends_where_the_work_should() -> None:
    gate = RamGate(Memory(100), POLICY)
    gate.enter("a", figures(60), figures(60), lambda: 0, lambda: None)

    def stop() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        gate.enter("b", figures(60), figures(60), lambda: 0, stop)
    assert gate.claims().promised_bytes == 60


def test_tiles_get_what_no_picture_was_promised() -> None:
    memory = Memory(1000, heap=AllocatorFigures(30, 20))
    gate = RamGate(memory, POLICY)
    left: Allocator = Leftover(memory, memory, gate.claims)
    taken = iter([0, 100, 400])
    gate.enter("a", figures(300), figures(300), lambda: next(taken), lambda: None)
    seen = [Leftover(memory, memory, gate.claims).read().free_bytes for _ in range(3)]
    # nothing taken yet; a third is gone from what is free; more than it was promised is not given out twice
    assert seen == [700, 800, 1000]
    taken = iter([0])
    assert left.figures() == AllocatorFigures(330, 320)


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Stages]:
    made = Stages(str(tmp_path / "job"), "this")
    yield made
    made.close()


def test_scratch_files_without_a_name_are_gone_with_their_raster(stages: Stages, tmp_path: Path) -> None:
    stages.rasters = "scratch"
    stage = stages.create(1, Size(30, 20), 3, 16, durable=False)
    stage.array[...] = 7
    assert os.listdir(tmp_path / "job") == []
    assert os.fstat(stage.raster.fd).st_blocks * 512 >= stage.raster.bytes
    assert stages.memory_bytes == 0
    kept = stages.create(2, Size(30, 20), 3, 16, durable=True)
    stages.save(kept)
    assert sorted(os.listdir(tmp_path / "job")) == ["stage-2.raw", "stages.json"]


def test_what_lies_in_memory_files_is_counted(stages: Stages) -> None:
    stages.create(1, Size(30, 20), 3, 16, durable=False)
    stages.create(2, Size(30, 20), 3, 16, durable=True)
    stages.adopt(3, stages.spare(Size(10, 10), 1, 8))
    assert stages.memory_bytes == 30 * 20 * 3 * 2 + 100
    stages.drop(1)
    stages.drop(2)
    assert stages.memory_bytes == 100
    stages.adopt(3, stages.spare(Size(10, 10), 3, 8))
    assert stages.memory_bytes == 300
    stages.close()
    assert stages.memory_bytes == 0
