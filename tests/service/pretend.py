"""GPUs that are not there, and a service on them: `python -m tests.service.pretend FOLDER run` and `… FOLDER NUMBER`.

What each of them has free, how fast it is and how it fails stands in a file that a test changes at any time; the
networks that repeat pixels run on them. The first form is the service (as `twofold run`), the second one of its
workers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tests.docs.source import ROOT
from tests.e2e.service import Service
from twofold.cli.exits import exit_code
from twofold.cli.settings import load_settings
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import DeviceFault, TwofoldError
from twofold.core.memory import MemoryReading
from twofold.core.neighbours import Neighbour, Neighbours
from twofold.device.inventory import Device, Inventory
from twofold.engine.simple import ReplicatingUpscaler
from twofold.service.bell import Bell
from twofold.service.machine import Equipment, Machine
from twofold.service.run import run_service
from twofold.service.worker import main as serve
from twofold.telemetry.logs import configure

GIB = 1 << 30
CPU = Device("cpu", "cpu", "no processor that anybody asked for", 8 * GIB)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One of them, now.

    `tile_s` is what it takes for a tile, or `px_per_s` (0: at once) its speed; `fault` the code that every batch ends
    in, `lost` that its driver does not answer; `programs` are others that are on it.
    """

    total_bytes: int = 8 * GIB
    free_bytes: int = 8 * GIB
    tile_s: float = 0.0
    px_per_s: float = 0.0
    fault: str = ""
    lost: bool = False
    programs: tuple[str, ...] = ()


@dataclass(slots=True)
class Gpus:
    """The file in `folder`, which any process may change."""

    folder: Path

    def read(self) -> dict[str, Gpu]:
        return {name: Gpu(**one) for name, one in json.loads(self._path.read_text()).items()}

    def write(self, gpus: dict[str, Gpu]) -> None:
        self._path.with_suffix(".new").write_text(json.dumps({name: asdict(one) for name, one in gpus.items()}))
        os.replace(self._path.with_suffix(".new"), self._path)

    def change(self, name: str, **values: Any) -> None:
        gpus = self.read()
        self.write({**gpus, name: replace(gpus[name], **values)})

    def machine(self) -> Machine:
        worker = (sys.executable, "-m", "tests.service.pretend", str(self.folder))
        return Machine(
            inventory=self._inventory,
            probe=self._probe,
            neighbours=lambda device: Programs(self, device.id),
            worker=worker,
            lock=lambda device: None,
        )

    def equipment(self) -> Equipment:
        return Equipment(self._probe, upscaler=lambda card, device, threads: Upscaler(card, self, device))

    def _inventory(self) -> Inventory:
        devices = [Device(name, "cuda", f"pretended {name}", one.total_bytes) for name, one in self.read().items()]
        return Inventory(CPU, tuple(devices))

    def _probe(self, device: Device) -> Probe:
        return Probe(self, device.id)

    @property
    def _path(self) -> Path:
        return self.folder / "gpus.json"


@dataclass(frozen=True, slots=True)
class Probe:
    gpus: Gpus
    device: str

    def read(self) -> MemoryReading:
        one = self.gpus.read()[self.device]
        if one.lost:
            raise TwofoldError(Code.NO_DEVICE, f"{self.device}: GPU is lost")
        return MemoryReading(one.free_bytes, one.total_bytes)


@dataclass(frozen=True, slots=True)
class Programs:
    gpus: Gpus
    device: str

    def read(self) -> Neighbours:
        programs = self.gpus.read()[self.device].programs
        return Neighbours(tuple(Neighbour(90_000_000 + number, name) for number, name in enumerate(programs)))


@dataclass(slots=True)
class Upscaler:
    """Repeats pixels as slowly as the device is."""

    card: NetworkCard
    gpus: Gpus
    device: str
    peak_bytes: int | None = None

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        one = self.gpus.read()[self.device]
        pixels = tiles.shape[0] * tiles.shape[1] * tiles.shape[2]
        time.sleep(one.tile_s * len(tiles) + (pixels / one.px_per_s if one.px_per_s else 0.0))
        if one.fault:
            raise DeviceFault(Code(one.fault), f"{self.device}: as the test says")
        return ReplicatingUpscaler(self.card).run(tiles, depth)


def pretended(home: Path, config: str, gpus: dict[str, Gpu]) -> tuple[Service, Gpus]:
    """A service that is to be started in `home`, on these GPUs."""
    state = Gpus(home)
    state.write(gpus)
    run = (sys.executable, "-m", "tests.service.pretend", str(home), "run")
    return Service(home, config, devices="auto", run=run, PYTHONPATH=str(ROOT)), state


def _run(gpus: Gpus) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, Bell(stop).ring)
    configure(sys.stderr)
    try:
        run_service(load_settings("twofold.yaml"), stop=stop, machine=gpus.machine())
    except TwofoldError as error:
        sys.exit(exit_code(error.code))


if __name__ == "__main__":
    known = Gpus(Path(sys.argv[1]))
    if sys.argv[2] == "run":
        _run(known)
    else:
        sys.exit(serve(known.equipment()))
