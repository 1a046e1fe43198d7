"""File names as one safe line: names are bytes, and may hold anything but a slash and a zero."""

from __future__ import annotations

import base64


def display(name: bytes) -> str:
    """`name` for people: one printable line, whatever it holds.

    Bytes that are not UTF-8 become `\\xff`; control, bidirectional and other invisible ones become `\\n`, `\\u202e`.
    """
    return printable(name.decode("utf-8", "surrogateescape"))


def printable(text: str) -> str:
    """`text` on one line: every character that a terminal or a log could misread is escaped."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def name_fields(key: str, name: bytes) -> dict[str, str]:
    """`{key: …}`, and `{key}_b64` with the exact bytes where what people see is not exactly the name."""
    shown = display(name)
    if shown.encode() == name:
        return {key: shown}
    return {key: shown, f"{key}_b64": base64.b64encode(name).decode("ascii")}


def json_fields(key: str, name: bytes) -> dict[str, str]:
    """`{key: …}` for machines: the name itself where it is UTF-8, else what people see and its bytes as `{key}_b64`."""
    try:
        return {key: name.decode()}
    except UnicodeDecodeError:
        return name_fields(key, name)


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that is no UTF-8, as surrogateescape carries it
        return f"\\x{ord(char) - 0xDC00:02x}"
    if 0x80 <= ord(char) <= 0xFF:
        return f"\\u{ord(char):04x}"  # not \x80: that spelling is kept for stray bytes
    return char.encode("unicode_escape").decode("ascii")
