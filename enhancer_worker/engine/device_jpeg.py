"""Decodes JPEG files on the networks' device, where that gives the pixels that libjpeg gives."""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from shopimg.contract import WorkerError

if TYPE_CHECKING:
    import torch

LARGEST_DIFFERENCE = 4
"""Levels of 255 between two decoders that differ by the rounding of their transforms only."""

_END = b"\xff\xd9"
_PREFIX, _EXIF, _START_OF_SCAN = 0xFF, 0xE1, 0xDA
_FIRST_WITH_LENGTH, _WITHOUT_LENGTH = 0xC0, range(0xD0, 0xDA)
_TRIAL_SIDE = 64
_GREY = -1
_SUBSAMPLINGS = {_GREY: "grey", 0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
"""By Pillow's number."""

logger = logging.getLogger(__name__)

DecodeRgb = Callable[[bytes], NDArray[np.uint8]]
"""Turns a JPEG file into (H, W, 3), uint8, RGB, not turned by its metadata."""


class DeviceJpeg:
    """Decodes the kinds of JPEG files for which a trial has shown that the pixels are the same.

    nvJPEG repeats the samples of halved colour channels where libjpeg interpolates between them,
    which is off by up to 43 levels at coloured edges (``docs/design.md``); versions and flags
    differ, so that each kind is tried, once in a process.
    """

    def __init__(self, decode_rgb: DecodeRgb) -> None:
        """Try nothing yet.

        Args:
            decode_rgb: decodes on the device; may raise RuntimeError for what it cannot.
        """
        self._decode_rgb = decode_rgb

    def decode(self, content: bytes, image: Image.Image) -> NDArray[np.uint8] | None:
        """Decode a file, or leave it to Pillow.

        Args:
            content: the file.
            image: the same, opened by Pillow; nothing but its header is looked at.

        Returns:
            (H, W, 3), uint8, RGB, in the profile of the file and not turned by its metadata. None
            for a file that is cut off, has other colours than YCbCr, is of a kind whose pixels
            come out otherwise, or fails: what is wrong with it is Pillow's to tell.
        """
        kind = _kind_of(image)
        if kind is None or not content.endswith(_END) or kind not in self._trusted:
            return None
        upright = _without_exif(content)
        if upright is None:
            return None
        try:
            return self._decode_rgb(upright)
        except RuntimeError as err:
            logger.info("JPEG of %dx%d is left to Pillow: %s", *image.size, err)
            return None

    @functools.cached_property
    def _trusted(self) -> frozenset[int]:
        trusted = frozenset(kind for kind in _SUBSAMPLINGS if self._agrees(kind))
        names = [_SUBSAMPLINGS[kind] for kind in sorted(trusted)]
        logger.info("JPEG is decoded on the device where it is %s", ", ".join(names) or "no kind")
        return trusted

    def _agrees(self, kind: int) -> bool:
        content = _trial(kind)
        with Image.open(io.BytesIO(content)) as image:
            expected = np.asarray(image.convert("RGB"), np.int16)
        try:
            found = self._decode_rgb(content)
        except RuntimeError:
            return False
        return bool(np.abs(found - expected).max() <= LARGEST_DIFFERENCE)


def on_device(device: str) -> DeviceJpeg:
    """Return what decodes through TorchCodec: by nvJPEG on CUDA, by libjpeg on the CPU.

    Args:
        device: ``cuda:N`` or ``cpu``.

    Raises:
        WorkerError: TorchCodec is not installed, or not for this PyTorch.
    """
    try:
        from torchcodec import decoders  # noqa: PLC0415 - extra
    except (ImportError, OSError, RuntimeError) as err:
        raise WorkerError(
            detail=f"ENHANCER_JPEG_DECODER=torchcodec: {err}; pip install "
            '"shopimg[torchcodec]", in the version that fits PyTorch, or leave the variable out'
        ) from err

    def decode_rgb(content: bytes) -> NDArray[np.uint8]:
        decoded: torch.Tensor = decoders.decode_jpeg(content, mode="RGB", device=device)
        # Before it comes from the device, which is faster at putting the three bytes together.
        pixels: NDArray[np.uint8] = decoded.permute(1, 2, 0).contiguous().cpu().numpy()
        return pixels

    return DeviceJpeg(decode_rgb)


def _kind_of(image: Image.Image) -> int | None:
    """Pillow's number of the subsampling, -1 for grey; None for what not every decoder knows."""
    if image.format != "JPEG" or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    if image.mode == "L":
        return _GREY
    names = tuple(layer[0] for layer in image.layer)
    is_ycbcr = image.info.get("adobe_transform", 1) == 1 and names != tuple(b"RGB")
    subsampling = JpegImagePlugin.get_sampling(image) if image.mode == "RGB" else None
    return subsampling if is_ycbcr and subsampling in (0, 1, 2) else None


def _without_exif(content: bytes) -> bytes | None:
    """Drop what TorchCodec would turn the picture by: the orientation is the caller's to apply.

    None for a file with anything but segments before its first scan.
    """
    kept, position = [content[:2]], 2
    while True:
        prefix, marker, *length = content[position : position + 4].ljust(4, b"\0")
        if prefix != _PREFIX or marker < _FIRST_WITH_LENGTH or marker in _WITHOUT_LENGTH:
            return None
        if marker == _START_OF_SCAN:
            return b"".join((*kept, content[position:]))
        end = position + 2 + int.from_bytes(bytes(length), "big")
        if marker != _EXIF:
            kept.append(content[position:end])
        position = end


def _trial(kind: int) -> bytes:
    """Write a picture of saturated edges and a slope, in which decoders differ where they can."""
    rows, columns = np.mgrid[:_TRIAL_SIDE, :_TRIAL_SIDE]
    red = np.where((rows // 5 + columns // 7) % 2, 230, 20)
    blue = np.where((columns // 6) % 2, 240, 30)
    pixels = np.stack([red, rows * 255 // _TRIAL_SIDE, blue], -1).astype(np.uint8)
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    if kind == _GREY:
        image.convert("L").save(file, "JPEG", quality=95)
    else:
        image.save(file, "JPEG", quality=95, subsampling=kind)
    return file.getvalue()
