"""Names of any bytes become one safe line, and can be had back."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from twofold.telemetry.names import display, name_fields, printable


@given(st.binary(max_size=40))
def test_any_name_is_one_printable_line(name: bytes) -> None:
    shown = display(name)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()  # no surrogate is left over


@given(st.binary(max_size=40))
def test_the_exact_bytes_can_be_had_back(name: bytes) -> None:
    fields = name_fields("path", name)
    exact = base64.b64decode(fields["path_b64"]) if "path_b64" in fields else fields["path"].encode()
    assert exact == name


def test_ordinary_names_stay_as_they_are() -> None:
    assert name_fields("path", "Été 2024/#1 ☂.jpg".encode()) == {"path": "Été 2024/#1 ☂.jpg"}


def test_what_could_deceive_a_reader_is_spelled_out() -> None:
    assert display(b"a\nb") == "a\\nb"
    assert display(b"\x1b[31m") == "\\x1b[31m"
    assert display("gpj.\u202eexe".encode()) == "gpj.\\u202eexe"
    assert display(b"caf\xe9.jpg") == "caf\\xe9.jpg"
    assert printable("two\r\nlines") == "two\\r\\nlines"
