"""NVIDIA devices through the real nvidia-ml-py and a library of our own that answers as the test says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device.asker import MACHINE_BYTES, MACHINE_FREE_BYTES, Asker
from tests.device.stub import compiled
from twofold.core.faults import FAULTS, Act, Fault

GIB = 1 << 30
BACK_S = 10.0
HOST = [MACHINE_FREE_BYTES, MACHINE_BYTES]
REAL = [fault for fault in FAULTS if fault.value > 0]
FATAL = [fault for fault in REAL if fault.act not in (Act.OTHERWISE, Act.ABSENT)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def asker(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with Asker(library, tmp_path_factory.mktemp("home")) as one:
        yield one


def test_free_memory_is_followed_as_it_changes(asker: Asker) -> None:
    for lasting in (False, True):
        for free in (9 * GIB, GIB, 0, 20 * GIB):
            asker.say(total=24 * GIB, free=free)
            assert asker.reading(lasting=lasting) == [free, 24 * GIB]
    assert asker.devices() == {
        "devices": [{"uuid": "GPU-0", "name": "Stub 0", "total_bytes": 24 * GIB, "capability": [8, 9], "place": 0}],
        "trouble": "",
        "hint": "",
        "cuda_may_work": False,
    }


@pytest.mark.parametrize("code", [2, 13, 25, 26])
def test_drivers_that_refuse_the_second_call_answer_the_first(code: int, asker: Asker) -> None:
    asker.say(total=8 * GIB, free=GIB, info2=code)
    assert asker.reading() == [GIB, 8 * GIB]


def test_drivers_without_the_second_call_answer_the_first(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    with Asker(compiled(tmp_path / "lib", "NO_INFO2"), tmp_path / "home") as asker:
        asker.say(total=8 * GIB, free=GIB)
        assert asker.reading() == [GIB, 8 * GIB]
        asker.say(total=8 * GIB, free=GIB, info1=3)
        assert asker.reading() == HOST


@pytest.mark.parametrize(
    "state",
    [
        {"info2": 3},
        {"info2": 13, "info1": 3},
        {"total": 0},
        {"major": 12, "minor": 1, "info2": 3},
        {"major": 12, "minor": 1, "total": MACHINE_BYTES, "free": 2 * GIB},
        {"major": 13, "minor": 1, "total": MACHINE_BYTES, "free": 2 * GIB},
        {"capability": 3, "total": MACHINE_BYTES, "free": 2 * GIB},
    ],
    ids=["not supported", "nor by the first", "no total", "GB10", "GB10 that tells", "unknown part", "without a name"],
)
def test_devices_that_share_the_machine_s_memory_read_the_host(state: dict[str, int], asker: Asker) -> None:
    asker.say(**{"total": GIB, "free": GIB, **state})
    assert asker.reading() == HOST
    assert [one["total_bytes"] for one in asker.devices()["devices"]] == [0]


@pytest.mark.parametrize(("major", "total"), [(8, 2 * MACHINE_BYTES), (13, MACHINE_BYTES // 2)])
def test_a_card_may_have_more_memory_than_the_machine(major: int, total: int, asker: Asker) -> None:
    asker.say(total=total, free=GIB, major=major, minor=0)
    assert asker.reading() == [GIB, total]


@pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.name)
def test_when_nvml_does_not_start_there_is_trouble_and_no_device(fault: Fault, asker: Asker) -> None:
    asker.say(init=fault.value)
    found = asker.devices()
    assert (found["devices"], found["hint"], found["cuda_may_work"]) == ([], fault.hint, fault.cuda_may_work)
    assert found["trouble"] == f"NVML: {fault.text} (NVML: {fault.name})."
    assert asker.reading()["fault"] == fault.name


@pytest.mark.parametrize("call", ["handle", "info2"])
@pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.name)
def test_a_device_that_fails_does_not_hide_the_others_and_comes_back(call: str, fault: Fault, asker: Asker) -> None:
    healthy = {"devices": 3, "total": GIB, "free": GIB}
    asker.say(**healthy)
    assert asker.reading("GPU-1", lasting=True) == [GIB, GIB]
    asker.say(**healthy, **{f"{call}__1": fault.value})
    if call == "handle" or fault.value != 2:  # an invalid argument of the second call means the first
        found = asker.devices()
        assert [(device["uuid"], device["place"]) for device in found["devices"]] == [("GPU-0", 0), ("GPU-2", 2)]
        assert (found["trouble"], found["hint"]) == (f"GPU 1: {fault.text} (NVML: {fault.name}).", fault.hint)
        failed = asker.reading("GPU-1")
        assert (failed["code"], failed["fault"], failed["hint"]) == ("no_device", fault.name, fault.hint)
    if call == "info2" and fault.value != 2:
        assert asker.reading("GPU-1", lasting=True)["fault"] == fault.name
    asker.say(**healthy)
    assert asker.reading("GPU-1", lasting=True) == [GIB, GIB]
    assert len(asker.devices()["devices"]) == 3


def test_a_code_that_nobody_knows_is_taken_for_unknown(asker: Asker) -> None:
    asker.say(init=77)
    failed = asker.reading()
    assert failed["fault"] == "UNKNOWN"
    assert "(NVML: 77)" in failed["text"]


def test_a_lasting_session_outlives_one_that_the_driver_forgot(asker: Asker) -> None:
    asker.say(total=GIB, free=GIB)
    asker.reading(lasting=True)
    asker.say(total=GIB, free=5, handle=15)
    assert asker.reading(lasting=True) == [5, GIB]  # the handle that it has still answers


def test_devices_are_known_by_uuid_whatever_their_order(asker: Asker) -> None:
    """CUDA puts the fastest first and NVML goes by the bus: only the UUID names the same device to both."""
    asker.say(devices=2, number__0=7, number__1=3, total__0=GIB, total__1=2 * GIB, free__0=1, free__1=2)
    assert [device["uuid"] for device in asker.devices()["devices"]] == ["GPU-7", "GPU-3"]
    assert asker.reading("GPU-3") == [2, 2 * GIB]
    assert asker.reading("GPU-7") == [1, GIB]
    asker.say(devices=2, number__0=3, number__1=7, total__0=2 * GIB, total__1=GIB, free__0=2, free__1=1)
    assert asker.reading("GPU-3") == [2, 2 * GIB]


def test_instances_of_a_divided_gpu_are_devices(asker: Asker) -> None:
    divided = {"devices": 2, "mig__0": 1, "instances__0": 4, "slot__0__1": 1, "slot__0__3": 1, "total": 80 * GIB}
    asker.say(**divided, total__0__1=10 * GIB, total__0__3=20 * GIB, free__0__1=9 * GIB, free__0__3=1)
    devices = asker.devices()["devices"]
    assert [(one["uuid"], one["total_bytes"], one["place"]) for one in devices] == [
        ("MIG-0-1", 10 * GIB, 0),
        ("MIG-0-3", 20 * GIB, 1),
        ("GPU-1", 80 * GIB, 2),
    ]
    assert [one["capability"] for one in devices] == [[8, 9]] * 3
    assert asker.reading("MIG-0-3") == [1, 20 * GIB]
    asker.say(**{**divided, "slot__0__3": 0})
    assert asker.reading("MIG-0-3")["fault"] == "NOT_FOUND"  # taken down, or made anew under another UUID


def test_a_divided_gpu_without_instances_cannot_be_used(asker: Asker) -> None:
    asker.say(devices=2, mig__0=1, instances__0=4, total=GIB)
    found = asker.devices()
    assert [one["uuid"] for one in found["devices"]] == ["GPU-1"]
    assert "mig -cgi" in found["hint"]


@pytest.mark.parametrize("call", ["handle", "info2"])
def test_a_device_that_hangs_is_lost_until_it_answers(call: str, asker: Asker) -> None:
    state = {"devices": 3, "total": GIB, "free": GIB}
    asker.say(**state, **{f"hang__{call}__1": 1})
    for _ in range(3):
        assert asker.reading("GPU-1")["fault"] == "(no answer)"
    found = asker.devices()
    assert [one["uuid"] for one in found["devices"]] == ["GPU-0", "GPU-2"]
    assert "the driver does not answer" in found["trouble"]
    assert asker.reading("GPU-0") == [GIB, GIB]
    asker.say(**state)
    until_s = time.monotonic() + BACK_S
    while asker.reading("GPU-1") != [GIB, GIB] or len(asker.devices()["devices"]) != 3:
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_machine_without_devices_is_no_trouble(asker: Asker) -> None:
    asker.say(devices=0)
    assert asker.devices() == {"devices": [], "trouble": "", "hint": "", "cuda_may_work": False}
    assert asker.reading()["fault"] == "NOT_FOUND"


def test_without_the_library_there_are_no_devices(tmp_path: Path) -> None:
    """An empty stand-in for the library: what NVML is missing entirely looks like to nvidia-ml-py."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    with Asker(tmp_path, tmp_path / "home") as asker:
        assert asker.devices() == {"devices": [], "trouble": "", "hint": "", "cuda_may_work": True}
        assert asker.reading()["fault"] == "LIBRARY_NOT_FOUND"
