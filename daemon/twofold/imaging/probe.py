"""The probe: what a file is, from its structure, and where that is asked for from a look at its pixels."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging.inspection import FileBytes, inspect


def operate(request: dict[str, Any]) -> dict[str, Any]:
    data = open_bytes(request["source"])
    header = inspect(data).header
    if header.size.pixels > request["input_px"]:
        raise TwofoldError(
            Code.TOO_LARGE,
            f"The picture has {header.size.pixels} pixels ({header.width}x{header.height}); "
            f"the limit is {request['input_px']}.",
        )
    if request["look"] and header.frames == 1:
        from twofold.imaging import signals  # numpy and libvips: only where somebody wants to know

        header = replace(header, signals=header.signals | signals.measure(data, header))
    return {"header": header.to_json()}


def open_bytes(fd: int) -> FileBytes:
    """The whole file as a read-only map: no copy, and no shared file position."""
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ) if os.fstat(fd).st_size else b""
