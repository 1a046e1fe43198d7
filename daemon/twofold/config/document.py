"""YAML text to plain data, with the line of every key and every mistake of form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from twofold.config.mistake import KeyPath, Mistake, key_text

MAX_DOCUMENT_BYTES = 1 << 20
MAX_NODES = 20_000  # aliases count each time they are used: no "billion laughs"
MAX_DEPTH = 16

NULL_KEYS: frozenset[KeyPath] = frozenset({("metrics", "listen"), ("metrics", "textfile")})
"""Keys that `null` switches off. Elsewhere it is no value: an owner who writes nothing has forgotten something."""

_PLAIN_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_INT = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d{1,18}\.\d{0,18}|\.\d{1,18}|\d{1,18})(?:[eE][-+]?\d{1,2})?", re.ASCII)
# YAML escapes can make what no file name and no terminal takes: NUL, and halves of a character.
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """Composes nodes only. Scalars are resolved here, so that `no`, `1:30` and `2026-01-01` stay what was written."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's way)


@dataclass(slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None), where each key path stands, and the mistakes of form."""

    origin: str
    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    nodes: int = 0

    def add(self, path: KeyPath, line: int | None, text: str, suggestion: str = "") -> None:
        self.mistakes.append(Mistake(self.origin, line, key_text(path), text, suggestion))


def parse_document(content: bytes, origin: str) -> Document:
    """Parse one YAML mapping; `origin` names the file in mistakes. Never raises."""
    document = Document(origin)
    if len(content) > MAX_DOCUMENT_BYTES:
        document.add((), None, f"The file is larger than {MAX_DOCUMENT_BYTES} bytes.")
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document.add((), line, "The file is not UTF-8 text.", "Save it as UTF-8.")
        return document
    node = _compose(text, document)
    if document.mistakes:
        return document
    if node is None:
        document.add((), 1, "The file is empty.", "'twofold config init' prints one to start from.")
    elif not isinstance(node, yaml.MappingNode):
        document.add((), _line(node), "The file must hold keys and values, such as 'devices: auto'.")
    else:
        document.data = _value(node, (), document)
    return document


def scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted word means (YAML 1.2 core schema): null, true/false, a decimal number, else text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _compose(text: str, document: Document) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        document.add((), mark.line + 1 if mark else None, f"This is not YAML: {what}.", _yaml_hint(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.add((), line, f"This is not YAML: the character U+{_code_point(error):04X} is not allowed.")
    except RecursionError:
        document.add((), None, "The file is nested too deeply.")
    except (ValueError, OverflowError):
        # PyYAML lets chr() and int() fail on absurd escapes and %YAML directives.
        document.add((), None, "This is not YAML: an escape or a version number is out of range.")
    else:
        return node
    return None


def _code_point(error: yaml.reader.ReaderError) -> int:
    return ord(error.character) if isinstance(error.character, str) else int(error.character)


def _yaml_hint(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "Indent with spaces, not tabs."
    if "mapping values are not allowed" in problem or "could not find expected ':'" in problem:
        return "Check the indentation, and put text that holds ': ' in quotes."
    if "single document" in str(error.context) or "document" in problem:
        return "Remove the '---' and what follows it."
    return ""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _value(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    document.lines.setdefault(path, _line(node))
    document.nodes += 1
    if document.nodes > MAX_NODES or len(path) > MAX_DEPTH:
        if not any(mistake.text.startswith("More than") for mistake in document.mistakes):
            document.add(path, _line(node), f"More than {MAX_NODES} values, or deeper than {MAX_DEPTH} levels.")
        return None
    if node.tag not in _PLAIN_TAGS:
        document.add(path, _line(node), f"The tag {node.tag!r} is not supported.", "Write the value without it.")
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), document) for index, item in enumerate(node.value)]
    return _scalar(node, path, document)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            document.add(path, _line(key_node), "A key must be a word.")
            continue
        key = str(key_node.value)
        below = (*path, key)
        if _UNUSABLE.search(key):
            document.add(path, _line(key_node), f"The key {key!a} holds characters that cannot be used.")
        elif key in data:
            document.add(below, _line(key_node), f"This key stands here twice; first in line {document.lines[below]}.")
        else:
            document.lines[below] = _line(key_node)
            data[key] = _value(value_node, below, document)
    return data


def _scalar(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    text = str(node.value)
    if _UNUSABLE.search(text):
        document.add(path, _line(node), "The text holds characters that cannot be used.")
        return None
    value = text if getattr(node, "style", None) else scalar(text)
    if value is None and not (text and path in NULL_KEYS):
        document.add(path, _line(node), "This key has no value.", "Give it one, or remove the key.")
    return value
