"""The child process: limits, deadlines, deaths."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import numpy as np
import pytest

from tests.imaging.pictures import gradient, memory_file, noise, photo, saved, wished
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging import child, codec, protocol
from twofold.imaging.change import PLAIN_WISHES
from twofold.imaging.shared_raster import SharedRaster


def large_png(fd: int) -> None:
    """A picture that takes seconds to write down and to read."""
    from twofold.core.recipe import SaveAs

    raster = SharedRaster.copy_of(noise(3, 16, width=6000, height=3000))
    codec.encode(raster, None, codec.Metadata(), SaveAs("png"), fd)
    raster.close()


@pytest.fixture(scope="module")
def slow():
    fd = os.memfd_create("slow")
    large_png(fd)
    yield fd
    os.close(fd)


def children() -> list[int]:
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def test_a_decode_past_its_deadline_is_killed(slow: int) -> None:
    header = codec.probe(slow, codec.Limits()).header
    started_s = time.monotonic()
    with pytest.raises(TwofoldError) as caught:
        codec.decode(slow, header, codec.Limits(decode_s=0.3))
    assert caught.value.code is Code.DECODE_TIMEOUT
    assert time.monotonic() - started_s < 5
    assert children() == []


def test_a_killed_child_is_told_by_its_signal(slow: int) -> None:
    header = codec.probe(slow, codec.Limits()).header
    outcome: list[TwofoldError] = []
    family: list[int] = []

    def decode() -> None:
        family.append(threading.get_native_id())
        with pytest.raises(TwofoldError) as caught:
            codec.decode(slow, header, codec.Limits(decode_s=60))
        outcome.append(caught.value)

    thread = threading.Thread(target=decode)
    thread.start()
    pid = 0
    for _ in range(500):
        time.sleep(0.01)
        if family:
            with open(f"/proc/self/task/{family[0]}/children") as file:
                pid = int((file.read().split() or ["0"])[0])
        if pid:
            break
    os.kill(pid, signal.SIGKILL)
    thread.join(30)
    assert outcome[0].code is Code.CODEC_FAILED
    assert "SIGKILL" in outcome[0].reason.text


def test_more_memory_than_allowed_is_a_refusal(slow: int) -> None:
    """The same operation as the parent asks for, with less address space than the pixels take."""
    header = codec.probe(slow, codec.Limits()).header
    raster = SharedRaster.create(header.size, header.channels, header.depth)
    limits = protocol.ProcessLimits(address_bytes=300 * 2**20, data_bytes=2**33, cpu_s=60, file_bytes=0)
    request = {"operation": "decode", "source": slow, "page": None, "header": header.to_json(), "alpha": None}
    reply = asked(request | {"raster": raster.to_json(), "limits": limits.to_json()}, slow, raster.fd)
    with pytest.raises(TwofoldError) as caught:
        protocol.result_of(reply)
    assert caught.value.code in (Code.CODEC_FAILED, Code.DAMAGED)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
def test_the_whole_result_is_never_held_in_memory_where_there_is_scratch(name: str, tmp_path) -> None:
    """Written and read back with less memory than the pixels take; without scratch that is refused."""
    picture = np.tile(gradient(3, 8, width=500, height=100), (80, 16, 1))
    raster = SharedRaster.copy_of(picture)
    alpha = SharedRaster.copy_of(picture[:, :, :1]) if name == "tiff" else None
    less_bytes = codec.room_bytes(raster, alpha) * 63 // 64
    limits = protocol.ProcessLimits(address_bytes=2**33, data_bytes=less_bytes, cpu_s=60, file_bytes=2**29)
    planes = {"raster": raster.to_json(), "alpha": None if alpha is None else alpha.to_json()}
    wishes = {"save_as": asdict(wished(name, quality=50)), "metadata": codec.Metadata().to_json()}
    request = planes | wishes | {"limits": limits.to_json()}
    with (tmp_path / "room").open("w+b") as room, (tmp_path / "result").open("w+b") as result:
        room.truncate(codec.room_bytes(raster, alpha))
        files = (raster.fd, *([] if alpha is None else [alpha.fd]), room.fileno(), result.fileno())
        encode = request | {"operation": "encode", "result": result.fileno(), "wishes": PLAIN_WISHES.to_json()}
        assert "ok" in asked(encode | {"room": room.fileno()}, *files)
        verify = request | {"operation": "verify", "source": result.fileno()}
        assert "ok" in asked(verify | {"room": room.fileno()}, *files)
        assert "error" in asked(verify | {"room": None}, *files)


def test_too_much_processor_time_ends_the_child(slow: int) -> None:
    header = codec.probe(slow, codec.Limits()).header
    raster = SharedRaster.create(header.size, header.channels, header.depth)
    limits = protocol.ProcessLimits(address_bytes=2**33, data_bytes=2**33, cpu_s=0, file_bytes=0)
    request = {"operation": "decode", "source": slow, "page": None, "header": header.to_json(), "alpha": None}
    assert asked(request | {"raster": raster.to_json(), "limits": limits.to_json()}, slow, raster.fd) == {}


def asked(request: dict[str, object], *fds: int) -> dict[str, object]:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", "twofold.imaging.child", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *fds),
                stderr=subprocess.DEVNULL,
                env=os.environ | {protocol.THREADS_VARIABLE: "2", "OPENBLAS_NUM_THREADS": "1"},
            )
        protocol.send(ours, request)
        reply = protocol.receive(ours, time.monotonic() + 60)
        process.wait(60)
    return reply


def test_limits_hold_before_a_byte_is_read() -> None:
    """A child that was told its limits shows them to the kernel."""
    script = """
