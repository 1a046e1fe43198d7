"""A signal that comes while its own thread waits for the event."""

from __future__ import annotations

import subprocess
import sys

STORM = """
import signal, threading, time
from twofold.service.bell import Bell

event = threading.Event()
signal.signal(signal.SIGALRM, Bell(event).ring)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
heard, until_s = 0, time.monotonic() + 2
while time.monotonic() < until_s:
    heard += event.wait(1e-6)  # most of the time inside the event's lock
    event.clear()
signal.setitimer(signal.ITIMER_REAL, 0)
print(heard)
"""
AT_LEAST = 20


def test_signals_never_lock_up_the_thread_that_waits_for_them() -> None:
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, timeout=60, check=True, text=True)
    assert int(done.stdout) >= AT_LEAST
