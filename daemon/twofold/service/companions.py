"""Sidecars put beside a result, once it is delivered."""

from __future__ import annotations

import os
import shutil
import stat
from typing import Any

import structlog

from twofold.core.codes import Code
from twofold.core.companions import MAX_COMPANION_BYTES, Companion, companions_of
from twofold.core.errors import TwofoldError
from twofold.core.job import Intent
from twofold.imaging import codec
from twofold.imaging.change import Change, Wishes
from twofold.imaging.deliver import Temp
from twofold.intake.original import open_original
from twofold.service.case import Case
from twofold.telemetry.names import display, json_fields

log = structlog.get_logger()


def copy_companions(case: Case) -> dict[str, Any] | None:
    """Copy what lies beside the source, XMP corrected for the result; None where nothing does.

    A copy that is there already with the same bytes is left alone, so that all of it may be done again.
    Raises TwofoldError: OUTPUT_EXISTS, DAMAGED, TOO_LARGE for good; others to be met again.
    """
    job = case.job
    if job.output is None or job.recipe.strip == "all":
        return None
    copied: list[bytes] = []
    refused: list[TwofoldError] = []
    for companion in companions_of(job.path, job.output.path):
        if companion.target.lower() in {target.lower() for target in copied}:
            continue  # on a share, a.xmp is A.XMP
        try:
            if _copied(case, companion):
                copied.append(companion.target)
                log.info("companion.copied", job=job.id, inbox=job.inbox, path=companion.name, output=companion.target)
        except TwofoldError as error:
            if error.retryable:
                raise
            refused.append(error)
    if refused:
        raise refused[0]
    return {"result": "copied", **json_fields("path", copied[0])} if copied else None


def _copied(case: Case, companion: Companion) -> bool:
    """Whether it is there, and now beside the result too."""
    outbox = case.outbox
    try:
        with open_original(case.inbox.path, companion.name) as fd:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return False
            if found.st_size > MAX_COMPANION_BYTES:
                text = f"{display(companion.name)} has more than {MAX_COMPANION_BYTES} bytes"
                raise TwofoldError(Code.TOO_LARGE, text, retryable=False)
            with outbox.staged(f"{case.job.id}-companion", companion.target) as temp:
                _fill(fd, temp, case, companion)
                sealed = outbox.seal(temp, found.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise TwofoldError(Code.READ_FAILED, f"{display(companion.name)}: {error.strerror or error}") from error
    intent = Intent(temp.path, companion.target, sealed.sha256, sealed.size)
    try:
        if outbox.recover(intent) is None:
            raise TwofoldError(Code.DELIVERY_FAILED, "the copy was gone before it had its name")
    finally:
        outbox.discard(temp.path)
    return True


def _fill(fd: int, temp: Temp, case: Case, companion: Companion) -> None:
    picture = case.job.pictures[0]
    if companion.packet and picture.chain.action != "copy" and not case.job.bound:
        wishes = Wishes(case.job.recipe.strip, case.job.recipe.dpi)
        change = Change(picture.header.size, picture.chain.final, picture.header.orientation, wishes)
        codec.correct_sidecar(fd, temp.fd, change)
        return
    with os.fdopen(os.dup(fd), "rb") as source, os.fdopen(os.dup(temp.fd), "wb") as copy:
        shutil.copyfileobj(source, copy)
