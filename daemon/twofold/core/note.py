"""A failure note: the text file beside the results that tells why a picture did not come."""

from __future__ import annotations

from twofold.core.errors import Reason
from twofold.core.naming import MAX_NAME_BYTES, shortened

MARK = b"Twofold could not enlarge this picture."
"""The first line of every note of ours: a file of that name that begins otherwise is somebody's own."""

SUFFIX = b".failed.txt"


def note_name(source: bytes) -> bytes:
    """Name of the note for a source path relative to its inbox: `a/b.jpg` has `a/b.jpg.failed.txt`."""
    folder, slash, name = source.rpartition(b"/")
    return folder + slash + shortened(name, MAX_NAME_BYTES - len(SUFFIX)) + SUFFIX


def note_text(shown_name: str, job_id: str, reason: Reason) -> bytes:
    """The note: UTF-8 with the line ends of Windows, since it is read on whatever machine the share is seen from.

    `shown_name` is printable. There is no time in it, so that writing it twice changes nothing.
    """
    lines = [
        MARK.decode(),
        "",
        f"File: {shown_name}",
        f"Why: {reason.text}",
        *([f"What to do: {reason.hint}"] if reason.hint else []),
        f"Code: {reason.code.value}",
        f"Job: {job_id}",
        "",
        "This note goes away by itself when the picture is done, or is removed from the inbox.",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "backslashreplace")


def is_note(beginning: bytes) -> bool:
    """True where a file with this beginning is a note of ours; at least the first line has to be given."""
    return beginning.split(b"\n", 1)[0].rstrip(b"\r") == MARK
