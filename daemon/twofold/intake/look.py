"""A short look at an inbox: can it be listed, and can what lies in it be opened."""

from __future__ import annotations

import os

from twofold.intake.original import open_original

MAX_TRIED = 32


def try_files(root: bytes) -> tuple[int, int]:
    """How many files at the top of `root` were tried, and how many of them could not be opened; nothing is read.

    Raises OSError where `root` cannot be listed.
    """
    tried = refused = 0
    with os.scandir(root) as entries:
        for entry in entries:
            if tried == MAX_TRIED:
                break
            if not entry.is_file(follow_symlinks=False) or entry.name.startswith(b"."):
                continue
            tried += 1
            try:
                with open_original(root, entry.name):
                    pass
            except FileNotFoundError:
                tried -= 1  # it was removed in between
            except OSError:
                refused += 1
    return tried, refused
