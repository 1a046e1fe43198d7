"""`plan`: the decisions of a run, without the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from twofold.core.errors import TwofoldError
from twofold.core.estimate import CHILD_BYTES, Estimate, estimate, place
from twofold.core.forecast import Forecast, Measured, extrapolate, sample
from twofold.core.formats import Format
from twofold.core.ignore import IgnoreRules, rules_of
from twofold.core.job import Picture
from twofold.core.memory import MemoryReading
from twofold.core.pass_plan import PassPlan
from twofold.core.passes import Pass
from twofold.core.protocols import MemoryProbe
from twofold.core.ram import Claims, check_ram, ram_budget_bytes
from twofold.core.recipe import Recipe
from twofold.core.settings import InboxSettings, OwnResults, Settings
from twofold.device.governor import DeviceGovernor
from twofold.device.host import HostProbe
from twofold.device.inventory import choose_devices, memory_probe
from twofold.device.no_allocator import NoAllocator
from twofold.intake.scan import scan
from twofold.jobs.read import speeds
from twofold.models.catalogue import Catalogue
from twofold.service.costs import open_costs
from twofold.service.draft import Draft, draft
from twofold.service.networks import open_catalogue
from twofold.service.paths import StatePaths
from twofold.service.ram import Leftover
from twofold.service.torch_devices import find_devices
from twofold.telemetry.names import json_fields

AT_ONCE = 4
MEASURED, GUESSED = "measured", "guessed"
"""Where a pass's time comes from: what passes on this device took, or the network's arithmetic."""

MAX_PLANNED = 200
"""More files than this are not planned one by one."""

SAMPLED_FILES = 24

Named = tuple[bytes, int]
"""A file's path and its size in bytes."""


@dataclass(frozen=True, slots=True)
class _Supposed:
    """A device on which `free_bytes` are free, whatever is so now."""

    probe: MemoryProbe
    free_bytes: int

    def read(self) -> MemoryReading:
        now = self.probe.read()
        return replace(now, free_bytes=self.free_bytes, total_bytes=max(now.total_bytes, self.free_bytes))


@dataclass(frozen=True, slots=True)
class _Planned:
    """One page with its passes, as `plan --json` tells them, and what it costs."""

    picture: Picture
    passes: list[dict[str, Any]]
    costs: Estimate

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.picture.name,
            "size": list(self.picture.header.size),
            "out_size": list(self.picture.chain.final),
            "passes": self.passes,
            "seconds": round(self.costs.seconds, 3),
        }


def plan_paths(
    paths: Sequence[bytes],
    recipe: Recipe,
    settings: Settings,
    *,
    free_bytes: int | None,
    inbox: InboxSettings | None = None,
) -> dict[str, Any]:
    """DESIGN's `plan --json` object for pictures and folders; a picture that would be refused says why.

    Of more than MAX_PLANNED files a sample is planned, and the totals are extrapolated from it: `totals.sampled` says
    on how many they rest. Paths are absolute, or relative to `inbox` where one is named,
    whose rules then say what to leave out.
    Raises TwofoldError(NO_DEVICE).
    """
    state = StatePaths(settings.state_dir, settings.scratch_dir)
    catalogue = open_catalogue(state, os.path.dirname(settings.source or ""))
    root = None if inbox is None else inbox.path
    planner = open_planner(settings, recipe, catalogue, free_bytes=free_bytes, inbox=root)
    found = list(_files(paths, rules_of(() if inbox is None else inbox.ignore, recipe)))
    if len(found) > MAX_PLANNED:
        named = sizes(found)
        files = planner.all([path for path, _ in sample(named, SAMPLED_FILES)])
        nbytes, count = sum(size for _, size in named), len(named)
    else:
        files = planner.all(found)
        nbytes, count = sum(file["bytes"] for file in files), len(files)
    whole = extrapolate([measured_of(file) for file in files], files=count, nbytes=nbytes)
    totals = {
        "files": count,
        "sampled": len(files),
        "refused": sum(file["refused"] is not None for file in files),
        "bytes": nbytes,
        "pixels": whole.pixels,
        "ram_bytes": max((file["ram_bytes"] for file in files), default=0),
        "out_bytes": whole.out_bytes,
        "disk_bytes": whole.out_bytes + max((file["disk_bytes"] - file["out_bytes"] for file in files), default=0),
        "seconds": whole.seconds,
        "rate": _rate(file["rate"] for file in files if file["passes"]),
    }
    return {"schema": 1, "files": files, "totals": totals}


