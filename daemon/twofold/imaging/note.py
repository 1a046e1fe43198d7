"""Failure notes in an outbox: written whole or not at all, and over none but our own."""

from __future__ import annotations

import errno
import os

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.note import MARK, is_note
from twofold.imaging.deliver import Outbox, rename_without_clobbering

_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR})


def write_note(outbox: Outbox, name: bytes, text: bytes, job_id: str) -> None:
    """Put a note under `name` (relative to the outbox); one of ours is replaced.

    Nothing is fsynced: after a power cut the note is written again, or missing. Raises TwofoldError: OUTPUT_EXISTS,
    OUTBOX_MISSING, DISK_FULL, DELIVERY_FAILED.
    """
    path = os.path.join(outbox.root, name)
    temp = outbox.open_temp(f"{job_id}-note", name)  # a name that no worker uses, should the job be taken up again
    with os.fdopen(temp.fd, "wb") as file, outbox.explained("write", name):
        file.write(text)
        file.flush()
    try:
        with outbox.explained("rename", name):
            unfinished = os.path.join(outbox.root, temp.path)
            if _is_ours(path):
                os.rename(unfinished, path)
            else:
                rename_without_clobbering(unfinished, path)
    except TwofoldError as error:
        outbox.discard(temp.path)
        if isinstance(error.__cause__, FileExistsError):
            raise TwofoldError(
                Code.OUTPUT_EXISTS, f"{os.fsdecode(name)} in the outbox is somebody's own file"
            ) from None
        raise


def remove_note(outbox: Outbox, name: bytes) -> bool:
    """Remove the note under `name`, if there is one of ours; whether there was.

    Raises TwofoldError: OUTBOX_MISSING, DELIVERY_FAILED.
    """
    path = os.path.join(outbox.root, name)
    if not os.path.isdir(outbox.root):
        raise TwofoldError(Code.OUTBOX_MISSING, f"The outbox {os.fsdecode(outbox.root)!r} is not there.")
    with outbox.explained("remove", name):
        if not _is_ours(path):
            return False
        os.unlink(path)
        return True


def _is_ours(path: bytes) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return False
        raise
    try:
        return is_note(os.read(fd, len(MARK) + 2))
    except IsADirectoryError:
        return False
    finally:
        os.close(fd)
