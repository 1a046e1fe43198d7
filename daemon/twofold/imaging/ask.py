"""One question to one fresh codec child, with a deadline and limits."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging import protocol

DEATH_S = 10.0
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # each arena reserves address space
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_DISC_THRESHOLD": "1000g",  # it may write no temporary files
}


def ask(
    request: dict[str, Any],
    fds: tuple[int, ...],
    *,
    deadline_s: float,
    source_bytes: int = 0,
    raster_bytes: int = 0,
    written_bytes: int = 0,
    private_bytes: int = 0,
    threads: int = protocol.CODEC_THREADS,
) -> dict[str, Any]:
    """Start a child, ask it, and end it, whatever happens; its answer.

    `fds` are inherited under the same numbers; the bytes are what protocol.process_limits makes limits of. Raises
    TwofoldError: what the child answers with, DECODE_TIMEOUT, CODEC_FAILED.
    """
    limits = protocol.process_limits(
        source_bytes, raster_bytes, deadline_s, written_bytes, threads, private_bytes=private_bytes
    )
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = subprocess.Popen(
                # -B: with a file's size limited it would leave half a compiled module for the next child to trip over
                [sys.executable, "-I", "-B", "-m", "twofold.imaging.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                pass_fds=(theirs.fileno(), *fds),
                cwd="/",
                env=_ENVIRONMENT | {protocol.THREADS_VARIABLE: str(threads)},
                start_new_session=True,
            )
        operation = request["operation"]
        deadline = time.monotonic() + deadline_s
        try:
            ours.settimeout(deadline_s)
            protocol.send(ours, request | {"limits": limits.to_json()})
            reply = protocol.receive(ours, deadline)
        except TimeoutError:
            raise _late(operation, deadline_s) from None
        except (OSError, ValueError):
            reply = {}  # it died while we spoke: how, its exit status tells
        finally:
            status = _end(child, deadline)
    if not reply:
        raise _died(operation, status)
    return protocol.result_of(reply)


def _end(child: subprocess.Popen[bytes], deadline: float) -> int:
    """Wait for a child that has said all it had to say, else kill it."""
    try:
        return child.wait(max(0.0, min(DEATH_S, deadline - time.monotonic())))
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _late(operation: str, deadline_s: float) -> TwofoldError:
    code = Code.DECODE_TIMEOUT if operation in ("probe", "decode") else Code.CODEC_FAILED
    return TwofoldError(code, f"The codec took longer than {deadline_s:g} s to {operation} the picture.")


def _died(operation: str, status: int) -> TwofoldError:
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
    return TwofoldError(Code.CODEC_FAILED, f"The codec died {how} when it was to {operation} the picture.")
