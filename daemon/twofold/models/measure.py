"""Has the engine measure or convert a network file in a process of its own, so that torch never enters this one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError

TIMEOUT_S = 900
POLL_S = 0.2
ERROR_TAIL_CHARACTERS = 400


def measure_in_child(path: str, cancelled: Callable[[], bool] = lambda: False) -> NetworkCard:
    """The card of the file at `path`, from `python -m twofold.engine.inspect`; seconds, minutes for large networks.

    Raises TwofoldError: MISSING_MODEL, BAD_NETWORK (also where the child dies, says nothing or takes too long),
    CANCELLED where `cancelled` said so.
    """
    return _ask("inspect", [path], cancelled)


def convert_in_child(path: str, target: str) -> NetworkCard:
    """Rewrite the checkpoint at `path` as the new .safetensors file `target`, and give its card.

    Raises TwofoldError: MISSING_MODEL, BAD_NETWORK, OUTPUT_EXISTS, DISK_FULL.
    """
    return _ask("convert", [path, target], lambda: False)


def _ask(module: str, arguments: list[str], cancelled: Callable[[], bool]) -> NetworkCard:
    """The card that `python -m twofold.engine.MODULE FILE …` prints."""
    path = arguments[0]
    command = [sys.executable, "-m", f"twofold.engine.{module}", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = _ended(child, path, cancelled)
    try:
        answer = json.loads(output)
    except ValueError as error:
        tail = errors.decode(errors="replace")[-ERROR_TAIL_CHARACTERS:].strip()
        raise TwofoldError(Code.BAD_NETWORK, f"{path}: measuring it ended with {child.returncode}: {tail}") from error
    if "error" in answer:
        reason = Reason.from_json(answer["error"])
        raise TwofoldError(reason.code, reason.text, reason.hint)
    return NetworkCard.from_json(answer)


def _ended(child: subprocess.Popen[bytes], path: str, cancelled: Callable[[], bool]) -> tuple[bytes, bytes]:
    """What the child wrote to its end; it is killed where that takes too long or nobody wants it any more."""
    deadline_s = time.monotonic() + TIMEOUT_S
    with child:
        while True:
            try:
                return child.communicate(timeout=POLL_S)
            except subprocess.TimeoutExpired:
                late = time.monotonic() >= deadline_s
                if not late and not cancelled():
                    continue
                child.kill()
                if late:
                    raise TwofoldError(Code.BAD_NETWORK, f"{path}: measuring it took over {TIMEOUT_S} s.") from None
                raise TwofoldError(Code.CANCELLED, f"{path}: measuring it was cut short.") from None
