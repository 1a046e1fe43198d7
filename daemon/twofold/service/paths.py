"""Where Twofold keeps its own things under one state directory."""

from __future__ import annotations

import os
from dataclasses import dataclass

UPSCALE_PREFIX = "upscale-"
"""Scratch folders of `upscale` start so: no job of the ledger owns them."""


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Absolute paths below `state_dir` (and of the scratch directory, which may lie elsewhere)."""

    state: str
    scratch: str

    @property
    def database(self) -> str:
        return os.path.join(self.state, "twofold.sqlite")

    @property
    def lock(self) -> str:
        return os.path.join(self.state, "lock")

    def worker_lock(self, device_id: str) -> str:
        """Held by whoever uses the device: its worker, or `calibrate`."""
        return os.path.join(self.state, f"worker-{device_id}.lock")

    def costs(self, device_id: str) -> str:
        """What networks were found to cost on the device."""
        return os.path.join(self.state, "costs", f"{device_id}.json")

    @property
    def spool(self) -> str:
        return os.path.join(self.state, "spool")

    @property
    def cards(self) -> str:
        """Measured cards of the owner's own networks, by sha256."""
        return os.path.join(self.state, "cards")

    @property
    def models(self) -> str:
        """Where the owner may put networks, to name them without a path."""
        return os.path.join(self.state, "models")

    def spooled(self, job_id: str) -> str:
        """The private copy of one job's source."""
        return os.path.join(self.spool, job_id)

    def create(self) -> None:
        """Make the folders, readable by the owner alone: sources pass through them."""
        for folder in (self.state, self.spool, self.cards, self.models, self.scratch):
            os.makedirs(folder, mode=0o700, exist_ok=True)
