"""Finds networks by name: built in, the owner's files, and the back ends that need no file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import resources

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.content import Content
from twofold.core.errors import Reason, TwofoldError
from twofold.models.simple import simple_card

SUFFIX = ".safetensors"
BUILT_IN: dict[Content, str] = {"photo": "twofold-photo-2x", "web": "twofold-web-2x", "art": "twofold-art-2x"}
MEASURED_BY = 1
"""Part of a kept card's name: raised when measuring changes, so that cards are measured anew."""

FileIdentity = tuple[int, int, int]  # inode, size, mtime_ns


@dataclass(frozen=True, slots=True)
class Places:
    """Folders: the owner's network files lie in `config_dir` and `models_dir`, their measured cards in `cache_dir`."""

    config_dir: str
    models_dir: str
    cache_dir: str
    built_in_dir: str = str(resources.files("twofold.models") / "weights")


class Catalogue:
    """Looks networks up by the names that recipes use.

    A name is `NAME@VERSION`, `NAME` (its newest version), `identity[:SCALE]`, `sleep:SECONDS`, or a .safetensors file:
    absolute, or relative to the configuration's folder or `models_dir`, with or without the suffix.
    `measure` makes the card of a file; cards are kept by the file's sha256. For its own lifetime it remembers the
    hashes of files that did not change, and which files are no networks.
    """

    def __init__(self, places: Places, measure: Callable[[str], NetworkCard]) -> None:
        self._places = places
        self._measure = measure
        self._hashes: dict[str, tuple[FileIdentity, str]] = {}
        self._refused: dict[str, Reason] = {}

    def resolve(self, name: str) -> NetworkCard:
        """The card of the network called `name`, which may be a card's `full_name`; the file's sha256 is checked.

        Raises TwofoldError: MISSING_MODEL, BAD_NETWORK, MODEL_CHANGED.
        """
        simple = simple_card(name)
        if simple is not None:
            return simple
        built_in = _newest(self._built_in(), name)
        if built_in is not None:
            return self._verified(built_in)
        path = self._find(name)
        if path is None:
            raise TwofoldError(Code.MISSING_MODEL, f"There is no network called {name!r}.")
        stem, version = _parse(name.removesuffix(SUFFIX))
        return replace(self._measured(path), name=stem, version=version or 1, file=path)

    def resolve_auto(self, content: Content) -> str:
        """The full name of the built-in network for such pictures, its newest version.

        Raises TwofoldError(MISSING_MODEL) where this installation has no built-in network.
        """
        card = _newest(self._built_in(), BUILT_IN[content])
        if card is None:
            raise TwofoldError(Code.MISSING_MODEL, f"This installation lacks its built-in network {BUILT_IN[content]}.")
        return card.full_name

    def list_cards(self, report: Callable[[str, TwofoldError], None] | None = None) -> tuple[NetworkCard, ...]:
        """Built-in networks, then those in `models_dir`, by name; `report` hears of files that are no networks."""
        cards = sorted(self._built_in(), key=lambda card: (card.name, card.version))
        for file in _files(self._places.models_dir, SUFFIX):
            try:
                cards.append(self.resolve(file))
            except TwofoldError as error:
                if report is not None:
                    report(file, error)
        return tuple(cards)

    def _built_in(self) -> list[NetworkCard]:
        folder = self._places.built_in_dir
        cards = [_read_card(os.path.join(folder, file)) for file in _files(folder, ".json")]
        return [replace(card, file=os.path.join(folder, card.file)) for card in cards if card is not None]

    def _verified(self, card: NetworkCard) -> NetworkCard:
        found = self._sha256(card.file)
        if found != card.sha256:
            text = f"{card.file} has sha256 {found}; the card of {card.full_name} says {card.sha256}."
            raise TwofoldError(Code.MODEL_CHANGED, text)
        return card

    def _find(self, name: str) -> str | None:
        """The file that `name` means; `name@1` also finds the file `name`, because its full name says so."""
        for folder in (self._places.config_dir, self._places.models_dir):
            for stem in (name.removesuffix(SUFFIX), name.removesuffix("@1")):
                path = os.path.abspath(os.path.join(folder, stem + SUFFIX))
                if os.path.isfile(path):
                    return path
        return None

    def _measured(self, path: str) -> NetworkCard:
        """The card of an owner's file: kept from before, or measured now and kept."""
        sha256 = self._sha256(path)
        if sha256 in self._refused:
            reason = self._refused[sha256]
            raise TwofoldError(reason.code, reason.text, reason.hint)
        kept = os.path.join(self._places.cache_dir, f"{sha256}.{MEASURED_BY}.json")
        card = _read_card(kept)
        if card is not None:
            return card
        try:
            card = self._measure(path)
        except TwofoldError as error:
            if error.code is Code.BAD_NETWORK:
                self._refused[sha256] = error.reason
            raise
        if card.sha256 != sha256:
            raise TwofoldError(Code.MODEL_CHANGED, f"{path} changed while it was measured.")
        _keep_card(kept, card)
        return card

    def _sha256(self, path: str) -> str:
        try:
            with open(path, "rb") as file:
                stat = os.fstat(file.fileno())
                identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if self._hashes.get(path, (None, ""))[0] != identity:
                    self._hashes[path] = identity, hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TwofoldError(Code.MISSING_MODEL, f"{path}: {error.strerror}") from error
        return self._hashes[path][1]


def _parse(name: str) -> tuple[str, int | None]:
    """`photo@3` is ("photo", 3), `photo` is ("photo", None)."""
    stem, at, version = name.rpartition("@")
    return (stem, int(version)) if at and version.isdecimal() else (name, None)


def _newest(cards: Iterable[NetworkCard], name: str) -> NetworkCard | None:
    stem, version = _parse(name)
    matches = [card for card in cards if card.name == stem and version in (None, card.version)]
    return max(matches, key=lambda card: card.version, default=None)


def _files(folder: str, suffix: str) -> list[str]:
    """Names in `folder` that end in `suffix`, sorted; none where it cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(suffix))
    except OSError:
        return []


def _read_card(path: str) -> NetworkCard | None:
    """The card in a file, or None where there is none or it is torn."""
    try:
        with open(path, encoding="utf-8") as file:
            return NetworkCard.from_json(json.load(file))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _keep_card(path: str, card: NetworkCard) -> None:
    temp = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temp, "w", encoding="utf-8") as file:
            json.dump(card.to_json(), file, indent=1)
        os.replace(temp, path)
    except OSError:
        pass  # a full or read-only cache costs a measurement next time, nothing else
