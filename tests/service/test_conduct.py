"""What a worker hears of its supervisor while it runs."""

from __future__ import annotations

import os
import threading

import pytest

from twofold.service.conduct import LETTERS, Conduct, Manner, follow


@pytest.mark.parametrize("manner", LETTERS)
def test_the_last_letter_holds_and_the_end_of_the_input_changes_nothing(manner: Manner) -> None:
    ours, theirs = os.pipe()
    conduct = Conduct()
    for letters in (LETTERS["still"], LETTERS["smallest"] + LETTERS[manner], b"?"):
        os.write(theirs, letters)
    thread = threading.Thread(target=follow, args=(ours, conduct))
    thread.start()
    os.close(theirs)
    thread.join(10)
    os.close(ours)
    assert not thread.is_alive()
    assert conduct.manner == manner
