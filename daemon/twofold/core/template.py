"""Templates for the names of results: `{stem}-{factor}x` and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from twofold.core.formats import Format
from twofold.core.geometry import Size
from twofold.core.naming import MAX_NAME_BYTES, extension_for, shortened, split_name

PLAIN: Final = "{stem}"
"""The default: the source's own name, in the mirrored tree."""

FIELDS: Final = ("stem", "ext", "factor", "width", "height", "models", "date")
MAX_TEMPLATE: Final = 120

_FIELD = re.compile(r"\{(\w*)\}")
_END = ".{ext}"
_TAKEN = re.compile(r"(\d{4}):(\d\d):(\d\d)\b")
_ROOM_FOR_NUMBER = 8  # what a number behind a name that is taken may need, so that the field it follows stays whole


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What the fields of a template stand for; `models` are the networks in order, `date` is YYYY-MM-DD."""

    factor: Fraction
    size: Size
    models: tuple[str, ...]
    date: str


def check_template(template: str) -> None:
    """Raise ValueError with what is wrong with a template."""
    if not template or len(template) > MAX_TEMPLATE:
        raise ValueError(f"must have 1 to {MAX_TEMPLATE} characters")
    unknown = [name for name in _FIELD.findall(template) if name not in FIELDS]
    if unknown:
        raise ValueError(f"knows no {{{unknown[0]}}}; there are {', '.join(f'{{{name}}}' for name in FIELDS)}")
    if "{stem}" not in template:
        raise ValueError("must hold {stem}, or pictures of a folder would all have the same name")
    plain = _FIELD.sub("", template.removesuffix(_END))
    if "{ext}" in template.removesuffix(_END):
        raise ValueError("must have {ext} at its end, as in {stem}-{factor}x.{ext}")
    if set("{}/\\\0\n\r") & set(plain):
        raise ValueError("must be a name without folders, and with braces around fields only")
    if template.startswith("."):
        raise ValueError("must not start with a dot: such names are hidden")


def templated_name(source: bytes, template: str, facts: NameFacts, target: Format) -> bytes:
    """Name of the result for a source path relative to its inbox; the folders stay, and the extension is right.

    Of a name that would be too long the stem is cut, and marked with its own hash.
    """
    folder, stem, extension = split_name(source)
    extension = extension_for(target, extension)
    if template in (PLAIN, PLAIN + _END):
        return folder + shortened(stem, MAX_NAME_BYTES - len(extension)) + extension
    values = {
        "factor": f"{round(float(facts.factor), 2):g}",
        "width": str(facts.size.width),
        "height": str(facts.size.height),
        "models": "+".join(dict.fromkeys(facts.models)),
        "date": facts.date,
    }

    def filled(stem: bytes) -> bytes:
        parts = _FIELD.split(template.removesuffix(_END))  # text, field, text, …
        named = [stem if part == "stem" else _safe(values[part]) for part in parts[1::2]]
        texts = [part.encode("utf-8", "surrogateescape") for part in parts[::2]]
        return b"".join(text + value for text, value in zip(texts, [*named, b""], strict=True))

    room = MAX_NAME_BYTES - len(extension) - _ROOM_FOR_NUMBER
    count = _FIELD.findall(template).count("stem")
    if len(filled(stem)) > room:
        stem = shortened(stem, max((room - len(filled(b""))) // count, _ROOM_FOR_NUMBER * 2))
    return folder + shortened(filled(stem), MAX_NAME_BYTES - len(extension)) + extension


def date_of(taken: str, mtime_ns: int) -> str:
    """The day a picture was taken, as its EXIF says ("2019:07:20 …"), else the day its file was last changed (UTC)."""
    match = _TAKEN.match(taken)
    if match is not None and match[1] != "0000" and 1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31:
        return "-".join(match.groups())
    return datetime.fromtimestamp(mtime_ns // 10**9, UTC).strftime("%Y-%m-%d")


def place_among_rivals(
    source: bytes, target: Format, extensions: Collection[str], exists: Callable[[bytes], bool]
) -> int:
    """How many pictures in the source's folder come before it for the plain name; `exists` looks names up there.

    `extensions` are those of the pictures that become `target` (core.formats.becoming).

    Of a.png, a.bmp and a.jpg, all to become PNG, a.png keeps its name, and the others follow by their extension,
    whichever was dropped first.
    """
    return sum(exists(rival) for rival in _rivals(source, target, extensions))


def _rivals(source: bytes, target: Format, extensions: Collection[str]) -> Iterator[bytes]:
    folder, stem, extension = split_name(source)
    own = extension[1:].lower().decode("latin-1")
    if own in target.extensions:
        return
    # One that has the target's extension keeps it as it is, so that only this one meets the name.
    yield folder + stem + b"." + target.extension.encode()
    for other in sorted(set(extensions) - set(target.extensions)):
        if other < own:
            yield folder + stem + b"." + other.encode()


def _safe(value: str) -> bytes:
    return re.sub(r"[/\\\0-\x1f]", "-", value).encode("utf-8", "surrogateescape")
