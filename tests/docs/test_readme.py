"""What README and ARCHITECTURE say is so."""

from __future__ import annotations

import re

import typer.main

from tests.docs.source import PACKAGE, ROOT
from twofold.cli.exits import ExitCode
from twofold.cli.main import app

MAX_README_LINES = 200


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(page("README.md").splitlines()) <= MAX_README_LINES


def test_the_readme_names_every_command() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"twofold {name}" not in page("README.md")] == []


def test_the_readme_names_no_command_that_is_not_there() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    said = re.findall(r"(?:`|^|bin/)twofold ([a-z]+)", page("README.md"), re.MULTILINE)
    assert set(said) - set(commands) == set()


def test_the_readme_names_every_exit_code() -> None:
    listed = page("README.md").split("Exit codes:")[1].split("\n\n")[0]
    assert {int(number) for number in re.findall(r"\b(\d+) [a-zA-Z]", listed)} == {code.value for code in ExitCode}


def test_every_link_leads_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_code_map_has_one_line_per_folder() -> None:
    mapped = set(re.findall(r"^\| `([a-z]+)/` \|", page("docs/ARCHITECTURE.md"), re.MULTILINE))
    assert mapped == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_the_architecture_names_only_files_that_exist() -> None:
    named = re.findall(
        r"`((?:core|service|config|cli|telemetry|tests|systemd)/[\w/]+\.\w+)`", page("docs/ARCHITECTURE.md")
    )
    assert named
    assert [name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())] == []


def test_make_knows_what_the_pages_tell_people_to_type() -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    said = {
        word for name in ("README.md", "docs/ARCHITECTURE.md") for word in re.findall(r"make ([a-z]+)\b`?", page(name))
    }
    assert {"demo", "test", "lint", "docs"} <= said & targets
