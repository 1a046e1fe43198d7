"""Rasters between passes: memory files, or scratch files that survive kill -9."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from typing import Any

from twofold.core.estimate import Rasters
from twofold.core.geometry import Size
from twofold.imaging.shared_raster import SharedRaster, reserve
from twofold.raster import Samples

SIDECAR = "stages.json"


@dataclass(slots=True)
class Stage:
    """The raster after pass `index` (0: as decoded); `array` is its pixels, mapped shared.

    `bands_done` counts finished bands of the pass that makes it, under `plan`; `complete` says that all of it is there.
    """

    index: int
    raster: SharedRaster
    array: Samples
    durable: bool
    bands_done: int = 0
    complete: bool = False
    plan: dict[str, Any] | None = None


class Stages:
    """The rasters of one picture: in memory files, or in files of `folder`, whose pages the kernel may drop.

    `rasters` says where those live that need not be durable. Durable ones live in `folder` in any case and are trusted
    under the same boot id only; their bytes are never fsynced: the page cache outlives kill -9, and a power cut changes
    the boot id.
    """

    def __init__(self, folder: str, boot_id: str) -> None:
        self._folder = folder
        self._boot_id = boot_id
        self.rasters: Rasters = "memory"
        self._open: dict[int, Stage] = {}
        self._memory_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """What the stages in memory files take."""
        return self._memory_bytes

    def get(self, index: int) -> Stage | None:
        """A stage held open, or a durable one that a dead worker left."""
        if index not in self._open:
            entry = self._entries().get(str(index))
            if entry is not None:
                self._reopen(index, entry)
        return self._open.get(index)

    def adopt(self, index: int, raster: SharedRaster) -> Stage:
        """Take over a complete raster that somebody else filled."""
        self.drop(index)
        return self._hold(Stage(index, raster, raster.array(), durable=False, complete=True))

    def create(self, index: int, size: Size, channels: int, depth: int, *, durable: bool) -> Stage:
        """Room for one raster. Raises TwofoldError(DISK_FULL) before any byte of it is written."""
        self.drop(index)
        if not durable:
            raster = self.spare(size, channels, depth)
            return self._hold(Stage(index, raster, raster.array(), durable=False))
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        fd = os.open(self._file(index), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            raster = SharedRaster.create(size, channels, depth, fd)
        except BaseException:
            os.close(fd)
            os.unlink(self._file(index))
            raise
        return self._hold(Stage(index, raster, raster.array(), durable=True))

    def spare(self, size: Size, channels: int, depth: int) -> SharedRaster:
        """Room for a raster of no stage; the caller closes it. Raises TwofoldError(DISK_FULL)."""
        fd = self.spare_fd()
        try:
            return SharedRaster.create(size, channels, depth, fd)
        except BaseException:
            if fd is not None:
                os.close(fd)
            raise

    def spare_fd(self, size_bytes: int = 0) -> int | None:
        """A scratch file without a name, for the caller to fill and close; None where memory takes its place."""
        if self.rasters == "memory":
            return None
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        path = os.path.join(self._folder, f"spare-{uuid.uuid4().hex}.raw")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(path)  # it goes with the last descriptor, whatever kills this process
        try:
            reserve(fd, size_bytes)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _hold(self, stage: Stage) -> Stage:
        self._open[stage.index] = stage
        self._memory_bytes += self._in_memory(stage)
        return stage

    def _in_memory(self, stage: Stage) -> int:
        return 0 if stage.durable or self.rasters == "scratch" else stage.raster.bytes

    def save(self, stage: Stage) -> None:
        """Record how far a durable stage has come; the rename makes the record appear whole or not at all."""
        if not stage.durable:
            return
        entries = self._entries()
        entries[str(stage.index)] = {
            "raster": stage.raster.to_json(),
            "bands_done": stage.bands_done,
            "complete": stage.complete,
            "plan": stage.plan,
        }
        self._write(entries)

    def drop(self, index: int) -> None:
        """Free one stage's memory or disk."""
        stage = self._open.pop(index, None)
        if stage is not None:
            self._memory_bytes -= self._in_memory(stage)
            stage.raster.close()
        entries = self._entries()
        if entries.pop(str(index), None) is not None:
            self._write(entries)
            os.unlink(self._file(index))

    def close(self) -> None:
        """Let go of the memory; scratch files stay for the next worker."""
        for stage in self._open.values():
            stage.raster.close()
        self._open.clear()
        self._memory_bytes = 0

    def remove(self) -> None:
        """Forget everything, files included."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, index: int) -> str:
        return os.path.join(self._folder, f"stage-{index}.raw")

    def _reopen(self, index: int, entry: dict[str, Any]) -> None:
        try:
            fd = os.open(self._file(index), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        raster = SharedRaster.from_json(entry["raster"] | {"fd": fd})
        if os.fstat(fd).st_size != raster.bytes:
            raster.close()
            return
        self._open[index] = Stage(
            index,
            raster,
            raster.array(),
            durable=True,
            bands_done=entry["bands_done"],
            complete=entry["complete"],
            plan=entry["plan"],
        )

    def _entries(self) -> dict[str, Any]:
        try:
            with open(os.path.join(self._folder, SIDECAR), encoding="utf-8") as file:
                data = json.load(file)
        except (FileNotFoundError, ValueError):
            return {}
        return dict(data["stages"]) if data["boot_id"] == self._boot_id else {}

    def _write(self, entries: dict[str, Any]) -> None:
        path = os.path.join(self._folder, SIDECAR)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"boot_id": self._boot_id, "stages": entries}, file)
        os.replace(path + ".new", path)


def boot_id() -> str:
    """The kernel's id of this boot; a reboot changes it."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
