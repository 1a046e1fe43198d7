"""Run as a program: care for one delivered job, killed (SIGKILL) before its n-th touch of the disk, for every n.

After each kill the original has to be whole somewhere, or to have been deleted behind a standing result; the next start
has to end what was begun. Prints the number of kills. Arguments: home, archive, policy, every how many touches to kill.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from tests.jobs.samples import open_ledger
from tests.service.world import RESULT, SOURCE, World
from twofold.core.settings import Originals

TOUCHES = frozenset({"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.chmod", "os.utime", "ctypes.dlsym"})
NAME = "2024/a.jpg"
MAX_TOUCHES = 500


def main(home: Path, archive: Path, policy: str, step: int) -> int:
    template = home / "template"
    template.mkdir(parents=True)
    open_ledger(template).close()
    originals = Originals("delete") if policy == "delete" else Originals("archive")
    for kills, touch in enumerate(range(1, MAX_TOUCHES, step)):
        here = home / str(touch)
        archive_here = archive / str(touch)
        archive_here.mkdir(parents=True)

        def world(here: Path = here, archive_here: Path = archive_here) -> World:
            return World(here, archive=archive_here, template=template / "ledger.sqlite", originals=originals)

        in_a_process(lambda: deliver(world()), None)
        killed = in_a_process(lambda: world().care(), touch)
        check_whole(here, archive_here, policy)
        if not killed:
            return kills
        in_a_process(lambda: world().care(), None)
        check_ended(here, archive_here, policy, world)
        shutil.rmtree(here)
        shutil.rmtree(archive_here)
    raise AssertionError("it never came to its end")


def in_a_process(work: object, kill_at: int | None) -> bool:
    """Run in a child of this process, which has one thread: True where it was killed, as asked for."""
    pid = os.fork()
    if pid == 0:
        try:
            if kill_at is not None:
                kill_before_touch(kill_at)
            work()  # type: ignore[operator]
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  the child of a fork must not run on in its parent's code
            print(f"{error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def kill_before_touch(number: int) -> None:
    left = number

    def count(event: str, _arguments: object) -> None:
        nonlocal left
        # Only what the caring thread does, which is not the main one.
        if event in TOUCHES and threading.current_thread() is not threading.main_thread():
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def deliver(world: World) -> None:
    world.see_inbox()
    world.deliver(world.drop(NAME))
    world.close()


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def check_whole(here: Path, archive: Path, policy: str) -> None:
    assert (here / "out" / NAME).read_bytes() == RESULT
    assert SOURCE in files(here / "in") + files(archive) or policy == "delete"


def check_ended(here: Path, archive: Path, policy: str, world: object) -> None:
    check_whole(here, archive, policy)
    assert files(here / "in") == [], os.listdir(here / "in" / "2024")
    assert files(archive) == ([] if policy == "delete" else [SOURCE])
    again = world()  # type: ignore[operator]
    (job,) = again.state.ledger.ended_since(0)
    assert job.after["original"]["result"] == ("deleted" if policy == "delete" else "archived"), job.after
    again.close()


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
