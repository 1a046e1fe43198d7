"""`calibrate`, and how `plan` tells times by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import twofold, write_config
from tests.imaging.pictures import photo
from twofold.core.codes import Code
from twofold.jobs.read import speeds
from twofold.service.lock import FileLock


def test_rates_are_measured_kept_and_used(tmp_path: Path) -> None:
    write_config(tmp_path)
    photo().resize((900, 600)).save(tmp_path / "p.png")
    guess = json.loads(twofold("plan", "p.png", "--recipe", "double", "--json", cwd=tmp_path).stdout)
    assert (guess["files"][0]["passes"][0]["rate"], guess["totals"]["rate"]) == ("guessed", "guessed")
    done = twofold("calibrate", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (fast,) = json.loads(done.stdout)["calibrations"]  # the recipe's one network
    assert (fast["model"], fast["device"], fast["dtype"]) == ("identity@1", "cpu", "float32")
    assert [sample["tile"] for sample in fast["samples"]][-1] == [384, 384]
    assert all(sample["bytes"] > 0 and sample["seconds"] > 0 for sample in fast["samples"][2:])
    assert 10 < fast["bytes_per_px"] < 200  # 24 of them are the result's own
    kept = speeds(str(tmp_path / "state" / "twofold.sqlite"))
    assert kept[("identity@1", "cpu")] == pytest.approx(fast["picture_px_per_s"])
    known = json.loads(twofold("plan", "p.png", "--recipe", "double", "--json", cwd=tmp_path).stdout)
    (step,) = known["files"][0]["passes"]
    width, height = known["files"][0]["size"]
    assert (step["rate"], known["files"][0]["rate"], known["totals"]["rate"]) == ("measured",) * 3
    assert step["seconds"] == pytest.approx(width * height / fast["picture_px_per_s"], abs=0.001)


def test_workers_find_the_costs(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert twofold("calibrate", "--model", "identity", cwd=tmp_path).returncode == 0
    costs = json.loads((tmp_path / "state" / "costs" / "cpu.json").read_text())
    (record,) = costs["records"].values()
    assert record["proven_px"] == 384 * 384
    assert record["px_per_s"] > 0


def test_a_device_in_use_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "state").mkdir()
    lock = FileLock(str(tmp_path / "state" / "worker-cpu.lock"))
    lock.take()
    try:
        done = twofold("calibrate", "--model", "identity", cwd=tmp_path)
    finally:
        lock.release()
    assert done.returncode == 4
    assert Code.ALREADY_RUNNING.value in done.stderr


def test_a_device_that_is_not_there_ends_with_69(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert twofold("calibrate", "--device", "cuda:7", cwd=tmp_path).returncode == 69
