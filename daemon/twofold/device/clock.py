"""Whether the machine's clock is kept in time: asked of the kernel, which is told by whoever keeps it."""

from __future__ import annotations

import ctypes

TIMEX_BYTES = 512
"""More than struct timex has anywhere; zeros ask and change nothing."""

TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


def clock_synchronised() -> bool | None:
    """None where the kernel does not tell."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        state = libc.adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except AttributeError:
        return None
    return None if state < 0 else state != TIME_ERROR
