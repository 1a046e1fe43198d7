"""What a picture will take, before any of it is decoded: RAM, scratch and output space, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from twofold.core.formats import Format, output_depth
from twofold.core.geometry import Size
from twofold.core.memory import MIB
from twofold.core.pass_plan import PassPlan
from twofold.core.passes import PIXELS_PER_MEGAPIXEL, Chain
from twofold.core.picture import BUFFERED, PictureHeader

Rasters = Literal["memory", "scratch"]
"""Where the rasters of a picture live; those of long passes live on scratch in any case, to survive a killed worker."""

BETWEEN_PASSES_DEPTH = 16  # bits per sample of rasters between passes, whatever the source was
DECODE_S = 0.04  # per megapixel, the slowest of the usual decoders
RESAMPLE_S = 0.1  # per megapixel of the result, in float and linear light

# What no scratch file replaces, measured: codecs that work row by row take nothing that grows with the picture.
CHILD_BYTES = 96 * MIB  # a codec child: interpreter, libraries, bands of rows
FINISH_BYTES = 160 * MIB  # bands of rows in linear light
ROW_WISE = frozenset({"jpeg", "png", "tiff"})  # to read and to write
WHOLE_DECODE_BYTES = 10  # per pixel and 8 bits, of decoders that hold the whole picture
JPEG_COEFFICIENT_BYTES = 2  # a progressive JPEG's coefficients are collected before any pixel comes out
HIDDEN_COLOUR_BYTES = 12  # per pixel with alpha, while colours are put under what is transparent
OPAQUE_BYTES = 2  # per pixel with alpha, in decoders that keep it apart


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that is needed at once. RAM comes on top of what the processes take idle; `output_bytes` is a guess.

    Of `ram_bytes`, tiles on the processor take `tile_bytes` at most, and all else `picture_bytes`, though hardly at the
    same time.
    """

    rasters: Rasters
    ram_bytes: int
    picture_bytes: int
    tile_bytes: int
    scratch_bytes: int
    output_bytes: int
    seconds: float

    @property
    def disk_bytes(self) -> int:
        """Scratch and output together, as if they shared a disk."""
        return self.scratch_bytes + self.output_bytes


class _Stage(NamedTuple):
    """Bytes at one time: rasters that live where the picture's do, those on scratch in any case, and what is held."""

    rasters: int
    durable: int = 0
    held: int = 0
    tiles: int = 0


def estimate(
    header: PictureHeader, chain: Chain, plans: Sequence[PassPlan], target: Format, rasters: Rasters = "memory"
) -> Estimate:
    """Cautious figures for one picture; `plans` has one plan for each pass of `chain`."""
    stages = _stages(header, chain, plans, target)
    on_scratch = rasters == "scratch"
    pictures = [stage.held + (0 if on_scratch else stage.rasters) for stage in stages]
    disks = [stage.durable + (stage.rasters if on_scratch else 0) for stage in stages]
    result_bytes = _raster_bytes(header, chain.final, output_depth(header, target))
    return Estimate(
        rasters=rasters,
        ram_bytes=max(bytes_ + stage.tiles for bytes_, stage in zip(pictures, stages, strict=True)),
        picture_bytes=max(pictures),
        tile_bytes=max(stage.tiles for stage in stages),
        scratch_bytes=max(disks),
        output_bytes=int(result_bytes * target.size_ratio) + header.icc_bytes,
        seconds=_seconds(chain, plans, target),
    )


def place(
    header: PictureHeader, chain: Chain, plans: Sequence[PassPlan], target: Format, budget_bytes: int
) -> Estimate:
    """Where the rasters live: in memory where all of the picture fits into the budget, else on scratch."""
    held = estimate(header, chain, plans, target)
    return held if held.ram_bytes <= budget_bytes else estimate(header, chain, plans, target, "scratch")


def _stages(header: PictureHeader, chain: Chain, plans: Sequence[PassPlan], target: Format) -> list[_Stage]:
    """Decoding, each pass, finishing, encoding and reading back; alpha waits aside from the first to the last."""
    alpha_bytes = chain.source.pixels * header.depth // 8 if header.alpha else 0
    before_bytes, before_durable = _colour_bytes(header, chain.source, header.depth), False
    stages = [_Stage(before_bytes + alpha_bytes, held=CHILD_BYTES + _decoder_bytes(header))]
    depth = output_depth(header, target)
    for index, plan in enumerate(plans):
        last = index == len(plans) - 1 and not chain.resampled
        after_bytes = _colour_bytes(header, plan.tiles.result, depth if last else BETWEEN_PASSES_DEPTH)
        durable = before_bytes * before_durable + after_bytes * plan.long
        tile_bytes = plan.need_bytes if plan.device == "cpu" else 0
        stages.append(_Stage(before_bytes + after_bytes + alpha_bytes - durable, durable, tiles=tile_bytes))
        before_bytes, before_durable = after_bytes, plan.long
    result_bytes = _raster_bytes(header, chain.final, depth)
    durable = before_bytes * before_durable
    kept_bytes = result_bytes + alpha_bytes
    if chain.resampled:
        stages.append(_Stage(before_bytes - durable + kept_bytes, durable, FINISH_BYTES))
    else:
        kept_bytes -= durable  # the last pass's raster is the result
    stages.append(_Stage(kept_bytes, durable, CHILD_BYTES + _encoder_bytes(header, chain.final, target)))
    opaque_bytes = 0 if target.name in ROW_WISE else OPAQUE_BYTES * header.alpha * chain.final.pixels
    stages.append(_Stage(kept_bytes + result_bytes, durable, CHILD_BYTES + opaque_bytes))
    return stages


def _decoder_bytes(header: PictureHeader) -> int:
    """What the decoder holds beside the raster that it fills."""
    hidden_bytes = HIDDEN_COLOUR_BYTES * header.size.pixels if header.alpha else 0
    if header.format not in ROW_WISE:
        whole_bytes = WHOLE_DECODE_BYTES * header.size.pixels * header.depth // 8
    elif not header.signals.get(BUFFERED):
        whole_bytes = 0
    elif header.format == "jpeg":
        whole_bytes = JPEG_COEFFICIENT_BYTES * (4 if header.mode == "CMYK" else header.channels) * header.size.pixels
    else:
        whole_bytes = _raster_bytes(header, header.size, header.depth)
    return max(hidden_bytes, whole_bytes)


def _encoder_bytes(header: PictureHeader, size: Size, target: Format) -> int:
    return target.encode_bytes[header.alpha] * size.pixels * output_depth(header, target) // 8


def _colour_bytes(header: PictureHeader, size: Size, depth: int) -> int:
    return size.pixels * header.channels * depth // 8


def _raster_bytes(header: PictureHeader, size: Size, depth: int) -> int:
    """Colours and alpha."""
    return size.pixels * (header.channels + header.alpha) * depth // 8


def _seconds(chain: Chain, plans: Sequence[PassPlan], target: Format) -> float:
    """Decode, passes, finish, encode, and the second decode that checks the result."""
    result_mp = chain.final.pixels / PIXELS_PER_MEGAPIXEL
    per_result_mp = target.encode_s + DECODE_S + (RESAMPLE_S if chain.resampled else 0.0)
    codec_s = chain.source.pixels / PIXELS_PER_MEGAPIXEL * DECODE_S + result_mp * per_result_mp
    return codec_s + sum(plan.seconds for plan in plans)
