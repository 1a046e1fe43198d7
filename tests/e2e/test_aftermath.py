"""Originals, notes, copies and hooks through the real service, from the configuration to what lies on the disk."""

from __future__ import annotations

import io
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, sums

CONFIG = """\
hooks: {on_done: [./tell], on_failed: [./tell], on_idle: [./tell]}
recipes:
  double: {scale: 2, models: [identity]}
inboxes:
  in:
    path: in
    outbox: out
    recipe: double
    settle: 0.2s
    originals: {archive: archive}
    failure_notes: always
    unprocessed: copy
"""
DONE_TIMEOUT_S = 60
JOBS = 6


def prepared(make: Callable[[str], Service]) -> Service:
    one = make(CONFIG)
    for name in ("in", "out", "archive"):
        one.folder(name)
    script = one.home / "tell"
    script.write_text(f'#!/bin/sh\nexec cat >> "{one.home}/told"\n')
    script.chmod(0o755)
    return one


def told(one: Service) -> list[dict[str, object]]:
    return [json.loads(line) for line in (one.home / "told").read_text().splitlines()]


def animation() -> bytes:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def test_what_follows_each_end(service: Callable[[str], Service]) -> None:
    one = prepared(service)
    inbox = one.home / "in"
    drop(inbox, "sub/a.png", photo("png", 40, 30, 1))
    drop(inbox, "bad.jpg", b"Dear Sir or Madam,\n")
    drop(inbox, "moving.gif", animation())
    before = sums(inbox)
    assert one.command("once").returncode == 3
    assert sums(one.home / "archive") == {"sub/a.png": before["sub/a.png"]}
    assert set(sums(inbox)) == {"bad.jpg", "moving.gif"}
    assert set(sums(one.home / "out")) == {"sub/a.png", "bad.jpg.failed.txt", "moving.gif"}
    assert sums(one.home / "out")["moving.gif"] == before["moving.gif"]
    hooks = {line["hook"]: line for line in told(one)}
    assert hooks["on_done"]["input_path"] == str(inbox / "sub/a.png")
    assert hooks["on_failed"]["path"] == "bad.jpg"
    assert hooks["on_idle"]["counts"] == {"done": 1, "failed": 1, "skipped": 1}
    shown = one.command("explain", "in/sub/a.png").stdout
    assert f"original: archived as {one.home}/archive/sub/a.png" in shown
    assert "on_done: ended well" in shown

    # The archived original is not taken for vanished; dropped again, it has its turn again, at no cost.
    (inbox / "bad.jpg").write_bytes(photo("jpeg", 30, 20, 2))
    shutil.copy2(one.home / "archive/sub/a.png", inbox / "sub/a.png")
    assert one.command("once").returncode == 0
    assert {path: state for path, (state, _) in one.states().items()} == {
        "sub/a.png": "done",
        "bad.jpg": "done",
        "moving.gif": "skipped",
    }
    assert set(sums(inbox)) == {"moving.gif"}
    assert set(sums(one.home / "archive")) == {"sub/a.png", "bad.jpg"}
    assert set(sums(one.home / "out")) == {"sub/a.png", "bad.jpg", "moving.gif"}
    assert one.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [8])
def test_kills_of_the_whole_tree_lose_no_original(service: Callable[[str], Service], kills: int) -> None:
    one = prepared(service)
    moments = random.Random(4)
    for number in range(JOBS):
        drop(one.home / "in", f"{number}.png", photo("png", 40 + number, 30, number))
    before = sums(one.home / "in")
    for round_ in range(kills):
        drop(one.home / "in", f"late {round_}.png", photo("png", 70 + round_, 30, round_))
        before |= {f"late {round_}.png": sums(one.home / "in")[f"late {round_}.png"]}
        one.start()
        one.wait_for(lambda: one.events("job.delivered"), DONE_TIMEOUT_S)
        time.sleep(moments.uniform(0, 1.5))
        one.kill_tree()
        assert everywhere(one.home) >= set(before.values())
    one.start()
    one.wait_for(lambda: sums(one.home / "archive") == before and not sums(one.home / "in"), DONE_TIMEOUT_S)
    one.wait_for(lambda: {line.get("path") for line in told(one)} >= set(before), DONE_TIMEOUT_S)
    assert one.stop() == 0
    assert set(sums(one.home / "out")) == set(before)
    assert one.left_over() == []


def everywhere(home: Path) -> set[str]:
    """The bytes of all originals, wherever they lie."""
    return set(sums(home / "in").values()) | set(sums(home / "archive").values())
