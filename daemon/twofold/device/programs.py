"""The programs that run on this machine, by name: who a processor may be left to."""

from __future__ import annotations

import os
from dataclasses import dataclass

from twofold.core.neighbours import Neighbour, Neighbours

MAX_PROCESSES = 65536


@dataclass(frozen=True, slots=True)
class HostPrograms:
    """See core.protocols.NeighbourProbe. Everybody uses a processor: only names tell who is meant."""

    proc: str = "/proc"

    def read(self) -> Neighbours:
        """Every process but this one."""
        found = []
        for entry in os.listdir(self.proc)[:MAX_PROCESSES]:
            if entry.isdecimal() and int(entry) != os.getpid():
                try:
                    with open(os.path.join(self.proc, entry, "comm"), encoding="utf-8", errors="replace") as file:
                        found.append(Neighbour(int(entry), file.read().rstrip("\n")))
                except OSError:
                    continue  # it has ended
        return Neighbours(tuple(found))
