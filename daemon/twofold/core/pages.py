"""Files of several pages or frames: which pages are made, by which networks, and what holds them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.formats import ARCHIVE, Format, Saving, check_output
from twofold.core.job import Picture, is_bound
from twofold.core.memory import GIB, MIB
from twofold.core.passes import Chain, plan_chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Recipe
from twofold.core.settings import Limits

MAX_PAGE_BYTES = 512 * MIB
"""The largest page of an archive, unpacked: a codec child holds it in memory."""

MAX_UNPACKED_BYTES = 32 * GIB
"""The most that all files of one archive may be together, unpacked."""

ENTRIES_PER_PAGE = 4
"""An archive may hold so many times `limits.pages` of files and folders."""

LOOKED_AT = 8
"""So many pages, spread evenly, are looked at for the one choice of a network."""

ANIMATIONS = frozenset({"png", "webp"})
"""Formats that frames are written in."""

TAKEN_APART = frozenset({"tiff", "gif", "png", "webp", ARCHIVE.name})

PAGE_FAULTS = frozenset(
    {
        *(Code.DAMAGED, Code.UNSUPPORTED_FORMAT, Code.NOT_A_PICTURE, Code.EMPTY, Code.MISSING_EXTRA, Code.TOO_LARGE),
        *(Code.DECODE_TIMEOUT, Code.CODEC_FAILED, Code.FORMAT_LIMIT, Code.NEEDS_BACKGROUND, Code.OWN_RESULT),
    }
)
"""What may be wrong with one page and no other: there `on_bad_page` decides."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a probe child found it: its header, or why there is none.

    `number` is the file's own count (0-based; None: the file is the picture), `name` what it is called there.
    """

    number: int | None
    header: PictureHeader | None
    name: str = ""
    reason: Reason | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "header": None if self.header is None else self.header.to_json(),
            "name": self.name,
            "reason": None if self.reason is None else self.reason.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Page:
        header, reason = data["header"], data["reason"]
        return cls(
            data["number"],
            None if header is None else PictureHeader.from_json(header),
            data["name"],
            None if reason is None else Reason.from_json(reason),
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: `count` pages, of which `pages` are told of; in an archive they lie among `others`."""

    format: str
    count: int
    pages: tuple[Page, ...]
    others: int = 0

    @property
    def several(self) -> bool:
        return self.count > 1 or self.format == ARCHIVE.name

    @property
    def header(self) -> PictureHeader:
        """That of the first page which could be read; there has to be one."""
        return self.headers[0]

    @property
    def headers(self) -> tuple[PictureHeader, ...]:
        """Those of the pages that could be read."""
        return tuple(page.header for page in self.pages if page.header is not None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"pages": [page.to_json() for page in self.pages]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Contents:
        return cls(**(data | {"pages": tuple(Page.from_json(page) for page in data["pages"])}))


def is_own(headers: Sequence[PictureHeader]) -> bool:
    """True where most of a file's pages are results of ours: some may have been copied as they were."""
    return 2 * sum(header.own for header in headers) > len(headers)


def looked_at(count: int) -> frozenset[int]:
    """Which of `count` pages are looked at for the choice of a network; the same ones every time."""
    if count <= LOOKED_AT:
        return frozenset(range(count))
    return frozenset((2 * index + 1) * count // (2 * LOOKED_AT) for index in range(LOOKED_AT))


def pages_to_make(contents: Contents, recipe: Recipe, extension: str) -> tuple[Page, ...]:
    """The pages that the recipe asks for; an archive's bad ones are left out where it says so.

    `extension` is that of the file's name, in lower case. Raises TwofoldError: NO_PAGES, ANIMATED, and what is wrong
    with a page, which is then named.
    """
    if not contents.several:
        return contents.pages
    archive = contents.format == ARCHIVE.name
    if archive and (not contents.count or (extension != "cbz" and contents.count < contents.others)):
        raise TwofoldError(Code.NO_PAGES, Code.NO_PAGES.meaning)
    if recipe.pages == "skip":
        raise TwofoldError(Code.ANIMATED, Code.ANIMATED.meaning)
    if contents.format not in TAKEN_APART:
        text = f"the file holds several pictures, and {contents.format} is not taken apart"
        raise TwofoldError(Code.ANIMATED, text, "Convert it to an animated WebP or PNG, or to single pictures.")
    if archive and recipe.pages == "first":
        text = "the file is an archive, of which one page alone would be no use"
        raise TwofoldError(Code.ANIMATED, text, "Set pages: all in the recipe (upscale and plan: --pages all).")
    pages = contents.pages[:1] if recipe.pages == "first" else contents.pages
    good = tuple(page for page in pages if page.reason is None)
    for place, page in enumerate(pages):
        if page.reason is not None and (recipe.on_bad_page == "fail" or not archive or not good):
            reason = page.reason
            raise at_page(TwofoldError(reason.code, reason.text, reason.hint), place, page.name)
    return good


def at_page(error: TwofoldError, place: int, name: str) -> TwofoldError:
    """The same error, and which page (0-based) it is about."""
    called = f" ({name})" if name else ""
    reason = error.reason
    return TwofoldError(reason.code, f"page {place + 1}{called}: {reason.text}", reason.hint, retryable=error.retryable)


def plan_pages(
    pages: Sequence[Page], recipe: Recipe, cards: Callable[[str], NetworkCard], why: str = ""
) -> tuple[Picture, ...]:
    """A chain for each page, by the same networks. Of several, those that are as large already stay as they are.

    Raises what `plan_chain` raises; ALREADY_LARGE where that is so of every page.
    """
    pictures: list[Picture] = []
    large: TwofoldError | None = None
    for page in pages:
        if page.header is None:
            raise ValueError("a page without a header cannot be planned")
        try:
            chain = plan_chain(page.header.size, recipe, cards)
        except TwofoldError as error:
            if error.code is not Code.ALREADY_LARGE:
                raise
            large = large or error
            chain = Chain(page.header.size, (), page.header.size, "copy")
        pictures.append(Picture(page.header, chain, why=why, page=page.number, name=page.name))
    if large is not None and all(picture.chain.action == "copy" for picture in pictures):
        raise large
    return tuple(pictures)


def check_pages(
    contents: Contents, pictures: Sequence[Picture], recipe: Recipe, limits: Limits
) -> tuple[tuple[Picture, ...], tuple[Saving, ...], Format]:
    """The pictures that can be delivered, how each is written, and the format of the file that holds them.

    Of an archive, pages that cannot be written are left out where the recipe says so.
    Raises what `check_output` raises, with the page named; UNSUPPORTED_FORMAT where the format holds one picture only.
    """
    bound, archive = is_bound(pictures, recipe), contents.format == ARCHIVE.name
    made: list[Picture] = []
    savings: list[Saving] = []
    trouble: TwofoldError | None = None
    for place, picture in enumerate(pictures):
        try:
            saving = check_output(picture.chain, picture.header, recipe.save_as, limits)
        except TwofoldError as error:
            trouble = trouble or (at_page(error, place, picture.name) if bound else error)
            if not archive or recipe.on_bad_page == "fail":
                raise trouble from error
            continue
        if bound and not archive:
            _check_holds(contents.format, saving.format)
        made.append(picture)
        savings.append(saving)
    if trouble is not None and not made:
        raise trouble
    return tuple(made), tuple(savings), ARCHIVE if bound and archive else savings[0].format


def _check_holds(source: str, target: Format) -> None:
    """Refuse what would lose all pages but one."""
    holders = {"tiff"} if source == "tiff" else ANIMATIONS
    if target.name not in holders:
        what = "pages" if source == "tiff" else "frames"
        names = ", ".join(sorted(holders))
        raise TwofoldError(
            Code.UNSUPPORTED_FORMAT,
            f"the file holds several {what}, and they are not written as {target.name}",
            f"Set save_as.format to keep, {names}, or pages: first.",
        )


def in_archive(picture: Picture) -> bool:
    """Whether the source's own bytes can take a page's place: only the pages of archives have names."""
    return bool(picture.name)


def too_many(count: int, limits_pages: int) -> TwofoldError:
    text = f"the file holds {count} pages, and limits.pages is {limits_pages}"
    return TwofoldError(Code.TOO_LARGE, text, "Raise limits.pages.")
