"""The probe: what a file is, from its structure alone."""

from __future__ import annotations

import mmap
import os
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging.inspection import FileBytes, inspect


def operate(request: dict[str, Any]) -> dict[str, Any]:
    header = inspect(open_bytes(request["source"])).header
    if header.size.pixels > request["input_px"]:
        raise TwofoldError(
            Code.TOO_LARGE,
            f"The picture has {header.size.pixels} pixels ({header.width}x{header.height}); "
            f"the limit is {request['input_px']}.",
        )
    return {"header": header.to_json()}


def open_bytes(fd: int) -> FileBytes:
    """The whole file as a read-only map: no copy, and no shared file position."""
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ) if os.fstat(fd).st_size else b""
