"""A comparison beside a delivered result: its source enlarged plainly, and what was made of it."""

from __future__ import annotations

import os

from twofold.core.errors import TwofoldError
from twofold.core.job import Intent
from twofold.core.naming import comparison_name
from twofold.core.passes import Chain
from twofold.imaging import codec
from twofold.imaging.deliver import Outbox
from twofold.service.making import Work
from twofold.telemetry.names import display


def compare(outbox: Outbox, work: Work, output: bytes, threads: int) -> tuple[bytes | None, str]:
    """Draw and deliver it: its absolute path, or None and why there is none. The result is not touched.

    `output` is the result's name in `outbox`. It never raises for what goes wrong: the result stands without it.
    """
    try:
        return _compare(outbox, work, output, threads), ""
    except TwofoldError as error:
        why = error.reason.text
    except OSError as error:
        why = str(error.strerror)
    return None, f"it could not be compared: {why}"


def labels(source: bytes, output: bytes, chain: Chain) -> tuple[str, str, str]:
    """The title, and what stands above the source and the result."""
    networks = ", then ".join(dict.fromkeys(step.model for step in chain.passes))
    return (
        f"{display(os.path.basename(source))} to {display(os.path.basename(output))}",
        f"before: {chain.source.width} x {chain.source.height}, enlarged by Lanczos",
        f"after: {chain.final.width} x {chain.final.height}, {networks}",
    )


def _compare(outbox: Outbox, work: Work, output: bytes, threads: int) -> bytes:
    assert work.wishes.provenance is not None  # noqa: S101  every result has one
    name = outbox.choose_name(comparison_name(output), "suffix")
    source = os.open(work.source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enlarged = os.open(os.path.join(outbox.root, output), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with outbox.staged(work.job_id, name) as temp:
                sizes, said = (
                    (work.chain.source, work.chain.final),
                    labels(os.fsencode(work.source), output, work.chain),
                )
                codec.compare(source, enlarged, temp.fd, sizes, said, work.wishes.provenance, threads=threads)
                sealed = outbox.seal(temp)
        finally:
            os.close(enlarged)
    finally:
        os.close(source)
    published = outbox.publish(Intent(temp.path, name, sealed.sha256, sealed.size))
    return os.path.join(outbox.root, published.output.path)
