"""Notes in a real outbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.note import MARK
from twofold.imaging.deliver import Outbox
from twofold.imaging.note import remove_note, write_note

NAME = b"sub/\xff.jpg.failed.txt"
NOTE = MARK + b"\r\nthe rest\r\n"


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(os.fsencode(tmp_path))


def test_a_note_comes_is_renewed_and_goes(outbox: Outbox) -> None:
    path = os.path.join(outbox.root, NAME)
    write_note(outbox, NAME, NOTE, "job")
    write_note(outbox, NAME, NOTE + b"again", "job")
    assert Path(os.fsdecode(path)).read_bytes() == NOTE + b"again"
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    assert remove_note(outbox, NAME) is True
    assert remove_note(outbox, NAME) is False
    assert os.listdir(os.path.dirname(path)) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link to a note"])
def test_somebody_elses_file_is_neither_replaced_nor_removed(outbox: Outbox, kind: str) -> None:
    path = Path(os.fsdecode(os.path.join(outbox.root, NAME)))
    path.parent.mkdir()
    if kind == "file":
        path.write_text("my own list of failures")
    elif kind == "folder":
        path.mkdir()
    else:
        (path.parent / "note").write_bytes(NOTE)
        path.symlink_to(path.parent / "note")
    before = sorted(os.listdir(path.parent))
    with pytest.raises(TwofoldError) as caught:
        write_note(outbox, NAME, NOTE, "job")
    assert caught.value.code is Code.OUTPUT_EXISTS
    assert remove_note(outbox, NAME) is False
    assert sorted(os.listdir(path.parent)) == before


def test_an_outbox_that_is_away_is_met_again_later(outbox: Outbox) -> None:
    away = Outbox(os.path.join(outbox.root, b"share"))
    for act in (lambda: write_note(away, NAME, NOTE, "job"), lambda: remove_note(away, NAME)):
        with pytest.raises(TwofoldError) as caught:
            act()
        assert (caught.value.code, caught.value.retryable) == (Code.OUTBOX_MISSING, True)
