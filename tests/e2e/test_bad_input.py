"""Bad files, folders and networks: each has its code, the original stays, the service goes on."""

from __future__ import annotations

import ctypes
import io
import random
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service, sums

PR_CAPBSET_DROP = 24
PASSES_PERMISSIONS = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: with them root reads everything, and nothing is unreadable."""

OUTCOMES_TIMEOUT_S = 60
GOES_ON_TIMEOUT_S = 75
"""A job that waits for something is looked at again after 10 to 30 s."""

CONFIG = """\
recipes:
  good: {scale: 2, models: [identity]}
  absent: {scale: 2, models: [no-such-network]}
  garbage: {scale: 2, models: [garbage]}
inboxes:
  files: {path: files, outbox: out, recipe: good, settle: 0.2s}
  absent: {path: absent, outbox: out-absent, recipe: absent, settle: 0.2s}
  garbage: {path: garbage-in, outbox: out-garbage, recipe: garbage, settle: 0.2s}
  homeless: {path: homeless, outbox: later, recipe: good, settle: 0.2s}
"""
EXPECTED = {
    "truncated.webp": ("failed", "damaged"),
    "truncated.png": ("failed", "damaged"),
    "huge.png": ("failed", "too_large"),
    "dancing.gif": ("skipped", "animated"),
    "letter.tif": ("failed", "not_a_picture"),
    "locked.jpg": ("failed", "unreadable"),
    "taken.png": ("skipped", "output_exists"),
    "no network.png": ("waiting", "missing_model"),
    "bad network.png": ("failed", "bad_network"),
    "no outbox.png": ("waiting", "outbox_missing"),
}
FOREIGN = b"a file of somebody else's"


def _obey_permissions() -> None:
    libc = ctypes.CDLL(None)
    for capability in PASSES_PERMISSIONS:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("bad"), CONFIG)
    for name in ("out", "out-absent", "out-garbage"):
        service.folder(name)
    (service.home / "garbage.safetensors").write_bytes(random.Random(1).randbytes(5000))
    (service.home / "out" / "taken.png").write_bytes(FOREIGN)
    good = photo("png", 50, 40, 1)
    contents = {
        "truncated.webp": photo("webp", 300, 200, 2)[:3000],
        "truncated.png": good[: len(good) // 2],
        "huge.png": huge_png(),
        "dancing.gif": animation(),
        "letter.tif": b"Dear Sir or Madam,\n" * 50,
        "locked.jpg": photo("jpeg", 60, 40, 3),
        "taken.png": good,
    }
    for name, content in contents.items():
        drop(service.folder("files"), name, content)
    (service.home / "files" / "locked.jpg").chmod(0)
    for inbox, name in (("absent", "no network"), ("garbage-in", "bad network"), ("homeless", "no outbox")):
        drop(service.folder(inbox), f"{name}.png", photo("png", 40, 30, 4))
    try:
        service.start(prepare=_obey_permissions)
        service.wait_until(EXPECTED, OUTCOMES_TIMEOUT_S)
        yield service
    finally:
        service.end()


def huge_png() -> bytes:
    """A sound header that asks for 10 gigapixels, and next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def animation() -> bytes:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_file_is_explained_in_jobs_and_in_the_log(bad: Service, name: str) -> None:
    reason = bad.jobs()[name]["reason"]
    assert reason["text"]
    assert reason["hint"] or reason["code"] == "animated"
    told = [event for event in bad.events() if event.get("path") == name and event.get("code") == EXPECTED[name][1]]
    assert told, bad.log_tail()


def test_nothing_is_written_for_a_bad_file_and_nobody_elses_is_touched(bad: Service) -> None:
    assert (bad.home / "out" / "taken.png").read_bytes() == FOREIGN
    assert not [event for event in bad.events("pass.planned") if event["job"] == bad.jobs()["taken.png"]["id"]]
    assert sums(bad.home / "out-absent") == sums(bad.home / "out-garbage") == {}


@pytest.mark.slow
def test_a_job_goes_on_by_itself_when_its_outbox_appears(bad: Service) -> None:
    outbox = bad.folder("later")
    bad.wait_until({"no outbox.png": ("done", None)}, GOES_ON_TIMEOUT_S)
    assert pixels(outbox / "no outbox.png").shape == (60, 80, 3)


def test_the_service_goes_on(bad: Service) -> None:
    drop(bad.home / "files", "good.png", photo("png", 30, 20, 7))
    bad.wait_until({"good.png": ("done", None)}, OUTCOMES_TIMEOUT_S)
    assert pixels(bad.home / "out" / "good.png").shape == (40, 60, 3)
    assert not bad.events("service.stumbled")


def test_a_mended_permission_is_noticed(bad: Service) -> None:
    (bad.home / "files" / "locked.jpg").chmod(0o644)
    bad.wait_until({"locked.jpg": ("done", None)}, OUTCOMES_TIMEOUT_S)


def test_retry_takes_up_a_file_whose_name_is_free_again(bad: Service) -> None:
    (bad.home / "out" / "taken.png").unlink()
    done = bad.command("retry", bad.jobs()["taken.png"]["id"])
    assert done.returncode == 0, done.stderr
    bad.wait_until({"taken.png": ("done", None)}, OUTCOMES_TIMEOUT_S)
    assert pixels(bad.home / "out" / "taken.png").shape == (80, 100, 3)


@pytest.mark.root
def test_a_full_disk_waits_for_room(service: Callable[[str], Service]) -> None:
    one = service(CONFIG)
    outbox = one.folder("out")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", outbox], check=True)
    try:
        drop(one.folder("files"), "large.png", photo("png", 900, 700, 1))
        one.start()
        one.wait_until({"large.png": ("waiting", "disk_full")}, OUTCOMES_TIMEOUT_S)
        assert sums(outbox) == {}
        subprocess.run(["mount", "-o", "remount,size=64m", outbox], check=True)
        one.wait_until({"large.png": ("done", None)}, GOES_ON_TIMEOUT_S)
        assert pixels(outbox / "large.png").shape == (1400, 1800, 3)
        assert one.stop() == 0
    finally:
        one.end()
        subprocess.run(["umount", outbox], check=True)
