"""Has the engine measure a network file in a process of its own, so that torch never enters this one."""

from __future__ import annotations

import json
import subprocess
import sys

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError

TIMEOUT_S = 900
ERROR_TAIL_CHARACTERS = 400


def measure_in_child(path: str) -> NetworkCard:
    """The card of the file at `path`, from `python -m twofold.engine.inspect`; seconds, minutes for large networks.

    Raises TwofoldError: MISSING_MODEL, BAD_NETWORK (also where the child dies, says nothing or takes too long).
    """
    command = [sys.executable, "-m", "twofold.engine.inspect", path]
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TwofoldError(Code.BAD_NETWORK, f"{path}: measuring it took more than {TIMEOUT_S} s.") from error
    try:
        answer = json.loads(child.stdout)
    except ValueError as error:
        tail = child.stderr.decode(errors="replace")[-ERROR_TAIL_CHARACTERS:].strip()
        raise TwofoldError(Code.BAD_NETWORK, f"{path}: measuring it ended with {child.returncode}: {tail}") from error
    if "error" in answer:
        reason = Reason.from_json(answer["error"])
        raise TwofoldError(reason.code, reason.text, reason.hint)
    return NetworkCard.from_json(answer)
