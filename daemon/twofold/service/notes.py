"""Making the failure note of a file true: there where it failed, and gone where it did not."""

from __future__ import annotations

import os
from typing import Any

import structlog

from twofold.core.aftercare import wants_note
from twofold.core.errors import Reason
from twofold.core.note import note_name, note_text
from twofold.imaging.note import remove_note, write_note
from twofold.intake.mounts import mount_of, read_mounts
from twofold.jobs.board import Board
from twofold.service.case import Case, require_inbox
from twofold.telemetry.names import display, json_fields, printable

log = structlog.get_logger()


def correct_note(case: Case) -> dict[str, Any] | None:
    """Write the note, or remove it; None where there was nothing to do.

    Raises TwofoldError: OUTPUT_EXISTS, OUTBOX_MISSING, DISK_FULL, DELIVERY_FAILED.
    """
    job, reason = case.job, case.job.reason
    remote = not mount_of(os.path.realpath(case.inbox.outbox), read_mounts()).local
    if reason is None or not wants_note(case.end, case.inbox, remote_outbox=remote):
        return {"result": "removed"} if case.end.current and clear_note(case) else None
    name = note_name(job.path)
    told = Reason(reason.code, printable(reason.text), printable(reason.hint))
    write_note(case.outbox, name, note_text(display(job.path), job.id, told), job.id)
    log.info("note.written", job=job.id, inbox=job.inbox, path=job.path, note=name)
    return {"result": "written", **json_fields("path", name)}


def clear_note(case: Case) -> bool:
    """Remove the note of a file, if there is one of ours. Raises TwofoldError(OUTBOX_MISSING, DELIVERY_FAILED)."""
    name = note_name(case.job.path)
    if not remove_note(case.outbox, name):
        return False
    log.info("note.removed", inbox=case.job.inbox, note=name)
    return True


def is_stale(case: Case, board: Board) -> bool:
    """True of the note of a failed file that a person has dealt with: dismissed it, or removed it from the inbox.

    Raises TwofoldError(INBOX_OFFLINE).
    """
    if case.job.dismissed:
        return True
    if os.path.lexists(os.path.join(case.inbox.path, case.job.path)):
        return False
    require_inbox(case, board)
    return True
