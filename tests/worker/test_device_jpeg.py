"""JPEG files decoded on the device: the pixels of Pillow, or Pillow's turn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jpeglib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device_jpeg import LARGEST_DIFFERENCE, DeviceJpeg, on_device
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.decode import decode, open_source
from enhancer_worker.pipeline.run import run_recipe
from shopimg.contract import CLEAN, Deadline, SourceUnreadableError
from tests.worker.decoding import noise
from tests.worker.recipe_runs import encoded

WITHOUT_TORCHCODEC = """
import sys
sys.modules["torchcodec"] = None
from enhancer_worker.engine.device_jpeg import on_device
from shopimg.contract import WorkerError
try:
    on_device("cpu")
except WorkerError as err:
    print(err.detail)
"""


@pytest.fixture(scope="module")
def device_jpeg() -> DeviceJpeg:
    return on_device("cpu")


def photo(**options: Any) -> bytes:
    """A picture with coloured edges and slopes, odd sides."""
    rows, columns = np.mgrid[:75, :101]
    pixels = np.stack([(columns // 9) % 2 * 200, rows * 3, 255 - columns * 2], -1)
    image = Image.fromarray(pixels.astype(np.uint8))
    mode = options.pop("mode", "RGB")
    return encoded(image.convert(mode), "JPEG", quality=90, **options)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def decoded(content: bytes, device_jpeg: DeviceJpeg | None) -> tuple[NDArray[np.uint8], object]:
    picture, facts = decode(open_source(content), device_jpeg)
    return picture.pixels, facts.get("decoder", "pillow")


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"mode": "L"},
        {"progressive": True},
        {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        *({"exif": turned(orientation)} for orientation in (1, 3, 5, 6, 8)),
    ],
)
def test_device_jpeg__gives_the_pixels_of_pillow(
    device_jpeg: DeviceJpeg, options: dict[str, Any]
) -> None:
    content = photo(**options)
    expected, _ = decoded(content, None)
    pixels, decoder = decoded(content, device_jpeg)
    assert decoder == "torchcodec"
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    "content",
    [
        photo(mode="CMYK"),
        photo(keep_rgb=True, subsampling=0),
        photo() + b"trailing",
        photo()[:2] + b"\xff" + photo()[2:],
        encoded(noise(), "PNG"),
        encoded(noise(), "WEBP"),
    ],
    ids=["cmyk", "rgb", "trailing", "fill byte", "png", "webp"],
)
def test_device_jpeg__leaves_the_rest_to_pillow(device_jpeg: DeviceJpeg, content: bytes) -> None:
    expected, _ = decoded(content, None)
    pixels, decoder = decoded(content, device_jpeg)
    assert decoder == "pillow"
    np.testing.assert_array_equal(pixels, expected)


def test_device_jpeg__file_that_is_cut_off_is_told_by_pillow(device_jpeg: DeviceJpeg) -> None:
    with pytest.raises(SourceUnreadableError):
        decode(open_source(photo()[:900]), device_jpeg)


def test_device_jpeg__decoder_that_repeats_colours_decodes_no_halved_ones(tmp_path: Path) -> None:
    """As nvJPEG does by default: each sample of a halved channel counts for two pixels."""

    def repeat(content: bytes) -> NDArray[np.uint8]:
        path = tmp_path / "one.jpg"
        path.write_bytes(content)
        spatial = jpeglib.read_spatial(str(path), flags=["-DO_FANCY_UPSAMPLING"]).spatial
        return np.broadcast_to(spatial, (*spatial.shape[:2], 3))

    device_jpeg = DeviceJpeg(repeat)
    assert decoded(photo(subsampling=0), device_jpeg)[1] == "torchcodec"
    assert decoded(photo(mode="L"), device_jpeg)[1] == "torchcodec"
    assert decoded(photo(subsampling=1), device_jpeg)[1] == "pillow"
    halved = photo(subsampling=2)
    pixels, decoder = decoded(halved, device_jpeg)
    assert decoder == "pillow"
    expected, _ = decoded(halved, None)
    np.testing.assert_array_equal(pixels, expected)
    # It would have been seen.
    assert np.abs(repeat(halved).astype(int) - expected).max() > 5 * LARGEST_DIFFERENCE


def test_device_jpeg__device_that_fails_leaves_all_to_pillow() -> None:
    def fail(_content: bytes) -> NDArray[np.uint8]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    assert decoded(photo(), DeviceJpeg(fail))[1] == "pillow"


def test_device_jpeg__says_what_to_install() -> None:
    code = [sys.executable, "-c", WITHOUT_TORCHCODEC]
    said = subprocess.run(code, capture_output=True, text=True, check=True).stdout
    assert said.startswith("ENHANCER_JPEG_DECODER=torchcodec: ")
    assert 'pip install "shopimg[torchcodec]"' in said


@pytest.mark.parametrize(
    ("device", "decoder", "used"),
    [
        ("torch-cpu", "torchcodec", True),
        ("torch-cpu", "pillow", False),
        ("cpu", "torchcodec", False),
    ],
)
def test_engine__decodes_where_the_settings_say(device: str, decoder: str, used: bool) -> None:
    engine = Engine(WorkerConfig(device=device, jpeg_decoder=decoder, threads=1))
    assert (engine.device_jpeg is not None) is used


def test_run__report_tells_the_decoder() -> None:
    engine = Engine(WorkerConfig(device="torch-cpu", jpeg_decoder="torchcodec", threads=1))
    deadline = Deadline(600)
    (image,) = run_recipe(photo(), CLEAN, engine=engine, deadline=deadline)
    assert image.steps[0].details["decoder"] == "torchcodec"
    engine.close()


@pytest.mark.gpu
def test_device_jpeg__on_cuda_gives_what_the_trial_has_shown() -> None:
    content = photo(subsampling=0)
    pixels, decoder = decoded(content, on_device("cuda:0"))
    assert decoder == "torchcodec"
    expected, _ = decoded(content, None)
    assert np.abs(pixels.astype(int) - expected).max() <= LARGEST_DIFFERENCE
