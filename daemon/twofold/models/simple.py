"""Cards of the back ends that need no network file: `identity` and `sleep`."""

from __future__ import annotations

import hashlib
import re

from twofold.core.card import NetworkCard

DEFAULT_SCALE = 2
SCALES = (1, 2, 4)
SIMPLE_NAME = re.compile(r"(?P<backend>identity|sleep)(?::(?P<value>[0-9]{1,4}(?:\.[0-9]{1,6})?))?(?:@1)?", re.ASCII)
HOST_BYTES_PER_PX = 64.0


def simple_card(name: str) -> NetworkCard | None:
    """The card of `identity`, `identity:SCALE` or `sleep:SECONDS` (a delay per tile); None for any other name."""
    match = SIMPLE_NAME.fullmatch(name)
    if match is None:
        return None
    backend, value = match["backend"], match["value"]
    scale = DEFAULT_SCALE
    if backend == "identity" and value is not None:
        if value not in map(str, SCALES):
            return None
        scale = int(value)
    own_name = name.removesuffix("@1")
    return NetworkCard(
        name=own_name,
        version=1,
        sha256=hashlib.sha256(own_name.encode()).hexdigest(),
        scale=scale,
        backend=backend,
        live_bytes_per_px=HOST_BYTES_PER_PX,
        intended_use="tests and trials: repeats pixels" + (", slowly" if backend == "sleep" else ""),
    )
