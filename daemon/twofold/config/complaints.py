"""What pydantic found, in words for the owner of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twofold.config.mistake import KeyPath, did_you_mean
from twofold.config.rules import Finding
from twofold.config.schema import Config

MAX_SHOWN_CHARACTERS = 60

_TEXTS = {
    "missing": "This key is required.",
    "extra_forbidden": "There is no such key.",
    "model_type": "Must be a section of keys and values",
    "model_attributes_type": "Must be a section of keys and values",
    "dict_type": "Must be a section of names",
    "list_type": "Must be a list",
    "int_type": "Must be a whole number",
    "float_type": "Must be a number",
    "string_pattern_mismatch": "A name holds letters, digits, '_', '-' and '.' only, up to 64.",
}
_SAYS_ENOUGH = {"missing", "string_pattern_mismatch"}


def complaints(error: ValidationError, data: dict[str, Any]) -> Iterator[Finding]:
    """One finding for each error, at the key path that stands in `data`; keys without a value were spoken of."""
    for detail in error.errors(include_url=False):
        kind = detail["type"]
        path = _written_path(detail["loc"], data, kind == "missing")
        if kind == "extra_forbidden":
            known = _keys_at(path[:-1])
            yield path, _TEXTS[kind], did_you_mean(str(path[-1]), known) or f"Known are: {', '.join(known)}."
        elif kind in _SAYS_ENOUGH:
            yield path, _TEXTS[kind], ""
        elif (value := _at(path, data)) is not None:
            text, suggestion = _judged(kind, detail, value)
            yield path, f"{text} (got {_short(value)}).", suggestion


def _judged(kind: str, detail: ErrorDetails, value: Any) -> tuple[str, str]:
    """What the value must be, and perhaps which word was meant."""
    context = detail.get("ctx", {})
    if kind == "value_error":
        return _sentence(str(context["error"])), ""
    if kind == "literal_error":
        words = context["expected"].replace("'", "")
        known = words.replace(" or ", ", ").split(", ")
        return f"Must be {words}", did_you_mean(value, known) if isinstance(value, str) else ""
    return _TEXTS.get(kind) or _sentence(detail["msg"].removeprefix("Input should ")), ""


def _sentence(text: str) -> str:
    text = "must " + text if text.startswith(("be ", "have ")) else text
    return text[:1].upper() + text[1:]


def _written_path(location: tuple[str | int, ...], data: Any, missing: bool) -> KeyPath:
    """The part of a pydantic location that was written, without the names of union branches and validators."""
    path: KeyPath = ()
    for part in location:
        if _holds(data, part):
            data = data[part]
            path = (*path, part)
    return (*path, location[-1]) if missing else path


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _at(path: KeyPath, data: Any) -> Any:
    for part in path:
        data = data[part]
    return data


def _keys_at(path: KeyPath) -> list[str]:
    """The keys that the schema knows in the section at `path`."""
    section: Any = Config
    parts = iter(path)
    for part in parts:
        field = section.model_fields.get(str(part)) if _is_section(section) else None
        if field is None:
            return []
        section = _section_in(field.annotation)
        if _has_entries(field.annotation):
            next(parts, None)  # the entry's name or index, which no schema knows
    return list(section.model_fields) if _is_section(section) else []


def _has_entries(annotation: Any) -> bool:
    kinds = (annotation, *getattr(annotation, "__args__", ()))
    return any(get_origin(kind) in (dict, list) for kind in kinds)


def _section_in(annotation: Any) -> Any:
    """The section that an annotation holds, at whatever depth: a dict's values, a list's items, a union's branch."""
    if _is_section(annotation):
        return annotation
    inner = (_section_in(part) for part in getattr(annotation, "__args__", ()))
    return next((section for section in inner if section is not None), None)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    text = value if isinstance(value, str) and value.isprintable() and value.strip() else ascii(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
