"""What a parent and a codec child say to each other: one JSON object each way over a socket, pixels by descriptor.

Request: {"operation": one of child.OPERATIONS, "limits": {...}, "source": fd, ...}; the descriptors it names are
inherited under the same numbers. Reply: {"ok": {...}} or {"error": {code, text, hint}}.
Each side ends its message by shutting its direction of the socket.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError

MAX_MESSAGE_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16

CODEC_THREADS = 4  # at most, and no more than there are processors
THREADS_VARIABLE = "VIPS_CONCURRENCY"  # libvips reads it by itself
LOOK_PX = 64_000_000
"""Larger pictures are not decoded for a look at their content: what their header says has to do."""

_CHILD_BYTES = 3 * 2**30  # address space of interpreter, libraries and thread stacks: reserved, not used
_CHILD_DATA_BYTES = 2**29  # of which so much may be written; thread stacks count whole
_BYTES_PER_SAMPLE_BYTE = 6  # the largest multiple of the raster that any operation holds at once
_FILES = 64


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a child may use: set by itself before it reads a byte of the picture."""

    address_bytes: int
    data_bytes: int
    cpu_s: int
    file_bytes: int
    files: int = _FILES

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, int]) -> ProcessLimits:
        return cls(**data)


def process_limits(
    file_bytes: int,
    raster_bytes: int,
    deadline_s: float,
    written_bytes: int,
    threads: int = CODEC_THREADS,
    *,
    private_bytes: int = 0,
) -> ProcessLimits:
    """Limits for a child that maps `file_bytes`, works on `raster_bytes` and writes `written_bytes` at most.

    Of what it maps, `private_bytes` count as its own: where it writes into its view of a file.
    """
    return ProcessLimits(
        data_bytes=_CHILD_DATA_BYTES + private_bytes + _BYTES_PER_SAMPLE_BYTE * raster_bytes,
        address_bytes=_CHILD_BYTES + file_bytes + private_bytes + _BYTES_PER_SAMPLE_BYTE * raster_bytes,
        cpu_s=int(deadline_s * threads) + 1,
        file_bytes=written_bytes,
    )


def threads_here() -> int:
    """How many threads this child may keep busy, as its parent said."""
    return int(os.environ.get(THREADS_VARIABLE, CODEC_THREADS))


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send the one message of this direction."""
    channel.sendall(json.dumps(message).encode())
    channel.shutdown(socket.SHUT_WR)


def receive(channel: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """Receive the other side's message; {} where it ended without one.

    `deadline` is on time.monotonic's clock. Raises TimeoutError, ValueError.
    """
    parts: list[bytes] = []
    received_bytes = 0
    while received_bytes <= MAX_MESSAGE_BYTES:
        if deadline is not None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            channel.settimeout(left_s)
        part = channel.recv(_CHUNK_BYTES)
        if not part:
            whole = b"".join(parts)
            message = json.loads(whole) if whole else {}
            if not isinstance(message, dict):
                raise ValueError("a message is a JSON object")
            return message
        parts.append(part)
        received_bytes += len(part)
    raise ValueError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")


def error_reply(error: TwofoldError) -> dict[str, Any]:
    return {"error": error.reason.to_json()}


def result_of(reply: dict[str, Any]) -> dict[str, Any]:
    """The operation's result, or its error raised."""
    if "error" in reply:
        reason = Reason.from_json(reply["error"])
        raise TwofoldError(reason.code, reason.text, reason.hint)
    ok = reply.get("ok")
    if not isinstance(ok, dict):
        raise TwofoldError(Code.CODEC_FAILED, "The codec gave no answer.")
    return ok
