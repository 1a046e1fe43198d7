"""A process that finds the stub of NVML, and asks it what a test wants to know: one line of JSON in, one out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.device.stub import finding, say
from twofold.core.errors import TwofoldError
from twofold.device.host import HostProbe
from twofold.device.neighbours import NvidiaNeighbours
from twofold.device.nvml import NvidiaProbe, list_nvidia
from twofold.device.question import driver

KIB = 1024
MACHINE_BYTES = 64 << 30
MACHINE_FREE_BYTES = 40 << 30
PATIENCE_S = 0.3
ANSWER_S = 30.0


class Asker:
    """The test's end. `say` changes what the stub answers from then on."""

    def __init__(self, library: Path, home: Path) -> None:
        """`home` becomes the root of the child's /proc: a machine of MACHINE_BYTES."""
        self.library = library
        self.home = home
        (home / "self/ns").mkdir(parents=True)
        meminfo = f"MemTotal: {MACHINE_BYTES // KIB} kB\nMemAvailable: {MACHINE_FREE_BYTES // KIB} kB\n"
        (home / "meminfo").write_text(meminfo)

    def __enter__(self) -> Asker:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.device.asker", str(self.home)],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **finding(self.library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.communicate(timeout=ANSWER_S)

    def say(self, **state: int) -> None:
        """`name__0__1` is the stub's `name.0.1`."""
        say(self.library, {name.replace("__", "."): value for name, value in state.items()})

    def ask(self, *question: str) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def devices(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("devices")
        return found

    def reading(self, uuid: str = "GPU-0", *, lasting: bool = False) -> Any:
        """[free, total], or {"text", "hint", "fault"}."""
        return self.ask("lasting" if lasting else "reading", uuid)


def main() -> None:
    driver.patience_s = PATIENCE_S
    home = sys.argv[1]
    host = HostProbe(home, home)
    lasting: dict[str, NvidiaProbe] = {}
    neighbours: dict[str, NvidiaNeighbours] = {}
    for line in sys.stdin:
        what, *uuid = json.loads(line)
        try:
            match what:
                case "devices":
                    answer: Any = asdict(list_nvidia(host))
                case "neighbours" | "neighbours at once":
                    if what not in neighbours:
                        clock = _hours() if what == "neighbours" else time.monotonic
                        neighbours[what] = NvidiaNeighbours(uuid[0], home, clock)
                    answer = asdict(neighbours[what].read())
                case "reading" | "lasting":
                    probe = NvidiaProbe(uuid[0], host)
                    if what == "lasting":
                        probe = lasting.setdefault(uuid[0], NvidiaProbe(uuid[0], host, lasting=True))
                    found = probe.read()
                    answer = [found.free_bytes, found.total_bytes]
        except TwofoldError as error:
            fault = getattr(error, "fault", None)
            answer = {**error.reason.to_json(), "fault": fault.name if fault else ""}
        print(json.dumps(answer), flush=True)


def _hours() -> Any:
    """A clock by which an hour passes between any two looks."""
    return iter(range(0, 10**9, 3600)).__next__


if __name__ == "__main__":
    main()
