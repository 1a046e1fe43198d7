"""`explain`: where one file stands and why, or the rule that ignores it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from twofold.cli.aftermath import after_lines
from twofold.cli.figures import size_text
from twofold.cli.jobs import job_line
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings, state_paths
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.jobs.read import find
from twofold.telemetry.names import display, json_fields, printable

MAX_VERSIONS_SHOWN = 5


def explain(
    path: Annotated[
        bytes, typer.Argument(parser=os.fsencode, metavar="PATH", help="A source, a result, or a job's id.")
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell where a file stands and why."""
    database = state_paths(config).database
    found = next(filter(None, (find(database, name) for name in _readings(path))), [])
    inbox, ignored, text = (None, None, "") if found else _not_known(path, config)
    if as_json:
        answer = {"schema": 1, **json_fields("path", path), "inbox": inbox, "ignored": ignored, "text": text}
        print(json.dumps({**answer, "jobs": found}))
        return
    print("\n".join(_text(found)) if found else f"{display(path)}: {text}")


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold explain /srv/photos/in/a.jpg\n\n"
            "  twofold explain /srv/photos/out/a.jpg        which source it was made from\n\n"
            "  twofold explain 4k2lmyt3ouqa"
        )
    )(explain)


def _readings(path: bytes) -> Iterator[bytes]:
    """What the word may mean: a path from here (also with links resolved), a job's id, a name in an inbox."""
    absolute = os.path.abspath(path)
    folder, name = os.path.split(absolute)
    yield absolute
    yield os.path.join(os.path.realpath(folder), name)
    yield path


def _not_known(path: bytes, config: str | None) -> tuple[str, str | None, str]:
    """(inbox, rule that ignores it or None, sentence) of a file that the ledger has never seen."""
    from twofold.core.ignore import ZIP_ARCHIVE, decide, rules_of

    absolute = next(iter(_readings(path)))
    settings = load_settings(config)
    for inbox in settings.inboxes.values():
        for root in (inbox.path, os.path.realpath(inbox.path)):
            if not absolute.startswith(root.rstrip(b"/") + b"/"):
                continue
            rule = decide(
                absolute[len(root.rstrip(b"/")) + 1 :], rules_of(inbox.ignore, settings.recipes[inbox.recipe])
            )
            if rule is not None:
                more = " (a comic in it is found where the recipe says pages: all)" if rule is ZIP_ARCHIVE else ""
                return inbox.name, rule.name, f"ignored in inbox {inbox.name} by the rule {printable(rule.name)}{more}"
            kind = _unfit(absolute)
            if kind is not None:
                return inbox.name, kind, f"ignored in inbox {inbox.name}: it is no regular file ({kind})"
            return inbox.name, None, f"not seen yet in inbox {inbox.name}; the next scan finds it"
    raise TwofoldError(Code.NOT_FOUND, f"{display(path)} is no job, and lies in no inbox")


def _unfit(path: bytes) -> str | None:
    """Why an entry is never taken for a picture, whatever its name. Raises TwofoldError(NOT_FOUND)."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise TwofoldError(Code.NOT_FOUND, f"{display(path)}: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISDIR(mode):
        return "folder"
    return None if stat.S_ISREG(mode) else "special_file"


def _text(found: list[dict[str, Any]]) -> Iterator[str]:
    yield from _newest(found[0])
    for older in found[1:MAX_VERSIONS_SHOWN]:
        yield f"older: {job_line(older)}"
    if len(found) > MAX_VERSIONS_SHOWN:
        yield f"and {len(found) - MAX_VERSIONS_SHOWN} older versions"


def _newest(job: dict[str, Any]) -> Iterator[str]:
    yield f"{printable(job['path'])}: {job['state']}"
    reason = job["reason"]
    if reason:
        yield f"  why: {printable(reason['text'])} ({reason['code']})"
        if reason["hint"]:
            yield f"  hint: {printable(reason['hint'])}"
    yield f"  job {job['id']}, inbox {printable(job['inbox'])}, recipe {printable(job['recipe'])}"
    pictures = job["pictures"]
    if len(pictures) > 1:
        done = sum(picture["copied"] is not None for picture in pictures)
        yield f"  {len(pictures)} pages, {done} of them finished; the first:"
    for picture in pictures[:1]:
        before = size_text([picture["width"], picture["height"]])
        yield f"  {before} → {size_text([picture['out_width'], picture['out_height']])}"
        for number, step in enumerate(picture["passes"], start=1):
            yield f"    pass {number}: {_step_text(step)}"
        if picture["why"] and picture["passes"]:
            yield f"    {picture['passes'][0]['model']} first: {picture['why']}"
    if job["output"]:
        yield f"  result: {printable(job['output'])}"
    yield from after_lines(job["after"])
    times = {"created": job["created"], "finished": job["finished"], "again at": job["next_at"]}
    yield "  " + ", ".join(f"{name} {when}" for name, when in times.items() if when)
    if job["attempts"] > 1:
        yield f"  attempts: {job['attempts']}"


def _step_text(step: dict[str, Any]) -> str:
    tile = step["tile"]
    shape = size_text(tile) if isinstance(tile, list) else tile
    chosen = [f"tile {shape}" if tile else "", f"batch {step['batch']}" if step["batch"] else "", step["device"] or ""]
    return ", ".join([f"{step['model']} {step['scale']}x", *filter(None, chosen)])
