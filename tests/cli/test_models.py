"""`models verify` and `models convert`, on real files."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from tests.cli.process import twofold, write_config
from tests.engine.networks import compact
from twofold.engine.convert import tensors_of
from twofold.engine.load import load_network
from twofold.models.catalogue import Places


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path) -> Path:
    """With a state directory of its own: that of a machine is nobody's to write to."""
    return write_config(tmp_path)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A network as training programs save it: wrapped, with a prefix, and with things that are no tensors."""
    state = {f"module.{key}": value for key, value in compact().state_dict().items()}
    path = tmp_path / "2x_mine.pth"
    torch.save({"params_ema": state, "iteration": 7, "args": {"lr": 1e-3}}, path)
    return path


def test_a_checkpoint_becomes_a_network_that_recipes_can_name(checkpoint: Path, tmp_path: Path) -> None:
    done = twofold("models", "convert", checkpoint.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "models: [2x_mine]" in done.stdout
    shown = json.loads(twofold("models", "show", "2x_mine", "--json", cwd=tmp_path).stdout)["model"]
    assert (shown["architecture"], shown["scale"], shown["exact"]) == ("Compact", 2, True)
    converted = Path(shown["file"])
    again = twofold("models", "convert", checkpoint.name, cwd=tmp_path)
    assert again.returncode == 1
    assert "output_exists" in again.stderr
    picture = torch.rand(1, 3, 12, 10)
    network = load_network(converted.read_bytes(), "converted")
    with torch.inference_mode():
        assert torch.equal(network.forward(network.module, picture), compact().eval()(picture))


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"params": Trap()}))
    torch.save({"params": Trap()}, tmp_path / "trap2.pth")
    for name in ("trap.pth", "trap2.pth"):
        done = twofold("models", "convert", name, "-o", "out.safetensors", cwd=tmp_path)
        assert done.returncode == 69
        assert "bad_network" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", pickle.dumps([1, 2]), pickle.dumps({"weight": 3})], ids=range(4)
)
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.pth").write_bytes(content)
    done = twofold("models", "convert", "odd.pth", "-o", "out.safetensors", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (69, "")
    assert "bad_network" in done.stderr
    assert not (tmp_path / "out.safetensors").exists()


def test_shared_and_strided_tensors_are_written_whole() -> None:
    import io

    import safetensors.torch

    base = torch.arange(12.0).view(3, 4)
    buffer = io.BytesIO()
    torch.save({"a": base, "b": base.T, "c": base[1]}, buffer)
    found = safetensors.torch.load(tensors_of(buffer.getvalue(), "x"))
    assert torch.equal(found["b"], base.T)
    assert torch.equal(found["c"], base[1])


@pytest.mark.slow
def test_the_built_in_networks_verify(tmp_path: Path) -> None:
    done = twofold("models", "verify", "--json", cwd=tmp_path, timeout_s=100)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["models"]
    assert {model["name"].partition("@")[0] for model in found} == {
        "twofold-photo-2x",
        "twofold-web-2x",
        "twofold-art-2x",
    }
    assert all(model["ok"] and model["reason"] is None for model in found)


@pytest.mark.slow
def test_verify_names_what_is_broken(tmp_path: Path) -> None:
    weights = next(Path(Places("", "", "").built_in_dir).glob("twofold-art-2x@*.safetensors"))
    shutil.copy(weights, tmp_path / "whole.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(weights.read_bytes()[:-100])
    done = twofold("models", "verify", "whole.safetensors", "torn.safetensors", "absent", cwd=tmp_path, timeout_s=100)
    assert done.returncode == 69
    whole, torn, absent = done.stdout.splitlines()
    assert whole.endswith("whole.safetensors: ok")
    assert "bad_network" in torn
    assert "missing_model" in absent
