"""Sidecars: XMP in a file of its own, corrected like XMP in a picture."""

from __future__ import annotations

import os
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.imaging import xmp_edits
from twofold.imaging.change import Change, Wishes
from twofold.imaging.probe import open_bytes


def operate(request: dict[str, Any]) -> dict[str, Any]:
    """Write the packet as it has to be for the result. Raises TwofoldError(DAMAGED) where it cannot be read."""
    change = Change(
        Size(*request["before"]), Size(*request["after"]), request["orientation"], Wishes.from_json(request["wishes"])
    )
    data = open_bytes(request["source"])
    try:
        packet = xmp_edits.corrected(data[: len(data)], change)
    except ValueError as error:
        raise TwofoldError(Code.DAMAGED, f"The sidecar cannot be read: {error}.") from None
    with os.fdopen(os.dup(request["result"]), "wb") as file:
        file.write(packet)
    return {}
