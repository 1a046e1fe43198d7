"""Metrics for Prometheus: read from the ledger now and then, served over HTTP and written to a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import Metric

from twofold import __version__
from twofold.core.settings import MetricsSettings
from twofold.core.states import State
from twofold.jobs.ledger import Ledger
from twofold.jobs.oldest import first_seen
from twofold.jobs.read import status_json
from twofold.service.endings import Endings
from twofold.service.pulse import Pulse
from twofold.telemetry.metrics import Standing, families
from twofold.telemetry.totals import Totals

log = structlog.get_logger()

EVERY_S = 2.0
"""Prometheus asks every 15 s or less often; what it is told is at most so old."""

BUSY_WRITE_EVERY_S = 15.0
IDLE_WRITE_EVERY_S = 60.0
"""An idle service writes to a disk about as often as it scans, so that disks may sleep."""

BUSY_SHARE = 0.01
"""The part of one core that reading a large ledger for metrics may take."""

LONGEST_PAUSE_S = 30.0

RETRY_S = 60.0
"""An address that is taken is tried again this often."""


class Exporter:
    """Owns the figures and the server. Its trouble is told in the log, once, and never ends the service.

    `scans` gives (count, seconds) by inbox, `workers` (starts, deaths) by device; both are asked from its own thread.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        ledger: Ledger,
        database: str,
        *,
        scans: Callable[[], Mapping[str, tuple[int, float]]],
        workers: Callable[[], Mapping[str, tuple[int, int]]],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._database = database
        self._scans = scans
        self._workers = workers
        self._endings = Endings(ledger)
        self._totals = Totals()
        self._families: list[Metric] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._server: WSGIServer | None = None
        self._serve_due_s = 0.0
        self._write_due_s = 0.0
        self._busy = False
        self._trouble: dict[str, str] = {}

    def collect(self) -> Iterable[Metric]:
        """What the last look gave (prometheus_client's Collector): a scrape costs no look at the ledger."""
        return self._families

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Look and tell until `stop`. The pulse beats for the looks; where figures are written may be a share."""
        pulse.rest()
        while not stop.is_set():
            started_s = time.monotonic()
            with pulse.at_work():
                self._look()
            self._serve(started_s)
            if started_s >= self._write_due_s:
                self._write_due_s = started_s + (BUSY_WRITE_EVERY_S if self._busy else IDLE_WRITE_EVERY_S)
                self._write()
            stop.wait(min(max(EVERY_S, (time.monotonic() - started_s) / BUSY_SHARE), LONGEST_PAUSE_S))

    def close(self) -> None:
        """Write the last figures, and serve no more."""
        self._look()
        self._write()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _look(self) -> None:
        for job in self._endings.fresh():
            self._totals.add(job)
        now = time.time()
        standing = Standing(
            version=__version__,
            now=now,
            status=status_json(self._database),
            running=self._ledger.jobs({State.RUNNING}),
            oldest_s={state: max(0.0, now - since) for state, since in first_seen(self._database).items()},
            scans=self._scans(),
            workers=self._workers(),
        )
        self._families = families(standing, self._totals)
        self._busy = standing.status["queue"]["files"] > 0

    def _serve(self, now_s: float) -> None:
        listen = self._settings.listen
        if listen is None or self._server is not None or now_s < self._serve_due_s:
            return
        host, port = listen
        try:
            self._server, _thread = start_http_server(port, host, self._registry)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            self._serve_due_s = now_s + RETRY_S
            self._tell(f"{host}:{port}", error)
        else:
            log.info("metrics.served", address=f"{host}:{self._server.server_port}")

    def _write(self) -> None:
        path = self._settings.textfile
        if path is None:
            return
        try:
            write_to_textfile(path, self._registry)
        except OSError as error:
            self._tell(path, error)
        else:
            self._trouble.pop(path, None)

    def _tell(self, where: str, error: OSError | UnicodeError) -> None:
        # Without the name that the library gave its temporary file, which is another each time.
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if self._trouble.get(where) != text:
            self._trouble[where] = text
            log.warning("metrics.withheld", where=where, text=text)
