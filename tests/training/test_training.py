"""The training code: data, the loop from scratch, resuming, export, and the shipped files."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from training import degrade, evaluate, export, metrics, muon, network, patches, reference, synthetic, team, train

PLAN = train.Plan(features=16, convolutions=3, iterations=200, rate=3e-3, checkpoint_s=1e9)
SHIPPED = sorted(export.SHIPPED.glob("*.json"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Training runs on one thread everywhere, so that its figures do not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data() -> patches.PatchSet:
    rng = np.random.default_rng(3)
    parts = [patches.cut(synthetic.shape_canvas(rng), rng) for _ in range(2)]
    return patches.PatchSet(*(np.concatenate([getattr(part, name) for part in parts]) for name in patches.NAMES))


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("validation")
    synthetic.shape_canvas(np.random.default_rng(99)).crop((0, 0, 256, 256)).save(folder / "a.png")
    return folder


def test_patches_are_aligned(data: patches.PatchSet):
    """A small patch is its large one reduced: same mean colour, whatever the neighbours add at the rim."""
    assert data.hr.shape[1:] == (96, 96, 3)
    assert data.lr.shape[1:] == (48, 48, 3)
    assert data.lr4.shape[1:] == (24, 24, 3)
    for small in (data.lr, data.lr4):
        assert np.abs(data.hr.mean(axis=(1, 2)) - small.mean(axis=(1, 2))).max() < 3


def test_patch_set_survives_disk(data: patches.PatchSet, tmp_path: pathlib.Path):
    patches.save([data, data], tmp_path, {"seed": 3})
    again = patches.load(tmp_path)
    assert len(again) == 2 * len(data)
    assert np.array_equal(again.lr4[len(data) :], data.lr4)


def test_training_from_scratch_improves(data: patches.PatchSet, validation: pathlib.Path, tmp_path: pathlib.Path):
    """Seconds of training leave the start, nearest-neighbour enlargement, well behind."""
    before = train.validate(train.start(PLAN).model, validation)
    run = train.train(PLAN, data, validation, tmp_path / "run.pt")
    after = train.validate(run.average, validation)
    assert after["x2"] > before["x2"] + 1
    assert after["x4"] > before["x4"] + 0.8
    log = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert log[-1]["iteration"] == PLAN.iterations


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_training_improves(data: patches.PatchSet, validation: pathlib.Path, tmp_path: pathlib.Path):
    """The command itself, from scratch, for 60 s: it ends by itself and leaves a network that beats bicubic."""
    patches.save([data], tmp_path / "made", {})
    shutil.copytree(validation, tmp_path / "validation")
    command = [sys.executable, "-m", "training.train", "--name", "smoke", "--cache", str(tmp_path), "--data", "made"]
    command += ["--features", "16", "--convolutions", "3", "--minutes", "1", "--rate", "3e-3", "--plain"]
    done = subprocess.run(command, cwd=export.SHIPPED.parents[3], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "checkpoints" / "smoke.log").read_text().splitlines()[-1])
    truth = Image.open(validation / "a.png")
    bicubic = metrics.interpolate(metrics.reduce(truth, 2), 2, Image.Resampling.BICUBIC)
    assert 0.9 < found["minutes"] < 1.3
    assert found["x2"] > metrics.psnr_y(metrics.luma(bicubic), metrics.luma(np.asarray(truth)), 2) + 1


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_team_trains_one_network(data: patches.PatchSet, validation: pathlib.Path, tmp_path: pathlib.Path):
    """Two processes, each with its own samples, end together with one checkpoint that holds all their work."""
    patches.save([data], tmp_path / "made", {})
    shutil.copytree(validation, tmp_path / "validation")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "training.train", "--name", "team", "--cache", str(tmp_path), "--data", "made", "--plain"]
    command += ["--features", "16", "--convolutions", "3", "--iterations", "60", "--rate", "3e-3"]
    done = subprocess.run(command, cwd=export.SHIPPED.parents[3], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "checkpoints" / "team.log").read_text().splitlines()
    assert json.loads(line)["iteration"] == 60
    before = train.validate(train.start(PLAN).model, validation)
    assert json.loads(line)["x2"] > before["x2"]


def test_a_team_of_one_changes_nothing():
    gradients = [torch.ones(3), None]
    assert team.average(gradients, 7.0) == 7.0
    assert gradients[0] is not None
    assert torch.equal(gradients[0], torch.ones(3))


def test_a_chain_trains_both_passes(data: patches.PatchSet):
    """The loss of a chained sample reaches the first pass's input side through both passes."""
    plan = dataclasses.replace(PLAN, chain_share=1.0)
    run = train.start(plan)
    batch = train.sample(data, plan, run)
    assert bool(batch.chained.all())
    assert train.loss_of(batch, plan, run) > 0
    plain = dataclasses.replace(batch, chained=torch.zeros_like(batch.chained))
    assert train.loss_of(plain, plan, run) != train.loss_of(batch, plan, run)


