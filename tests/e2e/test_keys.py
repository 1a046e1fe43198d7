"""Keys of the configuration that no other test here turns: each does what it says, through the real process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from PIL import Image

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, parsed

DONE_TIMEOUT_S = 60
GIB = 2**30
MANY_KEYS = """\
scratch_dir: fast
vram: {keep_free: 3GiB}
ram: {use_at_most: 20%}
recipes:
  main: {scale: 2, models: [identity]}
  jpeg: {scale: 2, models: [identity], save_as: {format: jpeg, quality: 30}}
  fine: {scale: 2, models: [identity], save_as: {format: jpeg, quality: 95}}
  tiff: {scale: 2, models: [identity], save_as: {format: tiff}}
  around: {scale: 2, models: [identity], before: ["identity:1"], after: ["identity:1"]}
inboxes:
  around: {path: around, outbox: out-around, recipe: around, settle: 0.2s}
  jpeg: {path: jpeg, outbox: out-jpeg, recipe: jpeg, settle: 0.2s, scan_every: 7s}
  fine: {path: fine, outbox: out-fine, recipe: fine, settle: 0.2s}
  tiff: {path: tiff, outbox: out-tiff, recipe: tiff, settle: 0.2s}
  own: {path: own, outbox: out-own, recipe: main, settle: 0.2s, on_exists: overwrite_own}
  suffix: {path: suffix, outbox: out-suffix, recipe: main, settle: 0.2s, on_exists: suffix}
  skip: {path: skip, outbox: out-skip, recipe: main, settle: 0.2s, on_exists: skip}
  fail: {path: fail, outbox: out-fail, recipe: main, settle: 0.2s, on_exists: fail}
  ignore: {path: ignore, outbox: out-ignore, recipe: main, settle: 0.2s, ignore: ["a*"]}
  full: {path: full, outbox: out-full, recipe: main, settle: 0.2s, outbox_keep_free: 1000TiB}
  smallest: {path: smallest, outbox: out-smallest, recipe: main, settle: 0.2s, order: smallest}
  name: {path: name, outbox: out-name, recipe: main, settle: 0.2s, order: name}
"""
FOREIGN = b"somebody else's"


def test_many_keys_do_what_they_say(service: Callable[[str], Service]) -> None:
    one = service(MANY_KEYS)
    for word in ("jpeg", "fine", "tiff", "around"):
        drop(one.folder(word), "p.png", photo("png", 64, 48, 1))
        one.folder(f"out-{word}")
    for number, word in enumerate(("own", "suffix", "skip", "fail", "ignore", "full")):
        drop(one.folder(word), "a.png", photo("png", 24, 18, 10 + number))
        outbox = one.folder(f"out-{word}")
        if word in ("own", "suffix", "skip", "fail"):
            (outbox / "a.png").write_bytes(FOREIGN)
    for word in ("smallest", "name"):
        one.folder(f"out-{word}")
        for number, side in enumerate((60, 20, 40)):
            drop(one.folder(word), f"{number}.png", photo("png", side, side, 3 + number))
    done = one.command("once", "--verbose")
    assert done.returncode == 3, done.stdout + done.stderr  # `fail` failed
    events = parsed("\n".join(line for line in done.stderr.splitlines() if line.startswith("{")))

    quality = {name: (one.folder(f"out-{name}") / "p.jpg").stat().st_size for name in ("jpeg", "fine")}
    assert quality["fine"] > 2 * quality["jpeg"]
    with Image.open(one.folder("out-tiff") / "p.tif") as result:
        assert result.format == "TIFF"

    (around,) = [job for job in _jobs(one, "p.png") if job["inbox"] == "around"]
    assert [step["scale"] for step in around["pictures"][0]["passes"]] == [1, 2, 1]

    ends = {job["inbox"]: (job["state"], (job["reason"] or {}).get("code")) for job in _jobs(one, "a.png")}
    assert ends == {
        "own": ("skipped", "output_exists"),
        "suffix": ("done", None),
        "skip": ("skipped", "output_exists"),
        "fail": ("failed", "output_taken"),
        "full": ("waiting", "disk_full"),
    }
    assert sorted(os.listdir(one.folder("out-suffix"))) == ["a-2.png", "a.png"]
    for word in ("own", "suffix", "skip", "fail"):
        assert (one.folder(f"out-{word}") / "a.png").read_bytes() == FOREIGN
    told = {inbox["name"]: inbox for inbox in one.status()["inboxes"]}
    assert told["ignore"]["ignored"]
    assert told["jpeg"]["scan_every_s"] == 7

    plans = [event for event in events if event["event"] == "pass.planned"]
    assert {event["keep_free_bytes"] for event in plans} == {3 * GIB}
    total = one.status()["devices"][0]["total_bytes"]
    assert max(event["budget_bytes"] for event in plans) <= total / 5
    assert (one.home / "fast").is_dir()
    assert _turns(one, "name") == [b"0.png", b"1.png", b"2.png"]
    assert _turns(one, "smallest") == [b"1.png", b"2.png", b"0.png"]


def test_limits_refuse_what_is_beyond_them(service: Callable[[str], Service]) -> None:
    config = """\
