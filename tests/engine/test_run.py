"""Every owned pixel exactly once, whatever runs out of memory and wherever it stops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fakes import CountingArray, FailingUpscaler, PatientGovernor, make_plan
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.core.geometry import Size
from twofold.core.pass_plan import PassPlan
from twofold.core.rest import Rest
from twofold.engine.run import LOOK_AGAIN_S, MAX_REFUSED, Watch, run_pass
from twofold.engine.simple import ReplicatingUpscaler


def card(halo_px: int = 3, alignment: int = 1, scale: int = 2) -> NetworkCard:
    return NetworkCard("fake", 1, "0" * 64, scale, backend="identity", halo_px=halo_px, alignment=alignment)


def coordinates(width: int, height: int) -> np.ndarray:
    """A (H, W, 3) uint16 picture in which every pixel says where it is."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, x * 0 + 7], axis=-1).astype(np.uint16)


def enlarged(source: np.ndarray, scale: int) -> np.ndarray:
    return source.repeat(scale, axis=0).repeat(scale, axis=1)


networks = st.builds(card, st.integers(0, 5), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]))
sides = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(networks, sides, st.integers(24, 60), st.integers(1, 8), st.sets(st.integers(0, 30), max_size=6))
def test_whatever_runs_out_of_memory_every_pixel_is_right(
    network: NetworkCard, size: tuple[int, int], tile_px: int, batch: int, failures: set[int]
) -> None:
    source = coordinates(*size)
    result = np.full((size[1] * network.scale, size[0] * network.scale, 3), 65535, np.uint16)
    upscaler, governor = FailingUpscaler(network, failures), PatientGovernor()
    plan = make_plan(network, Size(*size), tile_px, batch)
    refusal = None
    try:
        run_pass(upscaler, source, result, plan, governor, depth=16)
    except TwofoldError as error:
        refusal = error.code
    if refusal is None:
        np.testing.assert_array_equal(result, enlarged(source, network.scale))
    else:
        assert refusal is Code.LOW_MEMORY  # the fake's floor was reached: told, not pasted over
    assert governor.replans == len([number for number in failures if number < upscaler.runs])


def test_without_trouble_every_pixel_is_written_once() -> None:
    source = coordinates(83, 57)
    result = CountingArray.zeros_counted((114, 166, 3))
    run_pass(
        FailingUpscaler(card(alignment=4)), source, result, make_plan(card(alignment=4), Size(83, 57), 28, 3),
        PatientGovernor(), depth=16,
    )  # fmt: skip
    assert (result.writes == 1).all()


def test_finished_rows_are_never_written_again_after_running_out_of_memory() -> None:
    source = coordinates(90, 90)
    result = CountingArray.zeros_counted((180, 180, 3))
    finished_px: list[int] = []

    def on_row(index: int, plan: PassPlan) -> None:
        finished_px.append(plan.tiles.row(index)[0].owned.y1 * 2)

    # Tiles of 30 px with a halo of 3 make 4 columns: run 6 is in the middle of the second band.
    run_pass(
        FailingUpscaler(card(), {6}), source, result, make_plan(card(), Size(90, 90), 30), PatientGovernor(),
        depth=16, watch=Watch(on_row=on_row),
    )  # fmt: skip
    np.testing.assert_array_equal(result, enlarged(source, 2))
    assert (result.writes[: finished_px[0]] == 1).all()
    assert finished_px == sorted(finished_px)
    assert finished_px[-1] == 180


def test_a_smaller_batch_goes_on_with_the_same_tiles() -> None:
    source = coordinates(90, 90)
    result = CountingArray.zeros_counted((180, 180, 3))
    governor = PatientGovernor()
    plan = make_plan(card(), Size(90, 90), 30, batch=4)
    last = run_pass(FailingUpscaler(card(), {1}), source, result, plan, governor, depth=16)
    assert (last.batch, last.tiles) == (2, plan.tiles)
    assert (result.writes == 1).all()
    assert sum(governor.completed_px) == plan.tiles.count * plan.tiles.tile.pixels


@given(networks, sides, st.integers(24, 60), st.integers(1, 5), st.integers(0, 40), st.sets(st.integers(0, 12)))
def test_a_stopped_pass_goes_on_where_it_was(
    network: NetworkCard, size: tuple[int, int], tile_px: int, batch: int, stop_after: int, failures: set[int]
) -> None:
    """Also where the device ran out of memory before it stopped: the plan and the row reported suffice."""
    source = coordinates(*size)
    result = np.full((size[1] * network.scale, size[0] * network.scale, 3), 65535, np.uint16)
    plan = make_plan(network, Size(*size), tile_px, batch)
    state = (0, plan)
    batches = 0

    def on_row(index: int, in_force: PassPlan) -> None:
        nonlocal state
        state = (index + 1, in_force)

    def stop() -> None:
        nonlocal batches
        batches += 1
        if batches > stop_after:
            raise KeyboardInterrupt

    upscaler = FailingUpscaler(network, failures)
    try:
        run_pass(upscaler, source, result, plan, PatientGovernor(), depth=16, watch=Watch(on_row=on_row, stop=stop))
    except (KeyboardInterrupt, TwofoldError):
        first_row, in_force = state
        resumed = FailingUpscaler(network)
        run_pass(resumed, source, result, in_force, PatientGovernor(), depth=16, first_row=first_row)
    np.testing.assert_array_equal(result, enlarged(source, network.scale))


def test_a_governor_that_does_not_step_down_ends_the_pass() -> None:
    class Stubborn(PatientGovernor):
        def replan(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
            return plan

    source, plan = coordinates(40, 40), make_plan(card(), Size(40, 40), 40)
    full = FailingUpscaler(card(), set(range(1000)))
    waits: list[float] = []
    with pytest.raises(OutOfDeviceMemory):
        run_pass(
            full, source, np.zeros((80, 80, 3), np.uint16), plan, Stubborn(), depth=16, watch=Watch(sleep=waits.append)
        )
    assert waits == [LOOK_AGAIN_S] * MAX_REFUSED


def test_shapes_that_do_not_fit_the_plan_are_refused() -> None:
    source, plan = coordinates(40, 30), make_plan(card(), Size(40, 30), 40)
    with pytest.raises(ValueError, match="is not what"):
        run_pass(
            FailingUpscaler(card()), source, np.zeros((60, 79, 3), np.uint16), plan, PatientGovernor(), depth=16
        )  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("samples", "depth"), [(np.uint8, 8), (np.uint16, 16)])
def test_identity_is_lossless(samples: type[np.generic], depth: int, channels: int) -> None:
    full = np.iinfo(samples).max
    source = np.random.default_rng(1).integers(0, full, (50, 70, channels), samples, endpoint=True)
    result = np.zeros((100, 140, channels), samples)
    plan = make_plan(card(), Size(70, 50), 32)
    run_pass(ReplicatingUpscaler(card()), source, result, plan, PatientGovernor(), depth=depth)
    np.testing.assert_array_equal(result, enlarged(source, 2))


def test_memory_maps_serve_as_source_and_result(tmp_path: object) -> None:
    source = np.memmap(f"{tmp_path}/source", np.uint16, "w+", shape=(30, 41, 3))
    source[:] = coordinates(41, 30)
    result = np.memmap(f"{tmp_path}/result", np.uint16, "w+", shape=(60, 82, 3))
    network = card(alignment=4)
    run_pass(
        FailingUpscaler(network), source, result, make_plan(network, Size(41, 30), 24), PatientGovernor(), depth=16
    )
    np.testing.assert_array_equal(result, enlarged(coordinates(41, 30), 2))
