"""SIGHUP: the configuration is read again while the service goes on; a bad one changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from twofold.config.mistake import ConfigError
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.reload import refusals
from twofold.core.settings import Settings
from twofold.service.heartbeat import Heartbeat

log = structlog.get_logger()

READ_TIMEOUT_S = 60.0
"""Reading looks at the folders that the file names, and one of them may be a share that hangs."""


class Reload:
    """Reads the configuration anew when asked to, on a thread of its own; holds the settings in force.

    `note` is what the STATUS line tells of the last attempt. All but the reading belongs to one thread.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], asked: threading.Event, heartbeat: Heartbeat
    ) -> None:
        """`asked` is set by whoever wants a reload; `read` may raise TwofoldError."""
        self.settings = settings
        self.note = ""
        self._before = settings
        self._read = read
        self._asked = asked
        self._heartbeat = heartbeat
        self._reading: _Reading | None = None

    def due(self, now_s: float) -> bool:
        """True where new settings stand in `settings`, and everything is to be built anew by them. Never blocks.

        The manager was told RELOADING then, and waits for READY; where nothing is to be built, it has it already.
        """
        if self._reading is None and self._asked.is_set():
            self._asked.clear()
            self._heartbeat.reloading()
            self._reading = _Reading(self._read, now_s + READ_TIMEOUT_S)
        if self._reading is None or not self._reading.over(now_s):
            return False
        reading, self._reading = self._reading, None
        try:
            fresh = reading.result()
            if texts := refusals(self.settings, fresh):
                raise TwofoldError(Code.BAD_CONFIG, "\n".join(texts.values()))
        except TwofoldError as error:
            self._refuse(error)
            return False
        self.note = ""
        changed = fresh != self.settings
        log.info("config.reloaded", source=fresh.source, inboxes=list(fresh.inboxes), changed=changed)
        self._before, self.settings = self.settings, fresh
        if not changed:
            self._heartbeat.ready("the configuration has not changed")
        return changed

    def take_back(self, error: TwofoldError) -> Settings:
        """The settings before the last, where the service could not be built by the new ones; READY is still due."""
        self._refuse(error, ready=False)
        self.settings = self._before
        return self.settings

    def _refuse(self, error: TwofoldError, *, ready: bool = True) -> None:
        mistakes = error.mistakes if isinstance(error, ConfigError) else ()
        texts = [str(mistake) for mistake in mistakes] or error.reason.text.splitlines()
        for text in texts:
            log.error("config.refused", code=error.code, text=text, hint=error.reason.hint)
        count = "1 mistake" if len(texts) == 1 else f"{len(texts)} mistakes"
        self.note = f"configuration refused ({count}, see the log), the one before holds"
        if ready:
            self._heartbeat.ready(self.note)


class _Reading:
    """One attempt: a thread that may hang, and a deadline."""

    def __init__(self, read: Callable[[], Settings], deadline_s: float) -> None:
        self._read = read
        self._deadline_s = deadline_s
        self._settings: Settings | None = None
        self._error: TwofoldError | None = None
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def over(self, now_s: float) -> bool:
        return not self._thread.is_alive() or now_s >= self._deadline_s

    def result(self) -> Settings:
        """Raises TwofoldError."""
        if self._error is not None:
            raise self._error
        if self._settings is not None:
            return self._settings
        if self._thread.is_alive():
            raise TwofoldError(Code.BAD_CONFIG, f"a folder that it names does not answer within {READ_TIMEOUT_S:g} s")
        raise TwofoldError(Code.UNEXPECTED, "reading it failed for a reason that nobody foresaw")

    def _run(self) -> None:
        try:
            self._settings = self._read()
        except TwofoldError as error:
            self._error = error
        except OSError as error:
            self._error = TwofoldError(Code.BAD_CONFIG, f"it cannot be read: {error}")
