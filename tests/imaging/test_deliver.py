"""Delivery: once, whole, over nobody else's file, whatever happens in between."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import Intent, Output
from twofold.imaging.deliver import Outbox

PIXELS = b"the new result " * 5000
OLD = b"the previous result"
FINAL = b"2024/summer/IMG \xff.jpg"
JOB = "abc234def567"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def outbox(root: Path) -> Outbox:
    return Outbox(os.fsencode(root))


def at(root: Path, name: bytes) -> bytes:
    return os.path.join(os.fsencode(root), name)


def put(root: Path, name: bytes, data: bytes) -> Output:
    path = at(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return Output(name, hashlib.sha256(data).hexdigest(), len(data), os.stat(path).st_mtime_ns)


def get(root: Path, name: bytes) -> bytes:
    with open(at(root, name), "rb") as file:
        return file.read()


def names(root: Path) -> list[bytes]:
    return sorted(
        os.path.relpath(os.path.join(folder, name), os.fsencode(root))
        for folder, _, files in os.walk(os.fsencode(root))
        for name in files
    )


def sealed(outbox: Outbox, final: bytes = FINAL, data: bytes = PIXELS, job: str = JOB) -> Intent:
    temp = outbox.open_temp(job, final)
    os.write(temp.fd, data)
    seal = outbox.seal(temp, mtime_ns=1_500_000_000_123_456_789)
    os.close(temp.fd)
    return Intent(temp.path, final, seal.sha256, seal.size)


def test_a_result_appears_whole_under_its_name(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox)
    assert names(root) == [b"2024/summer/.twofold-abc234def567.tmp"]
    published = outbox.publish(intent)
    assert names(root) == [FINAL]
    assert get(root, FINAL) == PIXELS
    assert not published.best_effort
    assert published.output == Output(FINAL, hashlib.sha256(PIXELS).hexdigest(), len(PIXELS), 1_500_000_000_123_456_789)


def test_the_mode_is_the_umask_s(root: Path, outbox: Outbox) -> None:
    before = os.umask(0o027)
    try:
        outbox.publish(sealed(outbox, b"a.png"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(at(root, b"a.png")).st_mode) == 0o640


def test_a_stale_temp_of_the_same_job_is_replaced(root: Path, outbox: Outbox) -> None:
    put(root, b".twofold-abc234def567.tmp", b"x" * 10**6)
    outbox.publish(sealed(outbox, b"a.png"))
    assert get(root, b"a.png") == PIXELS
    assert names(root) == [b"a.png"]


def test_a_link_in_place_of_the_temp_is_not_followed(root: Path, outbox: Outbox) -> None:
    victim = put(root, b"victim", OLD)
    os.symlink(at(root, b"victim"), at(root, b".twofold-abc234def567.tmp"))
    outbox.publish(sealed(outbox, b"a.png"))
    assert get(root, victim.path) == OLD


@pytest.mark.parametrize("on_exists", ["overwrite_own", "skip", "fail"])
def test_a_foreign_file_is_never_overwritten(root: Path, outbox: Outbox, on_exists) -> None:
    ours = put(root, FINAL, OLD)
    put(root, FINAL, b"somebody edited it")
    with pytest.raises(TwofoldError) as caught:
        outbox.choose_name(FINAL, on_exists, ours)
    assert caught.value.code is Code.OUTPUT_EXISTS
    intent = sealed(outbox)
    with pytest.raises(TwofoldError) as caught:
        outbox.publish(intent, ours)
    assert caught.value.code is Code.OUTPUT_EXISTS
    assert get(root, FINAL) == b"somebody edited it"


def test_our_own_bytes_are_overwritten_where_that_is_wanted(root: Path, outbox: Outbox) -> None:
    ours = put(root, FINAL, OLD)
    assert outbox.choose_name(FINAL, "overwrite_own", ours) == FINAL
    assert outbox.publish(sealed(outbox), ours).output.size == len(PIXELS)
    assert get(root, FINAL) == PIXELS
    assert names(root) == [FINAL]


@pytest.mark.parametrize("on_exists", ["skip", "fail"])
def test_our_own_bytes_stay_where_that_is_wanted(root: Path, outbox: Outbox, on_exists) -> None:
    ours = put(root, FINAL, OLD)
    with pytest.raises(TwofoldError) as caught:
        outbox.choose_name(FINAL, on_exists, ours)
    assert caught.value.code is Code.OUTPUT_EXISTS


def test_a_suffix_finds_a_free_name(root: Path, outbox: Outbox) -> None:
    put(root, b"a.jpg", OLD)
    put(root, b"a-2.jpg", OLD)
    name = outbox.choose_name(b"a.jpg", "suffix")
    assert name == b"a-3.jpg"
    outbox.publish(sealed(outbox, name))
    assert names(root) == [b"a-2.jpg", b"a-3.jpg", b"a.jpg"]


def test_a_dangling_link_takes_a_name_too(root: Path, outbox: Outbox) -> None:
    os.symlink("/nowhere", at(root, b"a.jpg"))
    assert outbox.choose_name(b"a.jpg", "suffix") == b"a-2.jpg"
    with pytest.raises(TwofoldError):
        outbox.publish(sealed(outbox, b"a.jpg"))
    assert os.path.islink(at(root, b"a.jpg"))


def test_publishing_twice_is_publishing_once(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox)
    assert outbox.publish(intent).output == outbox.publish(intent).output
    assert names(root) == [FINAL]


def test_an_outbox_that_is_gone_is_waited_for(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox, b"a.jpg")
    root.rename(root.with_name("unmounted"))
    for act in (lambda: outbox.open_temp(JOB, FINAL), lambda: outbox.publish(intent)):
        with pytest.raises(TwofoldError) as caught:
            act()
        assert caught.value.code is Code.OUTBOX_MISSING
        assert caught.value.retryable
    assert not root.exists()


def test_a_file_where_a_folder_should_be_is_told(root: Path, outbox: Outbox) -> None:
    put(root, b"2024", OLD)
    with pytest.raises(TwofoldError) as caught:
        outbox.open_temp(JOB, FINAL)
    assert caught.value.code is Code.DELIVERY_FAILED


def test_a_lost_temp_is_told(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox)
    outbox.discard(intent.temp)
    with pytest.raises(TwofoldError) as caught:
        outbox.publish(intent)
    assert caught.value.code is Code.DELIVERY_FAILED
    assert outbox.recover(intent) is None


def test_discard_and_sweep_touch_nothing_else(root: Path, outbox: Outbox) -> None:
    live, dead = sealed(outbox, b"x/a.jpg", job="live"), sealed(outbox, b"x/y/b.jpg", job="dead")
    for name in (b"a.jpg", b"x/.twofold-.tmp", b"x/.twofold-dead.jpg", b"twofold-dead.tmp"):
        put(root, name, OLD)
        outbox.discard(name)
    assert outbox.sweep({"live"}) == [dead.temp]
    assert live.temp in names(root)
    assert len(names(root)) == 5
    assert outbox.sweep({"live"}) == []


STEPS = ("open", "write", "seal", "choose", "intent", "publish", "done")

SCRIPT = """
import json, os, signal, sys
from twofold.core.job import Intent
from twofold.imaging.deliver import Outbox
from tests.imaging.test_deliver import FINAL, JOB, PIXELS, STEPS

