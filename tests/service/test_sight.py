"""Devices that fail and come back, as the watcher sees and tells them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.faults import DeviceTrouble, fault_of
from twofold.core.memory import MemoryPolicy, MemoryReading
from twofold.core.settings import DeviceSettings, Settings
from twofold.device.inventory import Device, Inventory
from twofold.service.sight import FAILED_LOOK_EVERY_S, HOPELESS_FAILURES, MISSED_LOOK_EVERY_S, Roster, Sight

CPU = Device("cpu", "cpu", "a processor", 1, "cpu")
FIRST = Device("GPU-aa", "cuda", "one", 2, "cuda:0")
SECOND = Device("GPU-bb", "cuda", "two", 3, "cuda:1")
READING = MemoryReading(1, 2)


@dataclass
class Shaky:
    """Devices, their faults by id, and the time, as the test says."""

    faults: dict[str, int] = field(default_factory=dict)
    trouble: str = ""
    gpus: tuple[Device, ...] = (FIRST, SECOND)
    now_s: float = 0.0
    looks: int = 0

    def probe(self, device: Device) -> _Probe:
        return _Probe(self, device.id)

    def inventory(self) -> Inventory:
        return Inventory(CPU, self.gpus, self.trouble, "Look at it.")

    def clock(self) -> float:
        return self.now_s


@dataclass
class _Probe:
    shaky: Shaky
    id: str

    def read(self) -> MemoryReading:
        self.shaky.looks += 1
        if self.id in self.shaky.faults:
            raise DeviceTrouble(self.id, fault_of(self.shaky.faults[self.id]))
        return READING


def test_a_fault_is_told_once_and_so_is_its_end() -> None:
    shaky = Shaky()
    sight = Sight(shaky.probe, shaky.clock)
    with capture_logs() as logs:
        assert sight.read(FIRST) == READING
        shaky.faults = {FIRST.id: 15}
        for _ in range(HOPELESS_FAILURES):
            assert sight.read(FIRST) is None
            assert sight.read(SECOND) == READING
            shaky.now_s += FAILED_LOOK_EVERY_S
        shaky.faults = {FIRST.id: 16}
        assert sight.read(FIRST) is None
        shaky.now_s += FAILED_LOOK_EVERY_S
        shaky.faults = {}
        assert sight.read(FIRST) == READING
        assert sight.read(FIRST) == READING
    assert [(line["event"], line["device"]) for line in logs] == [
        ("device.failed", "GPU-aa"),
        ("device.failed", "GPU-aa"),
        ("device.recovered", "GPU-aa"),
    ]
    assert "GPU_IS_LOST" in logs[0]["text"]
    assert "RESET_REQUIRED" in logs[1]["text"]
    assert logs[1]["hint"] == fault_of(16).hint


def test_a_device_that_failed_is_not_asked_at_every_look() -> None:
    shaky = Shaky({FIRST.id: 999})
    sight = Sight(shaky.probe, shaky.clock)
    for _ in range(5):
        assert sight.read(FIRST) is None
    assert shaky.looks == 1
    reason = sight.trouble(FIRST)
    assert reason is not None
    assert reason.code is Code.NO_DEVICE
    assert sight.trouble(SECOND) is None
    assert not sight.hopeless(FIRST)
    for _ in range(HOPELESS_FAILURES):
        shaky.now_s += FAILED_LOOK_EVERY_S
        sight.read(FIRST)
    assert sight.hopeless(FIRST)


def settings(*names: str) -> Settings:
    return Settings("", "", {}, {}, devices=tuple(DeviceSettings(name, MemoryPolicy()) for name in names) or None)


@pytest.mark.parametrize("wanted", [settings(), settings("cuda:0", "cuda:1")])
def test_what_is_missing_is_told_once_and_looked_for_until_it_is_there(wanted: Settings) -> None:
    shaky = Shaky(trouble="GPU 1: lost.", gpus=(FIRST,))
    roster = Roster(wanted, shaky.inventory, drain=False, clock=shaky.clock)
    with capture_logs() as logs:
        assert roster.choose() == (FIRST,)
        assert not roster.due
        shaky.now_s += MISSED_LOOK_EVERY_S
        assert roster.due
        assert roster.choose() == (FIRST,)
        shaky.now_s += MISSED_LOOK_EVERY_S
        shaky.trouble, shaky.gpus = "", (FIRST, SECOND)
        assert roster.choose() == (FIRST, SECOND)
        shaky.now_s += MISSED_LOOK_EVERY_S
        assert not roster.due
    assert [(line["event"], line["hint"]) for line in logs] == [("device.missed", "Look at it.")]


def test_where_there_is_none_it_waits_or_says_so() -> None:
    shaky = Shaky(trouble="NVML: not ready.", gpus=())
    with capture_logs() as logs:
        roster = Roster(settings(), shaky.inventory, drain=False, clock=shaky.clock)
        assert roster.choose() == roster.choose() == ()
        with pytest.raises(TwofoldError):
            Roster(settings(), shaky.inventory, drain=True, clock=shaky.clock).choose()
    assert [line["event"] for line in logs] == ["device.lost"]
