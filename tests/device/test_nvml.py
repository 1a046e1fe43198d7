"""NVIDIA devices through the real nvidia-ml-py and a library of our own that answers as the test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.device.stub import answering, compiled

GIB = 1 << 30
ASK = """
import json
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading
from twofold.device.nvml import NvidiaProbe, list_nvidia

class Host:
    def read(self):
        return MemoryReading(free_bytes=11, total_bytes=22)

found = list_nvidia()
try:
    reading = NvidiaProbe("GPU-0", Host()).read()
    answer = [reading.free_bytes, reading.total_bytes]
except TwofoldError as error:
    answer = error.code.value
devices = [[one.uuid, one.name, one.total_bytes, one.capability] for one in found.devices]
print(json.dumps({"devices": devices, "trouble": found.trouble, "reading": answer}))
"""
NVML_ERRORS = {
    "uninitialized": 1,
    "no permission": 4,
    "driver not loaded": 9,
    "lost": 15,
    "reset required": 16,
    "operating system": 17,
    "driver upgraded": 18,
    "not ready": 27,
    "unknown": 999,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("nvml"))


def ask(library: Path, **state: int) -> dict[str, Any]:
    """What a fresh process finds: a library cannot be unloaded."""
    environment = {**os.environ, **answering(library, **state)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, timeout=60, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_free_and_total_memory(library: Path) -> None:
    found = ask(library, total=24 * GIB, free=9 * GIB)
    assert found["devices"] == [["GPU-0", "Stub 0", 24 * GIB, [8, 9]]]
    assert found["reading"] == [9 * GIB, 24 * GIB]
    assert found["trouble"] == ""


@pytest.mark.parametrize("code", [13, 25], ids=["function not found", "version mismatch"])
def test_drivers_without_the_second_call_answer_the_first(code: int, library: Path) -> None:
    assert ask(library, total=8 * GIB, free=GIB, info2=code)["reading"] == [GIB, 8 * GIB]


@pytest.mark.parametrize(
    "state",
    [{"info2": 3}, {"total": 0}, {"total": 30, "free": 30, "major": 12, "minor": 1}],
    ids=["not supported", "no total", "GB10"],
)
def test_devices_that_share_the_machine_s_memory_read_the_host(state: dict[str, int], library: Path) -> None:
    found = ask(library, **{"total": GIB, "free": GIB, **state})
    assert found["reading"] == [11, 22]
    assert len(found["devices"]) == 1


@pytest.mark.parametrize("code", NVML_ERRORS.values(), ids=NVML_ERRORS.keys())
def test_when_nvml_does_not_start_there_is_trouble_and_no_device(code: int, library: Path) -> None:
    found = ask(library, init=code)
    assert found["devices"] == []
    assert found["trouble"].startswith("NVML: ")
    assert found["reading"] == "no_device"


@pytest.mark.parametrize("code", NVML_ERRORS.values(), ids=NVML_ERRORS.keys())
def test_a_lost_device_does_not_hide_the_others(code: int, library: Path) -> None:
    found = ask(library, count=2, total=GIB, free=GIB, handle0=code)
    assert [device[0] for device in found["devices"]] == ["GPU-1"]
    assert found["trouble"].startswith("GPU 0: ")
    assert found["reading"] == "no_device"


def test_a_machine_without_devices_is_no_trouble(library: Path) -> None:
    assert ask(library, count=0) == {"devices": [], "trouble": "", "reading": "no_device"}


def test_without_the_library_there_are_no_devices(tmp_path: Path) -> None:
    """An empty stand-in for the library: what NVML is missing entirely looks like to nvidia-ml-py."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    assert ask(tmp_path) == {"devices": [], "trouble": "", "reading": "no_device"}
