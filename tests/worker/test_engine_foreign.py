"""Checkpoints from elsewhere: built here at random, found by their tensors, run in tiles."""

import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.blending import run_faded
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.foreign import load_foreign
from enhancer_worker.engine.session import DeviceMemoryError, LoadedNet
from enhancer_worker.nets.manifest import file_digest
from shopimg.contract import Deadline, Network, Recipe, RecipeError, WorkerError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

CPU = Placement("openvino", "cpu", "auto")
FOREVER = Deadline(math.inf)


def compact() -> nn.Module:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=16, num_conv=2, upscale=2)


def esrgan() -> nn.Module:
    from spandrel.architectures.ESRGAN import ESRGAN

    return ESRGAN(num_filters=8, num_blocks=1, scale=4)


def swinir() -> nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    return SwinIR(
        embed_dim=12,
        depths=[2],
        num_heads=[2],
        window_size=8,
        mlp_ratio=2,
        upscale=2,
        upsampler="pixelshuffle",
    )


def nafnet() -> nn.Module:
    from spandrel.architectures.NAFNet import NAFNet

    return NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])


def scunet() -> nn.Module:
    from spandrel.architectures.SCUNet import SCUNet

    return SCUNet(config=[1, 1, 1, 1, 1, 1, 1], dim=64)


NETS = (compact, esrgan, nafnet)


def write(folder: Path, build: Callable[[], nn.Module]) -> str:
    """Write a checkpoint with random weights and tell its digest."""
    torch.manual_seed(0)
    state = {key: value.contiguous().clone() for key, value in build().state_dict().items()}
    path = folder / f"{build.__name__}.safetensors"
    save_file(state, path)
    return file_digest(path)


def load(folder: Path, build: Callable[[], nn.Module]) -> LoadedNet:
    digest = write(folder, build)
    config = WorkerConfig(networks_dir=folder)
    return load_foreign(f"{build.__name__}.safetensors", digest, CPU, config)


@pytest.mark.parametrize(
    ("build", "scale", "architecture"),
    [
        (compact, 2, "RealESRGAN Compact"),
        (esrgan, 4, "ESRGAN"),
        (swinir, 2, "SwinIR"),
        (nafnet, 1, "NAFNet"),
        (scunet, 1, "SCUNet"),
    ],
)
def test_load_foreign__runs_what_it_recognises(
    tmp_path: Path, build: Callable[[], nn.Module], scale: int, architecture: str
) -> None:
    net = load(tmp_path, build)
    assert net.session.device == f"cpu (torch fp32, {architecture})"
    assert net.overlap is not None
    pixels = np.random.default_rng(0).integers(0, 256, (53, 71, 3), np.uint8)
    run = run_faded(net, pixels, tile_size=net.tile_size, overlap=net.overlap, deadline=FOREVER)
    assert run.pixels.shape == (53 * scale, 71 * scale, 3)
    assert run.tile_count == 1


def test_load_foreign__in_tiles_is_close_to_the_whole_picture(tmp_path: Path) -> None:
    net = load(tmp_path, compact)
    pixels = np.random.default_rng(0).integers(0, 256, (150, 190, 3), np.uint8)
    whole = run_faded(net, pixels, tile_size=1024, overlap=0, deadline=FOREVER)
    tiled = run_faded(net, pixels, tile_size=96, overlap=32, deadline=FOREVER)
    assert (whole.tile_count, tiled.tile_count) == (1, 6)
    difference = np.abs(whole.pixels.astype(int) - tiled.pixels)
    assert difference.mean() < 0.1


@pytest.mark.parametrize(("build", "tile_size"), [(compact, 256), (swinir, 384)])
def test_load_foreign__tiles_as_the_descriptor_says(
    tmp_path: Path, build: Callable[[], nn.Module], tile_size: int
) -> None:
    assert load(tmp_path, build).tile_size == tile_size


def test_load_foreign__gives_in_tiles_nearly_what_attention_gives_at_once(tmp_path: Path) -> None:
    net = load(tmp_path, swinir)
    pixels = np.random.default_rng(0).integers(0, 256, (120, 150, 3), np.uint8)
    whole = run_faded(net, pixels, tile_size=1024, overlap=32, deadline=FOREVER)
    tiled = run_faded(net, pixels, tile_size=96, overlap=32, deadline=FOREVER)
    assert (whole.tile_count, tiled.tile_count) == (1, 4)
    assert tiled.pixels.shape == whole.pixels.shape
    # Windows of attention begin elsewhere in a tile, so single pixels may differ.
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).mean() < 0.5


@pytest.mark.usefixtures("torch_threads")
def test_load_foreign__keeps_to_the_threads_of_the_settings(tmp_path: Path) -> None:
    digest = write(tmp_path, compact)
    config = WorkerConfig(networks_dir=tmp_path, threads=1)
    load_foreign("compact.safetensors", digest, CPU, config)
    assert torch.get_num_threads() == 1


def test_foreign_session__tells_when_memory_is_short(tmp_path: Path) -> None:
    net = load(tmp_path, compact)
    huge = np.broadcast_to(np.float32(0), (1, 3, 1 << 22, 1 << 22))
    with pytest.raises(DeviceMemoryError, match="can't allocate memory"):
        net.session(huge)


