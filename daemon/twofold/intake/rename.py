"""Renaming below open folders, never over a file that is there."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a kernel or file system answers that does not know the call, or the flag."""

_RENAME_NOREPLACE: Final = 1


def rename_at_once(source: int, name: bytes, target: int, new_name: bytes) -> None:
    """Rename by one system call. Raises FileExistsError, and OSError(UNSUPPORTED) where there is no such call."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(source, name, target, new_name, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new_name)


def rename_own(source: int, name: bytes, target: int, new_name: bytes) -> None:
    """Rename a file whose name is ours alone, so that nobody replaces it: where need be by link and unlink.

    Raises FileExistsError, and OSError where the file system cannot promise to replace nothing.
    """
    try:
        rename_at_once(source, name, target, new_name)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        os.unlink(name, dir_fd=source)
