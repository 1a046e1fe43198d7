from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.ignore import compile_rules, decide
from twofold.core.naming import MAX_NAME_BYTES
from twofold.core.note import MARK, is_note, note_name, note_text

REASON = Reason(Code.DAMAGED, "Es fehlt etwas: größer als erwartet.", "Copy it again.")
names = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, b"/"[0]} & set(name) and name.strip(b"."))


@given(names, names)
def test_every_source_has_a_note_of_its_own(one: bytes, other: bytes) -> None:
    for name in (one, other):
        assert len(note_name(b"a/" + name).rpartition(b"/")[2]) <= MAX_NAME_BYTES
        assert note_name(b"a/" + name).startswith(b"a/")
    assert (note_name(one) == note_name(other)) == (one == other)


@given(names)
def test_a_note_is_never_taken_for_a_dropped_picture(name: bytes) -> None:
    """The outbox of one inbox may be the next one's inbox."""
    assert decide(note_name(name), compile_rules()) is not None


def test_a_note_can_be_read_on_any_machine() -> None:
    text = note_text("Urlaub/IMG_1.jpg", "abc234def567", REASON)
    assert text.startswith(MARK + b"\r\n")
    assert text.count(b"\n") == text.count(b"\r\n")
    shown = text.decode("utf-8")
    for part in ("Urlaub/IMG_1.jpg", REASON.text, REASON.hint, "damaged", "abc234def567"):
        assert part in shown
    assert "What to do" not in note_text("a", "b", Reason(Code.DAMAGED, "x")).decode()


@pytest.mark.parametrize(
    ("beginning", "ours"),
    [
        (MARK + b"\r\n", True),
        (MARK + b"\n", True),
        (MARK, True),
        (MARK + b" Really", False),
        (b"\xef\xbb\xbf" + MARK, False),
        (b"My own list", False),
        (b"", False),
    ],
)
def test_somebody_elses_file_is_told_apart(beginning: bytes, ours: bool) -> None:
    assert is_note(beginning) == ours