def forecast(planner: Planner, files: Sequence[Named], *, stop: Callable[[], bool] = lambda: False) -> Forecast:
    """What many files will cost, measured on a sample of them; a file that would be refused costs nothing.

    `stop` ends the measurement early: the figures then rest on fewer.
    """
    planned = planner.all([path for path, _ in sample(files, SAMPLED_FILES)], stop)
    return extrapolate([measured_of(file) for file in planned], files=len(files), nbytes=sum(size for _, size in files))


def sizes(paths: Iterable[bytes]) -> list[Named]:
    """The files that are there, with their sizes."""
    found = []
    for path in paths:
        try:
            found.append((path, os.stat(path).st_size))
        except OSError:
            continue  # it is gone: there is nothing to plan
    return found


def measured_of(file: dict[str, Any]) -> Measured:
    """The figures of one planned file."""
    sizes = [page["out_size"] for page in file["pages"]] or [file["out_size"]]
    pixels = 0 if file["refused"] else sum(size[0] * size[1] for size in sizes if size)
    return Measured(file["bytes"], pixels, file["seconds"], file["out_bytes"])


def open_planner(
    settings: Settings,
    recipe: Recipe,
    catalogue: Catalogue,
    *,
    free_bytes: int | None = None,
    inbox: bytes | None = None,
) -> Planner:
    """A planner for this machine's first device, as if `free_bytes` were free on it. Raises TwofoldError(NO_DEVICE)."""
    names = "auto" if settings.devices is None else [device.id for device in settings.devices]
    device = choose_devices(names, find_devices(names), wait=False)[0]
    probe, paths = memory_probe(device), StatePaths(settings.state_dir, settings.scratch_dir)
    if free_bytes is not None:
        probe = _Supposed(probe, free_bytes)
    # Whatever else a picture takes, a codec child comes on top of its tiles.
    leftover = Leftover(probe, NoAllocator(), lambda: Claims(CHILD_BYTES))
    governor = DeviceGovernor(
        leftover if device.kind == "cpu" else probe,
        leftover if device.kind == "cpu" else NoAllocator(),
        settings.policy((device.id, device.alias), device.kind),
        kind=device.kind,
        device=device.id,
        clock=time.monotonic,
        capability=device.capability,
        costs=open_costs(paths, device),
    )
    rates = speeds(paths.database)
    measured = {network: px_per_s for (network, where), px_per_s in rates.items() if where == device.id}
    memory = (probe if device.kind == "cpu" else HostProbe()).read()
    return Planner(settings, recipe, governor, catalogue, inbox, measured, memory)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans pictures by one recipe on one device.

    `measured` are source pixels per second there, by network; `memory` is main memory as it was read.
    """

    settings: Settings
    recipe: Recipe
    governor: DeviceGovernor
    catalogue: Catalogue
    inbox: bytes | None
    measured: Mapping[str, float]
    memory: MemoryReading

    def all(self, paths: Sequence[bytes], stop: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
        """`file` for each path, some side by side; those that `stop` cuts off are left out."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="plan") as pool:
            planned = pool.map(lambda path: None if stop() else self.file(path), paths)
            return [file for file in planned if file is not None]

    def file(self, path: bytes) -> dict[str, Any]:
        """One entry of `files` in `plan --json`."""
        nothing: dict[str, Any] = {
            "bytes": 0,
            "size": None,
            "out_size": None,
            "passes": [],
            "pages": [],
            "why": "",
            "rasters": "memory",
            "ram_bytes": 0,
            "out_bytes": 0,
            "disk_bytes": 0,
            "seconds": 0.0,
            "rate": GUESSED,
        }
        facts = json_fields("path", self._name(path)) | nothing | {"refused": None}
        try:
            facts["bytes"] = sum(size for _, size in sizes([path]))
            limits, own_results = self.settings.limits, self._own_results()
            made = draft(path, path, self.recipe, limits, self.catalogue, own_results=own_results)
            first = made.pictures[0]
            facts |= {"why": made.why, "size": list(first.header.size), "out_size": list(first.chain.final)}
            known: dict[Pass, PassPlan] = {}
            pages = [
                self._page(picture, saving.format, known)
                for picture, saving in zip(made.pictures, made.savings, strict=True)
            ]
        except TwofoldError as error:
            return facts | {"refused": error.reason.to_json()}
        return facts | self._together(made, pages)

    def _page(self, picture: Picture, target: Format, known: dict[Pass, PassPlan]) -> _Planned:
        """One page; `known` are the plans of passes that other pages have too."""
        for step in picture.chain.passes:
            if step not in known:
                known[step] = self._plan(step)
        plans = [known[step] for step in picture.chain.passes]
        passes = [self._pass(step, plan) for step, plan in zip(picture.chain.passes, plans, strict=True)]
        return _Planned(picture, passes, self._costs(picture, plans, target))

    @staticmethod
    def _together(made: Draft, pages: Sequence[_Planned]) -> dict[str, Any]:
        """The figures of a whole file: pages are made one by one, and those of several wait on scratch for the last."""
        out_bytes = sum(page.costs.output_bytes for page in pages)
        scratch_bytes = max(page.costs.scratch_bytes for page in pages) + (out_bytes if made.bound else 0)
        each = [page.to_json() for page in pages] if made.bound else []
        return {
            "passes": pages[0].passes,
            "pages": each,
            "rate": _rate(item["rate"] for page in pages for item in page.passes),
            "rasters": "scratch" if any(page.costs.rasters == "scratch" for page in pages) else "memory",
            "ram_bytes": max(page.costs.ram_bytes for page in pages),
            "out_bytes": out_bytes,
            "disk_bytes": out_bytes + scratch_bytes,
            "seconds": round(sum(page.costs.seconds for page in pages), 3),
        }

    def _plan(self, step: Pass) -> PassPlan:
        """As a worker would plan it now; its time from what such passes took here, where any were measured."""
        plan = self.governor.plan(self.catalogue.resolve(step.model), step.source)
        rate = self.measured.get(step.model)
        return plan if rate is None else plan.at_rate(rate)

    def _costs(self, picture: Picture, plans: Sequence[PassPlan], target: Format) -> Estimate:
        """What the picture will take as memory stands now. Raises TwofoldError(NEEDS_MEMORY)."""
        header, chain = picture.header, picture.chain
        check_ram(estimate(header, chain, plans, target, "scratch"), self.memory, self.settings.ram)
        return place(header, chain, plans, target, ram_budget_bytes(self.memory, self.settings.ram))

    def _pass(self, step: Pass, plan: PassPlan) -> dict[str, Any]:
        return {
            "model": step.model,
            "scale": step.scale,
            "in": list(step.source),
            "out": list(step.result),
            "tile": list(plan.tiles.tile),
            "batch": plan.batch,
            "halo": plan.tiles.halo_px,
            "tiles": plan.tiles.count,
            "vram_bytes": plan.need_bytes,
            "seconds": round(plan.seconds, 3),
            "rate": MEASURED if step.model in self.measured else GUESSED,
            "device": plan.device,
            "why": plan.why,
        }

    def _own_results(self) -> OwnResults:
        """What the inbox that is planned says of our own results; single files are planned as they are asked for."""
        inboxes = self.settings.inboxes.values()
        return next((one.own_results for one in inboxes if one.path == self.inbox), "process")

    def _name(self, path: bytes) -> bytes:
        return os.path.abspath(path) if self.inbox is None else os.path.relpath(path, self.inbox)


def _rate(rates: Iterable[str]) -> str:
    """Where a time that several rates went into came from: measured only where all of them were."""
    return MEASURED if {*rates} == {MEASURED} else GUESSED


def _files(paths: Sequence[bytes], rules: IgnoreRules) -> Iterator[bytes]:
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(scan(path, rules).entries))
        else:
            yield path
