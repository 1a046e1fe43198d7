"""`run` and `once`: one service on one state directory."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from twofold.core.errors import TwofoldError
from twofold.core.settings import Settings
from twofold.intake.mounts import mount_of, read_mounts
from twofold.jobs.database import prepare_database
from twofold.jobs.filesystem import refuse_filesystem
from twofold.service.heartbeat import Heartbeat
from twofold.service.lock import FileLock
from twofold.service.machine import Machine
from twofold.service.paths import StatePaths
from twofold.service.progress import Snapshot, Summary
from twofold.service.reload import Reload
from twofold.service.supervisor import Supervisor


def run_service(
    settings: Settings,
    *,
    until_idle: bool = False,
    watch: Callable[[Snapshot], None] | None = None,
    stop: threading.Event,
    hangup: threading.Event | None = None,
    reread: Callable[[], Settings] | None = None,
    log_level: str = "info",
    machine: Machine | None = None,
) -> Summary:
    """Watch the inboxes until `stop` is set or, with `until_idle`, until nothing is runnable.

    Workers log to stderr at `log_level`. Each time that `hangup` is set, `reread` gives the settings from then on.
    `machine` is this one, where it is not given.

    Raises TwofoldError: ALREADY_RUNNING, STATE_ON_NETWORK, STATE_NEWER, STATE_DAMAGED, NO_DEVICE.
    """
    heartbeat = Heartbeat.from_environment()
    paths = StatePaths(settings.state_dir, settings.scratch_dir)
    paths.create()
    lock = FileLock(paths.lock)
    lock.take()
    reload = None if hangup is None or reread is None else Reload(settings, reread, hangup, heartbeat)

    def build(settings: Settings) -> Supervisor:
        return Supervisor(
            settings,
            paths,
            drain=until_idle,
            watch=watch,
            log_json=not sys.stderr.isatty(),
            log_level=log_level,
            heartbeat=heartbeat,
            reload=reload,
            machine=machine or Machine(),
        )

    try:
        refuse_filesystem(mount_of(paths.state.encode(), read_mounts()).fstype)
        prepare_database(paths.database, time.time())
        supervisor = build(settings)
        while True:
            summary = supervisor.run(stop)
            if reload is None or supervisor.ended != "reloading":
                return summary
            # Everything has stopped at a checkpoint; lock and manager never noticed.
            try:
                supervisor = build(reload.settings)
            except TwofoldError as error:
                supervisor = build(reload.take_back(error))
    finally:
        lock.release()
