"""What a running service refuses to change."""

from __future__ import annotations

from dataclasses import replace

from twofold.core.reload import refusals
from twofold.core.settings import Settings

OLD = Settings(state_dir="/a", scratch_dir="/a/scratch", recipes={})


def test_the_folders_of_the_ledger_cannot_move_under_it() -> None:
    moved = refusals(OLD, replace(OLD, state_dir="/b"))
    assert list(moved) == ["state_dir"]
    assert "/a" in moved["state_dir"]
    assert "/b" in moved["state_dir"]
    assert "Restart" in moved["state_dir"]
    assert list(refusals(OLD, replace(OLD, state_dir="/b", scratch_dir="/b/scratch"))) == ["state_dir"]
    assert list(refusals(OLD, replace(OLD, scratch_dir="/c", database="postgresql://x"))) == ["scratch_dir", "database"]


def test_all_else_can_change() -> None:
    assert refusals(OLD, replace(OLD, idle_exit_s=1.0, on_no_device="exit", source="/etc/other.yaml")) == {}
