"""A chain of three passes on a simulated GPU, pixel for pixel, while a neighbour comes and goes between them."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.photos import drop, photo, pixels
from tests.simulator.running import COST, GIB, MIB, Simulated, apart, batch_px, plain, tiny_network

CONFIG = """\
recipes:
  undisturbed: {scale: 8, models: [tiny]}
  disturbed: {scale: 8, models: [tiny-1, tiny-2, tiny-3]}
inboxes:
  undisturbed: {path: calm, outbox: calm-out, recipe: undisturbed, settle: 0.2s}
  disturbed: {path: rough, outbox: rough-out, recipe: disturbed, settle: 0.2s}
"""
"""One network by four names: the moment a name is used first lies between two passes."""

TIMEOUT_S = 60
KEEP_FREE_BYTES = 400 * MIB


def test_each_pass_is_planned_from_what_is_free_by_then(tmp_path: Path) -> None:
    """Issue 5: on 8 GB, a neighbour takes 5 GB between passes 1 and 2 and gives them back before pass 3."""
    card = tiny_network(tmp_path, "tiny", "tiny-1", "tiny-2", "tiny-3")
    picture = photo("png16", 96, 72, 1)
    with Simulated(tmp_path, CONFIG, {"GPU-8": 8 * GIB}) as one:
        gpu = one.gpus["GPU-8"]
        for folder in ("calm", "calm-out", "rough", "rough-out"):
            one.service.folder(folder)
        one.service.start()
        drop(tmp_path / "calm", "calm.png", picture)
        one.service.wait_until({"calm.png": ("done", None)}, TIMEOUT_S)
        one.service.wait_for(lambda: gpu.now.own_bytes == COST.weight_bytes, TIMEOUT_S)  # nothing stays cached

        gpu.now.halt_at_load = gpu.now.loads + 2
        drop(tmp_path / "rough", "rough.png", picture)
        one.wait_for_halt(gpu)  # between passes 1 and 2
        assert gpu.occupy(5 * GIB) == 5 * GIB
        one.go_on(gpu, halt_at_load=gpu.now.loads + 1)
        one.wait_for_halt(gpu)  # between passes 2 and 3
        gpu.occupy(0)
        one.go_on(gpu)
        one.service.wait_until({"rough.png": ("done", None)}, TIMEOUT_S)

        plans = one.plans("rough.png")
        first, third = (next(plan for plan in plans if plan["pass"] == number) for number in (1, 3))
        calm = next(plan for plan in one.plans("calm.png") if plan["pass"] == 2)
        assert calm["need_bytes"] <= first["budget_bytes"]
        for second in (plan for plan in plans if plan["pass"] == 2):
            unused_bytes = second["reserved_bytes"] - second["allocated_bytes"]
            assert second["need_bytes"] <= second["free_bytes"] + unused_bytes - KEEP_FREE_BYTES
            assert second["need_bytes"] < calm["need_bytes"]
            assert batch_px(second) <= batch_px(third)
        assert gpu.now.least_left_bytes >= KEEP_FREE_BYTES, "no segment of ours was taken from what is kept free"

        told = one.service.jobs()["rough.png"]["pictures"][0]["passes"]
        assert [made["device"] for made in told] == ["GPU-8"] * 3
        last = {plan["pass"]: plan for plan in plans}
        assert [(made["tile"], made["batch"]) for made in told] == [
            (last[number]["tile"], last[number]["batch"]) for number in (1, 2, 3)
        ]
        rough, calm_pixels = pixels(tmp_path / "rough-out/rough.png"), pixels(tmp_path / "calm-out/calm.png")
        assert apart(rough, calm_pixels) <= 1
        assert apart(rough, plain(card, pixels(tmp_path / "rough/rough.png"), passes=3, depth=16)) <= 1
        assert one.service.stop() == 0
