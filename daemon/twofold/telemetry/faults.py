"""Writes docs/faults.md from core.faults: `python -m twofold.telemetry.faults > docs/faults.md`."""

from __future__ import annotations

import sys

from twofold.core.faults import FAULTS


def markdown() -> str:
    """The text of docs/faults.md."""
    lines = [
        "# What NVIDIA's library can answer",
        "",
        "<!-- Written by `python -m twofold.telemetry.faults > docs/faults.md`; edit the source, not this page. -->",
        "",
        "Twofold asks NVML, the driver's library, for devices and their free memory. Each refusal has a behaviour.",
        "A device that fails is told once, as `device.failed`, and once more when it is back, as `device.recovered`.",
        "What is not in this list is taken for `UNKNOWN`.",
        "",
        "| NVML says | as a number | what it means | what Twofold does | what you do |",
        "|---|---|---|---|---|",
    ]
    for fault in FAULTS:
        number = str(fault.value) if fault.value > 0 else ""
        lines.append(f"| {fault.name} | {number} | {fault.text} | {fault.act} | {fault.hint} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
