"""What this machine, its cgroup and its limits still allow: memory and processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading

KIB = 1024
UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes "no limit" as a number of this size."""


@dataclass(frozen=True, slots=True)
class HostProbe:
    """Reads the memory that this process may still take (see core.protocols.MemoryProbe).

    Free is the least of MemAvailable, of what is left in each cgroup above the process (v1 and v2), and of what is left
    under RLIMIT_AS and RLIMIT_DATA; total is the least of MemTotal and the cgroup limits. `proc` and `cgroup` are the
    mount points, so that tests can lay out their own.
    """

    proc: str = "/proc"
    cgroup: str = "/sys/fs/cgroup"

    def read(self) -> MemoryReading:
        """Raises TwofoldError(NO_DEVICE) where /proc/meminfo cannot be read."""
        total_bytes, free_bytes = self._meminfo()
        for limit_bytes, left_bytes in self._cgroup_limits():
            total_bytes, free_bytes = min(total_bytes, limit_bytes), min(free_bytes, left_bytes)
        free_bytes = min([free_bytes, *self._process_limits()])
        return MemoryReading(free_bytes=max(0, free_bytes), total_bytes=total_bytes)

    def machine_bytes(self) -> int:
        """All memory of the machine, whatever this process may take of it. Raises as `read` does."""
        return self._meminfo()[0]

    def _meminfo(self) -> tuple[int, int]:
        """(MemTotal, MemAvailable) in bytes."""
        meminfo = _fields(_text(os.path.join(self.proc, "meminfo")))
        if "MemTotal" not in meminfo or "MemAvailable" not in meminfo:
            raise TwofoldError(Code.NO_DEVICE, f"{self.proc}/meminfo does not say how much memory is available.")
        return meminfo["MemTotal"] * KIB, meminfo["MemAvailable"] * KIB

    def _cgroup_limits(self) -> Iterator[tuple[int, int]]:
        """(limit, left) in bytes of every cgroup above this process that has a limit."""
        for folder in self._cgroups("memory"):
            unified = os.path.exists(os.path.join(folder, "memory.current"))
            limit_bytes = _number(folder, "memory.max" if unified else "memory.limit_in_bytes")
            used_bytes = _number(folder, "memory.current" if unified else "memory.usage_in_bytes")
            if limit_bytes is None or used_bytes is None or limit_bytes >= UNLIMITED_BYTES:
                continue
            # Page cache counts as used, but the kernel gives it back before it refuses anything: all that is inactive,
            # and then what it finds to be hardly used. Half of that is left for libraries and what is being written.
            stat = _fields(_text(os.path.join(folder, "memory.stat")))
            inactive_bytes, active_bytes = (
                stat.get(f"{'' if unified else 'total_'}{kind}_file", 0) for kind in ("inactive", "active")
            )
            yield limit_bytes, limit_bytes - used_bytes + inactive_bytes + active_bytes // 2

    def _cgroups(self, controller: str) -> Iterator[str]:
        """Folders of the process's cgroups that have this controller, from its own up to the root."""
        for line in _text(os.path.join(self.proc, "self", "cgroup")).splitlines():
            hierarchy, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if hierarchy == "0" and not controllers:
                mount = self.cgroup
            elif controller in controllers.split(","):
                mount = os.path.join(self.cgroup, controller)
            else:
                continue
            # In a container the path may be the host's; what is not visible here is skipped, the mount itself remains.
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(parts), -1, -1):
                yield os.path.join(mount, *parts[:depth])

    def _process_limits(self) -> Iterator[int]:
        """Bytes left under the process's own limits on address space and data."""
        status = _fields(_text(os.path.join(self.proc, "self", "status")))
        limits = _text(os.path.join(self.proc, "self", "limits"))
        for name, used in (("Max address space", "VmSize"), ("Max data size", "VmData")):
            for line in limits.splitlines():
                soft = line.removeprefix(name).split()[0] if line.startswith(name) else "unlimited"
                if soft != "unlimited":
                    yield int(soft) - status.get(used, 0) * KIB

    def usable_cpus(self) -> int:
        """Processors this process may keep busy: its affinity, within the CPU quotas of its cgroups; at least 1."""
        cpus = len(os.sched_getaffinity(0))
        for folder in self._cgroups("cpu"):
            quota = _text(os.path.join(folder, "cpu.max")).split()
            if not quota:
                quota = [_text(os.path.join(folder, f"cpu.cfs_{name}_us")).strip() for name in ("quota", "period")]
            if all(value.isdecimal() for value in quota) and int(quota[1]) > 0:
                cpus = min(cpus, -(-int(quota[0]) // int(quota[1])))
        return max(1, cpus)


def _text(path: str) -> str:
    """The file's content, empty where it cannot be read: a missing limit is no limit."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _number(folder: str, name: str) -> int | None:
    """The number in a cgroup file; None for "max" and for files that are not there."""
    text = _text(os.path.join(folder, name)).strip()
    return int(text) if text.isdecimal() else None


def _fields(text: str) -> dict[str, int]:
    """`Name: 12 kB` or `name 12`, line by line."""
    pairs = (line.replace(":", " ").split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdecimal()}
