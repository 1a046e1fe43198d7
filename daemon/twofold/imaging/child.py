"""A codec child: `python -m twofold.imaging.child FD` reads one request from the socket FD, answers, and ends.

Only here are untrusted bytes parsed. It imports what the operation needs and nothing else, and never torch.
"""

from __future__ import annotations

import errno
import resource
import socket
import sys
from importlib import import_module
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging import protocol

OPERATIONS = ("probe", "decode", "encode", "verify", "bind", "sidecar", "compare")


def main() -> int:
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        request = protocol.receive(channel)
        limit(protocol.ProcessLimits.from_json(request["limits"]))
        confine()
        protocol.send(channel, answer(request))
    return 0


def limit(limits: protocol.ProcessLimits) -> None:
    """Lower this process's limits for good."""
    wanted = {
        resource.RLIMIT_AS: limits.address_bytes,
        resource.RLIMIT_DATA: limits.data_bytes,  # what is mapped shared is a file's, and not counted
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.file_bytes,
    }
    for which, value in wanted.items():
        _, hard = resource.getrlimit(which)
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (lowest, lowest))


def confine() -> None:
    """Give up everything but the descriptors at hand: the place of the sandbox (Landlock, seccomp)."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the operation. This is the child's one broad catch: a codec may raise anything on hostile bytes."""
    operation = request["operation"]
    try:
        if operation not in OPERATIONS:
            raise TwofoldError(Code.CODEC_FAILED, f"There is no operation {operation!r}.")
        module = import_module(f"twofold.imaging.{operation}")
        return {"ok": module.operate(request)}
    except TwofoldError as error:
        return protocol.error_reply(error)
    except MemoryError:
        return protocol.error_reply(
            TwofoldError(Code.CODEC_FAILED, f"The codec needed more memory to {operation} than this picture may take.")
        )
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        code = Code.DISK_FULL if full else Code.CODEC_FAILED
        return protocol.error_reply(TwofoldError(code, f"The codec could not {operation}: {error}."))
    except Exception as error:  # noqa: BLE001  the one place of this process
        return protocol.error_reply(
            TwofoldError(Code.CODEC_FAILED, f"The codec could not {operation}: {type(error).__name__}: {error}.")
        )


if __name__ == "__main__":
    sys.exit(main())
