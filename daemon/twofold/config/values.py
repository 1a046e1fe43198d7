"""The kinds of values a key can hold; each parses, and describes itself to the JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Discriminator, GetJsonSchemaHandler, Tag, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from twofold.core.quantity import parse_duration_s, parse_share, parse_size_bytes
from twofold.core.template import check_template

T = TypeVar("T")

MAX_SCALE = 256
MAX_TEXT = 4096  # PATH_MAX
MAX_NETWORKS = 16
MAX_PORT = 65_535
MAX_EFFORT = 9
LOOPBACK = "127.0.0.1"

_DEVICE_ID = re.compile(r"cpu|cuda:\d{1,3}|(?:GPU|MIG)-[0-9A-Za-z/-]{1,80}", re.ASCII)
_FACTOR = re.compile(r"\d{1,18}(?:\.\d{1,18}|/[1-9]\d{0,17})?", re.ASCII)
_ADDRESS = re.compile(r"(?:(?:\[([0-9A-Fa-f:.]{2,64})\]|([\w.-]{1,255}))?:)?(\d{1,5})", re.ASCII)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_DATABASE = re.compile(r"sqlite|postgresql(?:\+\w+)?://\S+")


def _written(value: Any) -> str:
    """Numbers as the text they were written as; anything that is neither number nor text is refused."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise ValueError("must be one value, not a list, a section or true/false")


def _text(value: Any) -> str:
    text = _written(value)
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"must not be longer than {MAX_TEXT} characters")
    return text


def _template(value: Any) -> str:
    text = _text(value)
    check_template(text)
    return text


def _path(value: Any) -> str:
    text = _text(value)
    if text.startswith("~") and text != "~" and not text.startswith("~/"):
        raise ValueError("must not start with another user's ~name; write the path out")
    return text


def _scale(value: Any) -> Fraction:
    text = _written(value)
    if text.startswith("-"):
        raise ValueError("must be larger than 1")
    if not _FACTOR.fullmatch(text):
        raise ValueError("must be a number such as 4, 1.5 or 3/2")
    scale = Fraction(text)
    if scale <= 1:
        raise ValueError("must be larger than 1")
    if scale > MAX_SCALE:
        raise ValueError(f"must be at most {MAX_SCALE}")
    return scale


def _share(value: Any) -> Fraction:
    return parse_share(_written(value))


def _device_id(value: Any) -> str:
    text = _written(value)
    if not _DEVICE_ID.fullmatch(text):
        raise ValueError("must be cpu, cuda:0, GPU-<uuid> or MIG-<uuid> ('twofold doctor' lists them)")
    return text


def _devices(value: Any) -> Any:
    """One shape for all that may be written: None for auto, else a list of sections with an id."""
    if value == "auto":
        return None
    if value == "cpu":
        return [{"id": "cpu"}]
    if value == []:
        raise ValueError("must not be empty; write auto to use what there is")
    if isinstance(value, list):
        return [item if isinstance(item, dict) else {"id": item} for item in value]
    raise ValueError("must be auto, cpu or a list such as [cuda:0]")


def _networks(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if len(names) > MAX_NETWORKS:
        raise ValueError(f"must not name more than {MAX_NETWORKS} networks")
    return names


def _some_networks(value: Any) -> Any:
    names = _networks(value)
    if not names:
        raise ValueError("must name a network, or auto")
    return names


def _database(value: Any) -> str:
    text = _text(value)
    if not _DATABASE.fullmatch(text):
        raise ValueError("must be sqlite or postgresql://user@host/database")
    return text


def _listen(value: Any) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(_written(value))
    if match is None or int(match[3]) > MAX_PORT:
        raise ValueError("must be an address such as 127.0.0.1:9108 or :9108")
    return match[1] or match[2] or LOOPBACK, int(match[3])


def _auto(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """`auto` as None, anything else as `parse` reads it."""
    return lambda value: None if value == "auto" else parse(value)


def _yes_no(value: Any) -> bool:
    if value not in (True, False) or not isinstance(value, bool):
        raise ValueError("must be auto, true or false")
    return value


def _effort(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_EFFORT:
        raise ValueError(f"must be auto, or a whole number from 1 to {MAX_EFFORT}")
    return value


def _colour(value: Any) -> str | None:
    if value == "none":
        return None
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise ValueError("must be none, or a colour such as '#ffffff' (in quotes: # begins a comment)")
    return value.lower()


def _json(kind: str | list[str], *examples: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "examples": list(examples)})


@dataclass(frozen=True, slots=True)
class _Or:
    """In the JSON schema: this, or what the type itself says."""

    schema: dict[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self.schema, handler(core)]}


def _size_bytes(value: Any) -> int:
    return parse_size_bytes(_written(value))


def _duration_s(value: Any) -> float:
    return parse_duration_s(_written(value))


_SCALAR = ["string", "number"]

Text = Annotated[str, BeforeValidator(_text), _json("string")]
Template = Annotated[str, BeforeValidator(_template), _json("string", "{stem}", "{date} {stem}-{factor}x")]
Path = Annotated[str, BeforeValidator(_path), _json("string", "/srv/photos/in", "~/Pictures/in", "in")]
AutoPath = Annotated[str | None, BeforeValidator(_auto(_path)), _json("string", "auto", "/var/lib/twofold")]
AutoSize = Annotated[int | None, BeforeValidator(_auto(_size_bytes)), _json(_SCALAR, "auto", "2GiB", "500MB")]
Size = Annotated[int, BeforeValidator(_size_bytes), _json(_SCALAR, "500MiB", "2GiB")]
Duration = Annotated[float, BeforeValidator(_duration_s), _json(_SCALAR, "60s", "15 min", "3h", 60)]
AutoDuration = Annotated[float | None, BeforeValidator(_auto(_duration_s)), _json(_SCALAR, "auto", "10s", "5min")]
AutoYesNo = Annotated[bool | None, BeforeValidator(_auto(_yes_no)), _json(["string", "boolean"], "auto", True)]
AutoEffort = Annotated[int | None, BeforeValidator(_auto(_effort)), _json(["string", "integer"], "auto", 5)]
Colour = Annotated[str | None, BeforeValidator(_colour), _json("string", "none", "#ffffff")]
Share = Annotated[Fraction, BeforeValidator(_share), _json("string", "80%")]
Scale = Annotated[Fraction | None, BeforeValidator(_scale), _json(_SCALAR, 4, 1.5, "3/2")]
DeviceId = Annotated[str, BeforeValidator(_device_id), _json("string", "cuda:0", "GPU-<uuid>", "cpu")]
Listen = Annotated[tuple[str, int], BeforeValidator(_listen), _json(_SCALAR, "127.0.0.1:9108", ":9108")]
Database = Annotated[str, BeforeValidator(_database), _json("string", "sqlite", "postgresql://user@host/twofold")]
# The tags name the branch in pydantic's error locations; no key can look like them.
WORD, SECTION = Tag("<word>"), Tag("<section>")
WORD_OR_SECTION = Discriminator(lambda value: SECTION.tag if isinstance(value, dict) else WORD.tag)
AS_DEVICES = (BeforeValidator(_devices), _Or({"enum": ["auto", "cpu"]}))
AS_NETWORKS = (BeforeValidator(_networks), _Or({"type": "string"}))
AS_SOME_NETWORKS = (BeforeValidator(_some_networks), _Or({"type": "string"}))
