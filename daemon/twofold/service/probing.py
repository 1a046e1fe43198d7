"""What a picture file is: asked of a codec child, refused where Twofold has nothing to do for it."""

from __future__ import annotations

import os

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.passes import PIXELS_PER_MEGAPIXEL
from twofold.core.picture import PictureHeader
from twofold.core.recipe import AUTO, Recipe
from twofold.core.settings import Limits, OwnResults
from twofold.device.host import HostProbe
from twofold.imaging import codec
from twofold.imaging.protocol import CODEC_THREADS


def probe_file(
    path: str | bytes, limits: Limits, recipe: Recipe, *, own_results: OwnResults = "process"
) -> PictureHeader:
    """The header of a single picture, with the signals by which `recipe` chooses its networks.

    Raises TwofoldError: UNREADABLE, EMPTY, NOT_A_PICTURE, UNSUPPORTED_FORMAT, DAMAGED, TOO_LARGE, ANIMATED,
    OWN_RESULT, DECODE_TIMEOUT, CODEC_FAILED.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TwofoldError(Code.UNREADABLE, f"it cannot be opened: {error.strerror}") from error
    try:
        header = codec.probe(fd, codec_limits(limits), look=recipe.models[0] == AUTO)
    finally:
        os.close(fd)
    if header.frames > 1:
        raise TwofoldError(Code.ANIMATED, Code.ANIMATED.meaning)
    if header.own and own_results == "skip":
        raise TwofoldError(Code.OWN_RESULT, Code.OWN_RESULT.meaning)
    return header


def codec_limits(limits: Limits) -> codec.Limits:
    """The owner's limits as the codec takes them."""
    threads = min(CODEC_THREADS, HostProbe().usable_cpus())
    return codec.Limits(int(limits.input_megapixels * PIXELS_PER_MEGAPIXEL), limits.decode_time_s, threads)
