"""A raster in memory that two processes can see: pixels cross to a child as a file descriptor, never as a copy."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size

if TYPE_CHECKING:
    from twofold.raster import Samples


@dataclass(frozen=True, slots=True)
class SharedRaster:
    """A (H, W, C) raster of 8 or 16 bits behind a file descriptor; whoever made it closes it.

    Arrays made from it stay valid after `close`.
    """

    fd: int
    width: int
    height: int
    channels: int
    depth: int

    @classmethod
    def create(cls, size: Size, channels: int, depth: int, fd: int | None = None) -> SharedRaster:
        """Give a new memory file (or `fd`, a scratch file of the caller's) the room for the pixels.

        Raises TwofoldError(DISK_FULL).
        """
        made = os.memfd_create("raster", os.MFD_CLOEXEC) if fd is None else fd
        raster = cls(made, size.width, size.height, channels, depth)
        try:
            reserve(made, raster.bytes)
        except TwofoldError:
            if fd is None:
                os.close(made)
            raise
        return raster

    @classmethod
    def copy_of(cls, samples: Samples) -> SharedRaster:
        """Copy an (H, W, C) uint8 or uint16 array into a new memory file."""
        height, width, channels = samples.shape
        raster = cls.create(Size(width, height), channels, samples.dtype.itemsize * 8)
        raster.array()[...] = samples
        return raster

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def bytes(self) -> int:
        return self.width * self.height * self.channels * (self.depth // 8)

    def buffer(self) -> mmap.mmap:
        """The pixels as a shared writable map."""
        return mmap.mmap(self.fd, self.bytes)

    def array(self) -> Samples:
        """The pixels as a writable (H, W, C) array."""
        import numpy as np

        dtype = np.uint16 if self.depth == 16 else np.uint8
        return np.frombuffer(self.buffer(), dtype).reshape(self.height, self.width, self.channels)

    def close(self) -> None:
        os.close(self.fd)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("fd", "width", "height", "channels", "depth")}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SharedRaster:
        return cls(**data)


def reserve(fd: int, size_bytes: int) -> None:
    """Give a file exactly so many bytes; what was in it is gone.

    The blocks are allocated now: a mapped file that meets a full disk kills the process that writes.
    Raises TwofoldError(DISK_FULL).
    """
    try:
        os.ftruncate(fd, 0)
        if size_bytes:
            os.posix_fallocate(fd, 0, size_bytes)
    except OSError as error:
        raise TwofoldError(Code.DISK_FULL, f"There is no room for {size_bytes} bytes of pixels.") from error
