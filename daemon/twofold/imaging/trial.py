"""What a folder's file system allows, found out by doing it: a small file is delivered as results are, and goes."""

from __future__ import annotations

import errno
import os
import re
import uuid

from twofold.core.checkup.folders import Trial
from twofold.core.errors import TwofoldError
from twofold.core.job import Intent
from twofold.core.naming import TEMP_PREFIX, TEMP_SUFFIX, temp_name
from twofold.imaging.deliver import Outbox, Temp, sync_folder

TRIAL_BYTES = 64 * 1024
"""More than file systems keep inside an inode: a full one has to show."""

MODE = 0o640
MTIME_NS = 1_000_000_000 * 10**9
KEPT_WITHIN_NS = 2 * 10**9
"""Some file systems keep whole or even seconds."""

LEFT_BEHIND = re.compile(re.escape(TEMP_PREFIX) + rb"doctor-[0-9a-z-]+" + re.escape(TEMP_SUFFIX))
STALE_S = 3600.0
"""What a doctor that was killed left behind is removed by the next one, unless it may still be at work."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def try_folder(folder: bytes, now: float) -> Trial:
    """Write, sync, change and rename a file in `folder`, and remove it.

    Both its names are those of unfinished results, so that scans ignore them. `now` is Unix time.
    """
    _sweep(folder, now)
    outbox = Outbox(folder)
    mark = f"doctor-{uuid.uuid4().hex[:12]}"
    names = temp_name(mark), temp_name(f"{mark}-renamed")
    try:
        return _delivered(outbox, mark, names[1])
    except (TwofoldError, OSError) as error:
        cause = error.__cause__ if isinstance(error, TwofoldError) else error
        if isinstance(cause, OSError):
            return Trial(trouble=cause.strerror or str(cause), full=cause.errno in FULL)
        return Trial(trouble=str(error))
    finally:
        for name in names:
            outbox.discard(name)


def _delivered(outbox: Outbox, mark: str, final: bytes) -> Trial:
    temp = outbox.open_temp(mark, final)
    try:
        _fill(temp)
        one_case = os.path.lexists(os.path.join(outbox.root, temp.path.swapcase()))
        mode_kept = _keeps_mode(temp.fd)
        sealed = outbox.seal(temp, MTIME_NS)
        times_kept = not sealed.warnings and abs(os.fstat(temp.fd).st_mtime_ns - MTIME_NS) <= KEPT_WITHIN_NS
    finally:
        os.close(temp.fd)
    folder_synced = sync_folder(outbox.root)
    published = outbox.publish(Intent(temp.path, final, sealed.sha256, sealed.size))
    kept = {
        "mode": mode_kept,
        "times": times_kept,
        "folder_sync": folder_synced,
        "no_clobber": not (published.best_effort and folder_synced),
    }
    return Trial(refused=tuple(name for name, ok in kept.items() if not ok), one_case=one_case)


def _sweep(folder: bytes, now: float) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if LEFT_BEHIND.fullmatch(entry.name) and now - entry.stat().st_ctime > STALE_S:
                    os.unlink(entry.path)
    except OSError:
        pass  # a folder that cannot be listed, or where nothing can be removed: the trial will tell


def _fill(temp: Temp) -> None:
    """Random bytes, so that no compression makes them few."""
    for start in range(0, TRIAL_BYTES, 4096):
        os.pwrite(temp.fd, os.urandom(4096), start)


def _keeps_mode(fd: int) -> bool:
    try:
        os.fchmod(fd, MODE)
    except OSError:
        return False
    return os.fstat(fd).st_mode & 0o777 == MODE
