"""The container's entrypoint, run for real by root: who Twofold is then, and what reaches it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.source import ROOT

ENTRYPOINT = str(ROOT / "container" / "entrypoint")
WHO = "id -u; id -g; id -G; umask; echo $$; grep NoNewPrivs /proc/self/status; touch here; stat -c %a here"
START_S = 30.0


def entrypoint(
    *command: str, state: Path, prefix: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, ENTRYPOINT, *command],
        env={"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state), **environment},
        cwd=state if state.is_dir() else state.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def state() -> Iterator[Path]:
    """Not below pytest's folders: they are closed to all but root."""
    made = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    made.chmod(0o755)
    yield made / "state"
    shutil.rmtree(made)


@pytest.mark.parametrize(
    "environment", [{"PUID": "root"}, {"PGID": "-1"}, {"UMASK": "9"}, {"PUID": "1 2"}], ids=lambda given: str(given)
)
def test_nonsense_is_refused_before_anything_runs(environment: dict[str, str], tmp_path: Path) -> None:
    done = entrypoint("echo", "ran", state=tmp_path, **environment)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("error: ")


def test_a_user_who_is_not_root_is_left_as_he_is(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("this is root; the marked tests show what becomes of it")
    done = entrypoint("sh", "-c", "id -u; umask", state=tmp_path, UMASK="027")
    assert done.stdout.split() == [str(os.getuid()), "0027"]


@pytest.mark.root
def test_root_becomes_the_user_that_was_named(state: Path) -> None:
    entrypoint("true", state=state, PUID="12345", PGID="23456")
    done = entrypoint("sh", "-c", WHO, state=state, PUID="12345", PGID="23456", UMASK="027")
    uid, gid, groups, umask, _pid, _, no_new_privileges, mode = done.stdout.split()
    assert (uid, gid, groups, umask, no_new_privileges, mode) == ("12345", "23456", "23456", "0027", "1", "640")
    assert (state.stat().st_uid, state.stat().st_gid) == (12345, 23456)
    assert (state / "here").stat().st_uid == 12345


@pytest.mark.root
def test_without_a_word_it_is_not_root(state: Path) -> None:
    assert entrypoint("id", "-u", state=state).stdout == "1000\n"
    root = entrypoint("id", "-u", state=state, PUID="0", PGID="0")
    assert (root.stdout, "root" in root.stderr) == ("0\n", True)


@pytest.mark.root
def test_it_ends_in_what_it_started(state: Path) -> None:
    """exec all the way: process 1 of a namespace is the command itself, and its exit status is the container's."""
    namespace = ("unshare", "--pid", "--fork")
    done = entrypoint("sh", "-c", "echo $$; exit 42", state=state, prefix=namespace)
    assert (done.returncode, done.stdout) == (42, "1\n")


@pytest.mark.root
@pytest.mark.parametrize("init", [(), ("tini", "--")], ids=["process 1 itself", "under tini"])
def test_sigterm_stops_the_service(init: tuple[str, ...], state: Path) -> None:
    """Twofold as a container runs it, in a process namespace of its own; stopped from outside, as an engine does."""
    if init and shutil.which(init[0]) is None:
        pytest.skip("tini is not installed")
    home = state.parent
    (home / "in").mkdir()
    (home / "out").mkdir()
    config = home / "twofold.yaml"
    config.write_text(
        f"devices: cpu\nrecipes: {{r: {{scale: 2, models: [identity]}}}}\n"
        f"inboxes: {{a: {{path: {home}/in, outbox: {home}/out}}}}\n"
    )
    # This environment's Python may lie where only root can read, so root it is here.
    environment = {
        "PATH": os.environ["PATH"],
        "STATE_DIRECTORY": str(state),
        "TWOFOLD_CONFIG": str(config),
        "HOME": str(home),
        "PUID": "0",
        "PGID": "0",
    }
    command = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        *init,
        ENTRYPOINT,
        sys.executable,
        "-m",
        "twofold",
        "run",
    ]
    with open(home / "log", "wb") as log, subprocess.Popen(command, env=environment, stderr=log, cwd=home) as service:
        try:
            _wait_for(lambda: "service.started" in (home / "log").read_text())
            (first,) = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
            os.kill(int(first), signal.SIGTERM)
            assert service.wait(START_S) == 0
        finally:
            service.kill()  # where it stands still: --kill-child takes the namespace with it
    assert "service.stopped" in (home / "log").read_text()


def _wait_for(so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + START_S
    while not so():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
