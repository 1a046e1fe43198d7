"""Which file systems a ledger must not lie on; standard library only."""

from __future__ import annotations

from typing import Final

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

NETWORK_FILESYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "vboxsf"}
)
NETWORK_FUSE: Final = frozenset({"fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs", "fuse.s3fs"})


def refuse_filesystem(fstype: str, *, fuse_ok: bool = False) -> None:
    """Raise TwofoldError(STATE_ON_NETWORK) where SQLite's locks or shared memory cannot be trusted.

    `fstype` is the name the mount table gives. `fuse_ok` is the owner's word that another FUSE file system is local.
    """
    if fstype in NETWORK_FILESYSTEMS or fstype in NETWORK_FUSE:
        raise TwofoldError(Code.STATE_ON_NETWORK, f"the state directory is on a network file system ({fstype})")
    if fstype.startswith("fuse") and not fuse_ok:
        raise TwofoldError(
            Code.STATE_ON_NETWORK,
            f"the state directory is on a FUSE file system ({fstype}), which may not be local",
            "Set state_dir to a folder on a local disk, or say that this one is local.",
        )