import json, resource, sys
from twofold.imaging import child, protocol
child.limit(protocol.ProcessLimits(address_bytes=2**33, data_bytes=2**33, cpu_s=7, file_bytes=4096, files=20))
names = ("AS", "DATA", "CPU", "FSIZE", "NOFILE", "CORE")
print(json.dumps({name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names}))
"""
    shown = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    memory = {"AS": [2**33] * 2, "DATA": [2**33] * 2}
    assert shown == memory | {"CPU": [7, 7], "FSIZE": [4096] * 2, "NOFILE": [20, 20], "CORE": [0, 0]}


@pytest.mark.parametrize("operation", child.OPERATIONS)
def test_a_child_never_loads_torch_and_a_probe_loads_nothing_large(operation: str) -> None:
    script = f"""
import sys
import twofold.imaging.child, twofold.imaging.{operation}
for name in ("jpeg", "png", "webp", "tiff"):
    __import__("twofold.imaging." + name)
print(*(name for name in ("torch", "numpy", "pyvips", "PIL", "imagecodecs", "tifffile") if name in sys.modules))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.split()
    assert "torch" not in loaded
    if operation == "probe":
        assert loaded == []


def test_an_unknown_operation_is_refused() -> None:
    limits = protocol.process_limits(0, 0, 5, 0)
    reply = asked({"operation": "os", "limits": limits.to_json()})
    with pytest.raises(TwofoldError) as caught:
        protocol.result_of(reply)
    assert caught.value.code is Code.CODEC_FAILED


def test_a_child_sees_no_environment_and_no_other_descriptor(monkeypatch) -> None:
    """A secret in the parent's environment, and an open inheritable file, stay the parent's."""
    monkeypatch.setenv("TWOFOLD_SECRET", "x")
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    fd = memory_file(saved(photo(), "PNG"))
    seen: dict[str, set[str]] = {}
    done = threading.Event()

    def watch() -> None:
        me = os.getpid()
        while not done.is_set():
            for task in os.listdir(f"/proc/{me}/task"):
                try:
                    with open(f"/proc/{me}/task/{task}/children") as file:
                        for pid in file.read().split():
                            with open(f"/proc/{pid}/cmdline", "rb") as line:
                                if b"twofold.imaging.child" not in line.read():
                                    continue
                            with open(f"/proc/{pid}/environ", "rb") as environment:
                                names = {entry.partition(b"=")[0].decode() for entry in environment.read().split(b"\0")}
                            seen.setdefault("names", set()).update(names)
                            seen.setdefault("files", set()).update(os.listdir(f"/proc/{pid}/fd"))
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(3):
        codec.probe(fd, codec.Limits())
    done.set()
    watcher.join()
    assert "LC_ALL" in seen["names"]
    assert "TWOFOLD_SECRET" not in seen["names"]
    assert str(leaked) not in seen["files"]
    os.close(leaked)
    os.close(fd)
