"""The keys of what follows an end: originals, notes, copies, hooks."""

from __future__ import annotations

import os
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.config.loader import load
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError
from twofold.core.settings import Hooks, Originals, Settings


def loaded(machine: Surroundings, text: str, **environ: str) -> Settings:
    path = Path(machine.cwd, "twofold.yaml")
    path.write_text(textwrap.dedent(text))
    return load(os.fspath(path), replace(machine, environ=environ))


def refused(machine: Surroundings, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(machine, text)
    return "\n".join(map(str, caught.value.mistakes))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("keep", Originals()),
        ("delete", Originals("delete")),
        ("{delete: true}", Originals("delete")),
        ("{delete: true, synced_ok: true}", Originals("delete", synced_ok=True)),
        ("{archive: /srv/old}", Originals("archive", b"/srv/old")),
        ("{archive: ~/old, synced_ok: true}", Originals("archive", b"HOME/old", synced_ok=True)),
        ("{archive: old}", Originals("archive", b"CWD/old")),
    ],
)
def test_originals(machine: Surroundings, written: str, meant: Originals) -> None:
    text = f"inboxes: {{a: {{path: in, outbox: out, originals: {written}, failure_notes: never, unprocessed: copy}}}}\n"
    archive = meant.archive.replace(b"HOME", machine.home.encode()).replace(b"CWD", machine.cwd.encode())
    inbox = loaded(machine, text).inboxes["a"]
    assert inbox.originals == replace(meant, archive=archive)
    assert (inbox.failure_notes, inbox.unprocessed) == ("never", "copy")


@pytest.mark.parametrize(
    "written",
    ["{}", "{synced_ok: true}", "{archive: x, delete: true}", "{delete: false}", "archive", "{archive: x, ok: true}"],
)
def test_anything_unclear_about_originals_is_refused(machine: Surroundings, written: str) -> None:
    """Each of these could be read as a wish to delete."""
    assert "originals" in refused(machine, f"inboxes: {{a: {{path: in, outbox: out, originals: {written}}}}}\n")


def test_hooks(machine: Surroundings) -> None:
    text = """\
        hooks:
          on_done: [notify-send, "It is done."]
          on_failed: [./tell.sh, ./x]
          timeout: 5s
        """
    hooks = loaded(machine, text, TWOFOLD__HOOKS__ON_IDLE="[/bin/true]").hooks
    script = os.path.join(machine.cwd, "tell.sh")
    assert hooks == Hooks(("notify-send", "It is done."), (script, "./x"), ("/bin/true",), 5.0)
    assert loaded(machine, "devices: cpu\n").hooks == Hooks()


def test_a_hook_is_a_list_of_words(machine: Surroundings) -> None:
    assert "hooks.on_done: Must be a list" in refused(machine, "hooks: {on_done: rm -rf /}\n")
    assert "hooks.timeout: Must be greater than 0" in refused(machine, "hooks: {timeout: 0s}\n")
