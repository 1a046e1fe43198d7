"""Memory and processors of the host, from files laid out as kernels lay them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.device.host import HostProbe

GIB = 1 << 30
MIB = 1 << 20
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max data size             {data}            unlimited            bytes
Max address space         {address}            unlimited            bytes
"""


class Machine:
    """A /proc and a /sys/fs/cgroup in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(
            "proc/meminfo", f"MemTotal: {32 * GIB // 1024} kB\nMemFree: 1024 kB\nMemAvailable: {20 * GIB // 1024} kB\n"
        )
        self.write("proc/self/cgroup", "")
        self.limit()
        self.write("proc/self/status", f"Name:\tpython\nVmSize:\t{3 * GIB // 1024} kB\nVmData:\t{1 * GIB // 1024} kB\n")

    def write(self, path: str, text: object) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(str(text))

    def limit(self, data: object = "unlimited", address: object = "unlimited") -> None:
        self.write("proc/self/limits", LIMITS.format(data=data, address=address))

    def unified(self, path: str, limit: object, used: int, cached: int = 0, active: int = 0) -> None:
        self.write(f"cgroup/{path}/memory.max", f"{limit}\n")
        self.write(f"cgroup/{path}/memory.current", f"{used}\n")
        self.write(f"cgroup/{path}/memory.stat", f"anon 5\ninactive_file {cached}\nactive_file {active}\n")

    def legacy(self, path: str, limit: int, used: int, cached: int = 0, active: int = 0) -> None:
        self.write(f"cgroup/memory/{path}/memory.limit_in_bytes", limit)
        self.write(f"cgroup/memory/{path}/memory.usage_in_bytes", used)
        figures = f"inactive_file 1\ntotal_inactive_file {cached}\ntotal_active_file {active}\n"
        self.write(f"cgroup/memory/{path}/memory.stat", figures)

    @property
    def probe(self) -> HostProbe:
        return HostProbe(str(self.root / "proc"), str(self.root / "cgroup"))

    def figures(self) -> tuple[int, int]:
        reading = self.probe.read()
        assert (reading.reserved_bytes, reading.allocated_bytes) == (0, 0)
        return reading.free_bytes, reading.total_bytes


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_plain_machine_gives_what_is_available(machine: Machine) -> None:
    assert machine.figures() == (20 * GIB, 32 * GIB)


def test_the_tightest_of_nested_cgroups_counts(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/system.slice/twofold.service\n")
    machine.unified("system.slice/twofold.service", "max", 2 * GIB)
    machine.unified("system.slice", 8 * GIB, 5 * GIB, cached=GIB)
    assert machine.figures() == (4 * GIB, 8 * GIB)
    machine.unified("system.slice/twofold.service", 3 * GIB, 2 * GIB)
    assert machine.figures() == (1 * GIB, 3 * GIB)


def test_of_the_cache_in_use_half_can_be_had(machine: Machine) -> None:
    """Rasters mapped from scratch files are page cache in use, and the kernel gives their pages back."""
    machine.write("proc/self/cgroup", "0::/one\n")
    machine.unified("one", 4 * GIB, 4 * GIB, cached=GIB, active=2 * GIB)
    assert machine.figures() == (2 * GIB, 4 * GIB)
    machine.write("proc/self/cgroup", "4:memory:/two\n")
    machine.legacy("two", 3 * GIB, 3 * GIB, cached=GIB // 2, active=GIB)
    assert machine.figures() == (1 * GIB, 3 * GIB)


def test_a_container_sees_its_limit_at_the_mount(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/../../docker/abc\n")
    machine.unified(".", 4 * GIB, GIB)
    assert machine.figures() == (3 * GIB, 4 * GIB)


def test_version_one_counts_its_cache_and_its_no_limit(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "12:cpu,cpuacct:/user\n5:memory:/docker/abc\n")
    machine.legacy("docker/abc", 9223372036854771712, GIB)
    assert machine.figures() == (20 * GIB, 32 * GIB)
    machine.legacy("docker/abc", 6 * GIB, 5 * GIB, cached=2 * GIB)
    assert machine.figures() == (3 * GIB, 6 * GIB)


def test_an_overdrawn_cgroup_leaves_nothing(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/\n")
    machine.unified(".", GIB, 2 * GIB)
    assert machine.figures() == (0, GIB)


def test_the_process_s_own_limits_count(machine: Machine) -> None:
    machine.limit(address=5 * GIB)
    assert machine.figures() == (2 * GIB, 32 * GIB)
    machine.limit(address=5 * GIB, data=GIB + 100 * MIB)
    assert machine.figures() == (100 * MIB, 32 * GIB)


def test_without_meminfo_there_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(TwofoldError) as caught:
        HostProbe(str(tmp_path), str(tmp_path)).read()
    assert caught.value.code is Code.NO_DEVICE


def test_processors_within_the_quota(machine: Machine) -> None:
    allowed = len(os.sched_getaffinity(0))
    assert machine.probe.usable_cpus() == allowed
    machine.write("proc/self/cgroup", "0::/a/b\n")
    machine.write("cgroup/a/b/cpu.max", "max 100000\n")
    assert machine.probe.usable_cpus() == allowed
    machine.write("cgroup/a/cpu.max", "50000 100000\n")
    assert machine.probe.usable_cpus() == 1
    machine.write("cgroup/a/cpu.max", "150000 100000\n")
    assert machine.probe.usable_cpus() == min(2, allowed)


def test_processors_within_the_quota_of_version_one(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "3:cpu:/a\n")
    machine.write("cgroup/cpu/a/cpu.cfs_quota_us", -1)
    machine.write("cgroup/cpu/a/cpu.cfs_period_us", 100000)
    assert machine.probe.usable_cpus() == len(os.sched_getaffinity(0))
    machine.write("cgroup/cpu/a/cpu.cfs_quota_us", 20000)
    assert machine.probe.usable_cpus() == 1


def test_this_machine_answers() -> None:
    reading = HostProbe().read()
    assert 0 < reading.free_bytes <= reading.total_bytes
    assert 1 <= HostProbe().usable_cpus() <= (os.cpu_count() or 1)