outbox, ledger, last = Outbox(os.fsencode(sys.argv[1])), sys.argv[2], sys.argv[3]

def after(step):
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)

def record(name, intent):
    with open(os.path.join(ledger, name), "w") as file:
        json.dump([intent.temp.hex(), intent.final.hex(), intent.sha256, intent.size], file)

def deliver():
    temp = outbox.open_temp(JOB, FINAL)
    after("open")
    os.write(temp.fd, PIXELS[:9999])
    after("write")
    os.write(temp.fd, PIXELS[9999:])
    sealed = outbox.seal(temp)
    os.close(temp.fd)
    after("seal")
    final = outbox.choose_name(FINAL, "overwrite_own")
    after("choose")
    intent = Intent(temp.path, final, sealed.sha256, sealed.size)
    record("intent", intent)
    after("intent")
    outbox.publish(intent)
    after("publish")
    record("done", intent)
    after("done")

recorded = os.path.join(ledger, "intent")
if os.path.exists(os.path.join(ledger, "done")):
    pass
elif os.path.exists(recorded):
    temp, final, sha256, size = json.load(open(recorded))
    intent = Intent(bytes.fromhex(temp), bytes.fromhex(final), sha256, size)
    if outbox.recover(intent) is None:
        deliver()
    record("done", intent)
else:
    deliver()
"""


def run(root: Path, ledger: Path, last: str) -> int:
    return subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, root, ledger, last], timeout=60).returncode


@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_step_it_ends_in_the_same_state(root: Path, tmp_path: Path, step: str) -> None:
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    assert run(root, ledger, step) == -signal.SIGKILL
    assert all(get(root, name) == PIXELS for name in names(root) if not os.path.basename(name).startswith(b"."))
    assert run(root, ledger, "") == 0
    assert names(root) == [FINAL]
    assert get(root, FINAL) == PIXELS
    assert json.loads((ledger / "done").read_text())[1] == FINAL.hex()


def test_killed_between_link_and_unlink_it_is_finished(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox)
    os.link(at(root, intent.temp), at(root, FINAL))
    published = outbox.recover(intent)
    assert published is not None
    assert names(root) == [FINAL]


def test_a_temp_that_was_torn_after_its_intent_is_made_again(root: Path, outbox: Outbox) -> None:
    intent = sealed(outbox)
    os.truncate(at(root, intent.temp), 100)
    assert outbox.recover(intent) is None
    assert not os.path.exists(at(root, FINAL))


def test_recovery_over_our_previous_result(root: Path, outbox: Outbox) -> None:
    ours = put(root, FINAL, OLD)
    intent = sealed(outbox)
    published = outbox.recover(intent, ours)
    assert published is not None
    assert get(root, FINAL) == PIXELS


def test_a_full_disk_is_told_and_nothing_appears(root: Path) -> None:
    script = """
import os, resource, sys
from twofold.core.errors import TwofoldError
from twofold.imaging.deliver import Outbox
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
outbox = Outbox(os.fsencode(sys.argv[1]))
temp = outbox.open_temp("a", b"a.jpg")
try:
    os.write(temp.fd, b"x")
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, timeout=60)
    assert done.stdout == "27\n"
    assert names(root) == [b".twofold-a.tmp"]
