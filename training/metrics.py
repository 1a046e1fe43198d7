"""PSNR and SSIM of BT.601 luma, as the papers measure them, and enlargement of whole pictures."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

Float = NDArray[np.float64]


def luma(rgb: NDArray[np.float32] | NDArray[np.float64] | NDArray[np.uint8]) -> Float:
    """BT.601 studio luma, 16 to 235, of (H, W, 3) in 0..255."""
    out: Float = rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    return out


def psnr_y(ours: Float, truth: Float, border_px: int) -> float:
    """dB between two luma planes, `border_px` shaved from every side."""
    inner = slice(border_px, -border_px)
    error = float(np.mean((ours[inner, inner] - truth[inner, inner]) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def _window(plane: Float) -> Float:
    """Gaussian mean, 11 px, sigma 1.5, valid part only."""
    bell: Float = np.exp(-(np.arange(-5, 6, dtype=np.float64) ** 2) / (2 * 1.5**2))
    taps = bell / bell.sum()
    rows = np.tensordot(taps, np.stack([plane[i : plane.shape[0] - 10 + i] for i in range(11)]), 1)
    out: Float = np.tensordot(taps, np.stack([rows[:, i : rows.shape[1] - 10 + i] for i in range(11)]), 1)
    return out


def ssim_y(ours: Float, truth: Float, border_px: int) -> float:
    """Structural similarity of two luma planes (Wang 2004, 11 px Gaussian window)."""
    inner = slice(border_px, -border_px)
    a, b = ours[inner, inner], truth[inner, inner]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = _window(a), _window(b)
    va, vb, cov = _window(a * a) - ma * ma, _window(b * b) - mb * mb, _window(a * b) - ma * mb
    quality = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(quality.mean())


def crop_to_multiple(image: Image.Image, factor: int) -> Image.Image:
    """Cuts right and bottom so that both sides are multiples of `factor`."""
    return image.crop((0, 0, image.width // factor * factor, image.height // factor * factor))


def reduce(image: Image.Image, factor: int) -> Image.Image:
    """Antialiased bicubic, 8 bit."""
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.BICUBIC)


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Saved as a 4:2:0 JPEG and read back."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=2)
    return Image.open(stream).convert("RGB")


def enlarge(network: nn.Module, image: Image.Image, passes: int) -> NDArray[np.float32]:
    """A chain of 2x passes of one network; see `enlarge_chain`."""
    return enlarge_chain((network,), image, passes)


def enlarge_chain(networks: Sequence[nn.Module], image: Image.Image, passes: int) -> NDArray[np.float32]:
    """A chain of 2x passes, floats in between, clipped to the range after each; (H, W, 3) float32 in 0..255.

    The last network repeats.
    """
    device = next(networks[0].parameters()).device
    tensor = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        for number in range(passes):
            network = networks[min(number, len(networks) - 1)]
            tensor = network(tensor.contiguous(memory_format=torch.channels_last)).clamp(0, 1)
    out: NDArray[np.float32] = (tensor[0].permute(1, 2, 0) * 255).cpu().numpy()
    return out


def interpolate(image: Image.Image, factor: int, kernel: Image.Resampling) -> NDArray[np.float32]:
    """Pillow's resize by `factor`, rounded to 8 bit; (H, W, 3) float32 in 0..255."""
    return np.asarray(image.resize((image.width * factor, image.height * factor), kernel)).astype(np.float32)
