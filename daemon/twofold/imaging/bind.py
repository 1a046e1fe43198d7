"""Binding: finished pages become one file, of the kind that the source is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import FileBytes, is_archive, sniff
from twofold.imaging.probe import open_bytes


def operate(request: dict[str, Any]) -> dict[str, Any]:
    """Write the whole file, or with `review` compare one that is written with what was meant.

    `left` counts the pages that stay as they are.
    """
    pages = [BoundPage(**page) for page in request["pages"]]
    fds = request["source"], request["stack"], request["result"]
    binder = import_module(f"twofold.imaging.{_binder(open_bytes(request['source']))}")
    if not request["review"]:
        return {"left": binder.bind(*fds, pages)}
    try:
        binder.review(*fds, pages)
    except (TwofoldError, ValueError) as error:
        raise TwofoldError(Code.VERIFY_FAILED, f"The written result is wrong: {error}.") from None
    return {"left": 0}


def _binder(source: FileBytes) -> str:
    if is_archive(source):
        return "archive_writer"
    return "tiff_pages" if sniff(source) == "tiff" else "animation"
