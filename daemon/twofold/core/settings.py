"""The configuration as the program sees it: checked, absolute, without a default left open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from twofold.core.memory import DeviceKind, MemoryPolicy
from twofold.core.neighbours import YieldRule
from twofold.core.recipe import OnExists, Recipe

OnNoDevice = Literal["wait", "exit"]
OnRecipeChange = Literal["keep", "redo"]
Existing = Literal["auto", "process", "hold", "ignore"]
Order = Literal["newest", "oldest", "smallest", "name"]
FailureNotes = Literal["auto", "always", "never"]
Unprocessed = Literal["leave", "copy"]
Companions = Literal["ignore", "copy"]
OwnResults = Literal["skip", "process"]
YieldAction = Literal["leave", "pause", "shrink"]


@dataclass(frozen=True, slots=True)
class Originals:
    """What becomes of originals once their result is safe.

    `archive` is the absolute folder of `action` archive. `synced_ok` is the owner's word that removing a file from a
    folder that looks synchronised is meant, on every device.
    """

    action: Literal["keep", "archive", "delete"] = "keep"
    archive: bytes = b""
    synced_ok: bool = False


@dataclass(frozen=True, slots=True)
class Hooks:
    """The owner's programs: argument lists, empty where there is none; `timeout_s` is what each may take."""

    on_done: tuple[str, ...] = ()
    on_failed: tuple[str, ...] = ()
    on_idle: tuple[str, ...] = ()
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may ask for; megapixels are 10^6 pixels, `pages` are those of one file."""

    input_megapixels: float = 1000
    output_megapixels: float = 4000
    decode_time_s: float = 20.0
    pages: int = 2000


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where Prometheus finds metrics: an address to listen on, and an absolute path of a file to write."""

    listen: tuple[str, int] | None = None
    textfile: str | None = None

    @property
    def wanted(self) -> bool:
        return self.listen is not None or self.textfile is not None


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One device to use: `cuda:N`, `GPU-<uuid>`, `MIG-<uuid>` or `cpu`, with the memory policy in force on it."""

    id: str
    vram: MemoryPolicy


@dataclass(frozen=True, slots=True)
class YieldSettings:
    """To whom a device is left, how, and how long they must be gone before work goes on there."""

    rule: YieldRule = field(default_factory=YieldRule)
    action: YieldAction = "leave"
    come_back_after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """One watched folder. `path` and `outbox` are absolute, and bytes as every name below them.

    `settle_s` and `scan_every_s` are seconds; None leaves the choice to intake (`auto`), as it does for
    `outbox_keep_free_bytes`.
    """

    name: str
    path: bytes
    outbox: bytes
    recipe: str
    settle_s: float | None = None
    scan_every_s: float | None = None
    existing: Existing = "auto"
    order: Order = "newest"
    priority: int = 0
    originals: Originals = field(default_factory=Originals)
    failure_notes: FailureNotes = "auto"
    unprocessed: Unprocessed = "leave"
    own_results: OwnResults = "skip"
    companions: Companions = "ignore"
    on_exists: OnExists = "overwrite_own"
    result_name: str = "{stem}"
    outbox_keep_free_bytes: int | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an owner can decide.

    `state_dir` and `scratch_dir` are absolute. `devices` is None for `auto`. `vram` holds for every device that has no
    policy of its own. Every `InboxSettings.recipe` is a key of `recipes`. `source` is the file that was read, or None.
    """

    state_dir: str
    scratch_dir: str
    recipes: Mapping[str, Recipe]
    inboxes: Mapping[str, InboxSettings] = field(default_factory=dict)
    database: str = "sqlite"
    devices: tuple[DeviceSettings, ...] | None = None
    on_no_device: OnNoDevice = "wait"
    idle_exit_s: float = 60.0
    vram: MemoryPolicy = field(default_factory=MemoryPolicy)
    yield_to: YieldSettings = field(default_factory=YieldSettings)
    ram_use_at_most: Fraction = Fraction(1, 2)
    limits: Limits = field(default_factory=Limits)
    on_recipe_change: OnRecipeChange = "keep"
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    hooks: Hooks = field(default_factory=Hooks)
    source: str | None = None

    @property
    def ram(self) -> MemoryPolicy:
        """What may be taken of main memory."""
        return MemoryPolicy(use_at_most=self.ram_use_at_most)

    def policy(self, ids: Collection[str], kind: DeviceKind) -> MemoryPolicy:
        """What may be taken of the device that goes by these ids: its own policy, else that of all; on the processor
        the share of main memory.
        """
        policy = next((one.vram for one in self.devices or () if one.id in ids), self.vram)
        return replace(policy, use_at_most=self.ram_use_at_most) if kind == "cpu" else policy
