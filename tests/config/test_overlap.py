"""Folders that would feed each other: real folders, symlinks, mount tables, and the laws of the decision."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twofold.config.folders import Mount, missing_folders, parse_mounts, read_folders
from twofold.config.loader import load
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError, Mistake
from twofold.core.codes import Code
from twofold.core.overlap import Folder, Role, overlaps
from twofold.core.recipe import Recipe
from twofold.core.settings import InboxSettings, Settings


def found(machine: Surroundings, inboxes: dict[str, tuple[str, ...]], more: str = "") -> list[str]:
    """The overlaps of inboxes {name: (path, outbox)} or (path, outbox, archive), without the places they stand at."""
    keys = ("path: {}", "outbox: {}", "originals: {{archive: {}}}")
    lines = [
        f"  {name}: {{{', '.join(key.format(place) for key, place in zip(keys, places, strict=False))}}}"
        for name, places in inboxes.items()
    ]
    file = Path(machine.cwd, "twofold.yaml")
    file.write_text("\n".join(["inboxes:", *lines, more]))
    mistakes: tuple[Mistake, ...] = ()
    try:
        load(os.fspath(file), machine)
    except ConfigError as error:
        mistakes = error.mistakes
    assert all(mistake.code is Code.FOLDERS_OVERLAP for mistake in mistakes)
    return [f"{mistake.line} {mistake.text.replace(machine.cwd, '')}" for mistake in mistakes]


@pytest.mark.parametrize(
    ("inboxes", "expected"),
    [
        (
            {"a": ("in", "in")},
            ["2 inboxes.a.outbox (/in) is the same folder as inboxes.a.path (/in)."],
        ),
        (
            {"a": ("in", "in/out")},
            ["2 inboxes.a.outbox (/in/out) lies inside inboxes.a.path (/in)."],
        ),
        (
            {"a": ("out/in", "out")},
            ["2 inboxes.a.path (/out/in) lies inside inboxes.a.outbox (/out)."],
        ),
        (
            {"a": ("in", "o1"), "b": ("in", "o2")},
            ["3 inboxes.b.path (/in) is the same folder as inboxes.a.path (/in)."],
        ),
        (
            {"a": ("in", "o1"), "b": ("in/deep/er", "o2")},
            ["3 inboxes.b.path (/in/deep/er) lies inside inboxes.a.path (/in)."],
        ),
        (
            {"a": ("in", "o1"), "b": ("in2", "in/x")},
            ["3 inboxes.b.outbox (/in/x) lies inside inboxes.a.path (/in)."],
        ),
        (
            {"a": ("in", "out", "in/old")},
            ["2 inboxes.a.originals.archive (/in/old) lies inside inboxes.a.path (/in)."],
        ),
        (
            {"a": ("in", "out", "out/old")},
            ["2 inboxes.a.originals.archive (/out/old) lies inside inboxes.a.outbox (/out)."],
        ),
        (
            {"a": ("in", "out"), "b": ("in2", "out2", "in")},
            ["3 inboxes.b.originals.archive (/in) is the same folder as inboxes.a.path (/in)."],
        ),
        (
            {"a": ("old/in", "out", "old")},
            ["2 inboxes.a.path (/old/in) lies inside inboxes.a.originals.archive (/old)."],
        ),
        (
            {"a": ("one", "two"), "b": ("two", "one")},
            [
                "3 The inboxes feed each other in a circle: inboxes.a.outbox (/two) feeds inbox b, "
                "inboxes.b.outbox (/one) feeds inbox a."
            ],
        ),
    ],
)
def test_refused(machine: Surroundings, inboxes: dict[str, tuple[str, ...]], expected: list[str]) -> None:
    assert found(machine, inboxes) == expected


@pytest.mark.parametrize(
    "inboxes",
    [
        {"a": ("in", "out")},
        {"a": ("in", "in-out")},
        {"a": ("x", "y"), "b": ("y", "z"), "c": ("z", "end")},
        {"a": ("in1", "out"), "b": ("in2", "out")},
        {"a": ("in1", "out"), "b": ("in2", "out/b")},
        {"a": ("in1", "out", "old"), "b": ("in2", "out", "old"), "c": ("in3", "out", "old/c")},
    ],
    ids=[
        "apart",
        "one begins with the other",
        "a chain",
        "one outbox for two",
        "outboxes inside each other",
        "archives",
    ],
)
def test_allowed(machine: Surroundings, inboxes: dict[str, tuple[str, ...]]) -> None:
    assert found(machine, inboxes) == []


def test_a_longer_circle_is_reported_once(machine: Surroundings) -> None:
    result = found(machine, {"a": ("x", "y"), "b": ("y", "z"), "c": ("z", "x"), "d": ("w", "x")})
    assert len(result) == 1
    assert all(f"inboxes.{name}.outbox" in result[0] for name in "abc")
    assert "inboxes.d" not in result[0]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("state_dir: in/state", "state_dir (/in/state) lies inside inboxes.a.path (/in)."),
        ("state_dir: out", "state_dir (/out) is the same folder as inboxes.a.outbox (/out)."),
        ("scratch_dir: out/s", "scratch_dir (/out/s) lies inside inboxes.a.outbox (/out)."),
        ("scratch_dir: .", "inboxes.a.path (/in) lies inside scratch_dir ()."),
    ],
)
def test_the_programs_own_folders(machine: Surroundings, more: str, expected: str) -> None:
    assert expected in "\n".join(found(machine, {"a": ("in", "out")}, more))


def test_a_state_dir_may_hold_inbox_outbox_and_archive(machine: Surroundings) -> None:
    assert found(machine, {"a": ("in", "out", "old")}, "state_dir: .") == []


@pytest.mark.parametrize("places", [("in", "spool/x"), ("in", "out", "spool"), ("scratch/in", "out")])
def test_nothing_may_lie_where_the_program_clears_away(machine: Surroundings, places: tuple[str, ...]) -> None:
    (text,) = found(machine, {"a": places}, "state_dir: .")
    assert "state_dir (/spool)" in text or "scratch_dir (/scratch)" in text


def test_symlinks_are_followed(machine: Surroundings) -> None:
    folder = Path(machine.cwd)
    (folder / "in" / "sub").mkdir(parents=True)
    (folder / "link").symlink_to("in/sub")
    assert found(machine, {"a": ("in", "link/out")}) == [
        "2 inboxes.a.outbox (/link/out) lies inside inboxes.a.path (/in)."
    ]
    (folder / "loop").symlink_to("loop")
    assert found(machine, {"a": ("loop", "out")}) == []


def test_dots_behind_a_symlink_mean_what_the_disk_says(machine: Surroundings) -> None:
    folder = Path(machine.cwd)
    (folder / "real" / "deep").mkdir(parents=True)
    (folder / "link").symlink_to("real/deep")
    assert found(machine, {"a": ("real/in", "link/../in")}) == [
        "2 inboxes.a.outbox (/link/../in) is the same folder as inboxes.a.path (/real/in)."
    ]


def _settings(inbox: bytes, outbox: bytes) -> Settings:
    recipes = {"default": Recipe("default")}
    return Settings("/s", "/s/scratch", recipes, {"a": InboxSettings("a", inbox, outbox, "default")})


def test_a_folder_bound_to_a_second_place() -> None:
    """What realpath cannot see: /elsewhere shows a folder of the inbox's own file system."""
    mounts = (
        Mount(b"8:1", b"/", b"/"),
        Mount(b"8:2", b"/photos", b"/nonexistent/srv"),
        Mount(b"8:2", b"/photos/in/sub", b"/nonexistent/else where"),
    )
    settings_in_force = _settings(b"/nonexistent/srv/in", b"/nonexistent/else where/out")
    assert [overlap.text for overlap in overlaps(read_folders(settings_in_force, ()))] == []
    assert [overlap.text for overlap in overlaps(read_folders(settings_in_force, mounts))] == [
        "inboxes.a.outbox (/nonexistent/else where/out) lies inside inboxes.a.path (/nonexistent/srv/in)."
    ]


