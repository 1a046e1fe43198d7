"""What the supervisor asks of a worker that runs: to hold still, or to make itself small."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

READ_BYTES = 64

Manner = Literal["usual", "smallest", "still"]
LETTERS: dict[Manner, bytes] = {"usual": b"u", "smallest": b"s", "still": b"h"}
"""Behind the order, each byte on a worker's standard input is one of these; the last one holds."""


@dataclass(slots=True)
class Conduct:
    """How a worker is to go about it now; set by one thread, read by others between two batches."""

    manner: Manner = "usual"


def follow(fd: int, conduct: Conduct) -> None:
    """Take in what is asked for, until the other end is closed."""
    meaning = {ord(letter): manner for manner, letter in LETTERS.items()}
    while letters := os.read(fd, READ_BYTES):
        for letter in letters:
            conduct.manner = meaning.get(letter, conduct.manner)