def test_samples_stay_aligned(data: patches.PatchSet):
    """Turned, flipped and recoloured alike: each side is the next one reduced."""
    plan = dataclasses.replace(PLAN, batch=16, recolour_share=0.5, enlarged_share=0.0)
    batch = train.sample(data, plan, train.start(plan))
    for small, large in ((batch.quarter, batch.low), (batch.low, batch.high)):
        reduced = torch.nn.functional.avg_pool2d(large, 2)
        assert (small - reduced).abs().mean() < 0.03
        assert (small - reduced.flip(3)).abs().mean() > 0.05


def test_a_mixture_draws_by_its_shares(data: patches.PatchSet, tmp_path: pathlib.Path):
    dark = dataclasses.replace(data, hr=np.zeros_like(data.hr))
    patches.save([data], tmp_path / "made", {})
    patches.save([dark], tmp_path / "dark", {})
    mixture = patches.load_mixture(tmp_path, ["made", "dark:3"])
    assert mixture.shares == (0.25, 0.75)
    picked = mixture.pick(np.random.default_rng(1), 4000)
    black = float((picked.hr.max(axis=(1, 2, 3)) == 0).mean())
    assert len(picked) == 4000
    assert 0.7 < black < 0.8


@pytest.mark.parametrize("shape", [(8, 8), (48, 432)])
def test_muon_moves_every_direction_alike(shape: tuple[int, int]):
    """The singular values of a step are all about 1, however they were spread in the gradient."""
    torch.manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    spread = u @ torch.diag(torch.logspace(0, -2, shape[0])) @ v
    values = torch.linalg.svdvals(muon.orthogonal(spread))
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.4


def test_a_reference_network_is_read_from_its_ncnn_file(tmp_path: pathlib.Path):
    """Tags, half precision with padding, plain floats, and the last layer's own order of channels."""
    torch.manual_seed(1)
    want = reference.UpConv7()
    parts = []
    for number, layer in enumerate((*want.convolutions, want.last)):
        weight = layer.weight.detach().half().float() if number else layer.weight.detach()
        layer.weight.data = weight
        stored = (weight.transpose(0, 1) if layer is want.last else weight).contiguous().numpy()
        body = stored.astype("<f2").tobytes() if number else stored.tobytes()
        tag = reference.HALF_TAG if number else reference.FLOAT_TAG
        parts += [struct.pack("<I", tag), body + bytes(-len(body) % 4), layer.bias.detach().numpy().tobytes()]
    folder = tmp_path / "pkg" / "models-upconv_7_photo"
    folder.mkdir(parents=True)
    (folder / "scale2.0x_model.bin").write_bytes(b"".join(parts))
    found = reference.load(reference.find(tmp_path))
    picture = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        assert torch.allclose(found(picture), want(picture), atol=1e-6)
    assert found(picture).shape == (1, 3, 18, 22)


