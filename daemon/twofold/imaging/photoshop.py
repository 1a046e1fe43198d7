"""What Photoshop hides in TIFF files beside the pixels: layers and spot colours, which one raster cannot hold."""

from __future__ import annotations

import struct

from twofold.imaging import ifd, image_resources

LAYERS = 37724  # the TIFF tag
MAX_BLOCKS = 10_000
_DOCUMENT = b"Adobe Photoshop Document Data Block\0"
_LAYER_KEYS = frozenset({b"Layr", b"Lr16", b"Lr32"})
_CHANNELS, _OLD_CHANNELS = 1077, 1007  # what each channel beside the colours is: version and 13 bytes each; 14 each
_KIND_AT = 12
SPOT = 2


def has_layers(data: ifd.Bytes, tree: ifd.Tree, entry: ifd.Entry | None) -> bool:
    """True where the document's block names layers; blocks of a flattened one hold patterns and the like."""
    if entry is None:
        return False
    at, end = entry.value_at + len(_DOCUMENT), entry.value_at + entry.value_bytes
    for _ in range(MAX_BLOCKS):
        head = bytes(data[at : min(at + 14, end)])
        if len(head) < 14:
            return False
        signature, key, length, count = struct.unpack(tree.order + "4s4sIh", head)
        if tree.order == "<":
            signature, key = signature[::-1], key[::-1]  # written as whole numbers, they lie the other way round
        if signature != b"8BIM":
            return False
        if key in _LAYER_KEYS:
            return bool(length >= 2 and count)
        at += 12 + (length + 3) // 4 * 4
    return False


def extra_kinds(block: bytes) -> frozenset[int]:
    """The kinds of the channels beside the colours: 0 and 1 are saved selections, SPOT; empty: unknown."""
    for one in image_resources.resources(block):
        if one.number == _CHANNELS:
            return frozenset(one.data[at] for at in range(4 + _KIND_AT, len(one.data), 13))
        if one.number == _OLD_CHANNELS:
            return frozenset(one.data[at] for at in range(_KIND_AT, len(one.data), 14))
    return frozenset()
