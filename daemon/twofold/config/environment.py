"""Environment variables that override keys: `TWOFOLD__VRAM__KEEP_FREE=2GiB`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twofold.config.document import MAX_DEPTH, Document, parse_document, scalar
from twofold.config.mistake import KeyPath, Mistake, key_text

PREFIX = "TWOFOLD__"


def overlay(data: dict[str, Any], environ: Mapping[str, str]) -> Overlay:
    """`data` with the overrides of `environ`.

    Names are matched without regard to case, and `-` or `.` in a key is written `_`; where nothing matches, a key is
    taken in lower case. A value is one YAML scalar, or a list or section in brackets.
    """
    result = Overlay(_copied(data), {}, [])
    given: dict[KeyPath, str] = {}
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        origin = f"${name}"
        document = _parsed(environ[name], origin)
        result.mistakes.extend(replace(mistake, line=None, key="") for mistake in document.mistakes)
        if document.mistakes:
            continue
        try:
            path = result.put(name.removeprefix(PREFIX).split("__"), document.data, origin)
            if path in given:
                raise ValueError(f"The same key is given by {given[path]}.")
        except ValueError as error:
            result.mistakes.append(Mistake(origin, None, "", str(error)))
        else:
            given[path] = origin
    return result


@dataclass(frozen=True, slots=True)
class Overlay:
    """The data in force, which variable gave each key path, and what is wrong with the variables."""

    data: dict[str, Any]
    origins: dict[KeyPath, str]
    mistakes: list[Mistake]

    def put(self, parts: list[str], value: Any, origin: str) -> KeyPath:
        """Set one key; the sections above it are made where they are missing. Raises ValueError."""
        if not all(parts) or len(parts) > MAX_DEPTH:
            raise ValueError("This names no key; sections are joined by two underscores: TWOFOLD__VRAM__KEEP_FREE.")
        section: Any = self.data
        path: KeyPath = ()
        for depth, part in enumerate(parts, start=1):
            if not isinstance(section, dict):
                break
            key = _key(section, part)
            path = (*path, key)
            if depth == len(parts):
                section[key] = value
                self.origins[path] = origin
                return path
            if key not in section:
                section[key] = {}
                self.origins[path] = origin
            section = section[key]
        raise ValueError(f"{key_text(path)} is a value, not a section.")


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(below) for key, below in value.items()}
    return list(value) if isinstance(value, list) else value


def _parsed(text: str, origin: str) -> Document:
    """The value. Only brackets and quotes are read as YAML: elsewhere ` #` and `: ` stay what they are."""
    if text[:1] in ("[", "{", '"', "'"):
        document = parse_document(b"value: " + text.encode("utf-8", "surrogateescape"), origin)
        if not document.mistakes:
            document.data = document.data["value"]
        return document
    value = scalar(text)
    return Document(origin, data="" if value is None else value)


def _key(section: dict[str, Any], part: str) -> str:
    folded = _folded(part)
    matches = [key for key in section if _folded(key) == folded]
    if len(matches) > 1:
        raise ValueError(f"This could mean {' or '.join(matches)}; rename one of them.")
    return matches[0] if matches else part.lower()


def _folded(key: str) -> str:
    return key.lower().replace("-", "_").replace(".", "_")
