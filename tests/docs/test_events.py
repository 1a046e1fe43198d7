"""The registry of events and the code say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.source import modules
from twofold.telemetry.events import EVENTS

# `exception` is `error` with a traceback.
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def log_calls() -> Iterator[tuple[str, str, ast.expr]]:
    """(where, level, first argument) of every `log.<level>(…)`, `self._log.<level>(…)` and the like."""
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if name.lstrip("_") in ("log", "logger") and node.args:
                    yield f"{path}:{node.lineno}", LEVELS[node.func.attr], node.args[0]


def test_events_are_literal_nouns_with_past_participles() -> None:
    for where, _level, event in log_calls():
        assert isinstance(event, ast.Constant), f"{where}: the event's name is no literal"
        assert re.fullmatch(r"[a-z]+\.[a-z]+", str(event.value)), f"{where}: {event.value}"


def test_every_event_is_registered_at_its_level() -> None:
    for where, level, event in log_calls():
        assert isinstance(event, ast.Constant)
        assert event.value in EVENTS, f"{where}: {event.value} is not in telemetry/events.py"
        assert EVENTS[event.value].level == level, f"{where}: {event.value} is logged as {level}"


def test_every_registered_event_is_logged_somewhere() -> None:
    logged = {event.value for _where, _level, event in log_calls() if isinstance(event, ast.Constant)}
    assert set(EVENTS) - logged == set()
