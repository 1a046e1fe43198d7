"""`plan`: the decisions of a run, without the run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from twofold.core.errors import TwofoldError
from twofold.core.estimate import estimate
from twofold.core.formats import check_output
from twofold.core.ignore import compile_rules
from twofold.core.memory import MemoryReading, PassPlan
from twofold.core.passes import Pass, plan_chain
from twofold.core.protocols import MemoryProbe
from twofold.core.recipe import Recipe
from twofold.core.settings import Settings
from twofold.device.governor import DeviceGovernor
from twofold.device.inventory import choose_devices, list_devices, memory_probe
from twofold.intake.scan import scan
from twofold.jobs.read import speeds
from twofold.models.catalogue import Catalogue
from twofold.service.admission import resolve_recipe
from twofold.service.networks import open_catalogue
from twofold.service.paths import StatePaths
from twofold.service.probing import probe_file
from twofold.telemetry.names import json_fields

AT_ONCE = 4
MEASURED, GUESSED = "measured", "guessed"
"""Where a pass's time comes from: what passes on this device took, or the network's arithmetic."""


@dataclass(frozen=True, slots=True)
class _Supposed:
    """A device on which `free_bytes` are free, whatever is so now."""

    probe: MemoryProbe
    free_bytes: int

    def read(self) -> MemoryReading:
        now = self.probe.read()
        return replace(now, free_bytes=self.free_bytes, total_bytes=max(now.total_bytes, self.free_bytes))


def plan_paths(
    paths: Sequence[bytes], recipe: Recipe, settings: Settings, *, free_bytes: int | None, inbox: bytes | None = None
) -> dict[str, Any]:
    """DESIGN's `plan --json` object for pictures and folders; a picture that would be refused says why.

    Its paths are absolute, or relative to the folder `inbox` where one is named.
    Raises TwofoldError(NO_DEVICE).
    """
    state = StatePaths(settings.state_dir, settings.scratch_dir)
    names = "auto" if settings.devices is None else [device.id for device in settings.devices]
    device = choose_devices(names, list_devices(), wait=False)[0]
    probe = memory_probe(device)
    governor = DeviceGovernor(
        probe if free_bytes is None else _Supposed(probe, free_bytes),
        settings.vram,
        kind=device.kind,
        device=device.id,
        clock=time.monotonic,
        capability=device.capability,
    )
    catalogue = open_catalogue(state, os.path.dirname(settings.source or ""))
    measured = {network: rate for (network, where), rate in speeds(state.database).items() if where == device.id}
    planner = _Planner(settings, recipe, governor, catalogue, inbox, measured)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        files = list(pool.map(planner.file, _files(paths)))
    keys = ("ram_bytes", "disk_bytes", "seconds")
    sums = {key: sum(file[key] for file in files) for key in keys[1:]}
    pixels = sum(file["out_size"][0] * file["out_size"][1] for file in files if file["out_size"])
    totals = {
        "files": len(files),
        "refused": sum(file["refused"] is not None for file in files),
        "pixels": pixels,
        "ram_bytes": max((file["ram_bytes"] for file in files), default=0),
        **sums,
        "rate": _rate(file["rate"] for file in files if file["passes"]),
    }
    return {"schema": 1, "files": files, "totals": totals}


@dataclass(frozen=True, slots=True)
class _Planner:
    settings: Settings
    recipe: Recipe
    governor: DeviceGovernor
    catalogue: Catalogue
    inbox: bytes | None
    measured: Mapping[str, float]

    def file(self, path: bytes) -> dict[str, Any]:
        nothing: dict[str, Any] = {
            "size": None,
            "out_size": None,
            "passes": [],
            "why": "",
            "ram_bytes": 0,
            "disk_bytes": 0,
            "seconds": 0.0,
            "rate": GUESSED,
        }
        facts = json_fields("path", self._name(path)) | nothing | {"refused": None}
        try:
            header = probe_file(path, self.settings.limits, self.recipe)
            facts["size"] = list(header.size)
            recipe, facts["why"] = resolve_recipe(self.recipe, header, self.catalogue)
            chain = plan_chain(header.size, recipe, self.catalogue.resolve)
            facts["out_size"] = list(chain.final)
            target = check_output(chain, header, recipe.save_as, self.settings.limits)
            plans = [self._plan(step) for step in chain.passes]
            costs = estimate(header, chain, plans, target)
        except TwofoldError as error:
            return facts | {"refused": error.reason.to_json()}
        passes = [self._pass(step, plan) for step, plan in zip(chain.passes, plans, strict=True)]
        return facts | {
            "passes": passes,
            "rate": _rate(item["rate"] for item in passes),
            "ram_bytes": costs.ram_bytes,
            "disk_bytes": costs.disk_bytes,
            "seconds": round(costs.seconds, 3),
        }

    def _plan(self, step: Pass) -> PassPlan:
        """As a worker would plan it now; its time from what such passes took here, where any were measured."""
        plan = self.governor.plan(self.catalogue.resolve(step.model), step.source)
        rate = self.measured.get(step.model)
        return plan if rate is None else plan.at_rate(rate)

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

    def _name(self, path: bytes) -> bytes:
        return os.path.abspath(path) if self.inbox is None else os.path.relpath(path, self.inbox)


def _rate(rates: Iterable[str]) -> str:
    """Where a time that several rates went into came from: measured only where all of them were."""
    return MEASURED if {*rates} == {MEASURED} else GUESSED


def _files(paths: Sequence[bytes]) -> Iterator[bytes]:
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(scan(path, compile_rules()).entries))
        else:
            yield path
