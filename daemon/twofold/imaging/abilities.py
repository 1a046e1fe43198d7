"""What this installation can do with pictures, found out by doing it; and how the kernel could shut children in."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import cast

from twofold.core.checkup.state import CodecFacts, SandboxFacts
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, WRITE_FORMATS, Format
from twofold.core.recipe import SaveAs, SaveFormat
from twofold.imaging import codec
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

SIDE_PX = 32
LANDLOCK_CREATE_RULESET = 444
"""The number of the system call on every architecture that has it."""

LANDLOCK_VERSION_FLAG = 1


def try_formats() -> CodecFacts:
    """Write a small picture in every format that results may have, and read it as if somebody had dropped it."""
    return CodecFacts({name: _try(FORMATS[name]) for name in sorted(WRITE_FORMATS)})


def _try(target: Format) -> str:
    """What went wrong, or nothing."""
    import numpy as np

    ramp = np.linspace(0, 65535 if target.depth == 16 else 255, SIDE_PX * SIDE_PX * 3)
    samples = ramp.reshape(SIDE_PX, SIDE_PX, 3).astype(np.uint16 if target.depth == 16 else np.uint8)
    raster = SharedRaster.copy_of(samples)
    result = os.memfd_create("doctor", os.MFD_CLOEXEC)
    save_as = SaveAs(cast(SaveFormat, target.name), lossless=target.lossless)
    try:
        codec.encode(raster, None, Metadata(), save_as, result)
        codec.verify(result, Metadata(), save_as, raster, None)
        codec.decode(result, codec.probe(result, codec.Limits()).header, codec.Limits()).close()
    except TwofoldError as error:
        return error.reason.text
    finally:
        os.close(result)
        raster.close()
    return ""


def read_sandbox() -> SandboxFacts:
    """Asks the kernel; nothing is shut in by asking."""
    seccomp = os.path.exists("/proc/sys/kernel/seccomp/actions_avail")
    return SandboxFacts(landlock=_landlock_version(), seccomp=seccomp)


def _landlock_version() -> int:
    if platform.system() != "Linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(ctypes.c_long(LANDLOCK_CREATE_RULESET), None, ctypes.c_size_t(0), LANDLOCK_VERSION_FLAG)
    return max(0, int(version))
