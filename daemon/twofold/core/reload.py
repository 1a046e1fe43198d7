"""What a running service cannot change: such a configuration is refused, and the old one holds."""

from __future__ import annotations

from twofold.core.settings import Settings

FIXED = ("state_dir", "scratch_dir", "database")
"""The ledger and the scratch files of jobs in work lie there."""


def refusals(old: Settings, new: Settings) -> dict[str, str]:
    """One sentence for each key that only a restart can change, by key; empty where `new` can take effect."""
    changed = [key for key in FIXED if getattr(old, key) != getattr(new, key)]
    if "state_dir" in changed and "scratch_dir" in changed:
        changed.remove("scratch_dir")  # by default it lies in the other, and follows it
    return {
        key: f"{key} cannot change while the service runs: it is {getattr(old, key)}, and would be "
        f"{getattr(new, key)}. Restart the service for it."
        for key in changed
    }