def test_two_names_of_one_folder_share_an_inode(tmp_path: Path) -> None:
    """The second name stands in for a bind mount, which needs root to make."""
    (tmp_path / "in").mkdir()
    folders = read_folders(_settings(os.fsencode(tmp_path / "in"), b"/bound"), ())
    status = os.stat(tmp_path / "in")
    bound = Folder("outbox", "a", "/bound", frozenset([("inode", status.st_dev, status.st_ino)]), frozenset())
    assert [overlap.text for overlap in overlaps([folders[0], bound])] == [
        f"inboxes.a.outbox (/bound) is the same folder as inboxes.a.path ({tmp_path}/in)."
    ]


def test_the_mount_table() -> None:
    table = (
        b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        b"40 22 8:2 /a\\040b /mnt/with\\040space\\134 rw - ext4 /dev/sdb rw\n"
        b"nonsense\n"
    )
    assert parse_mounts(table) == (Mount(b"8:1", b"/", b"/"), Mount(b"8:2", b"/a b", b"/mnt/with space\\"))


def test_missing_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    missing = missing_folders(_settings(os.fsencode(tmp_path / "in"), os.fsencode(tmp_path / "out")))
    assert list(missing) == [("inboxes.a.outbox", os.fspath(tmp_path / "out"))]


# --- laws

_NAMES = st.lists(st.sampled_from("xyz"), min_size=1, max_size=3)
_PAIRS = st.lists(st.tuples(_NAMES, _NAMES), min_size=1, max_size=4)
Pairs = list[tuple[list[str], list[str]]]


def _folders(pairs: Pairs) -> list[Folder]:
    folders = []
    for number, (inbox, outbox) in enumerate(pairs):
        folders += [_folder("inbox", str(number), inbox), _folder("outbox", str(number), outbox)]
    return folders


def _folder(role: Role, inbox: str, parts: list[str]) -> Folder:
    places = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return Folder(role, inbox, places[-1], frozenset(places[-1:]), frozenset(places[:-1]))


@settings(deadline=None)
@given(_PAIRS)
def test_what_is_accepted_never_feeds_itself(pairs: Pairs) -> None:
    """Every picture is taken by one inbox at most, and so is its result, and that comes to an end."""
    assume(not any(overlaps(_folders(pairs))))
    for inbox, _ in pairs:
        where: list[str] | None = inbox
        for _hop in range(len(pairs) + 1):
            takers = [outbox for path, outbox in pairs if where is not None and where[: len(path)] == path]
            assert len(takers) <= 1
            where = takers[0] if takers else None
        assert where is None


@settings(deadline=None)
@given(_PAIRS.flatmap(lambda pairs: st.tuples(st.just(_folders(pairs)), st.permutations(_folders(pairs)))))
def test_the_order_of_the_file_changes_no_verdict(orders: tuple[list[Folder], list[Folder]]) -> None:
    first, second = (list(overlaps(folders)) for folders in orders)
    assert len(first) == len(second)
