"""What people see while files are enlarged."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from twofold.cli.progress import Bars, Outcomes, watching
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.service.progress import ActiveJob, Snapshot

DAMAGED = Reason(Code.DAMAGED, "The picture is cut off.", "Copy it again.")
JOB = ActiveJob("abc", "photos", b"deep/cat\n.jpg", 1, 2, 0.43, "photo@1", "256x256", "cpu")
ENDED = Snapshot(
    pictures_total=3, pictures_done=1, delivered=((b"a.jpg", b"/out/a.jpg"),), failed=((b"b.jpg", DAMAGED),)
)


def test_lines_say_what_ended(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Outcomes()
    with watching(outcomes, bars=False, lines=True) as watch:
        watch(ENDED)
        watch(Snapshot(delivered=((b"c\xff.jpg", b"/out/c\xff.jpg"),)))
    said = capsys.readouterr()
    assert said.out == "a.jpg → /out/a.jpg\nc\\xff.jpg → /out/c\\xff.jpg\n"
    assert said.err == "b.jpg: The picture is cut off. (damaged) Copy it again.\n"
    assert outcomes.delivered == [(b"a.jpg", b"/out/a.jpg"), (b"c\xff.jpg", b"/out/c\xff.jpg")]
    assert outcomes.failed == [(b"b.jpg", DAMAGED)]


def test_json_output_stays_alone(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Outcomes()
    with watching(outcomes, bars=False, lines=False) as watch:
        watch(ENDED)
    assert capsys.readouterr() == ("", "")
    assert len(outcomes.delivered) == 1


def test_bars_show_the_total_and_each_job_in_hand() -> None:
    screen = io.StringIO()
    progress = Progress(
        TextColumn("{task.description}|{task.percentage:.0f}|{task.fields[note]}"),
        console=Console(file=screen, width=200, force_terminal=True, color_system=None),
        auto_refresh=False,
    )
    bars = Bars(progress)
    with progress:
        bars.show(Snapshot(pictures_total=3, pictures_done=1, active=(JOB,), px_per_s=2.5e6, eta_s=65))
        progress.refresh()
        assert "pictures|33|1 of 3, 2.50 MP/s, 1 min 05 s left" in screen.getvalue()
        assert "deep/cat\\n.jpg|43|pass 1 of 2, photo@1, tile 256x256, cpu" in screen.getvalue()
        bars.show(ENDED)
        assert len(progress.tasks) == 1
    assert "a.jpg → /out/a.jpg" in screen.getvalue()
    assert "b.jpg: The picture is cut off. (damaged)" in screen.getvalue()
