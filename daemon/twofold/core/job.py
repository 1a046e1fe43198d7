"""One version of one file under one recipe: the row of the ledger, as everybody above it sees it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from twofold.core.errors import Reason
from twofold.core.passes import Chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Recipe
from twofold.core.states import State


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells one version of a file from the next: a stat. Times are nanoseconds."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished page: where its file stands in the job's scratch (bytes), and its sha256 (hex).

    One that is `copied` keeps the source's bytes; then nothing stands in scratch.
    """

    offset: int = 0
    size: int = 0
    sha256: str = ""
    format: str = ""
    copied: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.size

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a job: its header, its chain, and how far it has come.

    `why` says why `auto` took the first network, and is empty where the recipe named one. `page` tells which page or
    frame of the file it is (the file's own count, 0-based; None: the file is this picture), `name` what it is called
    there. `kept` is set when a page of several is finished.
    """

    header: PictureHeader
    chain: Chain
    passes_done: int = 0
    fraction: float = 0.0
    plans: tuple[dict[str, Any], ...] = ()
    why: str = ""
    page: int | None = None
    name: str = ""
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What a delivery is about to do, recorded before the rename: names are bytes relative to the outbox."""

    temp: bytes
    final: bytes
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Output:
    """What a delivery did: name in bytes relative to the outbox, and the delivered bytes' identity."""

    path: bytes
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the `file` table.

    Paths are bytes relative to their inbox or outbox; times are seconds since the epoch. `after` says what followed the
    end (the original's turn, notes, hooks), `best_effort` that the delivering rename could not refuse to clobber.
    """

    id: str
    inbox: str
    path: bytes
    version: FileVersion
    state: State
    reason: Reason | None
    recipe: Recipe
    recipe_hash: str
    generation: int = 1
    attempts: int = 0
    deaths: int = 0
    alone: bool = False
    priority: int = 0
    next_at: float | None = None
    boot_id: str = ""
    sha256: str | None = None
    pictures: tuple[Picture, ...] = ()
    reserved: bytes | None = None
    intent: Intent | None = None
    output: Output | None = None
    worker: str | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    dismissed: bool = False
    after: dict[str, Any] = field(default_factory=dict)
    best_effort: bool = False

    @property
    def bound(self) -> bool:
        """True where the result is a file of several pages, whatever their number."""
        return is_bound(self.pictures, self.recipe)

    @property
    def workflow_id(self) -> str:
        return f"{self.id}~{self.generation}"


def is_bound(pictures: Sequence[Picture], recipe: Recipe) -> bool:
    """True where these pictures become the pages of one file; a first page alone becomes a picture."""
    return recipe.pages == "all" and bool(pictures) and pictures[0].page is not None


ID_CHARACTERS = 12


def job_id(inbox: str, path: bytes, version: FileVersion, recipe_hash: str) -> str:
    """The id of a file version under a recipe: 60 bits of sha256 in lower-case base 32, short enough to type."""
    facts = (inbox, path.hex(), version.size, version.mtime_ns, version.ctime_ns, version.inode, recipe_hash)
    digest = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).digest()
    return base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]
