"""A share that hangs in the kernel, as a hard mount of a dead server does: here, a FUSE mount that nobody serves."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.manager import Manager
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
]

CONFIG = """\
recipes:
  double: {scale: 2, models: [identity]}
inboxes:
  local: {path: local, outbox: out, recipe: double, settle: 0.2s}
  nas: {path: nas/in, outbox: out-nas, recipe: double, settle: 0.2s, scan_every: 1s}
"""
WATCHDOG_S = 6.0
WAIT_S = 40
STOP_WITHIN_S = 25
LAZY = 2


@contextmanager
def hanging(folder: Path) -> Iterator[None]:
    """Whoever looks into `folder` in here waits in the kernel; a request needs an answer, and none comes."""
    libc = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"hanging", os.fsencode(folder), b"fuse.hanging", 0, options) != 0:
        os.close(fuse)
        pytest.skip(f"FUSE cannot be mounted: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        os.close(fuse)  # all who wait get an error
        libc.umount2(os.fsencode(folder), LAZY)


def test_a_share_that_hangs_stops_its_inbox_and_nothing_else(service: Callable[[str], Service], tmp_path: Path) -> None:
    one = service(CONFIG)
    for name in ("local", "out", "nas/in", "out-nas"):
        one.folder(name)
    with Manager(tmp_path) as manager:
        one.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC=str(round(WATCHDOG_S * 1e6)))
        one.wait_for(lambda: len(one.status()["inboxes"]) == 2, WAIT_S)
        with hanging(one.home / "nas"):
            fed = len(manager.heard("WATCHDOG=1"))
            drop(one.home / "local", "a.png", photo("png", 40, 30, 1))
            one.wait_until({"a.png": ("done", None)}, WAIT_S)
            one.wait_for(lambda: len(manager.heard("WATCHDOG=1")) > fed + 2, WAIT_S)
            started_s = time.monotonic()
            assert one.stop() == 0
            assert time.monotonic() - started_s < STOP_WITHIN_S
        assert not one.events("watchdog.withheld")
        assert manager.words() == ["READY=1", "STOPPING=1"]