def test_resumed_equals_uninterrupted(data: patches.PatchSet, tmp_path: pathlib.Path):
    """A run stopped at a checkpoint and started again makes the same network as one that never stopped."""
    plan = dataclasses.replace(PLAN, iterations=8)
    whole, half = train.start(plan), train.start(plan)
    for _ in range(8):
        train.step(data, plan, whole)
    for _ in range(4):
        train.step(data, plan, half)
    train.save(half, tmp_path / "half.pt")
    resumed = train.restore(train.start(plan), tmp_path / "half.pt")
    for _ in range(4):
        train.step(data, plan, resumed)
    for one, other in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_finished_run_restarts_warm(data: patches.PatchSet, tmp_path: pathlib.Path):
    run = train.start(PLAN)
    train.step(data, PLAN, run)
    run.finished = True
    train.save(run, tmp_path / "done.pt")
    again = train.restore(train.start(PLAN), tmp_path / "done.pt")
    assert (again.before, again.iteration, again.finished) == (1, 0, False)


def test_goes_on_from_exported_weights(tmp_path: pathlib.Path):
    """Where a checkpoint is lost, the shipped file starts the next run."""
    shipped = network.compact(16, 3, seed=7)
    export.write_half(shipped.state_dict(), tmp_path / "shipped.safetensors")
    run = train.start_from(train.start(PLAN), tmp_path / "shipped.safetensors")
    for one, other in zip(run.average.parameters(), shipped.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-3)


def test_receptive_radius_is_exact():
    """Nothing beyond `radius_px` reaches an output pixel."""
    model = network.compact(8, 2, seed=1)
    radius = network.radius_px(model)
    picture = torch.rand(1, 3, 32, 32)
    moved = picture.clone()
    moved[..., 16 + radius + 1 :] = 0
    with torch.inference_mode():
        assert torch.equal(model(picture)[..., :34], model(moved)[..., :34])


def test_metrics_agree_with_the_known():
    plane = np.random.default_rng(0).uniform(16, 235, (40, 40))
    assert metrics.psnr_y(plane + 255 / 10, plane, 2) == pytest.approx(20.0)
    assert metrics.ssim_y(plane, plane, 2) == pytest.approx(1.0)


def test_export_writes_what_spandrel_loads(tmp_path: pathlib.Path):
    """The half-precision file loads as a 2x Compact, and the card counts what is in it."""
    model = network.compact(16, 3, seed=1)
    weights = tmp_path / "twofold-photo-2x@1.safetensors"
    export.write_half(model.state_dict(), weights)
    card = export.card("twofold-photo-2x", 1, weights, {})
    assert card["parameters"] == network.parameters(model)
    assert card["halo_px"] == 5
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_match_their_card(path: pathlib.Path):
    """sha256, shape, and no pattern on flat fields and gradients over an 8x chain."""
    card = json.loads(path.read_text())
    weights = path.parent / card["file"]
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    model = network.load(evaluate.load_weights(weights))
    assert network.parameters(model) == card["parameters"]
    assert network.radius_px(model) == card["halo_px"] <= 64
    assert card["mflop_per_px"] <= 0.6
    assert all(entry["license"] for entry in card["training_data"])


def test_degraded_patches_stay_aligned(data: patches.PatchSet):
    """Whatever the history, the low side shows the same picture at the same place."""
    rng = np.random.default_rng(5)
    clean = patches.PatchSet(data.hr[:40], data.lr[:40], data.lr4[:40])
    worn = degrade.degraded(clean, rng, degrade.draw)
    assert worn.lr.shape == clean.lr.shape
    assert not np.array_equal(worn.lr, clean.lr)
    distance = np.abs(worn.lr.astype(int) - clean.lr).mean()
    moved = np.abs(np.roll(worn.lr, 2, axis=2).astype(int) - clean.lr).mean()
    assert distance < moved
    assert np.abs(worn.lr.mean(axis=(1, 2)) - clean.lr.mean(axis=(1, 2))).mean() < 3
