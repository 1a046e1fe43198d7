"""`doctor`: reads the facts, one area after the other, and has `core.checkup` judge them."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from twofold.core.checkup import devices as device_verdicts
from twofold.core.checkup.check import Check, Level
from twofold.core.checkup.devices import DriverFacts, TorchFacts
from twofold.core.checkup.folders import FolderFacts, judge_folder, judge_mounts
from twofold.core.checkup.machine import (
    UserFacts,
    judge_clock,
    judge_extras,
    judge_inotify,
    judge_packages,
    judge_python,
    judge_user,
)
from twofold.core.checkup.state import (
    MistakeFacts,
    NetworkFacts,
    judge_codecs,
    judge_configuration,
    judge_ledger,
    judge_network,
    judge_sandbox,
)
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.recipe import AUTO
from twofold.core.settings import Settings
from twofold.device.driver import read_driver
from twofold.device.host import HostProbe
from twofold.device.inventory import CPU, choose_devices, list_devices, missing_devices
from twofold.imaging.abilities import read_sandbox, try_formats
from twofold.intake.fstab import read_fstab
from twofold.intake.inotify import read_inotify
from twofold.intake.mounts import read_mounts
from twofold.jobs.health import count_waiting
from twofold.jobs.health import examine as examine_ledger
from twofold.models.catalogue import BUILT_IN, Catalogue, Places
from twofold.service.census import TorchCensus
from twofold.service.folders import configured_folders, read_folder, within
from twofold.service.installed import read_clock, read_installed
from twofold.service.lock import holder
from twofold.service.paths import StatePaths
from twofold.service.torch_devices import torch_may_know, with_torch

FOLDERS_AT_ONCE = 16
AREA_S = 60.0
"""No area may take longer, beside torch, whose child has a deadline of its own."""


def examine(settings: Settings, mistakes: Sequence[MistakeFacts]) -> Iterator[Check]:
    """Every check, as it is made. With `mistakes`, `settings` are defaults over the right state directory.

    Works beside a running service; what it writes are small files of its own, removed again (imaging.trial).
    """
    with TorchCensus() as census:
        doctor = _Doctor(settings, mistakes, census)
        areas: dict[str, Callable[[], Sequence[Check]]] = {
            "installation": doctor.installation,
            "configuration": doctor.configuration,
            "folders": doctor.folders,
            "inotify": doctor.inotify,
            "clock": lambda: [judge_clock(read_clock(time.time()))],
            "codecs": lambda: [judge_codecs(try_formats())],
            "sandbox": lambda: [judge_sandbox(read_sandbox())],
            "database": lambda: [judge_ledger(examine_ledger(doctor.paths.database))],
            "network": doctor.networks,
        }
        for name, area in areas.items():
            yield from _looked_at(name, lambda area=area: within(AREA_S, area))  # type: ignore[misc]  # bound now
        yield from _looked_at("devices", doctor.devices)


def _looked_at(name: str, area: Callable[[], Sequence[Check]]) -> Sequence[Check]:
    """The area's checks, or one that says why there are none. The one broad catch of this command: an installation
    that is broken in a way nobody foresaw is what it is called for.
    """
    try:
        return area()
    except TimeoutError:
        return [Check(name, Level.PROBLEM, f"no answer within {AREA_S:g} s", "Look for a share or a disk that hangs.")]
    except TwofoldError as error:
        return [Check(name, Level.PROBLEM, error.reason.text, error.reason.hint)]
    except Exception as error:  # noqa: BLE001  said above
        text = f"could not be looked at: {type(error).__name__}: {error}"
        return [Check(name, Level.PROBLEM, text, "Install Twofold again, or report this line.")]


@dataclass(slots=True)
class _Doctor:
    settings: Settings
    mistakes: Sequence[MistakeFacts]
    census: TorchCensus
    paths: StatePaths = field(init=False)
    _folders: list[FolderFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = StatePaths(self.settings.state_dir, self.settings.scratch_dir)

    def installation(self) -> list[Check]:
        installed = read_installed()
        waiting = count_waiting(self.paths.database, Code.MISSING_EXTRA)
        checks = [judge_python(installed), judge_packages(installed), judge_extras(installed, waiting)]
        return [*checks, judge_user(self._user())]

    def configuration(self) -> list[Check]:
        return judge_configuration(self.settings.source, len(self.settings.inboxes), self.mistakes)

    def folders(self) -> list[Check]:
        mounts, fstab = read_mounts(), read_fstab()
        with ThreadPoolExecutor(FOLDERS_AT_ONCE) as pool:
            found = pool.map(lambda one: read_folder(one, mounts, fstab), configured_folders(self.settings))
            self._folders = list(found)
        return [*map(judge_folder, self._folders), judge_mounts(self._folders, len(mounts))]

    def inotify(self) -> list[Check]:
        roots = [os.fsencode(one.path) for one in self._folders if one.mode == "events"]
        return [judge_inotify(read_inotify(roots), running=self._user().service_pid is not None)]

    def networks(self) -> list[Check]:
        return [judge_network(facts) for facts in read_networks(self.settings, self.paths)]

    def devices(self) -> list[Check]:
        driver, torch = read_driver(), self.census.facts()
        wanted = self.settings.devices
        gpu_wanted = driver.hardware and (wanted is None or any(one.id != CPU for one in wanted))
        choice, chosen = self._choice(driver, torch)
        return [
            device_verdicts.judge_torch(torch, gpu_wanted=gpu_wanted),
            device_verdicts.judge_driver(driver, torch, gpu_wanted=gpu_wanted),
            device_verdicts.judge_nvml(driver, gpu_wanted=gpu_wanted),
            *device_verdicts.judge_gpus(driver, torch, chosen),
            choice,
        ]

    def _choice(self, driver: DriverFacts, torch: TorchFacts) -> tuple[Check, list[str]]:
        """What `devices:` comes to, and the ids."""
        wanted = self.settings.devices
        names = "auto" if wanted is None else [one.id for one in wanted]
        inventory, host = list_devices(), HostProbe()
        if torch_may_know(names, inventory):
            inventory = with_torch(inventory, torch)
        try:
            chosen = choose_devices(names, inventory, wait=False)
        except TwofoldError as error:
            return device_verdicts.judge_no_device(error.reason, driver), []
        memory = host.read()
        cpu = device_verdicts.CpuFacts(inventory.cpu.name, host.usable_cpus(), memory.free_bytes, memory.total_bytes)
        ids = [one.id for one in chosen]
        missing = "" if names == "auto" else missing_devices(names, inventory)  # of all, NVML's own check tells
        return device_verdicts.judge_choice(ids, cpu, missing, inventory.hint), ids

    def _user(self) -> UserFacts:
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = "unnamed"
        try:
            owner = os.stat(self.paths.state).st_uid
        except OSError:
            owner = None
        return UserFacts(uid, name, owner, holder(self.paths.lock))


def read_networks(settings: Settings, paths: StatePaths) -> Iterator[NetworkFacts]:
    """The built-in networks, those that recipes name, and those in the models folder; each file is read and hashed.

    Nothing is measured, since that would leave a card behind.
    """
    unmeasured: list[str] = []

    def refuse(path: str) -> None:
        unmeasured.append(path)
        raise TwofoldError(Code.MISSING_MODEL, f"{path} was never measured")

    folder = os.path.dirname(settings.source) if settings.source else os.getcwd()
    catalogue = Catalogue(Places(folder, paths.models, paths.cards), refuse)  # type: ignore[arg-type]  # always raises
    recipes = settings.recipes.values()
    named = {name for recipe in recipes for name in (*recipe.models, *recipe.before, *recipe.after)}
    if AUTO in named or not named:
        named |= set(BUILT_IN.values())
    found = {card.full_name: card.full_name for card in catalogue.list_cards(lambda file, error: None)}
    seen: set[str] = set()
    for name in sorted({*found, *(named - {AUTO})}):
        unmeasured.clear()
        try:
            card = catalogue.resolve(name)
        except TwofoldError as error:
            yield NetworkFacts(name, used=name in named, measured=not unmeasured, reason=error.reason)
            continue
        if card.full_name not in seen:
            seen.add(card.full_name)
            used = bool({name, card.name, card.full_name} & named)
            yield NetworkFacts(card.full_name, card.sha256 if card.file else "", used)
