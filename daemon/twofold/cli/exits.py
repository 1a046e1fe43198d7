"""Exit codes, and the one place where an error becomes words on the terminal."""

from __future__ import annotations

import sys
from enum import IntEnum

from twofold.core.codes import Code
from twofold.core.errors import Reason


class ExitCode(IntEnum):
    """What a command's exit status says; scripts rely on these."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    FILES_FAILED = 3
    ALREADY_RUNNING = 4
    NO_DEVICE = 69
    BAD_CONFIG = 78
    INTERRUPTED = 130


EXIT_CODES: dict[Code, ExitCode] = {
    Code.BAD_USAGE: ExitCode.USAGE,
    Code.NOT_FOUND: ExitCode.USAGE,
    Code.ALREADY_RUNNING: ExitCode.ALREADY_RUNNING,
    Code.NO_DEVICE: ExitCode.NO_DEVICE,
    Code.DEVICE_FAILED: ExitCode.NO_DEVICE,
    Code.DEVICE_LOST: ExitCode.NO_DEVICE,
    Code.MISSING_MODEL: ExitCode.NO_DEVICE,
    Code.MODEL_CHANGED: ExitCode.NO_DEVICE,
    Code.BAD_NETWORK: ExitCode.NO_DEVICE,
    Code.BAD_CONFIG: ExitCode.BAD_CONFIG,
    Code.FOLDERS_OVERLAP: ExitCode.BAD_CONFIG,
    Code.STATE_ON_NETWORK: ExitCode.BAD_CONFIG,
    Code.STATE_NEWER: ExitCode.BAD_CONFIG,
    Code.STATE_OLDER: ExitCode.BAD_CONFIG,
    Code.STATE_DAMAGED: ExitCode.BAD_CONFIG,
    Code.NEEDS_POSTGRESQL: ExitCode.BAD_CONFIG,
}


def exit_code(code: Code) -> ExitCode:
    """The exit status of a command that ended on `code`."""
    return EXIT_CODES.get(code, ExitCode.UNEXPECTED)


def say_error(reason: Reason) -> None:
    """Two lines on stderr: what is wrong, and what to do next. A text may hold several lines of its own."""
    print(f"error: {reason.text} ({reason.code.value})", file=sys.stderr)
    if reason.hint:
        print(f"hint: {reason.hint}", file=sys.stderr)