def test_load_foreign__refuses_another_file(tmp_path: Path) -> None:
    write(tmp_path, compact)
    config = WorkerConfig(networks_dir=tmp_path)
    with pytest.raises(WorkerError) as caught:
        load_foreign("compact.safetensors", "0" * 64, CPU, config)
    assert f"expected {'0' * 64}" in caught.value.detail


def test_load_foreign__needs_a_folder() -> None:
    with pytest.raises(WorkerError) as caught:
        load_foreign("a.safetensors", "0" * 64, CPU, WorkerConfig())
    assert caught.value.detail == (
        "a.safetensors: set ENHANCER_NETWORKS_DIR to the folder that holds it"
    )


def test_load_foreign__says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        load_foreign("a.safetensors", "0" * 64, CPU, WorkerConfig(networks_dir=tmp_path))
    assert str(tmp_path / "a.safetensors") in caught.value.detail


def test_load_foreign__reads_pickles_only_where_allowed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(compact().state_dict(), tmp_path / "compact.pth")
    digest = file_digest(tmp_path / "compact.pth")
    with pytest.raises(WorkerError) as caught:
        load_foreign("compact.pth", digest, CPU, WorkerConfig(networks_dir=tmp_path))
    assert "ENHANCER_ALLOW_PICKLED_NETWORKS=1" in caught.value.detail
    trusting = WorkerConfig(networks_dir=tmp_path, allow_pickled_networks=True)
    assert load_foreign("compact.pth", digest, CPU, trusting).geometry.scale == 2


def test_load_foreign__refuses_tensors_of_no_known_network(tmp_path: Path) -> None:
    save_file({"mystery": torch.zeros(3)}, tmp_path / "odd.safetensors")
    digest = file_digest(tmp_path / "odd.safetensors")
    with pytest.raises(RecipeError, match=r"odd.safetensors is not a network of any known"):
        load_foreign("odd.safetensors", digest, CPU, WorkerConfig(networks_dir=tmp_path))


def test_load_foreign__refuses_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"not a checkpoint")
    digest = file_digest(tmp_path / "bad.safetensors")
    with pytest.raises(WorkerError) as caught:
        load_foreign("bad.safetensors", digest, CPU, WorkerConfig(networks_dir=tmp_path))
    assert "cannot be loaded" in caught.value.detail


def test_load_foreign__refuses_one_channel(tmp_path: Path) -> None:
    from spandrel.architectures.Compact import Compact

    state = Compact(num_in_ch=1, num_out_ch=1, num_feat=16, num_conv=2, upscale=2).state_dict()
    save_file(state, tmp_path / "grey.safetensors")
    digest = file_digest(tmp_path / "grey.safetensors")
    with pytest.raises(RecipeError, match="does not turn one colour picture into another"):
        load_foreign("grey.safetensors", digest, CPU, WorkerConfig(networks_dir=tmp_path))


def test_load_foreign__names_the_extra_that_is_missing(tmp_path: Path) -> None:
    digest = write(tmp_path, compact)
    script = f"""
import sys
sys.modules["spandrel"] = None
from pathlib import Path
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.foreign import load_foreign
from shopimg.contract import WorkerError
try:
    load_foreign("compact.safetensors", "{digest}", Placement("openvino", "cpu", "auto"),
                 WorkerConfig(networks_dir=Path({str(tmp_path)!r})))
except WorkerError as err:
    print(err.detail)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("compact.safetensors needs the extra shopimg[spandrel]")


@pytest.mark.parametrize(
    ("build", "step", "side"),
    [
        (compact, {"step": "upscale", "scale": 3}, 96),
        (nafnet, {"step": "restore"}, 32),
    ],
)
def test_recipe__runs_a_network_by_its_registered_name(
    tmp_path: Path, build: Callable[[], nn.Module], step: dict[str, Any], side: int
) -> None:
    file, digest = f"{build.__name__}.safetensors", write(tmp_path, build)
    networks = {"mine": Network.parse("mine", {"file": file, "sha256": digest})}
    table = {"main": {"steps": [{**step, "network": "mine"}]}}
    recipe = Recipe.parse("named", table, networks)
    upload = io.BytesIO()
    Image.new("RGB", (32, 32), "gray").save(upload, "PNG")
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu", networks_dir=tmp_path))
    (image,) = enhancer.enhance(upload.getvalue(), recipe, deadline=FOREVER)
    enhancer.close()
    assert (image.width, image.height) == (side, side)
    assert image.weights[file] == digest


def test_engine__keeps_the_two_networks_that_ran_last(tmp_path: Path) -> None:
    named = [(f"{build.__name__}.safetensors", write(tmp_path, build)) for build in NETS]
    engine = Engine(WorkerConfig(device="torch-cpu", networks_dir=tmp_path))
    first, second = (engine.foreign(*name) for name in named[:2])
    assert (first.name, second.name) == ("compact.safetensors", "esrgan.safetensors")
    assert engine.foreign(*named[0]) is first
    third = engine.foreign(*named[2])
    assert engine.foreign(*named[0]) is first
    assert engine.foreign(*named[2]) is third
    assert engine.foreign(*named[1]) is not second
    engine.close()
    assert engine.foreign(*named[1]).name == "esrgan.safetensors"
