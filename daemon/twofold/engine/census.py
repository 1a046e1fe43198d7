"""What torch is and sees: `python -m twofold.engine.census` prints it as JSON (core.checkup.devices.TorchFacts).

Each device is really tried, with a few bytes: that alone tells whether torch has kernels for it. The context that this
takes goes with the process.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import torch

TRIED_ELEMENTS = 64


def census() -> dict[str, Any]:
    """The facts of this process's torch."""
    facts: dict[str, Any] = {
        "version": torch.__version__,
        "cuda": torch.version.cuda or "",
        "architectures": _architectures(),
        "devices": [],
        "trouble": "",
    }
    if not facts["cuda"]:
        return facts
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch also warns of what is said here
            torch.cuda.init()  # type: ignore[no-untyped-call]  # torch gives it no types
            facts["devices"] = [_device(index) for index in range(torch.cuda.device_count())]
    except (RuntimeError, AssertionError) as error:
        facts["trouble"] = _first_line(error)
    return facts


def _architectures() -> list[str]:
    """What the build has kernels for; torch.cuda.get_arch_list() is silent where there is no device."""
    flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)()
    return flags.split() if flags else []


def _device(index: int) -> dict[str, Any]:
    facts = torch.cuda.get_device_properties(index)
    uuid = str(facts.uuid)
    return {
        "uuid": uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}",
        "name": facts.name,
        "capability": [facts.major, facts.minor],
        "total_bytes": facts.total_memory,
        "trouble": _trouble(index),
    }


def _trouble(index: int) -> str:
    """Why the device cannot compute, or nothing."""
    try:
        total = int(torch.ones(TRIED_ELEMENTS, device=torch.device("cuda", index)).sum())
    except RuntimeError as error:
        return _first_line(error)
    return "" if total == TRIED_ELEMENTS else f"it adds {TRIED_ELEMENTS} ones to {total}"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def main() -> int:
    sys.stdout.write(json.dumps(census()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
