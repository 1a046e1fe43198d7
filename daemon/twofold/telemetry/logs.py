"""One log for the whole process: readable lines on a terminal, JSON lines everywhere else."""

from __future__ import annotations

import logging
import warnings
from collections.abc import MutableMapping
from typing import Any, NamedTuple, TextIO

import structlog

from twofold.telemetry.names import name_fields, printable

Event = MutableMapping[str, Any]

LEADING_KEYS = ("time", "level", "event")
MULTILINE_KEYS = frozenset({"exception", "stack"})  # tracebacks: the renderer lays them out

# These attach a handler of their own when they find none, so the bridge is put on them by name.
SELF_HANDLING_LOGGERS = ("dbos",)


class LogStyle(NamedTuple):
    """How this process logs, for handing on to its children."""

    json: bool
    level: str


_style = LogStyle(json=True, level="info")


def style() -> LogStyle:
    """What the last `configure` settled on."""
    return _style


def configure(stream: TextIO, *, json: bool | None = None, level: str = "info") -> None:
    """Send every event at or above `level`, and the libraries' warnings, to `stream`.

    `json` None decides by the stream: readable on a terminal; JSON otherwise, and so under systemd.
    May be called again; the last call counts. Key values that are bytes are taken for file names.
    """
    global _style
    as_json = not stream.isatty() if json is None else json
    _style = LogStyle(as_json, level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json, key="time"),
            structlog.processors.format_exc_info if as_json else _keep,
            _one_line_values,
            _leading_keys,
            structlog.processors.JSONRenderer() if as_json else _console(stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    _route_libraries()


class LibraryBridge(logging.Handler):
    """Hands the standard library's log records to structlog, as one registered event."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        text, exc = record.getMessage(), record.exc_info
        if record.levelno >= logging.ERROR:
            log.error("library.failed", logger=record.name, text=text, exc_info=exc)
        else:
            log.warning("library.warned", logger=record.name, text=text, exc_info=exc)


def _route_libraries() -> None:
    bridge = LibraryBridge(logging.WARNING)
    for name in ("", *SELF_HANDLING_LOGGERS):
        logger = logging.getLogger(name)
        logger.handlers[:] = [bridge]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    logging.captureWarnings(True)
    # watchdog dumps its whole watch table into each of these while a tree is copied in; the scan needs none of it.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog")


def _console(stream: TextIO) -> Any:
    return structlog.dev.ConsoleRenderer(
        timestamp_key="time", colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


def _keep(_logger: Any, _method: str, event: Event) -> Event:
    return event


def _one_line_values(_logger: Any, _method: str, event: Event) -> Event:
    """Make names and texts of any origin safe: a newline in a file name must not forge a second log line."""
    for key, value in list(event.items()):
        if isinstance(value, bytes):
            event.update(name_fields(key, value))
        elif isinstance(value, str) and key not in MULTILINE_KEYS:
            event[key] = printable(value)
    return event


def _leading_keys(_logger: Any, _method: str, event: Event) -> Event:
    """Put when, how grave and what in front, so that lines read alike."""
    leading = {key: event[key] for key in LEADING_KEYS if key in event}
    return leading | {key: value for key, value in event.items() if key not in leading}
