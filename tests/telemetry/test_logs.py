"""Each event is one line, whatever its values hold, and the libraries' warnings are events too."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from twofold.telemetry.logs import SELF_HANDLING_LOGGERS, configure, style

HOSTILE = b"a\n<0>forged\x1b[2J\xff.jpg"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", *SELF_HANDLING_LOGGERS)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    logging.captureWarnings(False)
    structlog.reset_defaults()
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    configure(stream)
    structlog.get_logger().info("job.delivered", path=HOSTILE, size=[3, 2])
    (line,) = lines(stream)
    assert list(line)[:3] == ["time", "level", "event"]
    assert str(line["time"]).endswith("Z")
    assert line["event"] == "job.delivered"
    assert line["size"] == [3, 2]
    assert line["path"] == "a\\n<0>forged\\x1b[2J\\xff.jpg"
    assert "path_b64" in line


def test_readable_lines_on_a_terminal() -> None:
    stream = Terminal()
    configure(stream)
    structlog.get_logger().info("job.delivered", path=HOSTILE, text="two\nlines")
    assert len(stream.getvalue().splitlines()) == 1
    assert "job.delivered" in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_hostile_name_never_breaks_a_line(as_json: bool) -> None:
    stream = io.StringIO()
    configure(stream, json=as_json)
    for _ in range(3):
        structlog.get_logger().warning("job.retried", path=HOSTILE, text=HOSTILE.decode("utf-8", "surrogateescape"))
    assert len(stream.getvalue().splitlines()) == 3
    assert "\x1b[2J" not in stream.getvalue()


def test_a_traceback_is_kept_inside_its_json_line() -> None:
    stream = io.StringIO()
    configure(stream)
    try:
        raise ValueError("deep\ndown")
    except ValueError:
        structlog.get_logger().exception("job.failed", path=b"x.jpg")
    (line,) = lines(stream)
    assert "ValueError" in str(line["exception"])


def test_level_is_the_least_that_is_shown() -> None:
    stream = io.StringIO()
    configure(stream, level="warning")
    structlog.get_logger().info("job.queued")
    structlog.get_logger().warning("job.retried")
    assert [line["event"] for line in lines(stream)] == ["job.retried"]


@pytest.mark.parametrize("name", ["sqlalchemy.pool", "dbos", "watchdog.observers"])
def test_libraries_speak_through_the_same_log_from_warning_up(name: str) -> None:
    stream = io.StringIO()
    configure(stream)
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("pool of %d is full", 5)
    logging.getLogger(name).error("broken")
    warned, failed = lines(stream)
    assert (warned["event"], warned["logger"], warned["text"]) == ("library.warned", name, "pool of 5 is full")
    assert (failed["event"], failed["level"]) == ("library.failed", "error")


def test_python_warnings_are_events() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(stream)
        warnings.warn("old ways", stacklevel=1)
    (line,) = lines(stream)
    assert line["event"] == "library.warned"
    assert "old ways" in str(line["text"])


def test_configuring_twice_does_not_say_things_twice() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure(first)
    configure(second)
    logging.getLogger("dbos").warning("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


def test_children_can_log_in_the_same_style() -> None:
    configure(Terminal(), level="error")
    assert style() == (False, "error")
    configure(io.StringIO())
    assert style() == (True, "info")
