"""What people see while files are enlarged."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from twofold.cli.bars import Bars
from twofold.cli.lines import EVERY_S, Lines
from twofold.cli.progress import Outcomes, watching
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.headway import Headway
from twofold.core.states import InboxState
from twofold.service.progress import ActiveJob, InboxNews, Snapshot

DAMAGED = Reason(Code.DAMAGED, "The picture is cut off.", "Copy it again.")
OFFLINE = InboxNews("photos", InboxState.OFFLINE, Reason(Code.INBOX_OFFLINE, "It is not there.", "Mount it."))
WAY = Headway("enlarging", 1, 2, 12, 40, px=4e6, work_px=10_000_000)
JOB = ActiveJob("abc", "photos", b"deep/cat\n.jpg", 0.4, WAY, px_per_s=0.5e6)
FRESH = ActiveJob("abc", "photos", b"deep/cat\n.jpg", headway=Headway(passes=2))
SAVING = ActiveJob("abc", "photos", b"deep/cat\n.jpg", 1.0, Headway("saving", 2, 2, px=1e7, work_px=10_000_000))
NOTE = "pass 1 of 2, tile 12 of 40, 0.50 MP/s, 12 s left"
ENDED = Snapshot(
    pictures_total=3, pictures_done=1, delivered=((b"a.jpg", b"/out/a.jpg"),), failed=((b"b.jpg", DAMAGED),)
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_results_alone_say_what_ended(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Outcomes()
    with watching(outcomes, "results") as watch:
        watch(ENDED)
        watch(Snapshot(delivered=((b"c\xff.jpg", b"/out/c\xff.jpg"),), active=(JOB,), inboxes=(OFFLINE,)))
    said = capsys.readouterr()
    assert said.out == "a.jpg → /out/a.jpg\nc\\xff.jpg → /out/c\\xff.jpg\n"
    assert said.err == "b.jpg: The picture is cut off. (damaged) Copy it again.\n"
    assert outcomes.delivered == [(b"a.jpg", b"/out/a.jpg"), (b"c\xff.jpg", b"/out/c\xff.jpg")]
    assert outcomes.failed == [(b"b.jpg", DAMAGED)]


def test_json_output_stays_alone(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Outcomes()
    with watching(outcomes, "nothing") as watch:
        watch(ENDED)
    assert capsys.readouterr() == ("", "")
    assert len(outcomes.delivered) == 1


def test_lines_say_what_started_and_long_work_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock=clock)
    for now_s, job in ((0.0, FRESH), (1.0, JOB), (EVERY_S, JOB), (EVERY_S + 1, JOB), (2 * EVERY_S, SAVING)):
        clock.now_s = now_s
        lines.show(Snapshot(active=(job,)))
    lines.show(Snapshot(delivered=((JOB.path, b"/out/cat.jpg"),)))
    name = "deep/cat\\n.jpg"
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: started",
        f"{name}: 40%, {NOTE}",
        f"{name}: 100%, saving",
        f"{name} → /out/cat.jpg",
    ]


def test_an_inbox_in_trouble_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().show(Snapshot(inboxes=(OFFLINE, InboxNews("scans", InboxState.OK, None))))
    assert capsys.readouterr().err == (
        "inbox photos: offline: It is not there. (inbox_offline) Mount it.\ninbox scans: ok\n"
    )


def test_bars_show_the_total_and_each_job_in_hand() -> None:
    screen = io.StringIO()
    progress = Progress(
        TextColumn("{task.description}|{task.percentage:.0f}|{task.fields[note]}"),
        console=Console(file=screen, width=200, force_terminal=True, color_system=None),
        auto_refresh=False,
    )
    bars = Bars(progress, name_chars=36)
    with progress:
        bars.show(Snapshot(pictures_total=3, pictures_done=1, active=(JOB,), px_per_s=2.5e6, eta_s=65))
        progress.refresh()
        assert "pictures|47|1 of 3, 2.50 MP/s, 1 min 05 s left" in screen.getvalue()
        assert f"deep/cat\\n.jpg|40|{NOTE}" in screen.getvalue()
        bars.show(Snapshot(active=(SAVING,), inboxes=(OFFLINE,)))
        progress.refresh()
        assert "deep/cat\\n.jpg|100|saving" in screen.getvalue()
        assert "inbox photos: offline: It is not there. (inbox_offline)" in screen.getvalue()
        bars.show(ENDED)
        assert len(progress.tasks) == 1
    assert "a.jpg → /out/a.jpg" in screen.getvalue()
    assert "b.jpg: The picture is cut off. (damaged)" in screen.getvalue()
