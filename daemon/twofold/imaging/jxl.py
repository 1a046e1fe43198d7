"""JPEG XL files, read and written by libjxl itself: pixels, profile, metadata."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs
from twofold.imaging import exif, libjxl
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, MAX_XMP_BYTES, Metadata
from twofold.imaging.protocol import threads_here

if TYPE_CHECKING:
    from twofold.raster import Samples

MAX_EVENTS = 10_000  # boxes and headers of one file
DEFAULT_EFFORT = 3
CHUNK_BYTES = 2**20
PROFILE_REFUSED = "the colour profile was dropped: libjxl cannot use it"
_BOXES = {b"Exif": MAX_EXIF_BYTES + 4, b"xml ": MAX_XMP_BYTES}


def inspect(data: FileBytes) -> Inspection:
    """Header, profile and metadata; every frame is walked over, so that a file that breaks off is found out."""
    library = libjxl.load()
    info, boxes, icc = libjxl.BasicInfo(), dict[bytes, bytes](), None
    lossless = True
    wanted = libjxl.BASIC_INFO | libjxl.COLOR_ENCODING | libjxl.BOX
    with library.decoder(1) as decoder, _fed(library, decoder, data, wanted):
        library.jxl.JxlDecoderSetDecompressBoxes(decoder, 1)
        reader = _BoxReader(library, decoder)
        for event in _events(library, decoder):
            if event == libjxl.BASIC_INFO:
                library.jxl.JxlDecoderGetBasicInfo(decoder, c.byref(info))
                _check(info)
            elif event == libjxl.COLOR_ENCODING:
                icc = _profile(library, decoder, info)
            elif event == libjxl.BOX:
                lossless = lossless and reader.next(boxes) != b"jbrd"  # a JPEG that was packed
            elif event == libjxl.BOX_NEED_MORE_OUTPUT:
                reader.drop()
        reader.take(boxes)
    if not info.xsize or not info.ysize:
        raise damaged("it has no pixels")
    block = boxes.get(b"Exif", b"")[4:] or None
    metadata = Metadata(icc, block, boxes.get(b"xml ") or None)
    return Inspection(_header(info, metadata, lossless=lossless and bool(info.uses_original_profile)), metadata)


def _check(info: libjxl.BasicInfo) -> None:
    """Refuse what would lose something on its way through 8 or 16 bits of grey or RGB with one alpha."""
    if info.exponent_bits_per_sample or info.bits_per_sample > 16:
        raise unsupported(f"a JPEG XL of {info.bits_per_sample} bits, or of floating-point samples")
    if info.num_extra_channels > (1 if info.alpha_bits else 0):
        raise unsupported("a JPEG XL with channels beside colour and transparency")


def _header(info: libjxl.BasicInfo, metadata: Metadata, *, lossless: bool) -> PictureHeader:
    grey, alpha = info.num_color_channels == 1, bool(info.alpha_bits)
    turned = exif.valid_orientation((info.orientation,))  # EXIF has no say: the codestream's own counts
    size = upright(info.xsize, info.ysize, turned)
    return PictureHeader(
        format="jxl",
        width=size.width,
        height=size.height,
        channels=1 if grey else 3,
        depth=16 if info.bits_per_sample > 8 else 8,
        alpha=alpha,
        frames=2 if info.have_animation else 1,
        orientation=turned,
        mode=("L" if grey else "RGB") + ("A" if alpha else ""),
        icc_bytes=len(metadata.icc or b""),
        lossless=lossless,
    )


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 1-4) samples as stored, in the space of the file's own profile, alpha last and straight."""
    import numpy as np

    height, width = (header.width, header.height) if header.orientation >= 5 else (header.height, header.width)
    shape = (height, width, header.channels + header.alpha)
    samples = np.zeros(shape, np.uint16 if header.depth == 16 else np.uint8)
    decode_into(data, header, samples)
    return samples


def decode_into(data: FileBytes, header: PictureHeader, samples: Samples) -> None:
    """As `decode`, into an array that is there."""
    library = libjxl.load()
    channels = samples.shape[2]
    kind = libjxl.PixelFormat(channels, libjxl.UINT16 if header.depth == 16 else libjxl.UINT8, 0, 0)
    wanted = libjxl.BASIC_INFO | libjxl.COLOR_ENCODING | libjxl.FULL_IMAGE
    whole = False
    with library.decoder(threads_here()) as decoder, _fed(library, decoder, data, wanted):
        library.jxl.JxlDecoderSetUnpremultiplyAlpha(decoder, 1)
        library.jxl.JxlDecoderSetCms(decoder, library.default_cms())
        for event in _events(library, decoder):
            if event == libjxl.COLOR_ENCODING:
                _keep_space(library, decoder)
            elif event == libjxl.NEED_IMAGE_OUT_BUFFER:
                needed = c.c_size_t()
                library.jxl.JxlDecoderImageOutBufferSize(decoder, c.byref(kind), c.byref(needed))
                if needed.value != samples.nbytes:
                    raise damaged("its pixels do not fit its header")
                at = c.c_void_p(samples.ctypes.data)
                library.jxl.JxlDecoderSetImageOutBuffer(decoder, c.byref(kind), at, c.c_size_t(samples.nbytes))
            elif event == libjxl.FULL_IMAGE:
                whole = True
                break
    if not whole:
        raise damaged("it has no pixels")


