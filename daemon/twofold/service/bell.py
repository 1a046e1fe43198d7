"""An event that a signal sets."""

from __future__ import annotations

import os
import threading
from types import FrameType


class Bell:
    """Rings for `event`; `ring` is fit to be a signal's handler, and to be called in one.

    A handler runs on the main thread, perhaps in the middle of its `event.wait()`, whose lock `event.set()` would then
    wait for for ever. So it only writes to a pipe, and another thread sets the event.
    """

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._ours, self._theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._theirs, False)
        threading.Thread(target=self._listen, name="bell", daemon=True).start()

    def ring(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Set the event, a moment later."""
        try:
            os.write(self._theirs, b".")
        except BlockingIOError:
            pass  # so often that it has been heard

    def close(self) -> None:
        """No signal comes any more."""
        os.close(self._theirs)

    def _listen(self) -> None:
        while os.read(self._ours, 1):
            self._event.set()
        os.close(self._ours)
