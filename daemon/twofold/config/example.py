"""The commented example file, made from the schema's descriptions and defaults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from twofold.config.schema import Config, Section

WIDTH = 100
INDENT = "  "
SET_IN_ENTRIES = ("scale", "path", "outbox", "recipe")
"""Keys that an owner decides on; every other one is shown as a comment with its default."""

HEAD = """\
# Configuration of Twofold. Test it with: twofold config check
#
# A line such as '#idle_exit: 60s' shows a default; remove the # to change it.
# Sizes are 2GiB or 500MB, durations 60s, 15min or 3h. Relative paths start at this file's folder, ~ is your home.
# Any key can be overridden by the environment: TWOFOLD__VRAM__KEEP_FREE=2GiB sets keep_free in vram.
"""


def example_yaml() -> str:
    """The text of config.example.yaml, which is also what `twofold config init` writes."""
    return HEAD + "\n".join(_section(Config, "")) + "\n"


def _section(section: type[Section], indent: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield from ([""] if not indent else [])
        yield from _prose(field.description or "", indent)
        entry = _entry(field)
        if entry is not None:
            yield f"{indent}{name}:"
            yield f"{indent}{INDENT}{(field.examples or [])[0]}:"
            yield from _section(entry, indent + 2 * INDENT)
            continue
        inner = _inner(field)
        for key, inner_field in inner.items():
            yield from _prose(f"{key}: {inner_field.description}", indent, "  ")
        yield f"{indent}{'' if name in SET_IN_ENTRIES else '#'}{name}: {_shown(field, inner)}"


def _prose(text: str, indent: str, margin: str = "") -> Iterator[str]:
    start = f"{indent}# {margin}"
    yield from textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=start + margin, break_on_hyphens=False
    )


def _entry(field: FieldInfo) -> type[Section] | None:
    """The section of each entry, where the key holds named entries."""
    arguments = get_args(field.annotation)
    return arguments[1] if get_origin(field.annotation) is dict else None


def _inner(field: FieldInfo) -> dict[str, FieldInfo]:
    """The keys of a section that fits on one line."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind.model_fields
    return {}


def _shown(field: FieldInfo, inner: dict[str, FieldInfo]) -> str:
    value: Any = field.examples[0] if field.examples else field.default
    if value == {}:
        value = {key: inner_field.default for key, inner_field in inner.items()}
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)).splitlines()[0]