@contextmanager
def _fed(library: libjxl.Library, decoder: c.c_void_p, data: FileBytes, wanted: int) -> Iterator[None]:
    import numpy as np

    view = np.frombuffer(data, np.uint8)  # the file's own bytes: a map is not copied
    library.jxl.JxlDecoderSubscribeEvents(decoder, wanted)
    library.jxl.JxlDecoderSetKeepOrientation(decoder, 1)
    library.jxl.JxlDecoderSetInput(decoder, view.ctypes.data, len(view))
    library.jxl.JxlDecoderCloseInput(decoder)
    yield
    del view


def _events(library: libjxl.Library, decoder: c.c_void_p) -> Iterator[int]:
    for _ in range(MAX_EVENTS):
        event = library.jxl.JxlDecoderProcessInput(decoder)
        if event == libjxl.SUCCESS:
            return
        if event == libjxl.NEED_MORE_INPUT:
            raise damaged("its end is missing")
        if event == libjxl.ERROR:
            raise damaged("libjxl cannot read it")
        yield event
    raise damaged("it has too many parts")


def _profile(library: libjxl.Library, decoder: c.c_void_p, info: libjxl.BasicInfo) -> bytes | None:
    """The profile of its colours, or None for plain sRGB; named spaces get the profile that libjxl makes of them."""
    encoding = libjxl.ColorEncoding()
    target = libjxl.TARGET_ORIGINAL
    if library.jxl.JxlDecoderGetColorAsEncodedProfile(decoder, target, c.byref(encoding)) == libjxl.SUCCESS:
        if encoding.transfer_function in (libjxl.PQ, libjxl.HLG):
            raise unsupported("a picture of high dynamic range (PQ or HLG)")
        plain = encoding.white_point == libjxl.D65 and encoding.transfer_function == libjxl.GAMMA_SRGB
        if plain and (info.num_color_channels == 1 or encoding.primaries == libjxl.SRGB_PRIMARIES):
            return None
    size = c.c_size_t()
    if library.jxl.JxlDecoderGetICCProfileSize(decoder, target, c.byref(size)) != libjxl.SUCCESS:
        return None
    if not 0 < size.value <= MAX_ICC_BYTES:
        return None
    icc = c.create_string_buffer(size.value)
    library.jxl.JxlDecoderGetColorAsICCProfile(decoder, target, icc, size)
    return icc.raw


def _keep_space(library: libjxl.Library, decoder: c.c_void_p) -> None:
    """Ask for pixels in the space of the original's profile, and not in one that is easier for libjxl."""
    size = c.c_size_t()
    if library.jxl.JxlDecoderGetICCProfileSize(decoder, libjxl.TARGET_ORIGINAL, c.byref(size)) != libjxl.SUCCESS:
        return
    icc = c.create_string_buffer(size.value)
    library.jxl.JxlDecoderGetColorAsICCProfile(decoder, libjxl.TARGET_ORIGINAL, icc, size)
    library.jxl.JxlDecoderSetOutputColorProfile(decoder, None, icc, size)  # lossless ones have it, and refuse


class _BoxReader:
    """Collects the metadata boxes that are wanted, each up to its bound."""

    def __init__(self, library: libjxl.Library, decoder: c.c_void_p) -> None:
        self._library, self._decoder = library, decoder
        self._kind = b""
        self._buffer: c.Array[c.c_char] | None = None

    def next(self, boxes: dict[bytes, bytes]) -> bytes:
        """The box before is complete; the one that begins now is taken where it is wanted. Returns its kind."""
        self.take(boxes)
        kind = c.create_string_buffer(4)
        self._library.jxl.JxlDecoderGetBoxType(self._decoder, kind, 1)
        if kind.raw in _BOXES and kind.raw not in boxes:
            self._kind = kind.raw
            self._buffer = c.create_string_buffer(_BOXES[kind.raw])
            size = c.c_size_t(_BOXES[kind.raw])
            self._library.jxl.JxlDecoderSetBoxBuffer(self._decoder, self._buffer, size)
        return kind.raw

    def take(self, boxes: dict[bytes, bytes]) -> None:
        if self._buffer is not None:
            unused = self._library.jxl.JxlDecoderReleaseBoxBuffer(self._decoder)
            boxes[self._kind] = self._buffer.raw[: len(self._buffer) - unused]
            self._buffer = None

    def drop(self) -> None:
        """It holds more than it may."""
        self._library.jxl.JxlDecoderReleaseBoxBuffer(self._decoder)
        self._buffer = None


