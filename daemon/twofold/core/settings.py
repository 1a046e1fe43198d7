"""The configuration as the program sees it: checked, absolute, without a default left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from twofold.core.memory import MemoryPolicy
from twofold.core.recipe import OnExists, Recipe

OnNoDevice = Literal["wait", "exit"]
OnRecipeChange = Literal["keep", "redo"]
Existing = Literal["auto", "process", "hold", "ignore"]
Order = Literal["newest", "oldest", "smallest", "name"]
Originals = Literal["keep"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may ask for; megapixels are 10^6 pixels."""

    input_megapixels: float = 1000
    output_megapixels: float = 4000
    decode_time_s: float = 20.0


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One device to use: `cuda:N`, `GPU-<uuid>`, `MIG-<uuid>` or `cpu`, with the memory policy in force on it."""

    id: str
    vram: MemoryPolicy


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
    originals: Originals = "keep"
    on_exists: OnExists = "overwrite_own"
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
    ram_use_at_most: Fraction = Fraction(1, 2)
    limits: Limits = field(default_factory=Limits)
    on_recipe_change: OnRecipeChange = "keep"
    source: str | None = None
