"""What a picture will take, before any of it is decoded: RAM, scratch and output space, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.core.formats import Format, output_depth
from twofold.core.geometry import Size
from twofold.core.pass_plan import PassPlan
from twofold.core.passes import PIXELS_PER_MEGAPIXEL, Chain
from twofold.core.picture import PictureHeader

BETWEEN_PASSES_BYTES = 2  # per sample: rasters are 16-bit between passes, whatever the source was
CODEC_COPIES = 2  # a codec holds the pixels in its own layout beside ours
DECODE_S = 0.04  # per megapixel, the slowest of the usual decoders
RESAMPLE_S = 0.1  # per megapixel of the result, in float and linear light


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that is needed at once. RAM comes on top of what the processes take idle; `output_bytes` is a guess."""

    ram_bytes: int
    scratch_bytes: int
    output_bytes: int
    seconds: float

    @property
    def disk_bytes(self) -> int:
        """Scratch and output together, as if they shared a disk."""
        return self.scratch_bytes + self.output_bytes


def estimate(header: PictureHeader, chain: Chain, plans: Sequence[PassPlan], target: Format) -> Estimate:
    """Cautious figures for one picture; `plans` has one plan for each pass of `chain`."""
    result_bytes = _raster_bytes(header, chain.final, output_depth(header, target) // 8)
    return Estimate(
        ram_bytes=_peak_ram_bytes(header, chain, plans, result_bytes),
        scratch_bytes=max((sum(_between_bytes(header, plan)) for plan in plans if plan.long), default=0),
        output_bytes=int(result_bytes * target.size_ratio) + header.icc_bytes,
        seconds=_seconds(chain, plans, target),
    )


def _peak_ram_bytes(header: PictureHeader, chain: Chain, plans: Sequence[PassPlan], result_bytes: int) -> int:
    """The dearest stage: decoding, one of the passes, finishing, or encoding. Alpha waits aside during the passes."""
    source_bytes = _raster_bytes(header, chain.source, header.depth // 8)
    alpha_bytes = chain.source.pixels * header.depth // 8 if header.alpha else 0
    stages = [CODEC_COPIES * source_bytes, CODEC_COPIES * result_bytes]
    last_bytes = source_bytes
    for plan in plans:
        before_bytes, last_bytes = (0, 0) if plan.long else _between_bytes(header, plan)
        tiles_bytes = plan.need_bytes if plan.device == "cpu" else 0
        stages.append(before_bytes + last_bytes + alpha_bytes + tiles_bytes)
    return max(*stages, last_bytes + alpha_bytes + result_bytes)


def _between_bytes(header: PictureHeader, plan: PassPlan) -> tuple[int, int]:
    """Bytes of the rasters before and after a pass, without alpha."""
    per_px = header.channels * BETWEEN_PASSES_BYTES
    return plan.tiles.source.pixels * per_px, plan.tiles.result.pixels * per_px


def _raster_bytes(header: PictureHeader, size: Size, sample_bytes: int) -> int:
    return size.pixels * (header.channels + header.alpha) * sample_bytes


def _seconds(chain: Chain, plans: Sequence[PassPlan], target: Format) -> float:
    """Decode, passes, finish, encode, and the second decode that checks the result."""
    result_mp = chain.final.pixels / PIXELS_PER_MEGAPIXEL
    per_result_mp = target.encode_s + DECODE_S + (RESAMPLE_S if chain.resampled else 0.0)
    codec_s = chain.source.pixels / PIXELS_PER_MEGAPIXEL * DECODE_S + result_mp * per_result_mp
    return codec_s + sum(plan.seconds for plan in plans)
