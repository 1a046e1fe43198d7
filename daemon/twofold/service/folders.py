"""The configured folders, each looked at on a thread of its own: a share that hangs must not hang the doctor."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from twofold.core.checkup.folders import FolderFacts, Role
from twofold.core.errors import TwofoldError
from twofold.core.settings import Settings
from twofold.imaging.trial import try_folder
from twofold.intake.fstab import unmounted_above
from twofold.intake.look import try_files
from twofold.intake.mounts import Mount, habits, mount_of, sync_marker
from twofold.jobs.filesystem import refuse_filesystem

FOLDER_S = 15.0
MAX_MISSING_PARENTS = 64

Place = tuple[Role, str, bytes]  # role, inbox, absolute path
Answer = TypeVar("Answer")


def configured_folders(settings: Settings) -> Iterator[Place]:
    """Every folder that the settings name."""
    for inbox in settings.inboxes.values():
        yield "inbox", inbox.name, inbox.path
        yield "outbox", inbox.name, inbox.outbox
    yield "state", "", os.fsencode(settings.state_dir)
    yield "scratch", "", os.fsencode(settings.scratch_dir)


def read_folder(place: Place, mounts: tuple[Mount, ...], fstab: tuple[str, ...]) -> FolderFacts:
    """What the folder is, and what it lets us do; nothing is raised, and it takes FOLDER_S at most."""
    role, inbox, path = place
    shown = FolderFacts(role, inbox, os.fsdecode(path), unmounted=unmounted_above(path, fstab, mounts))
    try:
        return within(FOLDER_S, lambda: _read(shown, path, mounts))
    except TimeoutError:
        return replace(shown, trouble=f"it does not answer within {FOLDER_S:g} s")


def _read(shown: FolderFacts, path: bytes, mounts: tuple[Mount, ...]) -> FolderFacts:
    new = shown.role in ("state", "scratch") and not os.path.lexists(path)
    folder = os.path.realpath(_nearest(path) if new else path)
    mount = mount_of(folder, mounts)
    facts = replace(shown, new=new, fstype=mount.fstype, source=mount.source, local=mount.local)
    if shown.role == "state":
        try:
            refuse_filesystem(mount.fstype)
        except TwofoldError as error:
            return replace(facts, trouble=error.reason.text, hint=error.reason.hint)
    try:
        space = os.statvfs(folder)
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        marker = sync_marker(folder) if shown.role == "inbox" else None
        tried, unreadable = try_files(folder) if shown.role == "inbox" else (0, 0)
    except OSError as error:
        return replace(facts, trouble=error.strerror or str(error))
    facts = replace(
        facts,
        free_bytes=space.f_bavail * space.f_frsize,
        total_bytes=space.f_blocks * space.f_frsize,
        free_inodes=space.f_favail if space.f_files else None,
        synced="" if marker is None else os.fsdecode(marker),
        tried=tried,
        unreadable=unreadable,
    )
    if shown.role == "inbox":
        return replace(facts, mode=habits(mount, synced=marker is not None).mode)
    if not new:
        return replace(facts, trial=try_folder(folder, time.time()))
    # Nothing is tried in a folder that is not ours.
    can_be_made = os.access(folder, os.W_OK | os.X_OK)
    return replace(facts, trouble="" if can_be_made else f"it cannot be made in {os.fsdecode(folder)}")


def _nearest(path: bytes) -> bytes:
    """The folder above that is there: a folder that is not made yet will lie on the same disk."""
    for _ in range(MAX_MISSING_PARENTS):
        if os.path.isdir(path):
            break
        path = os.path.dirname(path)
    return path


def within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """The answer of `work`, or its error; raises TimeoutError where it takes longer, and leaves its thread behind."""
    answers: list[Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(work())
        except Exception as error:  # noqa: BLE001  handed to the caller's thread as it is
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError
    return answers[0]
