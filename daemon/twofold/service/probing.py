"""What a file holds: asked of a codec child, refused where Twofold has nothing to do for it."""

from __future__ import annotations

import os

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.pages import Contents, is_own
from twofold.core.passes import PIXELS_PER_MEGAPIXEL
from twofold.core.recipe import AUTO, Recipe
from twofold.core.settings import Limits, OwnResults
from twofold.device.host import HostProbe
from twofold.imaging import codec
from twofold.imaging.protocol import CODEC_THREADS


def probe_file(path: str | bytes, limits: Limits, recipe: Recipe, *, own_results: OwnResults = "process") -> Contents:
    """The picture or the pages of a file, with the signals by which `recipe` chooses its networks.

    Raises TwofoldError: UNREADABLE, EMPTY, NOT_A_PICTURE, UNSUPPORTED_FORMAT, DAMAGED, TOO_LARGE, ENCRYPTED,
    BAD_ARCHIVE, OWN_RESULT, DECODE_TIMEOUT, CODEC_FAILED.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TwofoldError(Code.UNREADABLE, f"it cannot be opened: {error.strerror}") from error
    try:
        contents = codec.probe(fd, codec_limits(limits), look=recipe.models[0] == AUTO, pages=recipe.pages)
    finally:
        os.close(fd)
    if own_results == "skip" and is_own(contents.headers):
        raise TwofoldError(Code.OWN_RESULT, Code.OWN_RESULT.meaning)
    return contents


def codec_limits(limits: Limits) -> codec.Limits:
    """The owner's limits as the codec takes them."""
    threads = min(CODEC_THREADS, HostProbe().usable_cpus())
    return codec.Limits(
        int(limits.input_megapixels * PIXELS_PER_MEGAPIXEL), limits.decode_time_s, threads, limits.pages
    )