def write(samples: Samples, channels: int, metadata: Metadata, save_as: SaveAs, fd: int) -> list[str]:
    """Write (H, W, C) samples, of which the first `channels` are colours, as a whole file at the start of `fd`.

    Returns warnings.
    """
    warnings: list[str] = []
    library = libjxl.load()
    jxl = library.jxl
    height, width, count = samples.shape
    depth = samples.dtype.itemsize * 8
    with library.encoder(threads_here()) as encoder:
        warnings += _begin(library, encoder, (width, height), (channels, count - channels, depth), metadata, save_as)
        settings = c.c_void_p(jxl.JxlEncoderFrameSettingsCreate(encoder, None))
        jxl.JxlEncoderFrameSettingsSetOption(settings, libjxl.EFFORT, save_as.effort or DEFAULT_EFFORT)
        jxl.JxlEncoderFrameSettingsSetOption(settings, libjxl.KEEP_INVISIBLE, 1)
        if save_as.lossless:
            jxl.JxlEncoderSetFrameLossless(settings, 1)
        else:
            jxl.JxlEncoderSetFrameDistance(settings, jxl.JxlEncoderDistanceFromQuality(float(save_as.quality)))
            if count > channels:
                jxl.JxlEncoderSetExtraChannelDistance(settings, 0, 0.0)
        kind = libjxl.PixelFormat(count, libjxl.UINT16 if depth == 16 else libjxl.UINT8, 0, 0)
        at = c.c_void_p(samples.ctypes.data)
        done = jxl.JxlEncoderAddImageFrame(settings, c.byref(kind), at, c.c_size_t(samples.nbytes))
        _agreed(library, encoder, done)
        jxl.JxlEncoderCloseInput(encoder)
        _drain(library, encoder, fd)
    return warnings


def _begin(
    library: libjxl.Library,
    encoder: c.c_void_p,
    size: tuple[int, int],
    kind: tuple[int, int, int],
    metadata: Metadata,
    save_as: SaveAs,
) -> list[str]:
    """Say what comes: size, (colours, alphas, depth), profile and metadata. Returns warnings."""
    warnings: list[str] = []
    jxl, info = library.jxl, libjxl.BasicInfo()
    jxl.JxlEncoderInitBasicInfo(c.byref(info))
    info.xsize, info.ysize = size
    info.num_color_channels, info.num_extra_channels, info.bits_per_sample = kind
    info.alpha_bits = info.bits_per_sample if info.num_extra_channels else 0
    info.uses_original_profile = bool(save_as.lossless)
    boxes = {b"Exif": metadata.exif and bytes(4) + metadata.exif, b"xml ": metadata.xmp}
    if any(boxes.values()):
        jxl.JxlEncoderUseBoxes(encoder)
    _agreed(library, encoder, jxl.JxlEncoderSetBasicInfo(encoder, c.byref(info)))
    level = jxl.JxlEncoderGetRequiredCodestreamLevel(encoder)
    if level > 0:
        jxl.JxlEncoderSetCodestreamLevel(encoder, level)
    icc = metadata.icc
    if icc is None or jxl.JxlEncoderSetICCProfile(encoder, icc, c.c_size_t(len(icc))) != libjxl.SUCCESS:
        warnings += [] if icc is None else [PROFILE_REFUSED]
        plain = libjxl.ColorEncoding()
        jxl.JxlColorEncodingSetToSRGB(c.byref(plain), int(info.num_color_channels == 1))
        _agreed(library, encoder, jxl.JxlEncoderSetColorEncoding(encoder, c.byref(plain)))
    for name, body in boxes.items():
        if body:
            _agreed(library, encoder, jxl.JxlEncoderAddBox(encoder, name, body, c.c_size_t(len(body)), 0))
    if any(boxes.values()):
        jxl.JxlEncoderCloseBoxes(encoder)
    return warnings


def _agreed(library: libjxl.Library, encoder: c.c_void_p, status: int) -> None:
    if status != libjxl.SUCCESS:
        number = library.jxl.JxlEncoderGetError(encoder)
        raise TwofoldError(Code.CODEC_FAILED, f"The encoder failed: libjxl, error {number}.")


def _drain(library: libjxl.Library, encoder: c.c_void_p, fd: int) -> None:
    buffer: Any = c.create_string_buffer(CHUNK_BYTES)
    status = libjxl.NEED_MORE_OUTPUT
    with os.fdopen(os.dup(fd), "wb") as file:
        file.seek(0)
        while status == libjxl.NEED_MORE_OUTPUT:  # ends: what is to be written was handed over whole
            at, room = c.c_void_p(c.addressof(buffer)), c.c_size_t(CHUNK_BYTES)
            status = library.jxl.JxlEncoderProcessOutput(encoder, c.byref(at), c.byref(room))
            file.write(memoryview(buffer)[: CHUNK_BYTES - room.value])
    _agreed(library, encoder, status)
