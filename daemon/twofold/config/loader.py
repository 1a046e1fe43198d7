"""Finds the configuration, reads it, and gives settings or every mistake at once.

What `find_state_dir` does not need is imported where it is used: pydantic alone takes a quarter of a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twofold.config import locations
from twofold.config.document import MAX_DOCUMENT_BYTES, Document, parse_document
from twofold.config.environment import overlay
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError, KeyPath, Mistake, key_text
from twofold.config.rules import broken_rules
from twofold.core.codes import Code

if TYPE_CHECKING:
    from twofold.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, file and environment together, before the schema looked at it."""

    source: str | None
    data: dict[str, Any]
    lines: dict[KeyPath, int]
    origins: dict[KeyPath, str]
    mistakes: tuple[Mistake, ...]

    def mistake(self, path: KeyPath, text: str, suggestion: str = "", code: Code = Code.BAD_CONFIG) -> Mistake:
        """A mistake at `path`, or at the nearest section above it that was written."""
        key = key_text(path)
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return Mistake(self.origins[path[:end]], None, key, text, suggestion, code)
            if path[:end] in self.lines:
                return Mistake(_shown(self.source), self.lines[path[:end]], key, text, suggestion, code)
        return Mistake(_shown(self.source), None, key, text, suggestion, code)


def load(option: str | None, surroundings: Surroundings, *, required: bool = True) -> Settings:
    """The settings in force; `option` is the value of -c.

    Reads the file and the folders it names. Without any file, the environment alone may give settings; where it
    names no key either, `required` decides between an error and the defaults. Raises ConfigError.
    """
    written = read(option, surroundings, required=required)
    settings = check(written, surroundings)
    found = tuple(_overlaps(settings, written))
    if found:
        raise ConfigError(found)
    return settings


def read(option: str | None, surroundings: Surroundings, *, required: bool = True) -> Written:
    """File and environment, not checked against the schema yet. Raises ConfigError where there is nothing to check."""
    source = find(option, surroundings)
    document = Document("", data={}) if source is None else _read_file(source)
    if document.data is None:
        raise ConfigError(document.mistakes)
    overlaid = overlay(document.data, surroundings.environ)
    if source is None and required and not (overlaid.origins or overlaid.mistakes):
        looked = ", ".join(map(_shown, locations.candidates(surroundings)))
        text = f"No configuration was found; looked for {looked}."
        raise ConfigError([Mistake("twofold", None, "", text, "'twofold config init' prints one to start from.")])
    lines = {path: line for path, line in document.lines.items() if not _below(path, overlaid.origins)}
    return Written(source, overlaid.data, lines, overlaid.origins, (*document.mistakes, *overlaid.mistakes))


def _below(path: KeyPath, origins: dict[KeyPath, str]) -> bool:
    """True where a variable replaced this part of the file."""
    return any(path[:end] in origins for end in range(1, len(path) + 1))


def find(option: str | None, surroundings: Surroundings) -> str | None:
    """The file to read: the one that is named, else the first of the usual ones that exists."""
    named = locations.named_file(option, surroundings)
    return named or next((path for path in locations.candidates(surroundings) if os.path.exists(path)), None)


def check(written: Written, surroundings: Surroundings) -> Settings:
    """Check everything that was written; no disk is touched. Raises ConfigError with all mistakes."""
    from pydantic import ValidationError

    from twofold.config.complaints import complaints
    from twofold.config.convert import to_settings
    from twofold.config.schema import Config

    mistakes: list[Mistake] = []
    try:
        config = Config.model_validate(written.data)
    except ValidationError as error:
        config = None
        mistakes += [written.mistake(*complaint) for complaint in complaints(error, written.data)]
    mistakes += [written.mistake(*finding) for finding in broken_rules(written.data)]
    mistakes += written.mistakes
    if mistakes or config is None:
        raise ConfigError(_ordered(mistakes))
    return to_settings(config, written.source, surroundings)


def find_state_dir(option: str | None, surroundings: Surroundings) -> str:
    """The state directory alone, fast and without the schema, for commands that only read the ledger.

    Raises ConfigError where the file cannot be read as YAML; other mistakes are left to `load`.
    """
    written = read(option, surroundings)
    configured = written.data.get("state_dir", "auto")
    if not isinstance(configured, str) or not configured:
        raise ConfigError([written.mistake(("state_dir",), "Must be a path, or auto.")])
    folder = os.path.dirname(written.source) if written.source else surroundings.cwd
    return locations.state_dir(None if configured == "auto" else configured, folder, surroundings)


def _read_file(path: str) -> Document:
    try:
        with open(path, "rb") as file:
            return parse_document(file.read(MAX_DOCUMENT_BYTES + 1), _shown(path))
    except OSError as error:
        document = Document(_shown(path))
        document.add((), None, f"The file cannot be read: {error.strerror}.")
        return document


def _overlaps(settings: Settings, written: Written) -> Iterator[Mistake]:
    from twofold.config.folders import read_folders, read_mounts
    from twofold.core.overlap import ROLE_KEYS, overlaps

    for overlap in overlaps(read_folders(settings, read_mounts())):
        key, inbox = ROLE_KEYS[overlap.folder.role], overlap.folder.inbox
        path: KeyPath = ("inboxes", inbox, *key.split(".")) if inbox else (key,)
        yield written.mistake(path, overlap.text, Code.FOLDERS_OVERLAP.hint, Code.FOLDERS_OVERLAP)


def _ordered(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """By line, those of the environment last; of several at one key the first says enough."""
    first: dict[tuple[str, int | None, str], Mistake] = {}
    for mistake in mistakes:
        first.setdefault((mistake.origin, mistake.line, mistake.key), mistake)
    return sorted(first.values(), key=lambda mistake: (mistake.origin.startswith("$"), mistake.line or 0))


def _shown(path: str | None) -> str:
    """A path that any terminal can print: names need not be UTF-8."""
    return "" if path is None else path.encode("utf-8", "backslashreplace").decode()
