"""The original's turn: everything is looked at once more, and only what every check allows is archived or deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from twofold.core.aftercare import Act, OriginalFacts, Sameness, refusal
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import Job
from twofold.intake.archive import archive, find_archived
from twofold.intake.mounts import sync_marker
from twofold.intake.removal import Original, delete, look, restore
from twofold.jobs.board import Board
from twofold.jobs.ledger import Ledger
from twofold.jobs.owing import LEAVING, Owing
from twofold.service.case import WAITING, Case, require_inbox
from twofold.telemetry.names import display, json_fields

log = structlog.get_logger()

SIGNS_KEPT_S = 30.0
MAX_SIGNS = 1000


@dataclass(slots=True)
class SyncSigns:
    """Which folders look synchronised, remembered for a short while: a tree of many files is looked at once."""

    _known: dict[bytes, tuple[float, str]] = field(default_factory=dict)

    def of(self, folder: bytes) -> str:
        """The sign for a folder, printable; empty where there is none."""
        real, now_s = os.path.realpath(folder), time.monotonic()
        until_s, sign = self._known.get(real, (0.0, ""))
        if now_s >= until_s:
            found = sync_marker(real)
            sign = "" if found is None else display(found)
            if len(self._known) >= MAX_SIGNS:
                self._known.clear()
            self._known[real] = now_s + SIGNS_KEPT_S, sign
        return sign


def take_turn(
    case: Case, ledger: Ledger, owing: Owing, board: Board, signs: SyncSigns, check: Callable[[], None]
) -> dict[str, Any]:
    """Archive or delete the original of a delivered result, or say why it stays.

    Raises TwofoldError: retryable where it has to wait (INBOX_OFFLINE, READ_FAILED, CHANGED, ARCHIVE_MISSING,
    ARCHIVE_FAILED, DISK_FULL, OUTBOX_MISSING), else where it stays for good; CANCELLED where `check` says so.
    """
    if case.result(Act.ORIGINAL) == LEAVING:
        case = replace(case, job=restore_original(case, ledger))
    job = case.job
    original = _original(case)
    sameness = look(original)
    if sameness is None:
        return _gone(case, original, board, check)
    if sameness is Sameness.TOUCHED:
        raise TwofoldError(Code.CHANGED, "the file was touched, or is open for writing", retryable=True)
    facts = OriginalFacts(
        end=case.end,
        best_effort=job.best_effort,
        synced=signs.of(os.path.dirname(os.path.join(case.inbox.path, job.path))),
        synced_ok=case.inbox.originals.synced_ok,
        sameness=sameness,
        result_stands=True,
    )
    reason = refusal(facts)
    if reason is None:
        # The dear question last: every byte of the result is read again.
        stands = job.output is not None and case.outbox.stands(job.output)
        reason = refusal(replace(facts, result_stands=stands))
    if reason is not None:
        raise TwofoldError(reason.code, reason.text, reason.hint, retryable=False)
    return _leave(case, original, owing, check)


def restore_original(case: Case, ledger: Ledger) -> Job:
    """Give an original that a kill left aside its own name; the job, with the version that stands there now.

    Raises TwofoldError(CHANGED, READ_FAILED).
    """
    job = case.job
    version = restore(_original(case))
    if version is None:
        return job
    log.warning("original.restored", job=job.id, inbox=job.inbox, path=job.path)
    if (version.size, version.mtime_ns) != (job.version.size, job.version.mtime_ns):
        return job
    ledger.record_version(job.id, version)
    return replace(job, version=version)


def _leave(case: Case, original: Original, owing: Owing, check: Callable[[], None]) -> dict[str, Any]:
    job, folder = case.job, case.inbox.originals.archive
    case.after[Act.ORIGINAL] = {"result": LEAVING}
    if not owing.record(job, case.after, settled=False):
        raise TwofoldError(Code.CANCELLED, "the job goes on anew")
    try:
        if case.inbox.originals.action == "delete":
            delete(original, check)
            log.info("original.deleted", job=job.id, inbox=job.inbox, path=job.path)
            return {"result": "deleted"}
        name = archive(original, folder, check)
    except TwofoldError:
        restore(original)
        case.after[Act.ORIGINAL] = {"result": WAITING}  # it lies under its own name, for sure
        raise
    log.info("original.archived", job=job.id, inbox=job.inbox, path=job.path, archive=folder, name=name)
    return _archived(folder, name)


def _gone(case: Case, original: Original, board: Board, check: Callable[[], None]) -> dict[str, Any]:
    """It is not there: we were killed before that was recorded, or somebody else moved it."""
    require_inbox(case, board)
    leaving, originals = case.result(Act.ORIGINAL) == LEAVING, case.inbox.originals
    if leaving and originals.action == "archive":
        name = find_archived(original, originals.archive, check)
        if name is not None:
            return _archived(originals.archive, name)
    return {"result": "deleted" if leaving and originals.action == "delete" else "gone"}


def _archived(folder: bytes, name: bytes) -> dict[str, Any]:
    return {"result": "archived", **json_fields("path", os.path.join(folder, name))}


def _original(case: Case) -> Original:
    job = case.job
    return Original(case.inbox.path, job.path, job.version, job.sha256 or "", job.id)
