"""`calibrate`: every network that is used, on every device, one after the other; the rates go into the ledger, and
the costs to where workers find them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from twofold.core.calibration import Cost, Sample, experience_of, fit, measurable_sides_px, picture_px_per_s
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import Interrupted, TwofoldError
from twofold.core.experience import Experience
from twofold.core.memory import Budget, DType, MemoryPolicy, plan_budget
from twofold.core.precision import working_dtype
from twofold.core.recipe import AUTO
from twofold.core.settings import Settings
from twofold.device.cost_store import record_key
from twofold.device.host import HostProbe
from twofold.device.inventory import Device, choose_devices, memory_probe
from twofold.jobs.board import Board
from twofold.jobs.database import open_engine, prepare_database
from twofold.models.catalogue import BUILT_IN, Catalogue
from twofold.service.costs import open_costs
from twofold.service.lock import FileLock
from twofold.service.machine import device_lock
from twofold.service.networks import open_catalogue
from twofold.service.paths import StatePaths
from twofold.service.tile_runs import TileRuns
from twofold.service.torch_devices import find_devices


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one network costs on one device; `picture_px_per_s` are source pixels of a typical picture."""

    device: str
    model: str
    dtype: DType
    cost: Cost
    picture_px_per_s: float
    samples: tuple[Sample, ...]
    experience: Experience
    sha256: str


Watch = Callable[["Step", int, int], None]
"""Hears how many sizes of the pair are measured, of how many."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is being measured: the how manieth pair of device and network, of all."""

    device: str
    model: str
    pair: int
    pairs: int


def calibrate(
    settings: Settings,
    *,
    device: str | None,
    models: Sequence[str],
    watch: Watch,
    stop: threading.Event,
) -> list[Calibration]:
    """Measure, and keep each rate as soon as it is known; an interrupted command keeps what it has.

    A device that a worker is using is refused, and one that is being measured makes workers wait.
    Raises TwofoldError: NO_DEVICE, MISSING_MODEL, BAD_NETWORK, MODEL_CHANGED, LOW_MEMORY, ALREADY_RUNNING, STATE_*.
    """
    paths = StatePaths(settings.state_dir, settings.scratch_dir)
    paths.create()
    prepare_database(paths.database, time.time())
    configured = "auto" if settings.devices is None else [one.id for one in settings.devices]
    names = [device] if device else configured
    devices = choose_devices(names, find_devices(names), wait=False)
    catalogue = open_catalogue(paths, os.path.dirname(settings.source or ""), cancelled=stop.is_set)
    cards = used_networks(settings, models, catalogue)
    engine = open_engine(paths.database)
    found: list[Calibration] = []
    try:
        for one in devices:
            with _alone_on(one, paths):
                for card in cards:
                    tell = partial(watch, Step(one.id, card.full_name, len(found) + 1, len(devices) * len(cards)))
                    result = measure(card, one, settings.policy((one.id, one.alias), one.kind), tell, stop)
                    costs = open_costs(paths, one)
                    costs.keep(record_key(result.sha256, result.dtype), result.experience.to_json())
                    Board(engine).replace_speed(result.model, result.device, result.picture_px_per_s, time.time())
                    found.append(result)
    except Interrupted:
        return found
    finally:
        engine.dispose()
    return found


def used_networks(settings: Settings, models: Sequence[str], catalogue: Catalogue) -> list[NetworkCard]:
    """Those named, else those that inboxes' recipes use, else the built-in ones; each once, by full name."""
    recipes = [settings.recipes[inbox.recipe] for inbox in settings.inboxes.values()]
    names = list(models) or [name for one in recipes for name in (*one.models, *one.before, *one.after)] or [AUTO]
    cards: dict[str, NetworkCard] = {}
    for name in names:
        meant = map(catalogue.resolve_auto, BUILT_IN) if name == AUTO else (_file_or_name(name),)
        for card in map(catalogue.resolve, meant):
            cards[card.full_name] = card
    return list(cards.values())


def measure(
    card: NetworkCard,
    device: Device,
    policy: MemoryPolicy,
    watch: Callable[[int, int], None],
    stop: threading.Event,
) -> Calibration:
    """One network on one device, in a process of its own. Raises TwofoldError, and Interrupted where `stop` is set."""
    budget: Budget = plan_budget(memory_probe(device).read(), policy, device.kind)
    dtype = working_dtype(card, device.kind, device.capability)
    sides_px = measurable_sides_px(card, device.kind, dtype, budget)
    samples: list[Sample] = []
    watch(0, len(sides_px))
    with TileRuns(card, device, HostProbe().usable_cpus(), sides_px) as runs:
        for sample in runs.samples(stop):
            samples.append(sample)
            watch(len(samples), len(sides_px))
    if not samples:
        raise TwofoldError(Code.OUT_OF_MEMORY, f"{device.id} has no room for the smallest tile of {card.full_name}")
    cost = fit(samples)
    # Half precision may turn out not to work on a card.
    dtype = runs.dtype or dtype
    rate = picture_px_per_s(card, cost, device.kind, dtype, budget)
    learnt = experience_of(card, samples, device.kind, dtype)
    return Calibration(device.id, card.full_name, dtype, cost, rate, tuple(samples), learnt, card.sha256)


@contextmanager
def _alone_on(device: Device, paths: StatePaths) -> Iterator[None]:
    """The locks that a worker of this device takes. Raises TwofoldError(ALREADY_RUNNING) where one works now."""
    lock, others = FileLock(paths.worker_lock(device.id)), device_lock(device)
    try:
        lock.take()
    except TwofoldError as error:
        hint = "Wait until it has nothing to do: an idle worker ends by itself."
        raise TwofoldError(error.code, f"A worker is using {device.id}: {error.reason.text}.", hint) from None
    try:
        if others is not None:
            others.take()
        yield
    finally:
        if others is not None:
            others.release()
        lock.release()


def _file_or_name(name: str) -> str:
    return os.path.abspath(name) if os.path.isfile(name) else name
