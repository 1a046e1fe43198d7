"""The commands that enlarge, plan and retry, on real files with a network that needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.process import twofold, write_config


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_config(tmp_path)
    (tmp_path / "out").mkdir()
    Image.effect_noise((40, 30), 60).convert("RGB").save(tmp_path / "in" / "a.png")
    return tmp_path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_once_says_what_it_made_and_ends_with_0(home: Path) -> None:
    ended = twofold("once", cwd=home)
    assert ended.returncode == 0, ended.stderr
    *started, made, counts = ended.stdout.splitlines()
    assert started in ([], ["a.png: started"])  # it may have ended before anybody looked
    assert made == f"a.png → {home / 'out' / 'a.png'}"
    assert counts == "1 done"
    assert size_of(home / "out" / "a.png") == (80, 60)


def test_once_with_a_damaged_file_ends_with_3_and_says_why(home: Path) -> None:
    whole = (home / "in" / "a.png").read_bytes()
    (home / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    ended = twofold("once", "--json", cwd=home)
    assert ended.returncode == 3, ended.stderr
    told = json.loads(ended.stdout)
    assert told["counts"] == {"done": 1, "failed": 1}
    assert [file["path"] for file in told["delivered"]] == ["a.png"]
    ((failed,), text) = told["failed"], twofold("jobs", "--state", "failed", cwd=home).stdout
    assert (failed["path"], failed["reason"]["code"]) == ("cut.png", "damaged")
    assert "photos/cut.png" in text
    retried = twofold("retry", "--all", cwd=home)
    assert (retried.returncode, len(retried.stdout.split())) == (0, 1), retried.stderr


def test_upscale_works_beside_the_source_without_any_configuration(tmp_path: Path) -> None:
    Image.effect_noise((20, 10), 60).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    ended = twofold("upscale", "a.png", "--model", "identity", "--scale", "3", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert size_of(tmp_path / "a-3x.png") == (60, 30)
    assert (tmp_path / "a.png").read_bytes() == before


def test_upscale_does_what_it_can_and_ends_with_3(tmp_path: Path) -> None:
    Image.effect_noise((20, 10), 60).save(tmp_path / "a.png")
    ended = twofold("upscale", "no.png", "a.png", "--model", "identity", "-o", "large", "--json", cwd=tmp_path)
    assert ended.returncode == 3, ended.stderr
    missing, made = json.loads(ended.stdout)["files"]
    assert (missing["output"], missing["reason"]["code"]) == (None, "not_found")
    assert missing["path"] == str(tmp_path / "no.png")
    assert made["output"] == str(tmp_path / "large" / "a.png")
    assert made["reason"] is None


def test_plan_tells_the_passes_and_runs_nothing(home: Path) -> None:
    text = twofold("plan", "--inbox", "photos", cwd=home).stdout
    assert "40×30 → 80×60" in text
    assert "pass 1: identity@1" in text
    planned = json.loads(twofold("plan", "in/a.png", "--model", "identity", "--scale", "8", "--json", cwd=home).stdout)
    (file,) = planned["files"]
    assert file["out_size"] == [320, 240]
    assert [step["scale"] for step in file["passes"]] == [2, 2, 2]
    assert sorted(path.name for path in home.iterdir()) == ["in", "out", "twofold.yaml"]
