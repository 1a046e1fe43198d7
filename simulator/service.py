"""Twofold on simulated GPUs: `python -m simulator.service FOLDER run` (or `once`), as `twofold` in this folder.

FOLDER holds a file for each GPU (see shared_gpu); the configuration is found as by every command.
"""

from __future__ import annotations

import signal
import sys
import threading

from simulator.equipment import machine_of
from twofold.cli.settings import load_settings
from twofold.service.run import run_service
from twofold.telemetry.logs import configure


def main(folder: str, command: str) -> int:
    """Serve until SIGTERM (`run`), or until nothing is left to do (`once`); the exit status."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    configure(sys.stderr)
    once = command == "once"
    summary = run_service(load_settings(None), until_idle=once, stop=stop, machine=machine_of(folder))
    return summary.exit_code if once else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
