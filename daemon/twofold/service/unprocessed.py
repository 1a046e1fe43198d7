"""Putting a skipped picture into the outbox as it is, so that an outbox can be complete."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from twofold.core.aftercare import Act, Sameness, compare
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import Intent, Output
from twofold.core.naming import reservation_key, suffixed_names
from twofold.imaging.deliver import Temp
from twofold.intake.original import BUFFER_BYTES, open_original, version_of
from twofold.jobs.board import Board
from twofold.jobs.ledger import Ledger
from twofold.jobs.owing import Owing
from twofold.service.case import COPYING, Case, require_inbox
from twofold.telemetry.names import json_fields

log = structlog.get_logger()


def copy_unprocessed(
    case: Case, ledger: Ledger, owing: Owing, board: Board, check: Callable[[], None]
) -> dict[str, Any]:
    """Deliver the source's own bytes under its own name, by the rules of every delivery.

    Raises TwofoldError: OUTPUT_EXISTS and CHANGED for good; CANCELLED where `check` says so; others to be met again.
    """
    job, outbox = case.job, case.outbox
    if case.result(Act.COPY) == COPYING and job.intent is not None:
        # Killed in between: the ledger knows what was about to be renamed.
        published = outbox.recover(job.intent, ledger.last_output(job.inbox, job.path))
        if published is not None:
            return _copied(case, owing, published.output)
    with _source(case, board) as fd:
        ours = ledger.last_output(job.inbox, job.path)
        name = outbox.choose_name(_reserved(case, owing), case.inbox.on_exists, ours)
        # A name that no worker uses, should the job be taken up again.
        with outbox.staged(f"{job.id}-copy", name) as temp:
            _fill(fd, temp, case, check)
            sealed = outbox.seal(temp, job.version.mtime_ns)
    intent = Intent(temp.path, name, sealed.sha256, sealed.size)
    case.after[Act.COPY] = {"result": COPYING}
    if not owing.record(job, case.after, settled=False, intent=intent):
        outbox.discard(temp.path)
        raise TwofoldError(Code.CANCELLED, "the job goes on anew")
    return _copied(case, owing, outbox.publish(intent, ours).output)


def _copied(case: Case, owing: Owing, output: Output) -> dict[str, Any]:
    job = case.job
    owing.record_copied(job, output)
    log.info("file.copied", job=job.id, inbox=job.inbox, path=job.path, output=output.path)
    return {"result": "copied", **json_fields("path", output.path)}


def _reserved(case: Case, owing: Owing) -> bytes:
    """The name for the copy: the source's own, or a numbered one where another file's result has that."""
    outbox = os.fsdecode(os.path.realpath(case.inbox.outbox))
    for name in suffixed_names(case.job.path):
        if owing.reserve(case.job, outbox, name, reservation_key(name)):
            return name
    raise TwofoldError(Code.OUTPUT_EXISTS, "no name is free in the outbox")


@contextmanager
def _source(case: Case, board: Board) -> Iterator[int]:
    """The source, open for reading. Raises TwofoldError: VANISHED, CHANGED, INBOX_OFFLINE, READ_FAILED."""
    try:
        with open_original(case.inbox.path, case.job.path) as fd:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or compare(version_of(found), case.job.version) is Sameness.CHANGED:
                raise TwofoldError(Code.CHANGED, "the file is not the one that was skipped", retryable=False)
            yield fd
    except (FileNotFoundError, NotADirectoryError):
        require_inbox(case, board)
        raise TwofoldError(Code.VANISHED, "the file was removed before it was copied") from None
    except OSError as error:
        raise TwofoldError(Code.READ_FAILED, f"the file cannot be read: {error.strerror or error}") from error


def _fill(source: int, temp: Temp, case: Case, check: Callable[[], None]) -> None:
    """Copy every byte, and see that the source stood still. Raises OSError for reading, TwofoldError."""
    copied = 0
    while block := os.read(source, BUFFER_BYTES):
        check()
        with case.outbox.explained("write", temp.path):
            _write(temp.fd, block)
        copied += len(block)
    now = compare(version_of(os.fstat(source)), case.job.version)
    if copied != case.job.version.size or now is Sameness.CHANGED:
        raise TwofoldError(Code.CHANGED, "the file changed while it was copied", retryable=False)


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]
