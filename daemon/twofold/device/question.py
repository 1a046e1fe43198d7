"""Questions to a driver that may never answer: put on a thread that can be left behind."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

PATIENCE_S = 10.0
"""A driver that has to wake several large GPUs first takes seconds."""

HURRIED_S = 2.0
"""While another question hangs: whoever asks about many devices is not held up by each for as long."""

MAX_UNANSWERED = 32
"""Threads that are left waiting in the driver; from then on, nothing more is asked of it until one comes back."""

T = TypeVar("T")


class NoAnswer(Exception):
    """The question was not answered in time, or an earlier one about the same subject still is not."""


@dataclass(slots=True)
class _Question:
    ask: Callable[[], Any]
    subject: str
    answered: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: Exception | None = None
    overdue: bool = False


class Questioner:
    """Threads that put questions, kept from one to the next; each waits on at most one subject.

    A call that hangs in the driver cannot be ended. Its thread is left to it, and its subject counts as mute, at the
    cost of nothing, until the call returns.
    """

    def __init__(self, patience_s: float = PATIENCE_S, max_unanswered: int = MAX_UNANSWERED) -> None:
        self.patience_s = patience_s
        self._max_unanswered = max_unanswered
        self._lock = threading.Lock()
        self._questions: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._idle = 0
        self._mute: Counter[str] = Counter()

    def ask(self, subject: str, question: Callable[[], T]) -> T:
        """What `question()` gives or raises. Raises NoAnswer. Several threads may ask at once, even the same."""
        asked = _Question(question, subject)
        with self._lock:
            if self._mute[subject] or self._mute.total() >= self._max_unanswered:
                raise NoAnswer
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._serve, name="driver", daemon=True).start()
            self._questions.put(asked)
            patience_s = min(self.patience_s, HURRIED_S) if self._mute.total() else self.patience_s
        if not asked.answered.wait(patience_s):
            with self._lock:
                if not asked.answered.is_set():
                    asked.overdue = True
                    self._mute[subject] += 1
                    raise NoAnswer
        if asked.error is not None:
            raise asked.error
        answer: T = asked.answer
        return answer

    def _serve(self) -> None:
        while True:
            asked = self._questions.get()
            try:
                asked.answer = asked.ask()
            except Exception as error:  # noqa: BLE001  handed to the asker, who raises it
                asked.error = error
            with self._lock:
                asked.answered.set()
                if asked.overdue:
                    self._mute[asked.subject] -= 1
                self._idle += 1
            del asked  # its answer is the asker's, not this thread's until the next question


driver = Questioner()
"""One for the process, as the driver is; it has no thread before the first question."""
