"""The child that runs tiles for `calibrate`, so that torch never enters this process."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from twofold.core.calibration import Sample
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import Interrupted, Reason, TwofoldError
from twofold.core.memory import DType
from twofold.device.inventory import Device

CHILD_S = 300.0
"""Loading torch and a network from a cold disk, and everything that the child allows itself (engine.calibrate)."""

POLL_S = 0.2
READ_BYTES = 65536
TAIL_BYTES = 400


class TileRuns:
    """One child for one network on one device; it is gone when the `with` ends, whatever happened."""

    def __init__(self, card: NetworkCard, device: Device, threads: int, sides_px: list[int]) -> None:
        self.dtype: DType | None = None
        self._card = card
        self._order = {"card": card.to_json(), "device": device.id, "threads": threads, "sides_px": sides_px}
        # A CUDA process sees the one GPU that is meant, as workers do.
        self._environment = {
            **os.environ,
            **({"CUDA_VISIBLE_DEVICES": device.visible} if device.kind == "cuda" else {}),
        }

    def __enter__(self) -> TileRuns:
        self._errors = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "twofold.engine.calibrate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self._environment,
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream is not None:
                stream.close()

    def samples(self, stop: threading.Event) -> Iterator[Sample]:
        """As they are measured; `dtype` is set at the end.

        Raises TwofoldError: what loading raises, BAD_NETWORK where the child dies or takes over CHILD_S; Interrupted.
        """
        for line in self._lines(stop):
            answer = json.loads(line)
            if "error" in answer:
                reason = Reason.from_json(answer["error"])
                raise TwofoldError(reason.code, reason.text, reason.hint)
            if "dtype" in answer:
                self.dtype = answer["dtype"]
                return
            yield Sample(answer["side_px"], answer["seconds"], answer["bytes"])
        raise self._died()

    def _lines(self, stop: threading.Event) -> Iterator[bytes]:
        assert self._child.stdin is not None  # noqa: S101  it is a pipe
        assert self._child.stdout is not None  # noqa: S101  it is a pipe
        try:
            self._child.stdin.write(json.dumps(self._order).encode() + b"\n")
            self._child.stdin.close()
        except BrokenPipeError:
            return  # it died at once; the caller says so
        deadline_s = time.monotonic() + CHILD_S
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while True:
                if stop.is_set():
                    raise Interrupted
                if time.monotonic() > deadline_s:
                    name = self._card.full_name
                    raise TwofoldError(Code.BAD_NETWORK, f"{name}: measuring it took over {CHILD_S:g} s.")
                if not selector.select(POLL_S):
                    continue
                chunk = os.read(self._child.stdout.fileno(), READ_BYTES)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines

    def _died(self) -> TwofoldError:
        self._child.wait(POLL_S * 10)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - TAIL_BYTES))
        tail = self._errors.read().decode(errors="replace").strip()
        text = f"{self._card.full_name}: measuring it ended with {self._child.returncode}: {tail}"
        return TwofoldError(Code.BAD_NETWORK, text)
