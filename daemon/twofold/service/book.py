"""Makes all pictures of one job, page by page; a picture that is a file of its own is the only page of its book.

One page is in memory at a time. Finished ones stand one after the other in a file of the job's scratch, the stack; the
ledger knows where, and their sha256, so that whoever goes on after a kill makes none of them again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import check_output
from twofold.core.job import Kept, Picture, is_bound
from twofold.core.pages import PAGE_FAULTS, at_page, in_archive
from twofold.core.pass_plan import PassPlan
from twofold.core.recipe import Recipe
from twofold.core.settings import Limits
from twofold.imaging import codec
from twofold.imaging.bound import BoundPage
from twofold.service.making import Making, Progress, Tools, Work, timed, wishes_for

log = structlog.get_logger()

STACK = "pages.bin"
CHUNK_BYTES = 2**20
SAMPLE_BYTES = 8
"""Of the largest pixel: four samples of 16 bits."""

MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Whole:
    """All that a job is to make; `source` is a copy (or an original that is only read), `folder` its scratch folder."""

    job_id: str
    source: str
    folder: str
    recipe: Recipe
    pictures: tuple[Picture, ...]
    limits: Limits
    sha256: str

    @property
    def bound(self) -> bool:
        return is_bound(self.pictures, self.recipe)


@dataclass(slots=True)
class Book:
    """One job in hand. `report` hears of each page's progress, `keep` of each page that is finished.

    `seconds` adds up by stage, `speeds` are px/s by (network, device), `plan` is that of the last pass.
    """

    tools: Tools
    whole: Whole
    report: Callable[[int, Progress], None]
    keep: Callable[[int, Kept], None] = lambda _place, _kept: None
    seconds: dict[str, float] = field(default_factory=dict)
    speeds: dict[tuple[str, str], float] = field(default_factory=dict)
    plan: PassPlan | None = None
    _warnings: dict[str, None] = field(default_factory=dict)
    _making: Making | None = None
    _place: int = 0
    _kept: list[Kept | None] | None = None
    _left: int = 0

    @property
    def warnings(self) -> list[str]:
        """What is to be said of the result, once for all pages."""
        said = [f"{self._left} of its pages are as they were"] if self._left else []
        return [*said, *self._warnings][:MAX_WARNINGS]

    def page(self, place: int) -> Making:
        """The making of one picture; any other is put down."""
        if self._making is None or self._place != place:
            self._put_down()
            self._making, self._place = Making(self.tools, self._work(place), lambda to: self.report(place, to)), place
        return self._making

    def make(self) -> None:
        """Make all that there is to do before the result is written; what was finished before a kill is kept."""
        if not self.whole.bound:
            self.page(0).ensure(len(self.whole.pictures[0].chain.passes))
            return
        kept = self._checked()
        for place in range(len(kept)):
            if kept[place] is None:
                self.tools.check()
                done = kept[place] = self._finish(place, max((one.end for one in kept if one is not None), default=0))
                self.keep(place, done)

    def write(self, result_fd: int) -> None:
        """Write the whole result into an empty file, and read it back by another library."""
        if not self.whole.bound:
            making = self.page(0)
            making.write(result_fd)
            self._note(making)
            return
        self.make()
        pages = self._bound_pages()
        look_bytes = max(page.width * page.height for page in pages) * SAMPLE_BYTES
        source_fd = os.open(self.whole.source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._stack() as stack_fd:
                fds = source_fd, stack_fd, result_fd
                with timed(self.seconds, "encode"):
                    self._left = codec.bind(*fds, pages, review=False, look_bytes=look_bytes)
                self.tools.check()
                with timed(self.seconds, "verify"):
                    codec.bind(*fds, pages, review=True, look_bytes=look_bytes)
        finally:
            os.close(source_fd)

    def close(self) -> None:
        """Let go of the memory; scratch files stay."""
        self._put_down()

    def remove(self) -> None:
        """It is delivered, or given up: nothing is kept."""
        self._put_down()
        shutil.rmtree(self.whole.folder, ignore_errors=True)

    def _work(self, place: int) -> Work:
        whole, picture = self.whole, self.whole.pictures[place]
        saving = check_output(picture.chain, picture.header, whole.recipe.save_as, whole.limits)
        folder = os.path.join(whole.folder, f"page-{place}") if whole.bound else whole.folder
        wishes = wishes_for(whole.recipe, picture.chain, whole.sha256)
        return Work(whole.job_id, whole.source, picture.header, picture.chain, saving, folder, wishes, picture.page)

    def _finish(self, place: int, offset: int) -> Kept:
        """Make one page and put its file at `offset` of the stack."""
        picture = self.whole.pictures[place]
        if in_archive(picture) and picture.chain.action == "copy":
            return Kept(copied=True)
        try:
            kept = self._written(self.page(place), offset)
        except TwofoldError as error:
            if error.code not in PAGE_FAULTS:
                raise
            error = at_page(error, place, picture.name)
            if not in_archive(picture) or self.whole.recipe.on_bad_page == "fail":
                raise error from error.__cause__
            log.warning("page.copied", job=self.whole.job_id, page=place + 1, pages=1, text=error.reason.text)
            kept = Kept(copied=True)
        else:
            log.info(
                "page.completed",
                job=self.whole.job_id,
                page=place + 1,
                pages=len(self.whole.pictures),
                name=picture.name,
                out_size=list(picture.chain.final),
            )
        if self._making is not None:
            self._making.remove()
            self._making = None
        return kept

    def _written(self, making: Making, offset: int) -> Kept:
        making.ensure(len(making.work.chain.passes))
        os.makedirs(self.whole.folder, mode=0o700, exist_ok=True)
        path = os.path.join(self.whole.folder, f"spare-{uuid.uuid4().hex}.page")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(path)  # it goes with the last descriptor, whatever kills this process
        try:
            making.write(fd)
            with self._stack() as stack_fd:
                size, sha256 = _append(fd, stack_fd, offset)
        finally:
            os.close(fd)
        self._note(making)
        return Kept(offset, size, sha256, making.work.saving.format.name)

    def _note(self, making: Making) -> None:
        """Take over what a finished page tells of itself."""
        for stage, seconds in making.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        for index, px_per_s in making.px_per_s.items():
            self.speeds[making.work.chain.passes[index].model, making.plans[index].device] = px_per_s
        if making.plans:
            self.plan = making.plans[max(making.plans)]
        self._warnings |= dict.fromkeys(making.warnings)

    def _checked(self) -> list[Kept | None]:
        """What the ledger says of finished pages, as far as their bytes are still there."""
        if self._kept is None:
            with self._stack() as stack_fd:
                self._kept = [_trusted(picture.kept, stack_fd) for picture in self.whole.pictures]
        return self._kept

    def _bound_pages(self) -> list[BoundPage]:
        pages = []
        for picture, kept in zip(self.whole.pictures, self._checked(), strict=True):
            if kept is None or picture.page is None:
                raise TwofoldError(Code.UNEXPECTED, "a page is not finished")
            size = picture.header.size if kept.copied else picture.chain.final
            source = picture.header.format
            pages.append(
                BoundPage(picture.page, kept.offset, kept.size, kept.format or source, source, *size, kept.copied)
            )
        return pages

    @contextmanager
    def _stack(self) -> Iterator[int]:
        os.makedirs(self.whole.folder, mode=0o700, exist_ok=True)
        fd = os.open(os.path.join(self.whole.folder, STACK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)

    def _put_down(self) -> None:
        if self._making is not None:
            self._making.close()
            self._making = None


def _append(fd: int, stack_fd: int, offset: int) -> tuple[int, str]:
    """Copy a file into the stack; its size and sha256. What stood there belongs to nobody. Raises DISK_FULL."""
    digest, at = hashlib.sha256(), 0
    try:
        while chunk := os.pread(fd, CHUNK_BYTES, at):
            digest.update(chunk)
            if os.pwrite(stack_fd, chunk, offset + at) != len(chunk):
                raise TwofoldError(Code.DISK_FULL, "There is no room for a finished page in the scratch folder.")
            at += len(chunk)
    except OSError as error:
        text = f"A finished page could not be kept in the scratch folder: {error.strerror}."
        raise TwofoldError(Code.DISK_FULL, text) from error
    return at, digest.hexdigest()


def _trusted(kept: Kept | None, stack_fd: int) -> Kept | None:
    """A power cut may have taken the bytes: they are never fsynced, but compared."""
    if kept is None or kept.copied:
        return kept
    digest, at = hashlib.sha256(), kept.offset
    while at < kept.end and (chunk := os.pread(stack_fd, min(CHUNK_BYTES, kept.end - at), at)):
        digest.update(chunk)
        at += len(chunk)
    return kept if at == kept.end and digest.hexdigest() == kept.sha256 else None
