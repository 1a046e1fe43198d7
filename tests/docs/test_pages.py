"""Pages that are written from the code are as the code would write them now."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.source import ROOT
from twofold.core.codes import Code
from twofold.telemetry.events import EVENTS


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("twofold.telemetry.events", "events.md"),
        ("twofold.telemetry.codes", "codes.md"),
        ("twofold.telemetry.metrics", "metrics.md"),
        ("twofold.telemetry.faults", "faults.md"),
    ],
)
def test_a_generated_page_is_up_to_date(module: str, page: str) -> None:
    written = subprocess.run([sys.executable, "-m", module], check=True, capture_output=True, text=True).stdout
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == written, f"python -m {module} > docs/{page}"


def test_every_code_and_event_has_its_line() -> None:
    codes = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    events = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    assert [code for code in Code if f"\n| `{code.value}` |" not in codes] == []
    assert [event for event in EVENTS if f"\n| `{event}` |" not in events] == []
