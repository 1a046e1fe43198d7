"""Wake-ups: a file system event marks a root dirty, and means nothing else.

Events may be missing, doubled or wrong, and the watching threads may die: the periodic scan is the truth, so that only
the time until a file is seen depends on what happens here.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 60.0
STOP_TIMEOUT_S = 5.0

# Opening and closing for reading is left out: our own scans and probes would wake us for ever.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class _Wake(FileSystemEventHandler):
    """The handler that watchdog asks for: any event is the same news."""

    def __init__(self, dirty: Callable[[], None]) -> None:
        self._dirty = dirty

    def dispatch(self, event: FileSystemEvent) -> None:
        self._dirty()


@dataclass(slots=True)
class _Watch:
    """One root's observer, and when to try again where there is none."""

    root: bytes
    observer: BaseObserver | None = None
    identity: tuple[int, int] | None = None
    backoff_s: float = 0.0
    retry_at_s: float = 0.0
    trouble: str = ""

    def alive(self) -> bool:
        """True where every thread lives and the root is still the folder that is being watched."""
        observer = self.observer
        if observer is None or not observer.is_alive():
            return False
        # A deleted root ends its emitter and leaves the observer alive; a mount on top of it ends nothing.
        emitters = list(observer.emitters)
        return (
            bool(emitters) and all(emitter.is_alive() for emitter in emitters) and _identity(self.root) == self.identity
        )


class Watcher:
    """Observers for several local roots, one each, so that no root's trouble stops another's.

    `dirty` is called with a root's name from watchdog's threads: it must neither block nor raise. Everything else here
    belongs to one thread.
    """

    def __init__(self, roots: Mapping[str, bytes], dirty: Callable[[str], None]) -> None:
        self._watches = {name: _Watch(root) for name, root in roots.items()}
        self._dirty = dirty

    def tend(self, now_s: float) -> list[str]:
        """Start what is not running, unless it failed a moment ago; returns the names of the roots that were started.

        To be called again and again (`now_s`: monotonic seconds). Walks the tree of each root it starts.
        """
        started = []
        for name, watch in self._watches.items():
            if watch.alive():
                watch.backoff_s = 0.0
            elif now_s >= watch.retry_at_s and self._restart(name, watch, now_s):
                started.append(name)
        return started

    def mode(self, name: str) -> Literal["events", "polling"]:
        """How the root's files are noticed now."""
        watch = self._watches.get(name)
        return "events" if watch is not None and watch.alive() else "polling"

    def trouble(self, name: str) -> str:
        """Why the root has no observer, in words; empty where it has one or never had trouble."""
        watch = self._watches.get(name)
        return "" if watch is None else watch.trouble

    def alive(self) -> bool:
        """True where every root is being watched."""
        return all(watch.alive() for watch in self._watches.values())

    def stop(self) -> None:
        """End all threads; `tend` would start them again."""
        for watch in self._watches.values():
            _stop(watch)

    def _restart(self, name: str, watch: _Watch, now_s: float) -> bool:
        _stop(watch)
        watch.backoff_s = min(LAST_BACKOFF_S, watch.backoff_s * 2 or FIRST_BACKOFF_S)
        watch.retry_at_s = now_s + watch.backoff_s
        # While a tree is being copied in, watchdog warns once per folder and prints its whole table each time.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
        try:
            watch.observer = Observer()  # takes an inotify instance, of which there may be none left
            watch.identity = _identity(watch.root)
            watch.observer.schedule(
                _Wake(lambda: self._dirty(name)),
                os.fsdecode(os.path.realpath(watch.root)),  # watchdog sees nothing through a symlink
                recursive=True,
                event_filter=_EVENTS,
            )
            watch.observer.start()
        except OSError as error:
            watch.trouble = error.strerror or str(error)
            _stop(watch)
            return False
        watch.trouble = ""
        self._dirty(name)  # whatever happened while nobody watched made no event
        return True


def _identity(root: bytes) -> tuple[int, int] | None:
    try:
        found = os.stat(root)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stop(watch: _Watch) -> None:
    observer, watch.observer = watch.observer, None
    if observer is not None:
        observer.stop()
        if observer.is_alive():
            observer.join(STOP_TIMEOUT_S)
