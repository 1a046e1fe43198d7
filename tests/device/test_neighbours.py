"""Process lists through the real nvidia-ml-py and the stub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.asker import Asker
from tests.device.stub import compiled
from twofold.device.neighbours import HOST_PIDS

GIB = 1 << 30
PLEX = b"/usr/lib/plexmediaserver/Plex Media Server Transcoder\0-codec:0\0"
LISTS = {
    "compute_pids__0": 2,
    "compute_pid__0__0": 40,
    "compute_used__0__0": GIB,
    "compute_pid__0__1": 41,
    "graphics_pids__0": 2,
    "graphics_pid__0__0": 41,
    "graphics_used__0__0": 5,
    "graphics_pid__0__1": 42,
    "graphics_used__0__1": 7,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def asker(library: Path, tmp_path: Path) -> Iterator[Asker]:
    with Asker(library, tmp_path) as one:
        namespace(one, HOST_PIDS)
        yield one


def namespace(asker: Asker, name: str) -> None:
    (asker.home / "self/ns/pid").unlink(missing_ok=True)
    (asker.home / "self/ns/pid").symlink_to(name)


def process(asker: Asker, pid: int, comm: str, cmdline: bytes) -> None:
    (asker.home / str(pid)).mkdir()
    (asker.home / str(pid) / "comm").write_text(comm + "\n")
    (asker.home / str(pid) / "cmdline").write_bytes(cmdline)


def look(asker: Asker) -> dict[str, Any]:
    found: dict[str, Any] = asker.ask("neighbours", "GPU-0")
    return found


def processes(asker: Asker, *keys: str) -> list[list[Any]]:
    return [[one[key] for key in keys] for one in look(asker)["processes"]]


def test_every_process_is_listed_once_with_its_name_and_memory(asker: Asker) -> None:
    process(asker, 40, "Plex Media Serv", PLEX)
    process(asker, 42, "Xorg", b"/usr/lib/xorg/Xorg\0-core\0")
    asker.say(**LISTS)
    assert processes(asker, "pid", "name", "used_bytes", "kind") == [
        [41, None, None, "compute"],
        [42, "Xorg", 7, "graphics"],
        [40, "Plex Media Server Transcoder", GIB, "compute"],
    ]
    asker.say()
    assert processes(asker, "pid") == []


def test_a_twofold_is_known_by_its_command(asker: Asker) -> None:
    process(asker, 40, "python3", b"/opt/python3\0-m\0twofold.service.worker\x005\0")
    process(asker, 41, "twofold", b"/opt/python3\0/opt/bin/twofold\0upscale\0")
    process(asker, 42, "vim", b"vim\0notes\0on\0twofold\0")
    asker.say(**LISTS)
    assert dict(processes(asker, "pid", "twofold")) == {40: True, 41: True, 42: False}


def test_numbers_from_outside_of_a_container_are_given_no_names(asker: Asker) -> None:
    namespace(asker, "pid:[4026532000]")
    process(asker, 40, "Plex Media Serv", PLEX)
    asker.say(**LISTS)
    assert look(asker)["foreign_pids"]
    assert {name for (name,) in processes(asker, "name")} == {None}


def test_each_one_s_share_of_the_time_is_the_most_since_the_last_look(asker: Asker) -> None:
    shares = {"share_pids__0": 3, "share_pid__0__0": 40, "share__0__0": 30, "share_us__0__0": 1}
    shares |= {"share_pid__0__1": 40, "share__0__1": 20, "share_us__0__1": 2}
    shares |= {"share_pid__0__2": 41, "share__0__2": 4_000_000, "share_us__0__2": 2, "util": 35}
    asker.say(**LISTS, **shares)
    assert processes(asker, "pid", "busy_percent") == [[41, 0], [42, 0], [40, 30]]
    assert look(asker)["busy_percent"] == 35
    assert processes(asker, "busy_percent") == [[0], [0], [0]]  # nothing new
    asker.say(**{**LISTS, **shares, "share__0__0": 9, "share_us__0__0": 3})
    assert processes(asker, "busy_percent") == [[0], [0], [9]]


def test_what_is_not_told_is_not_known(asker: Asker) -> None:
    asker.say(**LISTS, shares=3, utilization=3)
    found = look(asker)
    assert found["busy_percent"] is None
    assert [one["busy_percent"] for one in found["processes"]] == [None, None, None]
    asker.say(**LISTS, compute=3)
    assert processes(asker, "pid") == [[41], [42]]


def test_a_look_that_fails_is_no_error_and_the_next_one_is_made(asker: Asker) -> None:
    for state in ({"handle": 15}, {"init": 999}, {"compute": 4}, {"compute": 3, "graphics": 3}):
        asker.say(**{**LISTS, **state})
        found = look(asker)
        assert found["processes"] == []
        assert found["trouble"].startswith("GPU-0: ")
    asker.say(**LISTS)
    assert look(asker)["trouble"] == ""


def test_a_second_look_within_a_second_is_the_first_one(asker: Asker) -> None:
    asker.say(**LISTS)
    assert len(asker.ask("neighbours at once", "GPU-0")["processes"]) == 3
    asker.say()
    assert len(asker.ask("neighbours at once", "GPU-0")["processes"]) == 3


def test_drivers_without_the_third_version_answer_the_second(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    with Asker(compiled(tmp_path / "lib", "NO_V3"), tmp_path / "home") as asker:
        namespace(asker, HOST_PIDS)
        asker.say(**LISTS)
        assert processes(asker, "pid") == [[41], [42], [40]]


def test_this_machine_s_own_namespace_can_be_read() -> None:
    assert os.readlink("/proc/self/ns/pid").startswith("pid:[")
