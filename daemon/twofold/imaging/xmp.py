"""XMP packets: read by an XML parser, changed at the places that change and nowhere else.

A packet may hold anything a photo tool ever wrote into it, so whatever is not touched stays byte for byte. Names are
(namespace, local name); prefixes are the packet's own business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MAX_NODES = 50_000
MAX_DEPTH = 64

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_XMLNS = "xmlns"
_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_NAME = re.compile(rb"<[^\s/>]+")
_CLOSE = re.compile(rb"\s*/?>")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Name(NamedTuple):
    """A qualified name."""

    space: str
    local: str


class Attribute(NamedTuple):
    """An attribute: [start, end) with the space before it, [value_start, value_end) between its quotes."""

    name: Name
    start: int
    end: int
    value_start: int
    value_end: int
    text: str


@dataclass(slots=True)
class Element:
    """An element: [start, end) whole, [inner_start, inner_end) between its tags (empty where it closes itself)."""

    name: Name
    start: int
    inner_start: int
    inner_end: int
    end: int
    attributes: list[Attribute]
    prefixes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Element]:
        """This element and all below it."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


class Property(NamedTuple):
    """A simple or structured value at the top of a packet: an attribute of a description, or an element in it."""

    name: Name
    node: Attribute | Element

    @property
    def text(self) -> str:
        """Its value where it is simple."""
        return self.node.text.strip()


class Packet:
    """One packet and the changes that are to be made to it."""

    def __init__(self, data: bytes) -> None:
        """Raises ValueError where it is no well-formed XMP."""
        self.data = _as_utf8(data)
        root = _parse(self.data)
        found = next((one for one in root.walk() if one.name == Name(RDF, "RDF")), None)
        if found is None:
            raise ValueError("it holds no rdf:RDF")
        self.rdf = found
        self._changes: list[tuple[int, int, bytes]] = []

    def descriptions(self) -> list[Element]:
        return [one for one in self.rdf.children if one.name == Name(RDF, "Description")]

    def properties(self) -> Iterator[Property]:
        for description in self.descriptions():
            for attribute in description.attributes:
                if attribute.name.space not in (RDF, _XML, _XMLNS, ""):
                    yield Property(attribute.name, attribute)
            for child in description.children:
                yield Property(child.name, child)

    def find(self, space: str, local: str) -> Property | None:
        return next((one for one in self.properties() if one.name == Name(space, local)), None)

    def set_text(self, node: Attribute | Element, value: str) -> None:
        """Write a simple value."""
        if isinstance(node, Attribute):
            self._changes.append((node.value_start, node.value_end, escape(value, {'"': "&quot;"}).encode()))
        elif not node.children and node.inner_end > node.inner_start:
            self._changes.append((node.inner_start, node.inner_end, escape(value).encode()))

    def remove(self, node: Attribute | Element) -> None:
        start = node.start
        while isinstance(node, Element) and start > 0 and self.data[start - 1] in b" \t\r\n":
            start -= 1
        self._changes.append((start, node.end, b""))

    def append_to(self, element: Element, text: bytes) -> None:
        """Insert XML behind the last child of an element that does not close itself."""
        self._changes.append((element.inner_end, element.inner_end, text))

    def replace(self, element: Element, text: bytes) -> None:
        self._changes.append((element.start, element.end, text))

    def describe(self, spaces: dict[str, str], body: str) -> None:
        """Add a description of its own, with the prefixes in `spaces` and the elements in `body`."""
        declared = "".join(f" xmlns:{prefix}={quoteattr(space)}" for prefix, space in {"rdf": RDF, **spaces}.items())
        text = f'<rdf:Description rdf:about=""{declared}>{body}</rdf:Description>\n'.encode()
        if self.rdf.end == self.rdf.inner_start:  # <rdf:RDF/>
            self.replace(self.rdf, f'<rdf:RDF xmlns:rdf="{RDF}">'.encode() + text + b"</rdf:RDF>")
        else:
            self.append_to(self.rdf, text)

    def written(self) -> bytes:
        """The packet with every change made; what lies inside of something removed or replaced goes with it."""
        parts: list[bytes] = []
        at = 0
        for start, end, text in sorted(self._changes, key=lambda change: (change[0], -change[1])):
            if start < at:
                continue
            parts += (self.data[at:start], text)
            at = end
        return b"".join((*parts, self.data[at:]))

    def copied(self, found: Property) -> bytes:
        """A property as an element that stands on its own, with every prefix that it may use."""
        if isinstance(found.node, Attribute):
            space, text = quoteattr(found.name.space), escape(found.node.text)
            return f"<p:{found.name.local} xmlns:p={space}>{text}</p:{found.name.local}>".encode()
        element = found.node
        own = {a.name.local for a in element.attributes if a.name.space == _XMLNS}
        missing = {prefix: space for prefix, space in element.prefixes.items() if prefix not in own and prefix != "xml"}
        declared = "".join(
            f" xmlns{':' if prefix else ''}{prefix}={quoteattr(space)}" for prefix, space in sorted(missing.items())
        )
        cut = element.start + len(_NAME.match(self.data, element.start).group())  # type: ignore[union-attr]  # it is a tag
        return self.data[element.start : cut] + declared.encode() + self.data[cut : element.end]


EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f'<rdf:RDF xmlns:rdf="{RDF}">\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
).encode()


def safe_text(text: str) -> str:
    """The text without the characters that no XML may hold."""
    return _NO_XML.sub("", text)


def _as_utf8(data: bytes) -> bytes:
    data = data.rstrip(b"\0")
    wide = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
    for mark, encoding in wide.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _parse(data: bytes) -> Element:
    """The tree of elements with their places. Raises ValueError: not well-formed, too large, or with a DTD."""
    parser = expat.ParserCreate("utf-8")
    root = Element(Name("", ""), 0, 0, len(data), len(data), [], {"xml": _XML})
    stack = [root]
    texts: list[list[str]] = [[]]
    nodes = 0

    def start(_: str, values: dict[str, str]) -> None:
        nonlocal nodes
        nodes += 1
        if nodes > MAX_NODES or len(stack) > MAX_DEPTH:
            raise ValueError("it has too many elements")
        element = _opened(data, parser.CurrentByteIndex, stack[-1].prefixes, values)
        stack[-1].children.append(element)
        stack.append(element)
        texts.append([])

    def end(_: str) -> None:
        element = stack.pop()
        element.text = "".join(texts.pop())
        if data[element.inner_start - 2 : element.inner_start] != b"/>":
            element.inner_end = parser.CurrentByteIndex
            element.end = data.index(b">", element.inner_end) + 1

    def text(characters: str) -> None:
        texts[-1].append(characters)

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, refuse
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no well-formed XML: {error}") from None
    return root


def _opened(data: bytes, at: int, outer: dict[str, str], values: dict[str, str]) -> Element:
    """The element whose tag opens at `at`, as if it closed itself; `values` are its attributes', unescaped."""
    head = _NAME.match(data, at)
    place = at if head is None else head.end()
    found: list[tuple[str, re.Match[bytes]]] = []
    while match := _ATTRIBUTE.match(data, place):
        found.append((match[1].decode(), match))
        place = match.end()
    close = _CLOSE.match(data, place)
    if head is None or close is None:
        raise ValueError("it is no well-formed XML")
    declared = {name[6:]: value for name, value in values.items() if _declares(name)}
    prefixes = outer | declared if declared else outer
    attributes = []
    for name, match in found:
        group = 2 if match[2] is not None else 3
        span = match.start(), match.end(), match.start(group), match.end(group)
        attributes.append(Attribute(_attribute_name(name, prefixes), *span, values.get(name, "")))
    qualified = _qualified(head.group()[1:].decode(), prefixes)
    return Element(qualified, at, close.end(), close.end(), close.end(), attributes, prefixes)


def _declares(name: str) -> bool:
    return name == _XMLNS or name.startswith("xmlns:")


def _attribute_name(name: str, prefixes: dict[str, str]) -> Name:
    if _declares(name):
        return Name(_XMLNS, name[6:])
    return _qualified(name, prefixes) if ":" in name else Name("", name)


def _qualified(name: str, prefixes: dict[str, str]) -> Name:
    prefix, _, local = name.rpartition(":")
    return Name(prefixes.get(prefix, ""), local)
