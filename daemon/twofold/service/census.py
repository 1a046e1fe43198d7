"""Asks a fresh process what torch is and sees, so that torch never enters this one."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from twofold.core.checkup.devices import SeenDevice, TorchFacts

CENSUS_S = 90.0
"""Importing torch from a cold slow disk, and a context on every device."""

TAIL_CHARACTERS = 300


class TorchCensus:
    """The child, at work from `with` on, so that other things can be looked at meanwhile."""

    def __enter__(self) -> TorchCensus:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "twofold.engine.census"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()

    def facts(self) -> TorchFacts:
        """What it said; nothing is raised, and it takes CENSUS_S at most."""
        try:
            output, errors = self._child.communicate(timeout=CENSUS_S)
        except subprocess.TimeoutExpired:
            return TorchFacts(trouble=f"it took longer than {CENSUS_S:g} s")
        try:
            return _facts(json.loads(output))
        except ValueError:
            last = errors.decode(errors="replace").strip().rpartition("\n")[2][-TAIL_CHARACTERS:]
            return TorchFacts(trouble=last or f"the process ended with {self._child.returncode}")


def _facts(said: dict[str, Any]) -> TorchFacts:
    devices = (
        SeenDevice(
            one["uuid"],
            one["name"],
            (one["capability"][0], one["capability"][1]),
            one["total_bytes"],
            trouble=one["trouble"],
        )
        for one in said["devices"]
    )
    return TorchFacts(said["version"], said["cuda"], tuple(said["architectures"]), tuple(devices), said["trouble"])