limits: {LIMIT}
recipes: {main: {scale: 4, models: [identity]}}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
    one = service(config.replace("LIMIT", "input_megapixels: 0.001"))
    drop(one.folder("in"), "a.png", photo("png", 64, 48, 1))
    one.folder("out")
    assert one.command("once").returncode == 3
    assert one.states() == {"a.png": ("failed", "too_large")}
    for limit, code in (
        ("output_megapixels: 0.04", "too_large"),
        ("decode_time: 1ms", "decode_timeout"),
    ):
        one.configure(config.replace("LIMIT", limit))
        one.command("retry", "--all")
        assert one.command("once").returncode == 3
        assert one.states() == {"a.png": ("failed", code)}, limit


def test_without_its_device_a_service_waits_or_ends_as_told(service: Callable[[str], Service]) -> None:
    config = """\
on_no_device: WORD
idle_exit: 1s
recipes: {main: {scale: 2, models: [identity]}}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
    one = service(config)
    drop(one.folder("in"), "a.png", photo("png", 24, 18, 1))
    one.folder("out")

    def configure(devices: str, word: str) -> None:
        text = f"state_dir: state\ndevices: {devices}\n" + config.replace("WORD", word)
        (one.home / "twofold.yaml").write_text(text, encoding="utf-8")

    configure("[GPU-00000000-0000-0000-0000-000000000000]", "exit")
    ended = one.command("run")
    assert ended.returncode == 69
    assert "no_device" in ended.stderr
    configure("[GPU-00000000-0000-0000-0000-000000000000]", "wait")
    one.start()
    one.wait_for(lambda: one.events("device.lost"), DONE_TIMEOUT_S)
    one.wait_until({"a.png": ("queued", None)}, DONE_TIMEOUT_S)
    assert one.stop() == 0

    configure("cpu", "wait")
    one.start()
    one.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    one.wait_for(lambda: one.events("worker.exited"), DONE_TIMEOUT_S)  # idle_exit
    assert one.stop() == 0


def test_another_database_is_refused_until_there_is_one(service: Callable[[str], Service]) -> None:
    one = service("database: postgresql://user@host/twofold\ninboxes: {}\n")
    ended = one.command("run")
    assert ended.returncode == 78
    assert "PostgreSQL" in ended.stderr


def _jobs(one: Service, path: str) -> list[dict[str, Any]]:
    return [job for job in one.answer("jobs")["jobs"] if job["path"] == path]


def _turns(one: Service, inbox: str) -> list[bytes]:
    """The files of an inbox in the order in which they were put before the workers."""
    with closing(sqlite3.connect(one.database)) as connection:
        return [path for (path,) in connection.execute("SELECT path FROM file WHERE inbox = ? ORDER BY turn", (inbox,))]
