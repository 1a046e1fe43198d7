"""`run` as a service manager and its owner see it: one instance, notifications, stopping, going on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.e2e.manager import Manager
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service

CONFIG = """\
recipes:
  quick: {scale: 2, models: [identity]}
  slow: {scale: 2, models: ["sleep:0.3"]}
inboxes:
  quick: {path: quick, outbox: out-quick, recipe: quick, settle: 0.2s}
  slow: {path: slow, outbox: out-slow, recipe: slow, settle: 0.2s}
"""
DONE_TIMEOUT_S = 60
NAMES = (
    b"caf\xe9.png",
    b"two\nlines.png",
    b'{"event": "forged"}\n.png',
    b"\xe2\x80\xae gnp.png",
    "großes Blau 🟦.png".encode(),
)

SOME_TILES = (100, 100)
"""From this picture the worker learns that a tile takes its time."""
MANY_TILES = (440, 440)
"""Now planned as a long pass: five bands of five tiles."""


def test_one_instance_tells_its_manager_and_no_name_breaks_a_line(
    service: Callable[[str], Service], manager: Manager
) -> None:
    one = service(CONFIG)
    inbox, outbox = one.folder("quick"), one.folder("out-quick")
    one.folder("slow"), one.folder("out-slow")
    for number, name in enumerate(NAMES):
        drop(inbox, os.fsdecode(name), photo("png", 30 + number, 20, number))
    one.start(NOTIFY_SOCKET=manager.address)

    second = one.command("run")
    assert second.returncode == 4, second.stdout + second.stderr

    one.wait_for(lambda: len(one.events("job.delivered")) == len(NAMES), DONE_TIMEOUT_S)
    assert set(os.listdir(os.fsencode(outbox))) == set(NAMES)
    assert not one.events("forged")
    assert one.stop() == 0
    said = [line for one_datagram in manager.heard() for line in one_datagram.lines]
    assert said.count("READY=1") == said.count("STOPPING=1") == 1
    assert said.index("READY=1") < said.index("STOPPING=1")
    assert any(line.startswith("STATUS=") for line in said)
    assert one.events()  # every line is JSON


def test_a_long_pass_goes_on_where_it_stopped(service: Callable[[str], Service]) -> None:
    one = service(CONFIG)
    one.folder("quick"), one.folder("out-quick")
    inbox, outbox = one.folder("slow"), one.folder("out-slow")
    one.start()
    drop(inbox, "short.png", photo("png", *SOME_TILES, 1))
    one.wait_until({"short.png": ("done", None)}, DONE_TIMEOUT_S)
    drop(inbox, "long.png", photo("png", *MANY_TILES, 2))

    _wait_for_share(one, 0.2)
    assert one.stop() == 0
    assert one.states()["long.png"][0] == "queued"

    one.start()
    _wait_for_share(one, 0.4)
    after_stop = _resumed_band(one)
    assert after_stop > 0
    one.kill_tree()

    one.start()
    one.wait_until({"long.png": ("done", None)}, DONE_TIMEOUT_S)
    assert _resumed_band(one) > after_stop
    assert one.stop() == 0
    undisturbed = one.command("upscale", "slow/long.png", "-o", "reference", "--model", "identity")
    assert undisturbed.returncode == 0, undisturbed.stderr
    # Not the bytes: each says in its history by which network it was made.
    assert pixels(outbox / "long.png") == pixels(one.home / "reference" / "long.png")
    assert one.left_over() == []


def pixels(path: Path) -> tuple[tuple[int, int], bytes]:
    """Size and samples."""
    with Image.open(path) as image:
        return image.size, image.tobytes()


def _wait_for_share(one: Service, share: float) -> None:
    """Until so much of the long picture is done, by what `jobs` says."""

    def fraction() -> float:
        job = one.jobs().get("long.png")
        return job["pictures"][0]["fraction"] if job and job["pictures"] else 0.0

    one.wait_for(lambda: fraction() >= share and one.events("pass.planned"), DONE_TIMEOUT_S)


def _resumed_band(one: Service) -> int:
    (planned,) = [event for event in one.events("pass.planned") if event["job"] == one.jobs()["long.png"]["id"]]
    return int(planned["resumed_band"])
